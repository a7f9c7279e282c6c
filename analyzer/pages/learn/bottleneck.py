"""Chapter: basic block and bottleneck at equal cost."""

import streamlit as st

from analyzer.cost.network_costs import BlockCost
from analyzer.graph.ops import Conv2d
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    choice_slider,
    controls_container,
    number_slider,
    ratio_text,
    share_text,
    show_dot,
    show_heading,
    show_links,
    show_prose,
    show_table,
    times_text,
)
from analyzer.render.lessons.block_drawings import bottleneck_dot
from analyzer.text.units import exact, short

_WIDTHS = (16, 32, 64, 128, 256)
_BLOCK = "layer1.1"
_SIDES = (7, 14, 28, 56)

_SAVES = (
    "A basic block is two 3×3 convolutions. Their weights grow with the square of the width, so a network that wants "
    "wide maps between its blocks pays for them in every one. The bottleneck separates the two: a 1×1 narrows the "
    "map, the 3×3 works on the narrow one, and a second 1×1 widens it again. The expansion says by how much."
)
_PAPER = (
    "The paper draws a basic block of @narrow channels beside a bottleneck that is @narrow wide inside and @wide "
    "outside, and says that they cost about the same. They do: the bottleneck has @bottleneck weights against @basic, "
    "which is @share, at @factor times the outer width. That is what it is for; it is not, as is often read into the "
    "figure, a smaller block. A basic block as wide as the bottleneck's ends would have @wide_basic weights, "
    "@wide_ratio times as many."
)
_PRICE = (
    "What it costs instead is activations. The wide ends have to be kept for the backward pass, and the block puts "
    "out @more times the activations of the basic one. It also looks around less often: @deep and @shallow have "
    "@blocks blocks each, and @deep_threes 3×3 convolutions in them against @shallow_threes."
)


def _show() -> None:
    show_prose(_SAVES)
    with controls_container():
        first, second = st.columns(2, gap="large")
        with first:
            width = choice_slider("Inner width w", "inner_width", _WIDTHS, 64)
            side = choice_slider("Side of the map", "map_side", _SIDES, 56)
        with second:
            factor = number_slider("Expansion e", "expansion", 1, 8, 4, help_text="outer width = e · w")
        basic, bottleneck, wide = _expressions(width, factor)
        blocks = [_block(expression, side) for expression in (basic, bottleneck, wide)]
        show_table(*_costs_table(blocks))
    show_dot(bottleneck_dot(basic, bottleneck), "A basic block and a bottleneck", "bottleneck")
    show_heading("Equal cost, wider ends")
    show_prose(_PAPER, _PRICE, **_figures())
    show_links(
        PageLink("compare", "ResNet-34 against ResNet-50", {"networks": ["resnet34", "resnet50"]}),
        PageLink("explore", "A bottleneck with every formula", {"variant": "resnet50", "part": "stage 1 · layer1.1"}),
    )


def _expressions(width: int, factor: int) -> tuple[str, str, str]:
    """A basic block, a bottleneck, and a basic block as wide as the bottleneck's ends."""
    return (
        f"resnet:block=basic,depths=2,widths={width}",
        f"resnet:block=bottleneck,depths=2,widths={width},expansion={factor}",
        f"resnet:block=basic,depths=2,widths={width * factor}",
    )


def _block(expression: str, side: int) -> BlockCost:
    """The block that is repeated, on a map of that side; the stem quarters the image."""
    return next(block for block in cached_analysis(expression, 4 * side).blocks if block.path == _BLOCK)


def _costs_table(blocks: list[BlockCost]) -> tuple[list[str], list[list[str]], str]:
    names = ("basic", "bottleneck", "basic, as wide outside")
    first = blocks[0]
    rows = []
    for name, block in zip(names, blocks, strict=True):
        convs = [row.operation for row in block.rows if isinstance(row.operation, Conv2d)]
        widths = " → ".join(str(conv.out_channels) for conv in convs)
        cells = [name, widths]
        for ours, theirs in (
            (block.params, first.params),
            (block.macs, first.macs),
            (block.activations, first.activations),
        ):
            cells += [exact(ours), ratio_text(ours, theirs)]
        rows.append(cells)
    heads = ["block", "channels", "parameters", "×", "MACs", "×", "activations", "×"]
    return heads, rows, "llrrrrrr"


def _figures() -> dict[str, str]:
    """The paper's own pair, and two networks."""
    basic, bottleneck, wide = (_block(expression, _SIDES[-1]) for expression in _expressions(64, 4))
    ours, theirs, wides = map(_weights, (bottleneck, basic, wide))
    deep, shallow = (cached_analysis(name, None) for name in ("resnet50", "resnet34"))
    return {
        "narrow": str(basic.output_shape[0]),
        "wide": str(bottleneck.output_shape[0]),
        "bottleneck": exact(ours),
        "basic": exact(theirs),
        "share": share_text(ours, theirs),
        "factor": times_text(bottleneck.output_shape[0], basic.output_shape[0]),
        "wide_basic": short(wides),
        "wide_ratio": times_text(wides, ours),
        "more": times_text(bottleneck.activations, basic.activations),
        "blocks": " or ".join(dict.fromkeys(str(len(analysis.blocks)) for analysis in (deep, shallow))),
        "deep": deep.network.title,
        "deep_threes": str(_num_3x3_convs(deep.variant)),
        "shallow": shallow.network.title,
        "shallow_threes": str(_num_3x3_convs(shallow.variant)),
    }


def _weights(block: BlockCost) -> int:
    return sum(row.params for row in block.rows if isinstance(row.operation, Conv2d))


def _num_3x3_convs(name: str) -> int:
    operations = (row.operation for row in cached_analysis(name, None).rows)
    return sum(isinstance(op, Conv2d) and op.kernel == 3 for op in operations)


CHAPTER = Chapter(
    "Bottlenecks",
    "Three convolutions at the price of two, and wider maps between the blocks.",
    _show,
    ("He 2015",),
)
