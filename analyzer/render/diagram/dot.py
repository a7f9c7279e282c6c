"""Drawings as DOT text, the Graphviz language, through the `graphviz` package."""

from collections.abc import Callable, Collection
from dataclasses import replace

from graphviz import Digraph

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.render.diagram.grouping import DiagramSelection, diagram_selection
from analyzer.render.diagram.labels import times_legend, with_heat
from analyzer.render.diagram.levels import block_diagram, network_diagram, op_diagram, stage_diagram
from analyzer.render.diagram.picture import (
    FONT,
    FONT_SIZE,
    SMALL_FONT_SIZE,
    Arrow,
    Box,
    BoxDiagram,
    Frame,
    Role,
    dot_escaped,
    label_escaped,
    label_html,
    label_rows,
    label_table,
    node_id,
    one_line,
    small_print,
    text_width_points,
)
from analyzer.render.diagram.style import DEFAULT_STYLE, DiagramPalette, DiagramStyle, page_inches

LEVELS: dict[str, Callable[[DiagramSelection], BoxDiagram]] = {
    "network": network_diagram,
    "stage": stage_diagram,
    "block": block_diagram,
    "op": op_diagram,
}
"""Level → what it draws."""

MAX_BOXES, MAX_ARROWS = 1_500, 3_000
"""Layout time grows faster than the drawing; beyond this nobody could read it, either."""

COARSER_LEVEL = {"op": "block", "block": "stage", "stage": "network"}
"""Level → the one that draws less."""
_DASHED = ("projection", "zero-pad")
_HIDDEN = ("jump", "guide")
_MERGE_ROLES = ("add", "concat")
_EQUAL_WIDTH_ROLES = ("conv", "pool", "slim")
"""Roles whose boxes are equally wide in one frame."""


def dot_source(
    analysis: Analysis,
    level: str,
    style: DiagramStyle = DEFAULT_STYLE,
    *,
    stage: str | None = None,
    path: str | None = None,
) -> str:
    """The DOT text of a network, or of one stage or weight path of it, at a level.

    InvalidInput for an unknown level or part, or a drawing of over 1,500 boxes.
    """
    return dot_text(box_diagram(analysis, level, style, stage=stage, path=path), style)


def box_diagram(
    analysis: Analysis,
    level: str,
    style: DiagramStyle = DEFAULT_STYLE,
    *,
    stage: str | None = None,
    path: str | None = None,
) -> BoxDiagram:
    """The drawing as data; InvalidInput as `dot_source`."""
    if level not in LEVELS:
        raise InvalidInput(f"level {shortened(level)!r} is unknown; levels are {', '.join(LEVELS)}.")
    selection = diagram_selection(analysis, style, stage, path)
    if level == "op" and selection.num_ops > MAX_BOXES:
        raise _too_large(analysis, level, f"{selection.num_ops} ops are over the bound of {MAX_BOXES}")
    diagram = LEVELS[level](selection)
    boxes = sum(bool(box.paths) for box in diagram.boxes)
    if boxes > MAX_BOXES or len(diagram.arrows) > MAX_ARROWS:
        note = f"{boxes} boxes and {len(diagram.arrows)} arrows are over the bound of {MAX_BOXES} and {MAX_ARROWS}"
        raise _too_large(analysis, level, note)
    if note := times_legend(style):
        diagram = replace(diagram, legend="\n".join(text for text in (diagram.legend, note) if text))
    return with_heat(diagram, selection.costs) if style.heat else diagram


def _too_large(analysis: Analysis, level: str, excess: str) -> InvalidInput:
    coarser = f"level {COARSER_LEVEL[level]}, or " if level in COARSER_LEVEL else ""
    return InvalidInput(
        f"{level} level of {shortened(analysis.variant)}: {excess}; take {coarser}one part by its stage or path."
    )


def dot_text(diagram: BoxDiagram, style: DiagramStyle = DEFAULT_STYLE) -> str:
    """A picture as DOT text; the first two lines, comments, are its title and description."""
    return _DotWriter(diagram, style).text()


