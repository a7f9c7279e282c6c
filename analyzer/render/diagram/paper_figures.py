"""The papers' figures, each drawn from our own Graphs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, assert_never

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.graph.graph import INPUT, Graph, Node
from analyzer.graph.ops import (
    Activation,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dropout,
    GlobalAvgPool2d,
    MaxPool2d,
    Multiply,
    Norm,
    Op,
    Rearrangement,
    Weighted,
)
from analyzer.graph.resnext_forms import FORM_TITLES, ResNeXtForm, cardinality, forms
from analyzer.render.diagram.grouping import diagram_selection, shortcut_flow
from analyzer.render.diagram.labels import CostsByPath, arrow_legend, facts_legend
from analyzer.render.diagram.levels import network_diagram, opened_cell, section_cell, stage_diagram
from analyzer.render.diagram.picture import Arrow, Box, BoxDiagram, Flow, Frame, FrameCell, arrange_in_grid
from analyzer.render.diagram.style import DiagramStyle
from analyzer.render.diagram.units import FoldedNode, box_role
from analyzer.render.notation import op_notation
from analyzer.text.units import short as short_number


class OpInput(NamedTuple):
    """What an op reads: another op by its weight path, or INPUT; and what flows, a shortcut's ops left out."""

    tail: str
    flow: Flow


class FigureOp(NamedTuple):
    """An op that is drawn, and what it reads."""

    path: str
    op: Op
    inputs: tuple[OpInput, ...]


def _is_drawn(op: Op) -> bool:
    match op:
        case Weighted() | MaxPool2d() | AvgPool2d() | GlobalAvgPool2d() | Add() | Concat():
            return True
        case Norm() | Activation() | AdaptiveAvgPool2d() | Multiply() | Rearrangement() | Dropout():
            return False
        case _:
            assert_never(op)


def figure_ops(graph: Graph) -> list[FigureOp]:
    """The ops to draw, in execution order; an Add that reads its block's input reads it as an identity shortcut."""
    ops: list[FigureOp] = []
    _collect_figure_ops(graph, "", OpInput(INPUT, "data"), ops)
    return ops


def _collect_figure_ops(graph: Graph, prefix: str, entry: OpInput, ops: list[FigureOp]) -> OpInput:
    sources = {INPUT: entry}
    for node in graph.nodes:
        path, read = f"{prefix}{node.name}", tuple(sources[name] for name in node.inputs)
        flow = shortcut_flow(node)
        if flow:
            sources[node.name] = OpInput(read[0].tail, flow)
        elif isinstance(node.op, Graph):
            sources[node.name] = _collect_figure_ops(node.op, f"{path}.", OpInput(read[0].tail, "data"), ops)
        elif _is_drawn(node.op):
            if isinstance(node.op, Add):
                read = tuple(
                    OpInput(source.tail, "identity") if name == INPUT else source
                    for name, source in zip(node.inputs, read, strict=True)
                )
            ops.append(FigureOp(path, node.op, read))
            sources[node.name] = OpInput(path, "data")
        else:
            sources[node.name] = read[0]
    return sources[graph.nodes[-1].name]


