// Streamlit enters several addresses into the history for one click (the bare path of the page that is left, the new page,
// each parameter that the server fills in), and none for a widget whose value the browser writes into the address itself.
// Here one action of the user is one step back. And a text that a page refuses for its length stays out of the address.
// `data`: longest, the characters of such a text at most.
const ACTIONS = ["pointerdown", "keydown", "wheel"];

export default function ({ data }) {
  if (window.resnetAnalyzerSteps) return;
  window.resnetAnalyzerSteps = true;
  const { pushState, replaceState } = window.history;
  let acted = false;
  const noteAction = (event) => (acted = event.type !== "popstate"); // Back is an action, but one within the history
  for (const action of [...ACTIONS, "popstate"]) window.addEventListener(action, noteAction, { capture: true, passive: true });
  window.history.pushState = window.history.replaceState = function (state, unused, url) {
    const address = within(url, data.longest);
    const moves = address && new URL(address, window.location.href).href !== window.location.href;
    (acted && moves ? pushState : replaceState).call(window.history, state, unused, address);
    if (moves) acted = false;
  };
}

function within(url, longest) {
  if (!url || String(url).length <= longest) return url;
  const address = new URL(url, window.location.href);
  const parameters = [...address.searchParams];
  const short = parameters.filter(([, value]) => value.length <= longest);
  if (short.length === parameters.length) return url;
  address.search = new URLSearchParams(short);
  return address.href;
}
