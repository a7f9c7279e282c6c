// Streamlit enters several addresses into the history for one click: the bare path of the page that is left, the new page,
// and each parameter that the server fills in. Here one action of the user is one step back.
const ACTIONS = ["pointerdown", "keydown", "wheel"];

export default function () {
  if (window.resnetAnalyzerSteps) return;
  window.resnetAnalyzerSteps = true;
  const { pushState, replaceState } = window.history;
  let acted = false;
  for (const action of ACTIONS) window.addEventListener(action, () => (acted = true), { capture: true, passive: true });
  window.history.pushState = function (...entry) {
    (acted ? pushState : replaceState).apply(window.history, entry);
    acted = false;
  };
}
