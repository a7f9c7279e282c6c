"""Chapter: convolution arithmetic, with a kernel on a padded map drawn live."""

import streamlit as st

from analyzer.cost.walk import Row
from analyzer.errors import InvalidInput
from analyzer.graph.ops import AvgPool2d, Conv2d, MaxPool2d
from analyzer.pages.explore.cached import analysis_of
from analyzer.pages.learn.parts import (
    Chapter,
    Link,
    bench,
    filled,
    formula,
    heading,
    look_further,
    pick,
    say,
    show_plate,
    slider,
    table,
)
from analyzer.pages.state.style import show_problem
from analyzer.render.explain.arithmetic import equation, numbers
from analyzer.render.lessons.computations import Slide, conv_costs, slide
from analyzer.render.lessons.svg_drawings import grid
from analyzer.render.notation import op_words

_NETWORK = "resnet50"
_WHERE = ("conv1", "maxpool", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv2", "layer2.0.downsample.0")
_CHANNELS = (1, 3, 16, 32, 64, 128, 256, 512)
_GROUPS = (1, 2, 4, 8, 16, 32)

_SLIDES = (
    "A convolution lays a small square of weights, its kernel, on a map, multiplies, adds up, and moves on. Both "
    "sides of the map behave alike, so one of them is enough. Let $n$ be its length and $p$ the zeros that are added "
    "at each of its ends. The kernel is $f$ long and moves by the stride $s$. With dilation $d$ its taps stand $d$ "
    "apart: it spans $d(f - 1) + 1$ places and still has only $f$ weights along the side."
)
_COUNTS = (
    "The first position begins where the padding begins, and the last one has to end before the padding ends. Between "
    "the two lie $n + 2p - f$ places, through which the kernel moves $s$ at a time; the first position needs no move, "
    "and is the one that is added. So many positions there are, and so many elements the output has on a side:"
)
_OVER = (
    "The stride does not divide what lies between, and the quotient is rounded down: @over at the far end is never "
    "read, for a further position would hang over the edge. @lost"
)
_LOST_PADDING = "Here that is only padding, so the map itself is read to its end."
_LOST_MAP = "Here that is @lost of the map itself, which no output knows anything of."
_SKIPS = (
    "Places in between are stepped over as well, by the stride or between the taps: of @all places along the side "
    "@read are read. A 1×1 with a stride does that to every map that it makes smaller."
)
_EVEN = "Nothing is left over: the last position ends exactly where the padding ends."
_SAME = (
    "The output is as long as the input. With stride one that takes $p = d(f - 1)/2$, which is a whole number for odd "
    "kernels: the reason why nearly all kernels are odd."
)
_IN_NETWORK = (
    "Every map of a network has its size by this formula, pools included. Below it is filled in for @title at an "
    "image side that you choose; an odd number somewhere on the way leaves something over."
)
_COSTS = (
    "What a position costs does not depend on where it is. Each output element takes $f \\cdot f$ places from every "
    "input channel, so a kernel that makes $C_{out}$ channels out of $C_{in}$ has $f \\cdot f \\cdot C_{in} \\cdot "
    "C_{out}$ weights, and each of them is used once at each of the $H \\cdot W$ positions. In $g$ groups every "
    "output channel reads only its own group's inputs, and both counts are divided by $g$."
)


def _show() -> None:
    say(_SLIDES)
    with bench():
        found = _slide()
    if found is not None:
        say(_COUNTS)
        formula(equation(found.positions))
        say(*_what_is_left(found), **_figures(found))
    heading("The same formula through a network")
    _show_network()
    heading("What it costs")
    _show_costs()
    look_further(
        Link("explore", "Stage 2 of ResNet-50 with every formula", {"variant": _NETWORK, "part": "stage 2"}),
    )


def _slide() -> Slide | None:
    """The controls and the drawing; None where the kernel does not fit, with the sentence in place."""
    first, second, third = st.columns(3, gap="large")
    with first:
        size = slider("Input side n", "size", 1, 16, 8)
        padding = slider("Padding p", "padding", 0, 3, 1)
    with second:
        kernel = slider("Kernel f", "kernel", 1, 7, 3)
        dilation = slider("Dilation d", "dilation", 1, 3, 1)
    with third:
        stride = slider("Stride s", "stride", 1, 4, 2)
    try:
        found = slide(size, kernel, stride, padding, dilation)
    except InvalidInput as error:
        show_problem(str(error))
        return None
    show_plate(grid(found), "A kernel on its padded map, and what it makes", key="grid")
    return found


def _what_is_left(found: Slide) -> list[str]:
    told = [_OVER if found.over else "" if found.skipped else _EVEN]
    told.append(_SKIPS if found.skipped else "")
    told.append(_SAME if found.positions == found.size and len(found.taps) > 1 else "")
    return [text for text in told if text]


def _figures(found: Slide) -> dict[str, object]:
    lost = filled(_LOST_MAP, lost=_places(found.lost)) if found.lost else _LOST_PADDING
    return {"over": _places(found.over), "lost": lost, "all": found.padded, "read": len(found.read)}


def _places(count: int) -> str:
    return f"{count} place" if count == 1 else f"{count} places"


def _show_network() -> None:
    analysis = analysis_of(_NETWORK, None)
    say(_IN_NETWORK, title=analysis.network.title)
    side = slider("Image side", "side", 64, 320, analysis.input_shape[1])
    rows = {row.path: row for row in analysis_of(_NETWORK, side).rows}
    cells = [_network_cells(rows[path]) for path in _WHERE]
    table(["weight path", "op", "side in", "filled in", "side out", "left over"], cells, "llrlrr")


def _network_cells(row: Row) -> list[str]:
    op, size = row.operation, row.input_shapes[0][1]
    assert isinstance(op, Conv2d | MaxPool2d | AvgPool2d)
    padding = 0 if isinstance(op, AvgPool2d) else op.padding
    found = slide(size, op.kernel, op.stride, padding)
    filled_in = numbers(found.positions)
    return [f"`{row.path}`", op_words(op), str(size), filled_in, str(row.output_shape[1]), str(found.over)]


def _show_costs() -> None:
    say(_COSTS)
    with bench():
        first, second, third = st.columns(3, gap="large")
        with first:
            in_channels = pick("Input channels", "in_channels", _CHANNELS, 64)
            kernel = slider("Kernel f", "cost_kernel", 1, 7, 3)
        with second:
            out_channels = pick("Output channels", "out_channels", _CHANNELS, 128)
            side = slider("Output side H = W", "cost_side", 1, 112, 28)
        with third:
            groups = pick("Groups g", "groups", _GROUPS, 1)
        try:
            params, macs = conv_costs(in_channels, out_channels, kernel, groups, side)
        except InvalidInput as error:
            show_problem(str(error))
            return
        formula(filled("parameters: @told", told=equation(params)))
        formula(filled("MACs: @told", told=equation(macs)))


CHAPTER = Chapter(
    "Convolution arithmetic",
    "How the side of a map, a kernel, its stride and its padding give the side of the next map.",
    _show,
    ("Dumoulin 2016",),
)
