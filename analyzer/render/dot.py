"""Drawings as DOT text, the Graphviz language, through the `graphviz` package."""

from collections.abc import Callable
from hashlib import sha256
from html import escape as escape_html
from itertools import groupby, pairwise

from graphviz import Digraph, escape

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.render.diagram import Arrow, Box, Frame, Picture, Role
from analyzer.render.diagram_block import block_picture
from analyzer.render.diagram_network import network_picture

LEVELS: dict[str, Callable[[Analysis], Picture]] = {"network": network_picture, "block": block_picture}
"""Level → what it draws."""

MAX_BOXES, MAX_ARROWS = 1_500, 3_000
"""Layout time grows faster than the drawing; beyond this nobody could read it, either."""

_FONT = "Helvetica,Arial,sans-serif"
_SIZE, _SMALL = 10, 9  # points; HTML-like labels know whole ones only
_INK, _QUIET, _ACCENT, _LINE = "#1f2933", "#5b6770", "#0b57d0", "#4a5560"
_PAPER, _TINT, _GREY, _RIM = "#ffffff", "#eef3fb", "#f1f3f5", "#c3cfdd"

_GRAPH = {"labelloc": "t", "labeljust": "l", "bgcolor": _PAPER, "pad": "0.08"}
_GRAPH |= {
    "newrank": "true",
    "fontname": _FONT,
    "fontsize": "11",
    "fontcolor": _INK,
    "ranksep": "0.1",
    "nodesep": "0.1",
}
_NODE = {"fontname": _FONT, "fontsize": f"{_SIZE}", "fontcolor": _INK, "style": "filled", "margin": "0.06,0.04"}
_NODE |= {"width": "0.2", "height": "0.2"}
_EDGE = {"fontname": _FONT, "fontsize": f"{_SMALL}", "fontcolor": _QUIET, "color": _LINE, "arrowsize": "0.45"}
_FRAME = {"style": "rounded,filled", "fillcolor": _TINT, "color": _RIM, "margin": "6", "labeljust": "c"}
_FRAME |= {"fontsize": f"{_SIZE}"}

_LOOKS: dict[Role, dict[str, str]] = {
    "section": {"shape": "box", "style": "rounded,filled", "fillcolor": _GREY, "color": _RIM},
    "transition": {"shape": "polygon", "sides": "4", "distortion": "-0.15", "fillcolor": _GREY, "color": _QUIET},
    "block": {"shape": "box", "fillcolor": _PAPER, "color": _ACCENT},
    "conv": {"shape": "box", "fillcolor": _PAPER, "color": _ACCENT},
    "pool": {"shape": "box", "fillcolor": _GREY, "color": _QUIET},
    "slim": {"shape": "box", "style": "rounded,filled", "fillcolor": _GREY, "color": _RIM},
    "add": {"shape": "circle", "fillcolor": _PAPER, "color": _ACCENT, "fixedsize": "true", "width": "0.17"},
    "concat": {"shape": "box", "style": "rounded,filled", "fillcolor": _PAPER, "color": _ACCENT},
    "fork": {"shape": "point", "width": "0.05", "color": _LINE},
    "port": {"shape": "plain", "style": ""},
}

_DASHED = ("projection", "zero-pad")
_LONGEST_ID = 200
_MERGES = ("add", "concat")
_EVEN = ("conv", "pool", "slim")
"""Roles whose boxes are equally wide in one frame."""


def dot_source(analysis: Analysis, level: str) -> str:
    """The DOT text of a network at a level; InvalidInput for an unknown level or a drawing of over 1,500 boxes."""
    if level not in LEVELS:
        raise InvalidInput(f"level {shortened(level)!r} is unknown; levels are {', '.join(LEVELS)}.")
    picture = LEVELS[level](analysis)
    if len(picture.boxes) > MAX_BOXES or len(picture.arrows) > MAX_ARROWS:
        raise InvalidInput(
            f"{level} level of {shortened(analysis.variant)}: {len(picture.boxes)} boxes and {len(picture.arrows)} "
            f"arrows are over the bound of {MAX_BOXES} and {MAX_ARROWS}; take a coarser level."
        )
    return dot_text(picture)


def dot_text(picture: Picture) -> str:
    """A picture as DOT text; the first two lines, comments, are its title and description."""
    title = plain(picture.title, 160)
    graph = Digraph(name=_node_id(title), comment=f"{title}\n// {plain(picture.description, 2000)}")
    heading = _rich(title, (), (picture.legend,) if picture.legend else (), left=True)
    graph.attr("graph", **_GRAPH, label=heading, rankdir="LR" if picture.across else "TB")
    graph.attr("node", **_NODE)
    graph.attr("edge", **_EDGE)
    for frame in picture.frames:
        _draw_frame(graph, frame)
    roles = {box.name: box.role for box in picture.boxes}
    for arrow in picture.arrows:
        if arrow.flow != "jump":
            _draw_arrow(graph, arrow, roles)
    if not picture.across:
        _set_rows(graph, picture.frames)
    return str(graph.source)


def plain(text: str, limit: int = 200) -> str:
    """Text on one line without control characters, cut to `limit`, since titles may come from anywhere."""
    return shortened(text, limit)