class _NetworkColumn:
    """One network: its boxes and arrows, and the boxes of each output size in order."""

    def __init__(self, expression: str, style: DiagramStyle) -> None:
        self.costs = CostsByPath(analyze(expression), style)
        self._name = expression
        self.ops = figure_ops(self.costs.analysis.network.graph)
        self.sizes: dict[int, list[str]] = {}
        for figure_op in self.ops:
            if not isinstance(figure_op.op, Add):
                shape = self.costs.rows([figure_op.path])[0].output_shape
                self.sizes.setdefault(shape[1] if len(shape) == 3 else 1, []).append(self.named(figure_op.path))

    def named(self, path: str) -> str:
        return f"{self._name} {path}"

    def frame(self) -> Frame:
        analysis = self.costs.analysis
        boxes = tuple(self._box(figure_op) for figure_op in self.ops)
        return Frame(
            name=self._name, boxes=boxes, title=analysis.network.title, facts=(f"{short_number(analysis.macs)} MACs",)
        )

    def _box(self, figure_op: FigureOp) -> Box:
        joins = isinstance(figure_op.op, Add)
        return Box(
            name=self.named(figure_op.path),
            role=box_role(figure_op.op),
            paths=(figure_op.path,),
            title="+" if joins else "",
            lines=() if joins else (op_notation(figure_op.op),),
            tip=self.costs.tip(figure_op.path, [figure_op.path]),
        )

    def arrows(self) -> list[Arrow]:
        return [
            Arrow(tail=self.named(source.tail), head=self.named(figure_op.path), flow=source.flow)
            for figure_op in self.ops
            for source in figure_op.inputs
            if source.tail != INPUT
        ]


def columns_diagram(expressions: Sequence[str], style: DiagramStyle) -> BoxDiagram:
    """A column a network; boxes of the first op of each output size stand on one height."""
    columns = [_NetworkColumn(expression, style) for expression in expressions]
    sizes = sorted({size for column in columns for size in column.sizes}, reverse=True)
    labels = [Box(name=f"size {size}", role="port", lines=(f"output size: {size}",)) for size in sizes]
    guides = [Arrow(tail=above.name, head=below.name, flow="guide") for above, below in pairwise(labels)]
    arrows = [arrow for column in columns for arrow in column.arrows()]
    aligned = list(_aligned(columns, sizes))
    first = next(row for row in aligned if len(row) == len(columns) + 1)
    guides += [Arrow(tail=left, head=right, flow="guide") for left, right in pairwise(first)]
    return BoxDiagram(
        title="",
        legend=f"each convolution with its BN and ReLU, where it has them · {arrow_legend(arrows)}",
        description="; ".join(f"{column.costs.analysis.network.title}" for column in columns),
        across=False,
        frames=(Frame(name="sizes", boxes=tuple(labels)), *(column.frame() for column in columns)),
        arrows=(*guides, *arrows),
        aligned=tuple(aligned),
    )


def _aligned(columns: Sequence[_NetworkColumn], sizes: Sequence[int]) -> list[tuple[str, ...]]:
    """Rows: the first ops of each size with its label, and the n-th ones of networks with equally many."""
    rows: list[tuple[str, ...]] = []
    for size in sizes:
        columns_with_size = [column for column in columns if size in column.sizes]
        rows.append((f"size {size}", *(column.sizes[size][0] for column in columns_with_size)))
        equal: dict[int, list[list[str]]] = {}
        for column in columns_with_size:
            equal.setdefault(len(column.sizes[size]), []).append(column.sizes[size])
        rows += [row for names in equal.values() if len(names) > 1 for row in list(zip(*names, strict=True))[1:]]
    return rows


_MAX_PATHS = 3
"""So many paths are drawn at most; of more, the first two and the last."""


def form_cells(block: Graph, side: int, style: DiagramStyle) -> list[FrameCell]:
    """A frame for each form (a), (b), (c) of a block that reads a map of that side."""
    return [_cell(form, cardinality(block), side, style) for form in forms(block)]


def _cell(form: ResNeXtForm, count: int, side: int, style: DiagramStyle) -> FrameCell:
    costs = CostsByPath(analyze(form.graph, side), style)
    first, last = costs.analysis.rows[0], costs.analysis.rows[-1]
    ops = [figure_op for figure_op in figure_ops(form.graph) if _is_shown(figure_op.path, count)]
    boxes = [_port("in", f"{first.input_shapes[0][0]}-d in")]
    arrows: list[Arrow] = []
    for figure_op in ops:
        if (
            count > _MAX_PATHS
            and _path_number(figure_op.path) == count - 1
            and "elided" not in {box.name for box in boxes}
        ):
            boxes.append(_port("elided", f"… total {count} paths …"))
            arrows.append(Arrow(tail="in", head="elided"))
        boxes.append(_box(figure_op, costs))
        arrows += _arrows(figure_op, count)
    boxes.append(_port("out", f"{last.output_shape[0]}-d out"))
    arrows.append(Arrow(tail=ops[-1].path, head="out"))
    frame = Frame(name=form.letter, boxes=tuple(boxes), title=f"({form.letter})", lines=(FORM_TITLES[form.letter],))
    return FrameCell(frame, tuple(arrows), "out")


