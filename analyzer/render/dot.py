"""Drawings as DOT text, the Graphviz language, through the `graphviz` package."""

from collections.abc import Callable
from html import escape as escape_html

from graphviz import Digraph, escape

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.render.diagram import Arrow, Box, Frame, Picture, Role
from analyzer.render.diagram_network import network_picture

LEVELS: dict[str, Callable[[Analysis], Picture]] = {"network": network_picture}
"""Level → what it draws."""

MAX_BOXES, MAX_ARROWS = 1_500, 3_000
"""Layout time grows faster than the drawing; beyond this nobody could read it, either."""

_FONT = "Helvetica,Arial,sans-serif"
_SIZE, _SMALL = 10.0, 8.5
_INK, _QUIET, _ACCENT, _LINE = "#1f2933", "#5b6770", "#0b57d0", "#4a5560"
_PAPER, _TINT, _GREY, _RIM = "#ffffff", "#eef3fb", "#f1f3f5", "#c3cfdd"

_GRAPH = {"rankdir": "LR", "labelloc": "t", "labeljust": "l", "bgcolor": _PAPER, "pad": "0.08"}
_GRAPH |= {"fontname": _FONT, "fontsize": "11", "fontcolor": _INK, "ranksep": "0.1", "nodesep": "0.1"}
_NODE = {"fontname": _FONT, "fontsize": f"{_SIZE:g}", "fontcolor": _INK, "style": "filled", "margin": "0.045,0.035"}
_NODE |= {"width": "0.2", "height": "0.2"}
_EDGE = {"fontname": _FONT, "fontsize": f"{_SMALL}", "fontcolor": _QUIET, "color": _LINE, "arrowsize": "0.45"}
_FRAME = {"style": "rounded,filled", "fillcolor": _TINT, "color": _RIM, "margin": "6", "labeljust": "c"}
_FRAME |= {"fontsize": f"{_SIZE:g}"}

_LOOKS: dict[Role, dict[str, str]] = {
    "section": {"shape": "box", "style": "rounded,filled", "fillcolor": _GREY, "color": _RIM},
    "transition": {"shape": "polygon", "sides": "4", "distortion": "-0.15", "fillcolor": _GREY, "color": _QUIET},
    "block": {"shape": "box", "fillcolor": _PAPER, "color": _ACCENT},
    "conv": {"shape": "box", "fillcolor": _PAPER, "color": _ACCENT},
    "slim": {"shape": "box", "style": "rounded,filled", "fillcolor": _GREY, "color": _RIM},
    "add": {"shape": "circle", "fillcolor": _PAPER, "color": _ACCENT, "fixedsize": "true", "width": "0.17"},
    "concat": {"shape": "box", "style": "rounded,filled", "fillcolor": _PAPER, "color": _ACCENT},
    "fork": {"shape": "point", "width": "0.05", "color": _LINE},
}

_DASHED = ("projection", "zero-pad")


def dot_source(analysis: Analysis, level: str) -> str:
    """The DOT text of a network at a level; InvalidInput for an unknown level or a drawing of over 1,500 boxes."""
    if level not in LEVELS:
        raise InvalidInput(f"level {shortened(level)!r} is unknown; levels are {', '.join(LEVELS)}.")
    picture = LEVELS[level](analysis)
    if len(picture.boxes) > MAX_BOXES or len(picture.arrows) > MAX_ARROWS:
        raise InvalidInput(
            f"{level} level of {shortened(analysis.variant)}: {len(picture.boxes)} boxes and {len(picture.arrows)} arrows "
            f"are over the bound of {MAX_BOXES} and {MAX_ARROWS}; take a coarser level."
        )
    return dot_text(picture)


def dot_text(picture: Picture) -> str:
    """A picture as DOT text; the first two lines, comments, are its title and description."""
    title = plain(picture.title)
    graph = Digraph(name=escape(title), comment=f"{title}\n// {plain(picture.description, 2000)}")
    heading = _rich(title, (), (picture.legend,) if picture.legend else (), left=True)
    graph.attr("graph", _GRAPH | {"label": heading, "rankdir": "LR" if picture.across else "TB"})
    graph.attr("node", _NODE)
    graph.attr("edge", _EDGE)
    for frame in picture.frames:
        _draw_frame(graph, frame)
    for arrow in picture.arrows:
        _draw_arrow(graph, arrow)
    return str(graph.source)


def plain(text: str, limit: int = 200) -> str:
    """Text on one line without control characters, cut to `limit`, since titles may come from anywhere."""
    return shortened(text, limit)


def _draw_frame(graph: Digraph, frame: Frame) -> None:
    if not frame.title:
        for box in frame.boxes:
            _draw_box(graph, box)
        return
    with graph.subgraph(name=f"cluster_{frame.name}") as cluster:
        label = _rich(frame.title, frame.lines, frame.facts)
        cluster.attr("graph", _FRAME | {"id": escape(frame.name), "label": label, "tooltip": escape(frame.tip)})
        for box in frame.boxes:
            _draw_box(cluster, box)


def _draw_box(graph: Digraph, box: Box) -> None:
    attributes = {"id": escape(box.name), "class": box.role, "tooltip": escape(plain(box.tip, 500))}
    attributes |= _LOOKS[box.role] | (_trapezium(box) if box.role == "transition" else {})
    graph.node(_node_id(box.name), label=_label(box), **attributes)


def _label(box: Box) -> str:
    if box.role in ("add", "fork"):
        return str(escape(box.title))
    return _rich(box.title, box.lines, box.facts)


def _trapezium(box: Box) -> dict[str, str]:
    """A trapezium that narrows to the right and is no wider than its text; Graphviz would make it twice as wide."""
    lines = (box.title, *box.lines, *box.facts)
    width = max(_ems(line) for line in lines) * _SIZE + 16
    height = len(lines) * 1.25 * _SIZE + 8
    return {"orientation": "-90", "fixedsize": "true", "width": f"{width / 72:.2f}", "height": f"{height / 65:.2f}"}


_EMS = dict.fromkeys("ijl .,/", 0.28) | dict.fromkeys("ftr-", 0.36) | dict.fromkeys("mMGw", 0.85)


def _ems(text: str) -> float:
    """About how wide a text is in bold Helvetica, in font sizes."""
    return sum(_EMS.get(character, 0.6) for character in text)


def _rich(title: str, lines: tuple[str, ...], facts: tuple[str, ...], left: bool = False) -> str:
    """An HTML-like label: title bold, lines plain, facts small and quiet."""
    text = [f"<B>{escape_html(plain(title))}</B>"] if title else []
    text += [escape_html(plain(line)) for line in lines]
    text += [f'<FONT POINT-SIZE="{_SMALL}" COLOR="{_QUIET}">{escape_html(plain(fact))}</FONT>' for fact in facts]
    side = ' ALIGN="LEFT"' if left else ""
    rows = "".join(f"<TR><TD{side}>{line}</TD></TR>" for line in text)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0">{rows}</TABLE>>'


def _draw_arrow(graph: Digraph, arrow: Arrow) -> None:
    attributes = {"class": str(arrow.flow), "weight": "10"}
    if arrow.flow != "data":
        attributes |= {"weight": "1", "color": _ACCENT}
    if arrow.flow in _DASHED:
        attributes |= {"style": "dashed"}
    graph.edge(_node_id(arrow.tail), _node_id(arrow.head), **attributes)


def _node_id(name: str) -> str:
    """A name that DOT takes whole; after a colon it would look for a port."""
    return str(escape(plain(name).replace(":", "\N{RATIO}")))
