"""The lessons' drawings of blocks side by side, from our own Graphs."""

from collections.abc import Sequence
from dataclasses import replace

from analyzer.graph.graph import Graph
from analyzer.render.diagram.dot import dot_text
from analyzer.render.diagram.paper_figures import block_cell, figure_diagram, forms_diagram, side_by_side, stage_cell
from analyzer.render.diagram.picture import BoxDiagram
from analyzer.render.diagram.style import DiagramStyle

_SHAPE_STYLE = DiagramStyle(show=("shape",))
_COST_STYLE = DiagramStyle(show=("shape", "macs"))


def figure_dot(name: str) -> str:
    """DOT text of one of the papers' figures; InvalidInput for an unknown one."""
    return dot_text(figure_diagram(name, _SHAPE_STYLE), _SHAPE_STYLE)


def residual_dot() -> str:
    """A plain block, and residual blocks with the identity and with a projection."""
    cells = [
        block_cell("plain34", "layer1.1", _SHAPE_STYLE, "plain block", "y = F(x)"),
        block_cell("resnet34", "layer1.1", _SHAPE_STYLE, "identity, solid", "y = F(x) + x"),
        block_cell("resnet34", "layer2.0", _SHAPE_STYLE, "projection, dashed", "y = F(x) + Wx"),
    ]
    return _titled(
        side_by_side(cells, _SHAPE_STYLE, "A block without and with its shortcut."), "From plain to residual"
    )


def shortcuts_dot(expression: str, options: Sequence[str]) -> str:
    """The second stage of a residual network with each of the shortcut options."""
    captions = {"A": "zero-pad", "B": "projection where shapes change", "C": "projection everywhere", "none": "plain"}
    cells = [
        stage_cell(
            _with_field(expression, f"shortcut={option}"),
            "stage2",
            _SHAPE_STYLE,
            option if option == "none" else f"option {option}",
            captions[option],
        )
        for option in options
    ]
    title = "One stage with each of the shortcut options."
    return _titled(side_by_side(cells, _SHAPE_STYLE, title), "Stage 2 with each of the shortcuts")


def stride_dot(expression: str) -> str:
    """The first block of stage 2 of a network of bottlenecks, with the stride on the 1×1 and on the 3×3."""
    cells = [
        block_cell(_with_field(expression, "stride_on=1x1"), "layer2.0", _COST_STYLE, "v1", "stride on the first 1×1"),
        block_cell(_with_field(expression, "stride_on=3x3"), "layer2.0", _COST_STYLE, "v1.5", "stride on the 3×3"),
    ]
    title = "The same block with the stride in two places."
    return _titled(side_by_side(cells, _COST_STYLE, title), "The first block of stage 2")


def preactivation_dot(expression: str) -> str:
    """The first two blocks' orders, original and pre-activation: one with a projection and one with the identity."""
    other = _with_field(expression, "preactivation=true")
    cells = [
        block_cell(expression, "layer2.0", _SHAPE_STYLE, "original", "first of a stage"),
        block_cell(other, "layer2.0", _SHAPE_STYLE, "pre-activation", "first of a stage"),
        block_cell(expression, "layer2.1", _SHAPE_STYLE, "original", "one of the others"),
        block_cell(other, "layer2.1", _SHAPE_STYLE, "pre-activation", "one of the others"),
    ]
    return _titled(side_by_side(cells, _SHAPE_STYLE, "Blocks in both orders."), "Original and pre-activation blocks")


def bottleneck_dot(basic: str, bottleneck: str) -> str:
    """A basic block and a bottleneck side by side."""
    cells = [
        block_cell(basic, "layer1.1", _COST_STYLE, "basic block", "two 3×3"),
        block_cell(bottleneck, "layer1.1", _COST_STYLE, "bottleneck", "1×1, 3×3, 1×1"),
    ]
    return _titled(side_by_side(cells, _COST_STYLE, "A basic block and a bottleneck."), "Basic block and bottleneck")


def forms_dot(block: Graph, side: int, title: str) -> str:
    """ResNeXt's three equal forms of a block that reads a map of that side."""
    return _titled(forms_diagram(block, side, _SHAPE_STYLE), title)


def _with_field(expression: str, change: str) -> str:
    return f"{expression}{',' if ':' in expression else ':'}{change}"


def _titled(diagram: BoxDiagram, title: str) -> str:
    return dot_text(replace(diagram, title=title), _SHAPE_STYLE)