def _port(name: str, words: str) -> Box:
    return Box(name=name, role="port", lines=(words,))


def _path_number(path: str) -> int | None:
    """Number of the path that an op lies on."""
    head, _, rest = path.partition(".")
    return int(head.removeprefix("path")) if rest and head.startswith("path") else None


def _is_shown(path: str, count: int) -> bool:
    return _path_number(path) in (None, 0, 1, count - 1)


def _joins_all_paths(figure_op: FigureOp, count: int) -> bool:
    """Whether an op joins all paths, those between the second and the last being one box of text."""
    return sum(_path_number(source.tail) is not None for source in figure_op.inputs) == count


def _box(figure_op: FigureOp, costs: CostsByPath) -> Box:
    box = Box(
        name=figure_op.path,
        role=box_role(figure_op.op),
        paths=(figure_op.path,),
        tip=costs.tip(figure_op.path, [figure_op.path]),
    )
    if not isinstance(figure_op.op, Conv2d):
        return replace(box, facts=("concatenate",)) if isinstance(figure_op.op, Concat) else replace(box, title="+")
    conv = figure_op.op
    grouped = (f"group = {conv.groups}",) if conv.groups > 1 else ()
    return replace(box, lines=(f"{conv.in_channels}, {conv.kernel}×{conv.kernel}, {conv.out_channels}", *grouped))


def _arrows(figure_op: FigureOp, count: int) -> Iterator[Arrow]:
    if count > _MAX_PATHS and _joins_all_paths(figure_op, count):
        yield Arrow(tail="elided", head=figure_op.path)
    for source in figure_op.inputs:
        if _is_shown(source.tail, count):
            along = _path_number(source.tail) is not None and _path_number(figure_op.path) is not None
            yield Arrow(tail=_tail_box(source), head=figure_op.path, flow=source.flow, weight=100 if along else None)


def _tail_box(source: OpInput) -> str:
    return "in" if source.tail == INPUT else source.tail


class PaperFigure(NamedTuple):
    """A figure's title, the figure that it redraws, and how."""

    title: str
    source: str
    draw: Callable[[DiagramStyle], BoxDiagram]


def figure_diagram(name: str, style: DiagramStyle) -> BoxDiagram:
    """The picture of a figure; InvalidInput with all names for an unknown one."""
    if name not in PAPER_FIGURES:
        raise InvalidInput(f"figure {shortened(name)!r} is unknown; figures are {', '.join(PAPER_FIGURES)}.")
    title, source, draw = PAPER_FIGURES[name]
    diagram = draw(style)
    return replace(diagram, title=f"{title} ({source})", description=f"{title}. {diagram.description}")


def side_by_side(cells: Sequence[FrameCell], style: DiagramStyle, description: str, facts: bool = True) -> BoxDiagram:
    """Frames next to each other; `description` is for screen readers, `facts` says whether boxes have small print."""
    distinct = [_with_prefix(cell, f"{number}") for number, cell in enumerate(cells, 1)]
    arrows = tuple(arrow for cell in distinct for arrow in cell.arrows)
    frames, columns = arrange_in_grid([[cell] for cell in distinct])
    legend = " · ".join(text for text in (facts_legend(style) if facts else "", arrow_legend(arrows)) if text)
    return BoxDiagram(
        title="",
        legend=legend,
        description=description,
        across=style.across(False),
        frames=frames,
        arrows=arrows,
        columns=columns,
    )


