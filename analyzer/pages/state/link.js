// Copies the page's address. Where the clipboard is out of reach, the address is shown, selected, to be copied by hand.
const MESSAGE_MS = 2000;

export default function ({ parentElement }) {
  const root = parentElement.querySelector(".link");
  if (root.ready) return;
  root.ready = true;
  const [button, status, fallback] = [root.querySelector("button"), root.querySelector(".status"), root.querySelector("label")];
  const [words, field] = [button.querySelector("span"), fallback.querySelector("input")];
  let timer;

  function say(text) {
    clearTimeout(timer);
    [words.textContent, status.textContent] = [text, text];
    timer = setTimeout(() => ([words.textContent, status.textContent] = ["Copy link", ""]), MESSAGE_MS);
  }

  function show() {
    fallback.hidden = false;
    field.value = window.location.href;
    field.focus();
    field.select();
  }

  button.onclick = async () => {
    if (!fallback.hidden) return hide();
    try {
      await navigator.clipboard.writeText(window.location.href);
      say("Copied");
    } catch {
      show();
    }
  };
  const hide = () => (fallback.hidden = true);
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || fallback.hidden) return;
    hide();
    button.focus();
  });
  field.addEventListener("blur", () => setTimeout(hide, 150));
}
