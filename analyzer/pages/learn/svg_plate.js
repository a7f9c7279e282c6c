// Shows a still drawing, scaled to its container and no smaller than can be read; a wider one scrolls. `data`: svg, label, zoom.
const NAMESPACE = "http://www.w3.org/2000/svg";

export default function ({ data, parentElement }) {
  const container = parentElement.querySelector(".plate");
  if (container.source !== data.svg) {
    container.source = data.svg;
    container.replaceChildren(...svgElements(data.svg, data.zoom));
  }
  container.setAttribute("aria-label", data.label);
}

function svgElements(text, zoom) {
  const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (svg.namespaceURI !== NAMESPACE || svg.localName !== "svg") return [];
  const width = Number(svg.getAttribute("viewBox").split(/\s+/)[2]);
  svg.style.setProperty("--wide", `${Math.ceil(width * zoom)}px`);
  return [document.importNode(svg, true)];
}
