"""The papers' figures, each drawn from our own Graphs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.families.aggregated import cardinality
from analyzer.graph import Graph, Node
from analyzer.render.diagram import Arrow, Box, Frame, Picture
from analyzer.render.diagram_block import opened
from analyzer.render.diagram_grid import Cell, in_grid
from analyzer.render.diagram_look import Look
from analyzer.render.diagram_network import network_picture
from analyzer.render.diagram_open import Part
from analyzer.render.diagram_stage import section_cell, stage_picture
from analyzer.render.diagram_view import view
from analyzer.render.diagram_words import facts_legend, legend
from analyzer.render.figure_columns import columns_picture
from analyzer.render.figure_paths import form_cells


class Figure(NamedTuple):
    """A figure's title, the figure that it redraws, and how."""

    title: str
    source: str
    draw: Callable[[Look], Picture]


def figure_picture(name: str, look: Look) -> Picture:
    """The picture of a figure; InvalidInput with all names for an unknown one."""
    if name not in FIGURES:
        raise InvalidInput(f"figure {shortened(name)!r} is unknown; figures are {', '.join(FIGURES)}.")
    title, source, draw = FIGURES[name]
    drawn = draw(look)
    return replace(drawn, title=f"{title} ({source})", description=f"{title}. {drawn.description}")


def side_by_side(cells: Sequence[Cell], look: Look, said: str, facts: bool = True) -> Picture:
    """Frames next to each other; what they say is read out as `said`, `facts` that their boxes have small print."""
    apart = [_apart(cell, f"{number}") for number, cell in enumerate(cells, 1)]
    arrows = tuple(arrow for cell in apart for arrow in cell.arrows)
    frames, columns = in_grid([[cell] for cell in apart])
    told = " · ".join(text for text in (facts_legend(look) if facts else "", legend(arrows)) if text)
    return Picture(
        title="",
        legend=told,
        description=said,
        across=look.across(False),
        frames=frames,
        arrows=arrows,
        columns=columns,
    )


def _apart(cell: Cell, prefix: str) -> Cell:
    """The cell with names of its own, since several networks have a layer1.0."""

    def named(name: str) -> str:
        return f"{prefix} {name}"

    boxes = tuple(replace(box, name=named(box.name)) for box in cell.frame.boxes)
    arrows = tuple(replace(arrow, tail=named(arrow.tail), head=named(arrow.head)) for arrow in cell.arrows)
    return Cell(replace(cell.frame, name=named(cell.frame.name), boxes=boxes), arrows, named(cell.output))


def block_cell(expression: str, path: str, look: Look, title: str, *lines: str) -> Cell:
    """What is at a path of a network, drawn open under a heading."""
    seen = view(analyze(expression), look, path=path)
    placed = seen.groups[0].nodes[0]
    assert isinstance(placed.op, Graph)
    parts = [Part(node, (f"{path}.{node.name}",)) for node in placed.op.nodes]
    frame = Frame(name=path, boxes=(), title=title, lines=lines, tip=seen.ledger.tip(title, [path]))
    return opened(seen.ledger, frame, parts, ("",))


def stage_cell(expression: str, stage: str, look: Look, title: str, *lines: str) -> Cell:
    """A stage with its repeats folded, under a heading."""
    seen = view(analyze(expression), look, stage=stage)
    cell = section_cell(seen.ledger, seen.groups[0], ("",))
    return cell._replace(frame=replace(cell.frame, title=title, lines=lines, facts=()))


def _basic_bottleneck(look: Look) -> Picture:
    cells = [
        block_cell("resnet34", "layer1.1", look, "basic block", "ResNet-18, 34"),
        block_cell("resnet50", "layer1.1", look, "bottleneck", "ResNet-50, 101, 152"),
    ]
    return side_by_side(cells, look, "Left two 3×3 convolutions, right 1×1, 3×3 and 1×1; both with an identity.")


def _shortcuts(look: Look) -> Picture:
    cells = [
        stage_cell("resnet34:shortcut=A", "stage2", look, "option A", "zero-pad, no parameters"),
        stage_cell("resnet34", "stage2", look, "option B", "projection where shapes change"),
        stage_cell("resnet34:shortcut=C", "stage2", look, "option C", "projection everywhere"),
        stage_cell("resnet34:shortcut=none", "stage2", look, "none", "plain network"),
    ]
    return side_by_side(cells, look, "Stage 2 of ResNet-34 with each of the shortcuts.")