def _draw_frame(graph: Digraph, frame: Frame) -> None:
    if not frame.title:
        for box in frame.boxes:
            _draw_box(graph, box, {})
        return
    with graph.subgraph(name=_node_id(f"cluster_{frame.name}")) as cluster:
        label = _rich(frame.title, frame.lines, frame.facts)
        cluster.attr("graph", **_FRAME, id=_node_id(frame.name), label=label, tooltip=_quoted(frame.tip))
        width = {"width": _inches(max([94, *(_text_points(box) + 9 for box in frame.boxes if box.role in _EVEN)]))}
        for box in frame.boxes:
            _draw_box(cluster, box, width if box.role in _EVEN else {})


def _draw_box(graph: Digraph, box: Box, width: dict[str, str]) -> None:
    attributes = {"id": _node_id(box.name), "class": box.role, "tooltip": _quoted(box.tip)}
    attributes |= _LOOKS[box.role] | (_trapezium(box) if box.role == "transition" else width)
    graph.node(_node_id(box.name), label=_label(box), **attributes)


def _label(box: Box) -> str:
    if box.role in ("add", "fork"):
        return box.title
    if box.role == "slim":
        return _table([" ".join(_marked(box.title, box.lines, box.facts))])
    return _rich(box.title, box.lines, box.facts)


def _trapezium(box: Box) -> dict[str, str]:
    """A trapezium that narrows to the right and is no wider than its text; Graphviz would make it twice as wide."""
    lines = 1 + len(box.lines) + len(box.facts)
    height = (lines * 1.25 * _SIZE + 8) * 1.1
    return {
        "orientation": "-90",
        "fixedsize": "true",
        "width": _inches(_text_points(box) + 18),
        "height": _inches(height),
    }


def _inches(points: float) -> str:
    return f"{points / 72:.2f}"


def _text_points(box: Box) -> float:
    """About how wide a box's text is; shapes of fixed size and boxes of equal width need to know before layout."""
    widths = [_ems(box.title) * _SIZE * 1.06, *(_ems(line) * _SIZE for line in box.lines)]
    facts = [_ems(fact) * _SMALL for fact in box.facts]
    return sum(widths) + sum(facts) + 3 if box.role == "slim" else max(widths + facts)


_EMS = dict.fromkeys("ijl.,/ ", 0.28) | dict.fromkeys("ftr-()", 0.34) | dict.fromkeys("mMGw%", 0.84) | {"…": 1.0}


def _ems(text: str) -> float:
    """About how wide a text is in Helvetica, in font sizes."""
    return sum(_EMS.get(character, 0.57) for character in text)


def _rich(title: str, lines: tuple[str, ...], facts: tuple[str, ...], left: bool = False) -> str:
    """An HTML-like label, one line below the other."""
    return _table(_marked(title, lines, facts), ' ALIGN="LEFT"' if left else "")


def _marked(title: str, lines: tuple[str, ...], facts: tuple[str, ...]) -> list[str]:
    """The title bold, the lines plain, the facts small and quiet."""
    marked = [f"<B>{_html(title)}</B>"] if title else []
    marked += [_html(line) for line in lines]
    return marked + [f'<FONT POINT-SIZE="{_SMALL}" COLOR="{_QUIET}">{_html(fact)}</FONT>' for fact in facts]


def _html(text: str) -> str:
    """Text for an HTML-like label; Graphviz would replace a backslash and a letter by a name."""
    return escape_html(plain(text)).replace("\\", "\\\\")


def _table(rows: list[str], side: str = "") -> str:
    cells = "".join(f"<TR><TD{side}>{row}</TD></TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0">{cells}</TABLE>>'


def _set_rows(graph: Digraph, frames: tuple[Frame, ...]) -> None:
    """Invisible edges that keep each row's frames side by side in order, and the next row below."""
    rows = [list(row) for _, row in groupby(frames, lambda frame: frame.row)]
    for above, row in zip([[], *rows], rows, strict=False):
        firsts = [_node_id(frame.boxes[0].name) for frame in row]
        with graph.subgraph() as side_by_side:
            side_by_side.attr(rank="same")
            for left, right in pairwise(firsts):
                side_by_side.edge(left, right, style="invis")
        for frame in above:
            graph.edge(_node_id(frame.boxes[-1].name), firsts[0], style="invis", weight="0")


def _draw_arrow(graph: Digraph, arrow: Arrow, roles: dict[str, Role]) -> None:
    """Both ends of a shortcut give way to the trunk, so that it stays straight; a port is left from below."""
    attributes = {"class": str(arrow.flow), "weight": "10"}
    if arrow.flow != "data":
        attributes |= {"color": _ACCENT}
        if roles[arrow.head] in _MERGES:
            attributes |= {"weight": "1"}
        elif roles[arrow.tail] == "port":
            attributes |= {"weight": "2"}
    if roles[arrow.tail] == "port":
        attributes |= {"tailport": "s"}
    if arrow.flow in _DASHED:
        attributes |= {"style": "dashed"}
    graph.edge(_node_id(arrow.tail), _node_id(arrow.head), **attributes)


def _node_id(name: str) -> str:
    """A name as a DOT id: after a colon a port would be looked for, angle brackets would make it HTML."""
    if len(name) > _LONGEST_ID:
        name = f"{name[: _LONGEST_ID - 13]}-{sha256(name.encode()).hexdigest()[:12]}"
    return _quoted(name.translate({ord(":"): "\N{RATIO}", ord("<"): "‹", ord(">"): "›"}))


def _quoted(text: str) -> str:
    """Text that DOT takes literally; without the replacement it would decode entities."""
    quoted: str = escape(plain(text, 1000).replace("&", "&amp;"))
    return quoted
