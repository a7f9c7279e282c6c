"""Chapter: why the cost per block stays level from stage to stage."""

from collections.abc import Sequence

import streamlit as st

from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BlockCost
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    controls_container,
    fill_figures,
    network_selectbox,
    share_text,
    show_heading,
    show_links,
    show_prose,
    show_svg,
    show_table,
    times_text,
)
from analyzer.pages.state.url_parameters import expect_number
from analyzer.render.lessons.computations import grown_widths, repeated_blocks
from analyzer.render.lessons.svg_drawings import BarColumn, bars_svg
from analyzer.text.units import exact, shape, stage_label

_NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "wide_resnet50_2")
_DOUBLING = 2.0

_HALVES = (
    "From stage to stage the map's sides halve and the channels double. A convolution has a weight for each pair of "
    "an input and an output channel, so doubling both quadruples what it does at a position; halving both sides "
    "leaves a quarter of the positions. The product stays:"
)
_FORMULA = (
    "$$\n\\frac{H}{2} \\cdot \\frac{W}{2} \\cdot (2C_{in}) \\cdot (2C_{out}) = H \\cdot W \\cdot C_{in} \\cdot "
    "C_{out}\n$$"
)
_LEVEL = (
    "So a block costs as many MACs in the last stage as in the first, and depth can be spent where it helps: the cost "
    "of a network is in proportion to the number of its blocks, wherever they are."
)
_MOVE = (
    "The slider says by how much the channels grow where the map halves. At @two the row of MACs is flat; below that "
    "the early stages carry the network, above it the late ones. @now"
)
_FLAT = "Here every repeated block has @high MACs."
_SLOPES = "Here they range from @low to @high a block."
_TRADES = (
    "Parameters and activations do not stay level, and run in opposite directions. A block of the last stage has "
    "@params times the parameters of one in the first, and @activations of its activations. Whoever saves download "
    "size looks at the end of a network, and whoever saves memory in training looks at its beginning."
)


def _show() -> None:
    show_prose(_HALVES, _FORMULA, _LEVEL)
    with controls_container():
        first, second = st.columns(2, gap="large")
        with first:
            name = network_selectbox("Network", "level_network", _NETWORKS, "resnet50")
        with second:
            growth = _growth_slider()
        analysis = cached_analysis(_with_growth(name, growth), None)
        blocks = repeated_blocks(analysis)
        show_svg(_bars(blocks), "MACs, parameters and activations of a block by stage", key="level")
    show_prose(_MOVE, _TRADES, **_figures(blocks))
    show_heading("Block by block")
    show_table(*_stages_table(analysis, blocks))
    show_links(
        PageLink("explore", "This network, shaded by MACs", {"variant": analysis.variant, "heat": "MACs"}),
        PageLink("compare", "ResNet-50 against ResNet-152", {"networks": ["resnet50", "resnet152"]}),
    )


def _growth_slider() -> float:
    expect_number("width_growth", 1, 3, whole=False)
    value: float = st.slider(
        "Channels grow from stage to stage by", 1.0, 3.0, _DOUBLING, 0.25, key="width_growth", bind="query-params"
    )
    return value


def _with_growth(name: str, growth: float) -> str:
    """The network with its widths growing by that factor; by two it is the named one."""
    if growth == _DOUBLING:
        return name
    stages = [block.stage for block in repeated_blocks(cached_analysis(name, None))]
    return f"{name}:widths={'-'.join(map(str, grown_widths(64, growth, len(stages))))}"


def _bars(blocks: Sequence[BlockCost]) -> str:
    columns = [
        BarColumn("MACs a block", [block.macs for block in blocks]),
        BarColumn("parameters a block", [block.params for block in blocks]),
        BarColumn("activations a block", [block.activations for block in blocks]),
    ]
    return bars_svg([stage_label(block.stage) for block in blocks], columns, "Costs of the repeated block by stage")


def _stages_table(analysis: Analysis, blocks: Sequence[BlockCost]) -> tuple[list[str], list[list[str]], str]:
    rows = []
    for block in blocks:
        stage = next(stage for stage in analysis.stages if stage.stage == block.stage)
        costs = [exact(block.macs), exact(block.params), exact(block.activations)]
        rows.append(
            [stage_label(block.stage), str(stage.num_blocks), shape(block.output_shape), *costs, exact(stage.macs)]
        )
    heads = ["stage", "blocks", "output", "MACs a block", "parameters", "activations", "MACs of the stage"]
    return heads, rows, "lrlrrrr"


def _figures(blocks: Sequence[BlockCost]) -> dict[str, str]:
    costs = [block.macs for block in blocks]
    first, last = blocks[0], blocks[-1]
    ends = {"low": exact(min(costs)), "high": exact(max(costs))}
    return {
        "two": f"{_DOUBLING:g}",
        "now": fill_figures(_FLAT if min(costs) == max(costs) else _SLOPES, **ends),
        "params": times_text(last.params, first.params),
        "activations": share_text(last.activations, first.activations),
    }


CHAPTER = Chapter(
    "Why the cost per block stays level",
    "Halve the map, double the channels: the arithmetic that lets every stage cost the same a block.",
    _show,
    ("He 2015",),
)