def _preactivation(look: Look) -> Picture:
    cells = [
        block_cell("resnet34", "layer1.1", look, "original", "conv, BN, ReLU; ReLU after the sum"),
        block_cell("resnet34:preactivation=true", "layer1.1", look, "pre-activation", "BN, ReLU, conv; nothing after"),
    ]
    return side_by_side(cells, look, "The same block in both orders.")


def _tricks(look: Look) -> Picture:
    cells = [
        block_cell("resnet50_v1", "layer2.0", look, "ResNet-50, original", "stride on the first 1×1"),
        block_cell("resnet50", "layer2.0", look, "ResNet-B", "stride on the 3×3"),
        block_cell("resnet50d", "layer2.0", look, "ResNet-D", "average pool before the projection"),
        _stem("resnet50", look, "original stem", "one 7×7"),
        _stem("resnet50c", look, "ResNet-C", "three 3×3"),
    ]
    return side_by_side(cells, look, "The first block of stage 2, original, B and D; the stem, original and C.")


def _stem(expression: str, look: Look, title: str, *lines: str) -> Cell:
    seen = view(analyze(expression), look, stage="stem")
    nodes = [node for group in seen.groups for node in group.nodes]
    parts = [Part(Node(node.path, node.op, node.inputs), (node.path,)) for node in nodes]
    frame = Frame(name="stem", boxes=(), title=title, lines=lines, tip=seen.ledger.tip(title, seen.paths))
    return opened(seen.ledger, frame, parts, ("",))


def _paths(look: Look) -> Picture:
    block = view(analyze("resnext50_32x4d"), look, path="layer1.1").groups[0].nodes[0].op
    assert isinstance(block, Graph)
    return paths_picture(block, 56, look)


def paths_picture(block: Graph, side: int, look: Look) -> Picture:
    """The three equal forms of a block with a grouped convolution that reads a map of that side."""
    count = cardinality(block)
    said = f"One block as {count} paths summed, concatenated, and grouped; in, kernel, out of each convolution."
    drawn = side_by_side(form_cells(block, side, look), look, said, facts=False)
    told = f"in, kernel, out of each convolution with its BN and ReLU · {drawn.legend}"
    rows = [[box.name for box in frame.boxes if _in_the_middle(box)] for frame in drawn.frames]
    guides = [Arrow(tail=left, head=right, flow="guide") for row in rows for left, right in pairwise(row)]
    aligned = tuple(tuple(row) for row in rows if len(row) > 1)
    return replace(drawn, legend=told, arrows=(*drawn.arrows, *guides), aligned=aligned, gap=0.3)


def _in_the_middle(box: Box) -> bool:
    """Whether a box stands in the row of the paths' second convolutions."""
    return box.name.endswith((".conv2", " elided"))


_DENSE = "densenet:depths=5,growth_rate=4,init_features=6,bottleneck_ratio=none,stem=cifar,head=none"


def _dense(dense: str) -> Callable[[Look], Picture]:
    def draw(look: Look) -> Picture:
        return stage_picture(view(analyze(_DENSE), replace(look, dense=dense), stage="stage1"))

    return draw


def _overview(look: Look) -> Picture:
    return network_picture(view(analyze("densenet_bc100_k12_cifar"), look))


def _columns(look: Look) -> Picture:
    return columns_picture(("vgg19", "plain34", "resnet34"), look)


_HE, _HE2 = "He et al. 2015", "He et al. 2016"
FIGURES: dict[str, Figure] = {
    "vgg19-plain34-resnet34": Figure("VGG-19, a plain and a residual network of 34 layers", f"{_HE}, Fig. 3", _columns),
    "basic-bottleneck": Figure("Basic and bottleneck block", f"{_HE}, Fig. 5", _basic_bottleneck),
    "shortcuts": Figure("Shortcut options A, B, C, and none", f"{_HE}, §3.3 and §4.1", _shortcuts),
    "preactivation": Figure("Original and pre-activation block", f"{_HE2}, Fig. 1", _preactivation),
    "resnet-bcd": Figure("ResNet-B, -C and -D", "He, T. et al. 2019, Fig. 2", _tricks),
    "resnext": Figure("Equal forms of a ResNeXt block", "Xie et al. 2017, Fig. 3", _paths),
    "dense-block": Figure("A dense block of 5 layers, k = 4", "Huang et al. 2017, Fig. 1", _dense("all")),
    "dense-rail": Figure("The same dense block on its rail", "Huang et al. 2017, Fig. 1", _dense("rail")),
    "densenet": Figure("DenseNet-BC-100 with three dense blocks", "Huang et al. 2017, Fig. 2", _overview),
}
"""Name → figure."""
