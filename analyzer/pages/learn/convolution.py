"""Chapter: convolution arithmetic, with a kernel on a padded map drawn live."""

import streamlit as st

from analyzer.cost.walk import OpCost
from analyzer.errors import InvalidInput
from analyzer.graph.ops import AvgPool2d, Conv2d, MaxPool2d
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    choice_slider,
    controls_container,
    fill_figures,
    number_slider,
    show_formula,
    show_heading,
    show_links,
    show_prose,
    show_svg,
    show_table,
)
from analyzer.pages.state.style import show_errors
from analyzer.render.explain.arithmetic import equation, numbers
from analyzer.render.lessons.computations import SlidingWindow, conv_costs, sliding_window
from analyzer.render.lessons.svg_drawings import convolution_svg
from analyzer.render.notation import op_notation

_NETWORK = "resnet50"
_LAYERS = ("conv1", "maxpool", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv2", "layer2.0.downsample.0")
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
    show_prose(_SLIDES)
    with controls_container():
        window = _show_sliding_window()
    if window is not None:
        show_prose(_COUNTS)
        show_formula(equation(window.positions))
        show_prose(*_leftover_sentences(window), **_figures(window))
    show_heading("The same formula through a network")
    _show_network()
    show_heading("What it costs")
    _show_costs()
    show_links(
        PageLink("explore", "Stage 2 of ResNet-50 with every formula", {"variant": _NETWORK, "part": "stage 2"}),
    )


def _show_sliding_window() -> SlidingWindow | None:
    """The controls and the drawing; None where the kernel does not fit, with the sentence in place."""
    first, second, third = st.columns(3, gap="large")
    with first:
        size = number_slider("Input side n", "size", 1, 16, 8)
        padding = number_slider("Padding p", "padding", 0, 3, 1)
    with second:
        kernel = number_slider("Kernel f", "kernel", 1, 7, 3)
        dilation = number_slider("Dilation d", "dilation", 1, 3, 1)
    with third:
        stride = number_slider("Stride s", "stride", 1, 4, 2)
    try:
        window = sliding_window(size, kernel, stride, padding, dilation)
    except InvalidInput as error:
        show_errors(str(error))
        return None
    show_svg(convolution_svg(window), "A kernel on its padded map, and what it makes", key="grid")
    return window


def _leftover_sentences(window: SlidingWindow) -> list[str]:
    sentences = [_OVER if window.over else "" if window.skipped else _EVEN]
    sentences.append(_SKIPS if window.skipped else "")
    sentences.append(_SAME if window.positions == window.size and len(window.taps) > 1 else "")
    return [text for text in sentences if text]


def _figures(window: SlidingWindow) -> dict[str, object]:
    lost = fill_figures(_LOST_MAP, lost=_places(window.lost)) if window.lost else _LOST_PADDING
    return {"over": _places(window.over), "lost": lost, "all": window.padded, "read": len(window.read)}


def _places(count: int) -> str:
    return f"{count} place" if count == 1 else f"{count} places"


def _show_network() -> None:
    analysis = cached_analysis(_NETWORK, None)
    show_prose(_IN_NETWORK, title=analysis.network.title)
    side = number_slider("Image side", "side", 64, 320, analysis.input_shape[1])
    rows = {row.path: row for row in cached_analysis(_NETWORK, side).rows}
    cells = [_network_cells(rows[path]) for path in _LAYERS]
    show_table(["weight path", "op", "side in", "filled in", "side out", "left over"], cells, "llrlrr")


def _network_cells(row: OpCost) -> list[str]:
    op, size = row.operation, row.input_shapes[0][1]
    assert isinstance(op, Conv2d | MaxPool2d | AvgPool2d)
    padding = 0 if isinstance(op, AvgPool2d) else op.padding
    window = sliding_window(size, op.kernel, op.stride, padding)
    filled_in = numbers(window.positions)
    return [f"`{row.path}`", op_notation(op), str(size), filled_in, str(row.output_shape[1]), str(window.over)]


def _show_costs() -> None:
    show_prose(_COSTS)
    with controls_container():
        first, second, third = st.columns(3, gap="large")
        with first:
            in_channels = choice_slider("Input channels", "in_channels", _CHANNELS, 64)
            kernel = number_slider("Kernel f", "cost_kernel", 1, 7, 3)
        with second:
            out_channels = choice_slider("Output channels", "out_channels", _CHANNELS, 128)
            side = number_slider("Output side H = W", "cost_side", 1, 112, 28)
        with third:
            groups = choice_slider("Groups g", "groups", _GROUPS, 1)
        try:
            params, macs = conv_costs(in_channels, out_channels, kernel, groups, side)
        except InvalidInput as error:
            show_errors(str(error))
            return
        show_formula(fill_figures("parameters: @formula", formula=equation(params)))
        show_formula(fill_figures("MACs: @formula", formula=equation(macs)))


CHAPTER = Chapter(
    "Convolution arithmetic",
    "How the side of a map, a kernel, its stride and its padding give the side of the next map.",
    _show,
    ("Dumoulin 2016",),
)
