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
    look: DiagramStyle = DEFAULT_STYLE,
    *,
    stage: str | None = None,
    path: str | None = None,
) -> str:
    """The page, opened at a level; it asks nothing of any other machine. Unavailable where nothing can draw."""
    drawn: dict[str, BoxDiagram] = {level: box_diagram(analysis, level, look, stage=stage, path=path)}
    for other in LEVELS:
        try:
            drawn.setdefault(other, box_diagram(analysis, other, look, stage=stage, path=path))
        except InvalidInput:
            continue  # a level that would be too large is left out
    pictures = {name: drawn[name] for name in LEVELS if name in drawn}
    title = one_line(pictures[level].title, 160)
    style, *scripts = (_HERE.joinpath(name).read_text("utf-8") for name in ("webpage.css", "panzoom.js", "webpage.js"))
    script = "".join(scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    facts = {"level": level, "opens": _level_links(pictures)}
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>\n{_colours(look.palette)}\n{style}</style>\n</head>\n<body>",
            f"<header><h1>{escape(title)}</h1>\n{_buttons(list(pictures), level)}</header>\n<main>",
            *(_panel(name, part, look, name == level) for name, part in pictures.items()),
            f'</main>\n<script type="application/json" id="facts">{_json(facts)}</script>',
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def _colours(palette: DiagramPalette) -> str:
    told = palette._asdict()
    return f":root {{ {' '.join(f'--{name}: {told[name]};' for name in ('paper', 'ink', 'quiet', 'accent', 'rim'))} }}"


def _buttons(levels: list[str], chosen: str) -> str:
    made = [
        f'<button type="button" data-level="{name}" aria-pressed="{str(name == chosen).lower()}">{name}</button>'
        for name in levels
    ]
    zoom = {"out": "Zoom out", "in": "Zoom in", "fit": "Show everything", "back": "Back to the coarser level"}
    signs = {"out": "−", "in": "+", "fit": "Fit", "back": "Back"}
    made += [
        f'<button type="button" data-act="{act}" title="{words}" aria-label="{words}">{signs[act]}</button>'
        for act, words in zoom.items()
    ]
    return f'<nav aria-label="Level and zoom">{"".join(made)}</nav>\n'


def _panel(name: str, drawn: BoxDiagram, look: DiagramStyle, shown: bool) -> str:
    """A level's SVG without its own ids, which would be there twice; what they name stands in data-id."""
    svg = render(dot_text(drawn, look), "svg").decode()
    svg = re.sub(r' id="', ' data-id="', svg[svg.index("<svg") :])
    hidden = "" if shown else " hidden"
    return f'<section data-level="{name}" tabindex="0" aria-label="{name} level"{hidden}>\n{svg}</section>'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _level_links(pictures: dict[str, BoxDiagram]) -> dict[str, dict[str, list[str]]]:
    """Level → id of a box or frame → the next level, and the frame or box in it that shows the same part."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, following in pairwise(pictures):
        targets: dict[str, str] = {}
        for part, path in _ids_with_paths(pictures[following]):
            for place in _path_and_ancestors(path):
                targets.setdefault(place, part)
        found[name] = {}
        for part, path in _ids_with_paths(pictures[name]):
            target = next((targets[place] for place in _path_and_ancestors(path) if place in targets), None)
            if target is not None:
                found[name].setdefault(part, [following, target])
    return found


def _ids_with_paths(drawn: BoxDiagram) -> list[tuple[str, str]]:
    """Each frame's and box's id with a weight path that it stands for, frames first."""
    frames = [(frame.name, path) for frame in drawn.frames if frame.title for box in frame.boxes for path in box.paths]
    return frames + [(box.name, path) for box in drawn.boxes for path in box.paths]


def _path_and_ancestors(path: str) -> list[str]:
    """A path and the paths above it, nearest first."""
    names = path.split(".")
    return [".".join(names[:end]) for end in range(len(names), 0, -1)]