def _with_prefix(cell: FrameCell, prefix: str) -> FrameCell:
    """The cell with names of its own, since several networks have a layer1.0."""

    def named(name: str) -> str:
        return f"{prefix} {name}"

    boxes = tuple(replace(box, name=named(box.name)) for box in cell.frame.boxes)
    arrows = tuple(replace(arrow, tail=named(arrow.tail), head=named(arrow.head)) for arrow in cell.arrows)
    return FrameCell(replace(cell.frame, name=named(cell.frame.name), boxes=boxes), arrows, named(cell.output))


def block_cell(expression: str, path: str, style: DiagramStyle, title: str, *lines: str) -> FrameCell:
    """What is at a path of a network, drawn open under a heading."""
    selection = diagram_selection(analyze(expression), style, path=path)
    block = selection.sections[0].nodes[0]
    assert isinstance(block.op, Graph)
    parts = [FoldedNode(node, (f"{path}.{node.name}",)) for node in block.op.nodes]
    frame = Frame(name=path, boxes=(), title=title, lines=lines, tip=selection.costs.tip(title, [path]))
    return opened_cell(selection.costs, frame, parts, ("",))


def stage_cell(expression: str, stage: str, style: DiagramStyle, title: str, *lines: str) -> FrameCell:
    """A stage with its repeats folded, under a heading."""
    selection = diagram_selection(analyze(expression), style, stage=stage)
    cell = section_cell(selection.costs, selection.sections[0], ("",))
    return cell._replace(frame=replace(cell.frame, title=title, lines=lines, facts=()))


def _basic_bottleneck(style: DiagramStyle) -> BoxDiagram:
    cells = [
        block_cell("resnet34", "layer1.1", style, "basic block", "ResNet-18, 34"),
        block_cell("resnet50", "layer1.1", style, "bottleneck", "ResNet-50, 101, 152"),
    ]
    return side_by_side(cells, style, "Left two 3×3 convolutions, right 1×1, 3×3 and 1×1; both with an identity.")


def _shortcuts(style: DiagramStyle) -> BoxDiagram:
    cells = [
        stage_cell("resnet34:shortcut=A", "stage2", style, "option A", "zero-pad, no parameters"),
        stage_cell("resnet34", "stage2", style, "option B", "projection where shapes change"),
        stage_cell("resnet34:shortcut=C", "stage2", style, "option C", "projection everywhere"),
        stage_cell("resnet34:shortcut=none", "stage2", style, "none", "plain network"),
    ]
    return side_by_side(cells, style, "Stage 2 of ResNet-34 with each of the shortcuts.")


def _preactivation(style: DiagramStyle) -> BoxDiagram:
    cells = [
        block_cell("resnet34", "layer1.1", style, "original", "conv, BN, ReLU; ReLU after the sum"),
        block_cell("resnet34:preactivation=true", "layer1.1", style, "pre-activation", "BN, ReLU, conv; nothing after"),
    ]
    return side_by_side(cells, style, "The same block in both orders.")


def _tricks(style: DiagramStyle) -> BoxDiagram:
    cells = [
        block_cell("resnet50_v1", "layer2.0", style, "ResNet-50, original", "stride on the first 1×1"),
        block_cell("resnet50", "layer2.0", style, "ResNet-B", "stride on the 3×3"),
        block_cell("resnet50d", "layer2.0", style, "ResNet-D", "average pool before the projection"),
        _stem("resnet50", style, "original stem", "one 7×7"),
        _stem("resnet50c", style, "ResNet-C", "three 3×3"),
    ]
    return side_by_side(cells, style, "The first block of stage 2, original, B and D; the stem, original and C.")


