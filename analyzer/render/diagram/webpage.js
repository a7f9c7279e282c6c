const facts = JSON.parse(document.getElementById("facts").textContent);
const panels = new Map([...document.querySelectorAll("section")].map((section) => [section.dataset.level, panel(section)]));
const past = [];
let current = facts.level;

function panel(section) {
  const svg = section.querySelector("svg");
  const camera = createCamera(section, 10);
  camera.load(svg);
  const parts = new Map([...svg.querySelectorAll("g[data-id]")].map((part) => [part.dataset.id, part]));
  const opens = facts.opens[section.dataset.level] || {};

  for (const [id, part] of parts) {
    if (!(id in opens)) continue;
    part.classList.add("opens");
    part.setAttribute("role", "button");
    part.setAttribute("tabindex", "0");
    part.setAttribute("aria-label", `${[...part.querySelectorAll("text")].map((text) => text.textContent).join(", ")}: open`);
  }

  // Everything, until a person moves it.
  function draw() {
    if (!camera.touched) camera.scale = Math.min(camera.whole(), 2);
    camera.draw();
  }

  function zoom(factor, at) {
    camera.zoom(factor, at);
    draw();
  }

  function pan(dx, dy) {
    camera.pan(dx, dy);
    draw();
  }

  function show(id) {
    for (const part of parts.values()) part.classList.toggle("found", part.dataset.id === id);
    const part = parts.get(id);
    if (!part) return;
    const place = part.getBBox();
    const moved = svg.querySelector("g").transform.baseVal.consolidate().matrix;
    camera.touched = true;
    camera.scale = Math.min(section.clientWidth / (place.width * moved.a * 1.5), section.clientHeight / (place.height * moved.d * 1.15), 2);
    camera.center = { x: (place.x + place.width / 2) * moved.a + moved.e, y: (place.y + place.height / 2) * moved.d + moved.f };
    draw();
  }

  followPointers(section, { zoom, pan, click: (target) => {
    const part = target.closest?.(".opens");
    if (part) open(...opens[part.dataset.id]);
  } });
  section.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(wheelFactor(event), event);
  }, { passive: false });
  section.addEventListener("keydown", (event) => {
    const part = event.target.closest(".opens");
    if (part && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      open(...opens[part.dataset.id]);
    }
  });
  new ResizeObserver(draw).observe(section);
  return { section, draw, zoom, pan, show, fit: () => { camera.touched = false; show(null); draw(); } };
}

function open(level, id, remember = true) {
  if (remember && level !== current) past.push(current);
  current = level;
  for (const [name, { section }] of panels) section.hidden = name !== level;
  for (const button of document.querySelectorAll("button[data-level]")) {
    button.setAttribute("aria-pressed", String(button.dataset.level === level));
  }
  panels.get(level).draw();
  if (id) panels.get(level).show(id);
  panels.get(level).section.focus({ preventScroll: true });
}

const acts = {
  in: () => panels.get(current).zoom(1.3),
  out: () => panels.get(current).zoom(1 / 1.3),
  fit: () => panels.get(current).fit(),
  back: () => past.length && open(past.pop(), null, false),
};
const keys = {
  "+": acts.in, "=": acts.in, "-": acts.out, 0: acts.fit, Backspace: acts.back, Escape: acts.back,
  ...panKeys((dx, dy) => panels.get(current).pan(dx, dy)),
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.level) open(button.dataset.level);
  else if (button) acts[button.dataset.act]();
});
document.addEventListener("keydown", (event) => {
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
});
