"use strict";
const facts = JSON.parse(document.getElementById("facts").textContent);
const panels = new Map([...document.querySelectorAll("section")].map((section) => [section.dataset.level, panel(section)]));
const past = [];
let current = facts.level;

function panel(section) {
  const svg = section.querySelector("svg");
  const [x, y, width, height] = svg.getAttribute("viewBox").split(/[\s,]+/).map(Number);
  const all = { x, y, width, height };
  let center = { x: x + width / 2, y: y + height / 2 };
  let scale = 0; // pixels a unit; 0: everything fits
  const parts = new Map([...svg.querySelectorAll("g[data-id]")].map((part) => [part.dataset.id, part]));
  const opens = facts.opens[section.dataset.level] || {};

  for (const [id, part] of parts) {
    if (!(id in opens)) continue;
    part.classList.add("opens");
    part.setAttribute("role", "button");
    part.setAttribute("tabindex", "0");
    part.setAttribute("aria-label", `${[...part.querySelectorAll("text")].map((text) => text.textContent).join(", ")}: open`);
  }
  svg.setAttribute("role", "group"); // an image could hold no buttons

  const fitting = () => Math.min(section.clientWidth / all.width, section.clientHeight / all.height) || 1;
  const least = () => Math.min(fitting(), 1);

  function draw() {
    const now = scale || Math.min(fitting(), 2);
    const [w, h] = [section.clientWidth / now, section.clientHeight / now];
    center.x = w >= all.width ? all.x + all.width / 2 : Math.min(Math.max(center.x, all.x + w / 2), all.x + all.width - w / 2);
    center.y = h >= all.height ? all.y + all.height / 2 : Math.min(Math.max(center.y, all.y + h / 2), all.y + all.height - h / 2);
    svg.setAttribute("viewBox", `${center.x - w / 2} ${center.y - h / 2} ${w} ${h}`);
  }

  function zoom(factor, at) {
    const before = scale || Math.min(fitting(), 2);
    const frame = section.getBoundingClientRect();
    const [dx, dy] = at ? [at.clientX - frame.left - frame.width / 2, at.clientY - frame.top - frame.height / 2] : [0, 0];
    scale = Math.min(Math.max(before * factor, least()), 10);
    center = { x: center.x + dx / before - dx / scale, y: center.y + dy / before - dy / scale };
    draw();
  }

  function pan(dx, dy) {
    scale = scale || Math.min(fitting(), 2);
    center = { x: center.x - dx / scale, y: center.y - dy / scale };
    draw();
  }

  function show(id) {
    for (const part of parts.values()) part.classList.toggle("found", part.dataset.id === id);
    const part = parts.get(id);
    if (!part) return;
    const place = part.getBBox();
    const moved = svg.querySelector("g").transform.baseVal.consolidate().matrix;
    scale = Math.min(section.clientWidth / (place.width * moved.a * 1.5), section.clientHeight / (place.height * moved.d * 1.15), 2);
    center = { x: (place.x + place.width / 2) * moved.a + moved.e, y: (place.y + place.height / 2) * moved.d + moved.f };
    draw();
  }

  const pointers = new Map();
  let travelled = 0;
  section.addEventListener("pointerdown", (event) => {
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, event);
  });
  section.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    travelled += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
    if (travelled < 5) return;
    section.setPointerCapture(event.pointerId);
    section.classList.add("dragging");
    const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    if (other) zoom(far(event) / far(before), event);
    else pan(event.clientX - before.clientX, event.clientY - before.clientY);
    pointers.set(event.pointerId, event);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    section.addEventListener(kind, (event) => {
      const part = event.target.closest?.(".opens");
      if (kind === "pointerup" && pointers.has(event.pointerId) && travelled < 5 && part) open(...opens[part.dataset.id]);
      pointers.delete(event.pointerId);
      if (!pointers.size) section.classList.remove("dragging");
    });
  }
  section.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(Math.min(Math.max(-event.deltaY * (event.deltaMode ? 16 : 1), -240), 240) * 0.0016), event);
  }, { passive: false });
  section.addEventListener("keydown", (event) => {
    const part = event.target.closest(".opens");
    if (part && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      open(...opens[part.dataset.id]);
    }
  });
  new ResizeObserver(draw).observe(section);
  return { section, draw, zoom, pan, show, fit: () => { scale = 0; show(null); draw(); } };
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
  ArrowLeft: () => panels.get(current).pan(60, 0), ArrowRight: () => panels.get(current).pan(-60, 0),
  ArrowUp: () => panels.get(current).pan(0, 60), ArrowDown: () => panels.get(current).pan(0, -60),
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