class _DotWriter:
    """A picture on its way to DOT."""

    def __init__(self, diagram: BoxDiagram, style: DiagramStyle) -> None:
        self._diagram, self._style, self._colours = diagram, style, style.palette
        self._role_attributes = _role_attributes(style.palette)

    def text(self) -> str:
        diagram, title = self._diagram, one_line(self._diagram.title, 160)
        graph = Digraph(name=node_id(title), comment=f"{title}\n// {one_line(diagram.description, 2000)}")
        self._set_defaults(graph)
        self._draw_frames(graph)
        roles = {box.name: box.role for box in diagram.boxes}
        for arrow in diagram.arrows:
            if arrow.flow != "jump":
                self._draw_arrow(graph, arrow, roles)
        if not diagram.columns:
            self._align(graph, {frame.name for frame in diagram.frames})
        return str(graph.source)

    def _set_defaults(self, graph: Digraph) -> None:
        colours, diagram = self._colours, self._diagram
        general = {"fontname": FONT, "fontcolor": colours.ink}
        page = {"size": "{:.2f},{:.2f}".format(*page_inches(self._style.page_size))} if self._style.page_size else {}
        grid = {"packmode": f"array_ti{diagram.columns}", "pack": "7"} if diagram.columns else {"newrank": "true"}
        graph.attr("graph", **general, **_GRAPH, **page, **grid, bgcolor=colours.paper, label=self._heading())
        graph.attr("graph", rankdir="LR" if diagram.across else "TB", ranksep=f"{diagram.gap:g}")
        graph.attr(
            "node", **general, fontsize=f"{FONT_SIZE}", style="filled", margin="0.06,0.04", width="0.2", height="0.2"
        )
        graph.attr("edge", fontname=FONT, fontsize=f"{SMALL_FONT_SIZE}", fontcolor=colours.quiet)
        graph.attr("edge", color=colours.line, arrowsize="0.45")

    def _heading(self) -> str:
        diagram, colours = self._diagram, self._colours
        rows = [f"<B>{label_escaped(one_line(diagram.title, 160))}</B>"]
        rows += [small_print(line, colours.quiet) for line in diagram.legend.splitlines()]
        if diagram.scale:
            caption, *steps = diagram.scale
            swatches = "".join(
                f'<TD BGCOLOR="{colour}" BORDER="1" COLOR="{colours.rim}">{small_print(f" {step} ", colours.ink)}</TD>'
                for step, colour in zip(steps, colours.heats, strict=False)
            )
            scale_row = f"<TR><TD>{small_print(caption, colours.quiet)}</TD>{swatches}</TR>"
            rows.append(f'<TABLE BORDER="0" CELLSPACING="2" CELLPADDING="2">{scale_row}</TABLE>')
        return label_table([*rows, _GAP] if diagram.columns else rows, ' ALIGN="LEFT"')

    def _draw_frames(self, graph: Digraph) -> None:
        """In a grid, empty cells get frames that are not visible."""
        frames_by_cell = {frame.cell: frame for frame in self._diagram.frames}
        if not self._diagram.columns:
            for frame in self._diagram.frames:
                self._draw_frame(graph, frame)
            return
        last = max(frames_by_cell)
        for row in range(last[0] + 1):
            for column in range(self._diagram.columns):
                if (row, column) in frames_by_cell:
                    self._draw_frame(graph, frames_by_cell[row, column])
                elif (row, column) < last:
                    _add_empty_cell(graph, f"empty {row + 1}.{column + 1}")

    def _draw_frame(self, graph: Digraph, frame: Frame) -> None:
        if not frame.title:
            for box in frame.boxes:
                self._draw_box(graph, box, {})
            return
        colours = self._colours
        with graph.subgraph(name=node_id(f"cluster_{frame.name}")) as cluster:
            label = (
                label_html(frame.title.strip(), frame.lines, frame.facts, colours.quiet) if frame.title.strip() else ""
            )
            attributes = _FRAME | {
                "fillcolor": colours.tint,
                "color": colours.rim,
                "margin": f"{8 + 20 * self._diagram.gap:.0f}",
            }
            cluster.attr("graph", **attributes, id=node_id(frame.name), label=label, tooltip=dot_escaped(frame.tip))
            widest = max([94, *(text_width_points(box) + 9 for box in frame.boxes if box.role in _EQUAL_WIDTH_ROLES)])
            for box in frame.boxes:
                self._draw_box(cluster, box, {"width": _inches(widest)} if box.role in _EQUAL_WIDTH_ROLES else {})
            if self._diagram.columns:
                self._align(cluster, {frame.name})

    def _align(self, graph: Digraph, frame_names: Collection[str]) -> None:
        """Rows of boxes on one height; in a grid they are stated inside the frame, which is laid out by itself."""
        box_names = {box.name for frame in self._diagram.frames if frame.name in frame_names for box in frame.boxes}
        for names in self._diagram.aligned:
            if box_names.issuperset(names):
                with graph.subgraph() as level:
                    level.attr(rank="same")
                    for name in names:
                        level.node(node_id(name))

    def _draw_box(self, graph: Digraph, box: Box, width: dict[str, str]) -> None:
        attributes = {"id": node_id(box.name), "class": box.role, "tooltip": dot_escaped(box.tip)}
        attributes |= self._role_attributes[box.role] | width
        if box.role == "transition":
            attributes |= _trapezium(box, self._diagram.across)
        if not self._diagram.columns and box.role != "port":
            attributes |= {"group": "trunk"}
        if box.heat is not None:
            attributes |= {"fillcolor": self._colours.heats[box.heat]}
        graph.node(node_id(box.name), label=self._label(box), **attributes)

    def _label(self, box: Box) -> str:
        quiet = self._colours.quiet if box.heat is None else self._colours.ink
        if box.role in ("add", "fork"):
            return box.title
        if box.role == "slim":
            facts = (" · ".join(box.facts),) if box.facts else ()
            return label_table([" ".join(label_rows(box.title, box.lines, facts, quiet))])
        return label_html(box.title, box.lines, box.facts, quiet)

    def _draw_arrow(self, graph: Digraph, arrow: Arrow, roles: dict[str, Role]) -> None:
        """Both ends of a shortcut give way to the trunk, so that it stays straight; a port is left at its far side."""
        attributes = {"class": str(arrow.flow)}
        if arrow.flow == "guide":
            attributes = {"style": "invis"}
        elif arrow.flow != "data":
            attributes |= {"color": self._colours.accent}
        attributes |= self._ways(arrow, roles)
        if arrow.flow in _DASHED:
            attributes |= {"style": "dashed"}
        if arrow.label:
            attributes |= {"label": label_table([small_print(arrow.label, self._colours.quiet)], ' CELLPADDING="2"')}
        graph.edge(node_id(arrow.tail), node_id(arrow.head), **attributes)

    def _ways(self, arrow: Arrow, roles: dict[str, Role]) -> dict[str, str]:
        """How straight an arrow is, and where it leaves and enters."""
        weight = 10
        if arrow.flow not in ("data", "guide"):
            weight = 1 if roles[arrow.head] in _MERGE_ROLES else 2 if roles[arrow.tail] == "port" else 10
        attributes = {"weight": f"{weight if arrow.weight is None else arrow.weight}"}
        if arrow.side:
            return attributes | _SIDES[self._diagram.across, arrow.side]
        if roles[arrow.tail] == "port":
            attributes |= {"tailport": "e" if self._diagram.across else "s"}
        return attributes


