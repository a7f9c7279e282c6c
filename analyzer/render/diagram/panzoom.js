"use strict";
// What the page's viewer and the self-contained page share: a frame that shows a part of an SVG drawing, zoomed, panned and clicked.
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const distance = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
const midpoint = (a, b) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });

// `scale` is in pixels a drawing unit, `center` in drawing units; `touched` tells that a person has moved it.
function createCamera(frame, largest) {
  const camera = { svg: null, box: { x: 0, y: 0, width: 1, height: 1 }, scale: 1, center: { x: 0, y: 0 }, touched: false };
  const size = () => ({ width: frame.clientWidth || 1, height: frame.clientHeight || 1 });
  const whole = () => Math.min(size().width / camera.box.width, size().height / camera.box.height);
  const smallest = () => Math.min(whole(), 1);

  function load(svg) {
    const [x, y, width, height] = svg.getAttribute("viewBox").split(/[\s,]+/).map(Number);
    Object.assign(camera, { svg, box: { x, y, width, height } });
    svg.setAttribute("role", "group"); // an image could hold no buttons
  }

  // The part that is seen then, without a view beyond the drawing's edges.
  function draw() {
    const { box, center, scale } = camera;
    const [width, height] = [size().width / scale, size().height / scale];
    center.x = width >= box.width ? box.x + box.width / 2 : clamp(center.x, box.x + width / 2, box.x + box.width - width / 2);
    center.y = height >= box.height ? box.y + box.height / 2 : clamp(center.y, box.y + height / 2, box.y + box.height - height / 2);
    const part = { x: center.x - width / 2, y: center.y - height / 2, width, height };
    camera.svg.setAttribute("viewBox", `${part.x} ${part.y} ${width} ${height}`);
    return part;
  }

  function zoom(factor, at) {
    const { left, top, width, height } = frame.getBoundingClientRect();
    const dx = at ? at.clientX - left - width / 2 : 0;
    const dy = at ? at.clientY - top - height / 2 : 0;
    const next = clamp(camera.scale * factor, smallest(), largest);
    camera.center.x += dx / camera.scale - dx / next;
    camera.center.y += dy / camera.scale - dy / next;
    camera.touched = true;
    camera.scale = next;
  }

  function pan(dx, dy) {
    camera.touched = true;
    camera.center.x -= dx / camera.scale;
    camera.center.y -= dy / camera.scale;
  }

  return Object.assign(camera, { size, whole, smallest, load, draw, zoom, pan });
}

const panKeys = (pan) => ({
  ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
});

function wheelFactor(event) {
  const lines = event.deltaMode === 1 ? 16 : 1;
  return Math.exp(clamp(-event.deltaY * lines, -240, 240) * (event.ctrlKey ? 0.01 : 0.0016));
}

// One pointer pans, two zoom; one that hardly travels clicks on what it was put on.
function followPointers(frame, { zoom, pan, click }) {
  const pointers = new Map();
  let travelled = 0;
  frame.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, event);
  });
  frame.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled < 5) return;
    frame.setPointerCapture(event.pointerId);
    frame.classList.add("dragging");
    const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) zoom(distance(event, other) / distance(before, other), midpoint(event, other));
    else pan(dx, dy);
    pointers.set(event.pointerId, event);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    frame.addEventListener(kind, (event) => {
      if (kind === "pointerup" && pointers.has(event.pointerId) && travelled < 5) click(event.target);
      pointers.delete(event.pointerId);
      if (!pointers.size) frame.classList.remove("dragging");
    });
  }
}
