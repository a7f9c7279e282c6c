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

_FONT = "Helvetica,Arial,sans-serif"
_INK, _QUIET, _ACCENT, _LINE = "#1f2933", "#5b6770", "#0b57d0", "#4a5560"
_PAPER, _TINT, _GREY, _RIM = "#ffffff", "#eef3fb", "#f1f3f5", "#c3cfdd"

_SHAPES: dict[Role, dict[str, str]] = {
    "section": {"shape": "box", "style": "rounded,filled", "fillcolor": _GREY, "color": _RIM},
    "transition": {"shape": "octagon", "style": "filled", "fillcolor": _GREY, "color": _QUIET, "margin": "0.0,0.0"},
    "block": {"shape": "box", "style": "filled", "fillcolor": _PAPER, "color": _ACCENT},
    "conv": {"shape": "box", "style": "filled", "fillcolor": _PAPER, "color": _ACCENT},
    "slim": {"shape": "box", "style": "rounded,filled", "fillcolor": _GREY, "color": _RIM},
    "merge": {"shape": "ellipse", "style": "filled", "fillcolor": _PAPER, "color": _ACCENT, "margin": "0.03,0.0"},
    "fork": {"shape": "point", "width": "0.05", "color": _LINE},
    "end": {"shape": "plain"},
}


def dot_source(analysis: Analysis, level: str) -> str:
    """The DOT text of a network at a level; InvalidInput for an unknown level."""
    if level not in LEVELS:
        raise InvalidInput(f"level {shortened(level)!r} is unknown; levels are {', '.join(LEVELS)}.")
    return dot_text(LEVELS[level](analysis))


def dot_text(picture: Picture) -> str:
    """A picture as DOT text; the first two lines, comments, are its title and description."""
    title = plain(picture.title)
    graph = Digraph(name=escape(title), comment=f"{title}\n// {plain(picture.description, 1000)}")
    graph.attr(
        "graph",
        rankdir="LR" if picture.across else "TB",
        label=_rich(title, ()),
        labelloc="t",
        labeljust="l",
        fontname=_FONT,
        fontsize="11",
        fontcolor=_INK,
        bgcolor=_PAPER,
        pad="0.1",
        ranksep="0.1",
        nodesep="0.1",
        newrank="true",
    )
    graph.attr(
        "node",
        fontname=_FONT,
        fontsize="10",
        fontcolor=_INK,
        penwidth="1",
        margin="0.06,0.04",
        height="0.2",
        width="0.2",
    )
    graph.attr("edge", fontname=_FONT, fontsize="9", fontcolor=_QUIET, color=_LINE, arrowsize="0.45", weight="10")
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
        cluster.attr(
            "graph",
            id=escape(frame.name),
            label=_rich(frame.title, frame.lines, frame.facts),
            tooltip=escape(frame.tip),
            style="rounded,filled",
            fillcolor=_TINT,
            color=_RIM,
            margin="7",
        )
        for box in frame.boxes:
            _draw_box(cluster, box)


def _draw_box(graph: Digraph, box: Box) -> None:
    attributes = _SHAPES[box.role] | {"id": escape(box.name), "class": box.role, "tooltip": escape(box.tip)}
    graph.node(
        escape(box.name), label=_rich(box.title, box.lines, box.facts) if box.role != "fork" else "", **attributes
    )


def _rich(title: str, lines: tuple[str, ...], facts: tuple[str, ...] = ()) -> str:
    """An HTML-like label: title bold, lines plain, facts small and quiet."""
    text = [f"<B>{escape_html(plain(title))}</B>"] if title else []
    text += [escape_html(plain(line)) for line in lines]
    text += [f'<FONT POINT-SIZE="8.5" COLOR="{_QUIET}">{escape_html(plain(fact))}</FONT>' for fact in facts]
    return f"<{'<BR/>'.join(text)}>"


def _draw_arrow(graph: Digraph, arrow: Arrow) -> None:
    attributes: dict[str, str] = {"class": arrow.flow}
    if arrow.flow in ("projection", "zero-pad"):
        attributes["style"] = "dashed"
    if arrow.flow != "data":
        attributes |= {"weight": "1", "color": _ACCENT}
    graph.edge(_node_id(arrow.tail), _node_id(arrow.head), **attributes)


def _node_id(name: str) -> str:
    return str(escape(name))
