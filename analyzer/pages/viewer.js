// Shows an SVG drawing that can be zoomed, panned and clicked. `data`: svg, label, places (id → what a click on it opens), chosen (one of those).
const NAMESPACE = "http://www.w3.org/2000/svg";
const LEGIBLE = 0.85; // pixels a drawing unit; below it the small print is hard to read
const SMALLEST_AT_FIRST = 0.62; // the same, where only that shows a narrow page the whole of the first part
const LARGEST_AT_FIRST = 1.25;
const LARGEST = 8;
const NARROW = 704; // pixels; below it the buttons would lie on the drawing's title
const MARGIN = 12; // drawing units beside the first part
const views = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let view = views.get(parentElement);
  if (!view) {
    view = createView(parentElement.querySelector(".viewer"));
    views.set(parentElement, view);
  }
  view.pick = (id) => setTriggerValue("picked", id);
  if (view.source !== data.svg) view.load(data.svg, data.label, data.places);
  view.mark(data.places, data.chosen);
}

function safeDrawing(text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
  const svg = parsed.documentElement;
  if (svg.namespaceURI !== NAMESPACE || svg.localName !== "svg") return null;
  for (const element of [svg, ...svg.querySelectorAll("*")]) {
    const unsafe = element.namespaceURI !== NAMESPACE || ["script", "foreignObject", "style", "image"].includes(element.localName);
    if (unsafe) element.remove();
    for (const { name, value } of [...element.attributes]) {
      const link = name === "href" || name.endsWith(":href");
      if (name.startsWith("on") || (link && !value.startsWith("#"))) element.removeAttribute(name);
    }
  }
  return document.importNode(svg, true);
}

