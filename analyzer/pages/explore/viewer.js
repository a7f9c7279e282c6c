// Shows an SVG drawing that can be zoomed, panned and clicked, by means of panzoom.js. `data`: svg, label, parts (id → what a click on it opens), chosen (one of those).
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
  if (view.source !== data.svg) view.load(data.svg, data.label, data.parts);
  view.mark(data.parts, data.chosen);
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
  const camera = createCamera(canvas, LARGEST);
  const { size, whole } = camera;
  let svg = null, lastWheelElsewhere = 0;

  function load(text, label, parts) {
    view.source = text;
    svg = safeDrawing(text);
    canvas.replaceChildren(...(svg ? [svg] : []));
    canvas.setAttribute("aria-label", label);
    if (!svg) return;
    camera.load(svg);
    svg.setAttribute("width", "100%");
    svg.setAttribute("height", "100%");
    for (const element of svg.querySelectorAll("g[id]")) if (element.id in parts) makeButton(element);
    fitHeight();
    reset();
  }

  // As high as the drawing when it fills the width legibly, within the style sheet's bounds.
  function fitHeight() {
    root.classList.toggle("narrow", root.clientWidth < NARROW);
    const along = clamp(size().width / camera.box.width, LEGIBLE, LARGEST_AT_FIRST);
    root.style.setProperty("--wanted", `${Math.ceil(camera.box.height * along) + 2}px`);
  }

  function makeButton(element) {
    const words = [...element.querySelectorAll("text")].map((text) => text.textContent.trim());
    element.classList.add("place");
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", "0");
    element.setAttribute("aria-label", words.join(", ") || element.id);
  }

  function mark(parts, chosen) {
    if (!svg) return;
    for (const element of svg.querySelectorAll(".place")) {
      element.classList.toggle("chosen", parts[element.id] === chosen);
      element.setAttribute("aria-pressed", String(parts[element.id] === chosen));
    }
  }

  function draw() {
    if (!svg) return;
    const { x, width, height } = camera.draw();
    const { box } = camera;
    canvas.classList.toggle("free", width < box.width - 1 || height < box.height - 1);
    root.classList.toggle("more-left", x > box.x + 1);
    root.classList.toggle("more-right", x + width < box.x + box.width - 1);
  }

  function reset() {
    const { width, height } = size();
    const { box } = camera;
    const fits = whole() >= LEGIBLE;
    const along = Math.max(width / box.width, height / box.height); // a long drawing begins at its start
    camera.touched = false;
    camera.scale = fits ? Math.min(whole(), LARGEST_AT_FIRST) : Math.min(clamp(along, LEGIBLE, LARGEST_AT_FIRST), wholePart(width));
    camera.center = fits ? { x: box.x + box.width / 2, y: box.y + box.height / 2 } : { x: box.x, y: box.y };
    draw();
  }

  // On a narrow page, the largest scale at which the first part is in sight from side to side.
  function wholePart(width) {
    const part = root.classList.contains("narrow") && svg?.querySelector("g.cluster")?.getBBox();
    return part ? Math.max(width / (part.x + part.width + MARGIN - camera.box.x), SMALLEST_AT_FIRST) : LARGEST_AT_FIRST;
  }

  function showWhole() {
    camera.touched = true;
    camera.scale = Math.min(whole(), LARGEST_AT_FIRST);
    draw();
  }

  function zoom(factor, at) {
    camera.zoom(factor, at);
    draw();
  }

  function pan(dx, dy) {
    camera.pan(dx, dy);
    draw();
  }

  const acts = { in: () => zoom(1.3), out: () => zoom(1 / 1.3), fit: showWhole, reset };
  const keys = {
    "+": acts.in, "=": acts.in, "-": acts.out, 0: acts.fit, ...panKeys(pan),
  };

  root.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]");
    if (act) acts[act.dataset.act]();
  });
  root.addEventListener("keydown", (event) => {
    const button = event.target.closest(".place");
    if (button && (event.key === "Enter" || event.key === " ")) view.pick(button.id);
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
    const smallest = event.deltaY > 0 && camera.scale <= camera.smallest() * 1.001;
    if (passing) lastWheelElsewhere = event.timeStamp;
    if (passing || (smallest && !event.ctrlKey)) return;
    event.preventDefault();
    zoom(wheelFactor(event), event);
  }, { passive: false });

  followPointers(canvas, { zoom, pan, click: (target) => {
    const button = target.closest?.(".place");
    if (button) view.pick(button.id);
  } });

  new ResizeObserver(() => {
    fitHeight();
    camera.touched ? draw() : reset();
  }).observe(canvas);
  return view;
}