def _stem(expression: str, style: DiagramStyle, title: str, *lines: str) -> FrameCell:
    selection = diagram_selection(analyze(expression), style, stage="stem")
    nodes = [node for section in selection.sections for node in section.nodes]
    parts = [FoldedNode(Node(node.path, node.op, node.inputs), (node.path,)) for node in nodes]
    frame = Frame(name="stem", boxes=(), title=title, lines=lines, tip=selection.costs.tip(title, selection.paths))
    return opened_cell(selection.costs, frame, parts, ("",))


def _paths(style: DiagramStyle) -> BoxDiagram:
    block = diagram_selection(analyze("resnext50_32x4d"), style, path="layer1.1").sections[0].nodes[0].op
    assert isinstance(block, Graph)
    return forms_diagram(block, 56, style)


def forms_diagram(block: Graph, side: int, style: DiagramStyle) -> BoxDiagram:
    """The three equal forms of a block with a grouped convolution that reads a map of that side."""
    count = cardinality(block)
    description = f"One block as {count} paths summed, concatenated, and grouped; in, kernel, out of each convolution."
    diagram = side_by_side(form_cells(block, side, style), style, description, facts=False)
    legend = f"in, kernel, out of each convolution with its BN and ReLU · {diagram.legend}"
    rows = [[box.name for box in frame.boxes if _in_the_middle(box)] for frame in diagram.frames]
    guides = [Arrow(tail=left, head=right, flow="guide") for row in rows for left, right in pairwise(row)]
    aligned = tuple(tuple(row) for row in rows if len(row) > 1)
    return replace(diagram, legend=legend, arrows=(*diagram.arrows, *guides), aligned=aligned, gap=0.3)


def _in_the_middle(box: Box) -> bool:
    """Whether a box stands in the row of the paths' second convolutions."""
    return box.name.endswith((".conv2", " elided"))


_DENSE = "densenet:depths=5,growth_rate=4,init_features=6,bottleneck_ratio=none,stem=cifar,head=none"


def _dense(dense: str) -> Callable[[DiagramStyle], BoxDiagram]:
    def draw(style: DiagramStyle) -> BoxDiagram:
        return stage_diagram(diagram_selection(analyze(_DENSE), replace(style, dense=dense), stage="stage1"))

    return draw


def _overview(style: DiagramStyle) -> BoxDiagram:
    return network_diagram(diagram_selection(analyze("densenet_bc100_k12_cifar"), style))


def _columns(style: DiagramStyle) -> BoxDiagram:
    return columns_diagram(("vgg19", "plain34", "resnet34"), style)


_HE, _HE2 = "He et al. 2015", "He et al. 2016"
PAPER_FIGURES: dict[str, PaperFigure] = {
    "vgg19-plain34-resnet34": PaperFigure(
        "VGG-19, a plain and a residual network of 34 layers", f"{_HE}, Fig. 3", _columns
    ),
    "basic-bottleneck": PaperFigure("Basic and bottleneck block", f"{_HE}, Fig. 5", _basic_bottleneck),
    "shortcuts": PaperFigure("Shortcut options A, B, C, and none", f"{_HE}, §3.3 and §4.1", _shortcuts),
    "preactivation": PaperFigure("Original and pre-activation block", f"{_HE2}, Fig. 1", _preactivation),
    "resnet-bcd": PaperFigure("ResNet-B, -C and -D", "He, T. et al. 2019, Fig. 2", _tricks),
    "resnext": PaperFigure("Equal forms of a ResNeXt block", "Xie et al. 2017, Fig. 3", _paths),
    "dense-block": PaperFigure("A dense block of 5 layers, k = 4", "Huang et al. 2017, Fig. 1", _dense("all")),
    "dense-rail": PaperFigure("The same dense block on its rail", "Huang et al. 2017, Fig. 1", _dense("rail")),
    "densenet": PaperFigure("DenseNet-BC-100 with three dense blocks", "Huang et al. 2017, Fig. 2", _overview),
}
"""Name → figure."""
