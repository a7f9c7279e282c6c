// The chapters as links: a plain click changes the chapter in place, any other one opens the link. `data`: items, current, label, kind.
const lastData = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const nav = parentElement.querySelector("nav");
  const before = lastData.get(parentElement);
  lastData.set(parentElement, data);
  nav.onclick = (event) => {
    const link = event.target.closest("a");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    setTriggerValue("chosen", link.dataset.chapter);
  };
  if (before && JSON.stringify(before) === JSON.stringify(data)) return;
  const focused = nav.getRootNode().activeElement?.dataset.chapter;
  nav.className = data.kind;
  nav.setAttribute("aria-label", data.label);
  nav.replaceChildren(data.kind === "list" ? list(data) : turn(data));
  if (focused) nav.querySelector(`[data-chapter="${focused}"]`)?.focus({ preventScroll: true });
  if (data.kind === "list" && before && before.current !== data.current) toTheTop();
}

function link(item, words) {
  const anchor = document.createElement("a");
  anchor.href = `?chapter=${item.key}`;
  anchor.dataset.chapter = item.key;
  anchor.append(...words);
  return anchor;
}

function element(name, text, kind = "") {
  const node = document.createElement(name);
  node.textContent = text;
  node.className = kind;
  return node;
}

function list({ items, current, label }) {
  const details = document.createElement("details");
  const chapters = document.createElement("ol");
  for (const item of items) {
    const anchor = link(item, [element("span", item.title)]);
    if (item.key === current) anchor.setAttribute("aria-current", "page");
    const entry = document.createElement("li");
    entry.append(anchor);
    chapters.append(entry);
  }
  const summary = element("summary", label);
  const wide = window.matchMedia("(min-width: 64rem)");
  const unfold = () => {
    details.open = wide.matches;
    summary.tabIndex = wide.matches ? -1 : 0; // where there is room the list is always open
  };
  wide.onchange = unfold;
  unfold();
  details.append(summary, chapters);
  return details;
}

function turn({ items }) {
  const fragment = document.createDocumentFragment();
  for (const item of items) {
    const end = link(item, [element("small", item.words), element("span", item.title)]);
    end.className = item.side;
    fragment.append(end);
  }
  return fragment;
}

function toTheTop() {
  document.querySelector('[data-testid="stMain"]')?.scrollTo({ top: 0 });
}
