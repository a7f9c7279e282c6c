"""Drawings of all levels in one self-contained HTML page: zoom, pan, and levels that open by a click."""

import base64
import hashlib
import json
import re
from html import escape
from itertools import pairwise
from pathlib import Path

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput
from analyzer.render.diagram.dot import LEVELS, box_diagram, dot_text
from analyzer.render.diagram.graphviz import render
from analyzer.render.diagram.picture import BoxDiagram, one_line
from analyzer.render.diagram.style import DEFAULT_STYLE, DiagramPalette, DiagramStyle

_HERE = Path(__file__).parent
PAN_AND_ZOOM = _HERE / "panzoom.js"
"""The script that the page's viewer needs, too, before its own."""


def network_page(
    analysis: Analysis,
    level: str,
    style: DiagramStyle = DEFAULT_STYLE,
    *,
    stage: str | None = None,
    path: str | None = None,
) -> str:
    """The page, opened at a level; it asks nothing of any other machine. Unavailable where nothing can draw."""
    diagrams: dict[str, BoxDiagram] = {level: box_diagram(analysis, level, style, stage=stage, path=path)}
    for other in LEVELS:
        try:
            diagrams.setdefault(other, box_diagram(analysis, other, style, stage=stage, path=path))
        except InvalidInput:
            continue  # a level that would be too large is left out
    ordered = {name: diagrams[name] for name in LEVELS if name in diagrams}
    title = one_line(ordered[level].title, 160)
    sheet, *scripts = (_HERE.joinpath(name).read_text("utf-8") for name in ("webpage.css", "panzoom.js", "webpage.js"))
    script = "".join(scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    facts = {"level": level, "opens": _level_links(ordered)}
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>\n{_colours(style.palette)}\n{sheet}</style>\n</head>\n<body>",
            f"<header><h1>{escape(title)}</h1>\n{_buttons(list(ordered), level)}</header>\n<main>",
            *(_panel(name, diagram, style, name == level) for name, diagram in ordered.items()),
            f'</main>\n<script type="application/json" id="facts">{_json(facts)}</script>',
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def _colours(palette: DiagramPalette) -> str:
    colours = palette._asdict()
    return (
        f":root {{ {' '.join(f'--{name}: {colours[name]};' for name in ('paper', 'ink', 'quiet', 'accent', 'rim'))} }}"
    )


def _buttons(levels: list[str], chosen: str) -> str:
    buttons = [
        f'<button type="button" data-level="{name}" aria-pressed="{str(name == chosen).lower()}">{name}</button>'
        for name in levels
    ]
    labels = {"out": "Zoom out", "in": "Zoom in", "fit": "Show everything", "back": "Back to the coarser level"}
    signs = {"out": "−", "in": "+", "fit": "Fit", "back": "Back"}
    buttons += [
        f'<button type="button" data-act="{act}" title="{label}" aria-label="{label}">{signs[act]}</button>'
        for act, label in labels.items()
    ]
    return f'<nav aria-label="Level and zoom">{"".join(buttons)}</nav>\n'


def _panel(name: str, diagram: BoxDiagram, style: DiagramStyle, visible: bool) -> str:
    """A level's SVG without its own ids, which would be there twice; what they name stands in data-id."""
    svg = render(dot_text(diagram, style), "svg").decode()
    svg = re.sub(r' id="', ' data-id="', svg[svg.index("<svg") :])
    hidden = "" if visible else " hidden"
    return f'<section data-level="{name}" tabindex="0" aria-label="{name} level"{hidden}>\n{svg}</section>'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _level_links(diagrams: dict[str, BoxDiagram]) -> dict[str, dict[str, list[str]]]:
    """Level → id of a box or frame → the next level, and the frame or box in it that shows the same part."""
    links: dict[str, dict[str, list[str]]] = {}
    for name, following in pairwise(diagrams):
        targets: dict[str, str] = {}
        for element, path in _ids_with_paths(diagrams[following]):
            for ancestor in _path_and_ancestors(path):
                targets.setdefault(ancestor, element)
        links[name] = {}
        for element, path in _ids_with_paths(diagrams[name]):
            target = next((targets[ancestor] for ancestor in _path_and_ancestors(path) if ancestor in targets), None)
            if target is not None:
                links[name].setdefault(element, [following, target])
    return links


def _ids_with_paths(diagram: BoxDiagram) -> list[tuple[str, str]]:
    """Each frame's and box's id with a weight path that it stands for, frames first."""
    frames = [
        (frame.name, path) for frame in diagram.frames if frame.title for box in frame.boxes for path in box.paths
    ]
    return frames + [(box.name, path) for box in diagram.boxes for path in box.paths]


def _path_and_ancestors(path: str) -> list[str]:
    """A path and the paths above it, nearest first."""
    names = path.split(".")
    return [".".join(names[:end]) for end in range(len(names), 0, -1)]
