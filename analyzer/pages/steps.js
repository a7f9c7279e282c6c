// Streamlit enters several addresses into the history for one click: the bare path of the page that is left, the new page,
// and each parameter that the server fills in. Here one action of the user is one step back. And a text that a page refuses
// for its length stays out of the address. `data`: longest, the characters of such a text at most.
const ACTIONS = ["pointerdown", "keydown", "wheel"];

export default function ({ data }) {
  if (window.resnetAnalyzerSteps) return;
  window.resnetAnalyzerSteps = true;
  const { pushState, replaceState } = window.history;
  let acted = false;
  for (const action of ACTIONS) window.addEventListener(action, () => (acted = true), { capture: true, passive: true });
  window.history.pushState = function (state, unused, url) {
    (acted ? pushState : replaceState).call(window.history, state, unused, within(url, data.longest));
    acted = false;
  };
  window.history.replaceState = function (state, unused, url) {
    replaceState.call(window.history, state, unused, within(url, data.longest));
  };
}

function within(url, longest) {
  if (!url || String(url).length <= longest) return url;
  const address = new URL(url, window.location.href);
  const given = [...address.searchParams];
  const kept = given.filter(([, value]) => value.length <= longest);
  if (kept.length === given.length) return url;
  address.search = new URLSearchParams(kept);
  return address.href;
}
