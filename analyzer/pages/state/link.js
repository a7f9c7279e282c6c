// Copies the page's address. Where the clipboard is out of reach, the address is shown, selected, to be copied by hand.
const SAID_FOR = 2000; // milliseconds

export default function ({ parentElement }) {
  const root = parentElement.querySelector(".link");
  if (root.ready) return;
  root.ready = true;
  const [button, said, shown] = [root.querySelector("button"), root.querySelector(".said"), root.querySelector("label")];
  const [words, field] = [button.querySelector("span"), shown.querySelector("input")];
  let timer;

  function say(text) {
    clearTimeout(timer);
    [words.textContent, said.textContent] = [text, text];
    timer = setTimeout(() => ([words.textContent, said.textContent] = ["Copy link", ""]), SAID_FOR);
  }

  function show() {
    shown.hidden = false;
    field.value = window.location.href;
    field.focus();
    field.select();
  }

  button.onclick = async () => {
    if (!shown.hidden) return hide();
    try {
      await navigator.clipboard.writeText(window.location.href);
      say("Copied");
    } catch {
      show();
    }
  };
  const hide = () => (shown.hidden = true);
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || shown.hidden) return;
    hide();
    button.focus();
  });
  field.addEventListener("blur", () => setTimeout(hide, 150));
}