function createView(root) {
  const canvas = root.querySelector(".canvas");
  const view = { source: null, pick: () => {}, load, mark };
  let svg = null, box = { x: 0, y: 0, width: 1, height: 1 };
  let scale = 1, center = { x: 0, y: 0 }, touched = false, lastWheelElsewhere = 0;

  const size = () => ({ width: canvas.clientWidth || 1, height: canvas.clientHeight || 1 });
  const whole = () => Math.min(size().width / box.width, size().height / box.height);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  function load(text, label, places) {
    view.source = text;
    svg = safeDrawing(text);
    canvas.replaceChildren(...(svg ? [svg] : []));
    canvas.setAttribute("aria-label", label);
    if (!svg) return;
    const [x, y, width, height] = svg.getAttribute("viewBox").split(/[\s,]+/).map(Number);
    box = { x, y, width, height };
    svg.setAttribute("role", "group"); // an image could hold no buttons
    svg.setAttribute("width", "100%");
    svg.setAttribute("height", "100%");
    for (const element of svg.querySelectorAll("g[id]")) if (element.id in places) makeButton(element);
    fitHeight();
    reset();
  }

  // As high as the drawing when it fills the width legibly, within the style sheet's bounds.
  function fitHeight() {
    root.classList.toggle("narrow", root.clientWidth < NARROW);
    const along = clamp(size().width / box.width, LEGIBLE, LARGEST_AT_FIRST);
    root.style.setProperty("--wanted", `${Math.ceil(box.height * along) + 2}px`);
  }

  function makeButton(element) {
    const words = [...element.querySelectorAll("text")].map((text) => text.textContent.trim());
    element.classList.add("place");
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", "0");
    element.setAttribute("aria-label", words.join(", ") || element.id);
  }

  function mark(places, chosen) {
    if (!svg) return;
    for (const element of svg.querySelectorAll(".place")) {
      element.classList.toggle("chosen", places[element.id] === chosen);
      element.setAttribute("aria-pressed", String(places[element.id] === chosen));
    }
  }

  function draw() {
    if (!svg) return;
    const { width, height } = size();
    const [w, h] = [width / scale, height / scale];
    center.x = w >= box.width ? box.x + box.width / 2 : clamp(center.x, box.x + w / 2, box.x + box.width - w / 2);
    center.y = h >= box.height ? box.y + box.height / 2 : clamp(center.y, box.y + h / 2, box.y + box.height - h / 2);
    svg.setAttribute("viewBox", `${center.x - w / 2} ${center.y - h / 2} ${w} ${h}`);
    canvas.classList.toggle("free", w < box.width - 1 || h < box.height - 1);
    root.classList.toggle("more-left", center.x - w / 2 > box.x + 1);
    root.classList.toggle("more-right", center.x + w / 2 < box.x + box.width - 1);
  }

  function reset() {
    const { width, height } = size();
    const fits = whole() >= LEGIBLE;
    const along = Math.max(width / box.width, height / box.height); // a long drawing begins at its start
    touched = false;
    scale = fits ? Math.min(whole(), LARGEST_AT_FIRST) : Math.min(clamp(along, LEGIBLE, LARGEST_AT_FIRST), wholePart(width));
    center = fits ? { x: box.x + box.width / 2, y: box.y + box.height / 2 } : { x: box.x, y: box.y };
    draw();
  }

  // On a narrow page, the largest scale at which the first part is in sight from side to side.
  function wholePart(width) {
    const part = root.classList.contains("narrow") && svg?.querySelector("g.cluster")?.getBBox();
    return part ? Math.max(width / (part.x + part.width + MARGIN - box.x), SMALLEST_AT_FIRST) : LARGEST_AT_FIRST;
  }

  function showWhole() {
    touched = true;
    scale = Math.min(whole(), LARGEST_AT_FIRST);
    draw();
  }

  function zoom(factor, at) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const dx = at ? at.clientX - left - width / 2 : 0;
    const dy = at ? at.clientY - top - height / 2 : 0;
    const next = clamp(scale * factor, Math.min(whole(), 1), LARGEST);
    center.x += dx / scale - dx / next;
    center.y += dy / scale - dy / next;
    touched = true;
    scale = next;
    draw();
  }

  function pan(dx, dy) {
    touched = true;
    center.x -= dx / scale;
    center.y -= dy / scale;
    draw();
  }

  const acts = { in: () => zoom(1.3), out: () => zoom(1 / 1.3), fit: showWhole, reset };
  const keys = {
    "+": acts.in, "=": acts.in, "-": acts.out, 0: acts.fit,
    ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
  };

  root.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]");
    if (act) acts[act.dataset.act]();
  });
  root.addEventListener("keydown", (event) => {
    const place = event.target.closest(".place");
    if (place && (event.key === "Enter" || event.key === " ")) view.pick(place.id);
    else if (keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) keys[event.key]();
    else return;
    event.preventDefault();
  });

  // A scroll of the page that passes over the drawing goes on scrolling the page; one that begins here zooms.
  window.addEventListener("wheel", (event) => {
    if (!event.composedPath().includes(canvas)) lastWheelElsewhere = event.timeStamp;
  }, { passive: true, capture: true });
  canvas.addEventListener("wheel", (event) => {
    const passing = event.timeStamp - lastWheelElsewhere < 300 && !event.ctrlKey;
    const smallest = event.deltaY > 0 && scale <= Math.min(whole(), 1) * 1.001;
    if (passing) lastWheelElsewhere = event.timeStamp;
    if (passing || (smallest && !event.ctrlKey)) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    zoom(Math.exp(clamp(-event.deltaY * lines, -240, 240) * (event.ctrlKey ? 0.01 : 0.0016)), event);
  }, { passive: false });

  const pointers = new Map();
  let travelled = 0;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled < 5) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("dragging");
    const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) zoom(distance(event, other) / distance(before, other), midpoint(event, other));
    else pan(dx, dy);
    pointers.set(event.pointerId, event);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      const place = event.target.closest?.(".place");
      if (kind === "pointerup" && pointers.has(event.pointerId) && travelled < 5 && place) view.pick(place.id);
      pointers.delete(event.pointerId);
      if (!pointers.size) canvas.classList.remove("dragging");
    });
  }

  new ResizeObserver(() => {
    fitHeight();
    touched ? draw() : reset();
  }).observe(canvas);
  return view;
}

const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
const midpoint = (a, b) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
