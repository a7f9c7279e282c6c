"""Chapter: dense connectivity, with every connection of a block drawn."""

from collections.abc import Sequence

import streamlit as st

from analyzer.cost.analysis import Analysis
from analyzer.literature.claims.figures import connections, half_square
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    controls_container,
    number_slider,
    show_formula,
    show_heading,
    show_links,
    show_prose,
    show_svg,
    show_table,
    times_text,
)
from analyzer.pages.state.url_parameters import expect_toggle
from analyzer.render.explain.arithmetic import equation
from analyzer.render.lessons.computations import DenseLayerCost, channels_read, dense_layer_costs
from analyzer.render.lessons.svg_drawings import BarColumn, bars_svg, dense_block_svg
from analyzer.text.units import exact

_BLOCK = "features.denseblock1"
_NETWORKS = ("densenet121", "densenet169", "densenet201", "densenet264")

_CONCATENATES = (
    "A residual block adds its input to its output; a dense layer puts the two side by side. What one layer has made "
    "is never changed afterwards, and every later layer of the block reads it directly. Huang et al. (2017) count "
    "these connections: each of the $L$ layers reads the block's input and all layers before it."
)
_CONNECTS = (
    "The first layer reads one thing, the second two, and so on to the last, which reads as many as there are layers. "
    "Counting in the graph finds @linked connections, and so does the sum:"
)
_GROWS = (
    "Since nothing is overwritten, a layer need not make much. Each adds only $k$ channels, the growth rate, so that "
    "layer $l$ reads what the block was given and $k$ from each of its predecessors:"
)
_PAYS = (
    "A layer's weights are in proportion to what it reads, so they grow with its place, and those of the whole block "
    "with the square of its length. The last layer here has @last parameters against @first for the first, @factor "
    "times as many. The 1×1 in front of the 3×3, the B in DenseNet-BC, caps that: the 3×3 then always reads one "
    "narrow map, and only the cheaper 1×1 grows. The block has @without parameters without it and @with_it with it. "
    "@verdict"
)
_PAYS_NOW = "So it pays here."
_PAYS_LATER = "So it does not pay yet: it does where a layer reads many channels, which takes more layers."
_ENDS = (
    "Between blocks a transition halves the map, and in DenseNet-C and -BC keeps only a share $\\theta$ of the "
    "channels, for otherwise the next block would start from all of them. Below are the named networks, whose width "
    "at the end is what their blocks have piled up."
)
_MEMORY = (
    "What the counts do not show is memory. Every layer normalises all that it reads, again, and a plain "
    "implementation keeps each of these copies for the backward pass; Pleiss et al. (2017) show how to compute them "
    "again instead."
)


def _show() -> None:
    show_prose(_CONCATENATES)
    with controls_container():
        first, second = st.columns(2, gap="large")
        with first:
            count = number_slider("Layers L", "layers", 1, 12, 5)
            growth = number_slider("Growth rate k", "growth", 1, 48, 12)
        with second:
            init_features = number_slider("Channels given to the block k₀", "given", 1, 96, 24)
            has_1x1 = _narrow_switch()
        analysis = cached_analysis(_expression(count, growth, init_features, has_1x1), None)
        layers = dense_layer_costs(analysis)
        show_svg(dense_block_svg(layers), "A dense block with all its connections", key="dense")
    num_connections, formula = (figure(analysis.variant, _BLOCK).value for figure in (connections, half_square))
    show_prose(_CONNECTS, linked=exact(num_connections))
    show_formula(equation(formula))
    show_prose(_GROWS)
    show_formula(equation(channels_read(init_features, growth, count)))
    show_heading("How the cost grows")
    show_svg(_bars(layers), "Channels read, parameters and MACs of each layer", key="growth_bars")
    without, with_it = (
        cached_analysis(_expression(count, growth, init_features, with_1x1), None) for with_1x1 in (False, True)
    )
    show_prose(_PAYS, **_figures(layers, _block_params(without), _block_params(with_it)))
    show_heading("Whole networks")
    show_prose(_ENDS)
    show_table(*_networks_table())
    show_prose(_MEMORY)
    show_links(
        PageLink("explore", "This block", {"variant": analysis.variant, "level": "block"}),
        PageLink("explore", "DenseNet-121", {"variant": "densenet121"}),
        PageLink("compare", "DenseNet-121 against ResNet-50", {"networks": ["densenet121", "resnet50"]}),
    )


def _narrow_switch() -> bool:
    expect_toggle("narrow")
    narrow: bool = st.toggle("1×1 before each 3×3 (DenseNet-B)", False, key="narrow", bind="query-params")
    return narrow


def _expression(count: int, growth: int, init_features: int, has_1x1: bool) -> str:
    ratio = "" if has_1x1 else ",bottleneck_ratio=none"
    return f"densenet:depths={count},growth_rate={growth},init_features={init_features}{ratio},stem=cifar,head=none"


def _bars(layers: Sequence[DenseLayerCost]) -> str:
    columns = [
        BarColumn("channels read", [layer.reads for layer in layers]),
        BarColumn("parameters", [layer.params for layer in layers]),
        BarColumn("MACs", [layer.macs for layer in layers]),
    ]
    return bars_svg([f"layer {layer.number}" for layer in layers], columns, "Costs by layer")


def _figures(layers: Sequence[DenseLayerCost], without: int, with_it: int) -> dict[str, str]:
    return {
        "first": exact(layers[0].params),
        "last": exact(layers[-1].params),
        "factor": times_text(layers[-1].params, layers[0].params),
        "without": exact(without),
        "with_it": exact(with_it),
        "verdict": _PAYS_NOW if with_it < without else _PAYS_LATER,
    }


def _block_params(analysis: Analysis) -> int:
    return sum(layer.params for layer in dense_layer_costs(analysis))


def _networks_table() -> tuple[list[str], list[list[str]], str]:
    rows = [_network_cells(name) for name in _NETWORKS]
    return ["network", "dense layers", "connections", "channels at the end", "parameters", "MACs"], rows, "lrrrrr"


def _network_cells(name: str) -> list[str]:
    analysis = cached_analysis(name, None)
    layers = dense_layer_costs(analysis)
    ends = exact(layers[-1].reads + layers[-1].adds)
    costs = [exact(analysis.params), exact(analysis.macs)]
    return [analysis.network.title, str(len(layers)), exact(connections(name).value), ends, *costs]


CHAPTER = Chapter(
    "Dense connectivity",
    "Every layer reads all layers before it: how many connections, how many channels, at what price.",
    _show,
    ("Huang 2017", "Pleiss 2017"),
)