def _add_empty_cell(graph: Digraph, name: str) -> None:
    """An invisible frame; Graphviz places frames before boxes without one, so that a box would not do."""
    with graph.subgraph(name=f"cluster_{name}") as cluster:
        cluster.attr("graph", style="invis", label="")
        cluster.node(name, label="", style="invis", width="0", height="0")


_SIDES = {
    (True, "left"): {"tailport": "ne", "headport": "nw"},
    (True, "right"): {"tailport": "se", "headport": "sw"},
    (False, "left"): {"tailport": "se", "headport": "ne"},
    (False, "right"): {"tailport": "sw", "headport": "nw"},
}
"""Whether the network flows from left to right, and the side on which an arrow passes → the corners that it joins."""

_GAP = '<FONT POINT-SIZE="3"> </FONT>'
_GRAPH = {"labelloc": "t", "labeljust": "l", "pad": "0.08", "fontsize": "11", "nodesep": "0.15"}
_FRAME = {"style": "rounded,filled", "labeljust": "c", "fontsize": f"{FONT_SIZE}"}


def _role_attributes(colours: DiagramPalette) -> dict[Role, dict[str, str]]:
    """How each role is drawn."""
    rounded = {"shape": "box", "style": "rounded,filled"}
    grey, white = {"fillcolor": colours.grey}, {"fillcolor": colours.paper, "color": colours.accent}
    return {
        "section": rounded | grey | {"color": colours.rim},
        "transition": grey | {"color": colours.quiet},
        "block": {"shape": "box"} | white,
        "conv": {"shape": "box"} | white,
        "pool": {"shape": "box"} | grey | {"color": colours.quiet},
        "slim": rounded | grey | {"color": colours.rim},
        "add": {"shape": "circle", "fixedsize": "true", "width": "0.17"} | white,
        "concat": rounded | white,
        "fork": {"shape": "point", "width": "0.05", "color": colours.line},
        "port": {"shape": "plain", "style": ""},
    }


def _trapezium(box: Box, across: bool) -> dict[str, str]:
    """A trapezium that narrows the way the network flows; Graphviz would make it twice as wide as its text."""
    lines = len(box.lines) + len(box.facts) + bool(box.title)
    height = (lines * 1.25 * FONT_SIZE + 8) * (1.1 if across else 1)
    width = text_width_points(box) + 18 if across else (text_width_points(box) + 12) * 1.25
    turned = {"orientation": "-90", "distortion": "-0.15"} if across else {"orientation": "180", "distortion": "-0.15"}
    return turned | {
        "shape": "polygon",
        "sides": "4",
        "fixedsize": "true",
        "width": _inches(width),
        "height": _inches(height),
    }


def _inches(points: float) -> str:
    return f"{points / 72:.2f}"
