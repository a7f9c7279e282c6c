"""Chapter: cardinality, paths and their width at constant complexity, and the three equal forms of a block."""

import streamlit as st

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.graph.graph import in_channels, leaf_ops
from analyzer.graph.ops import Conv2d
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    choice_slider,
    controls_container,
    network_title,
    ratio_text,
    share_text,
    show_dot,
    show_heading,
    show_links,
    show_prose,
    show_table,
    times_text,
)
from analyzer.render.lessons.block_drawings import forms_dot
from analyzer.render.lessons.computations import GroupedBottleneck, equal_cost_paths
from analyzer.text.units import exact, short

_CARDINALITIES = (1, 2, 4, 8, 16, 32, 64)
_SIDE = 56
_DEFAULT_CARDINALITY = 32

_THIRD = (
    "A network can be made deeper or wider. Xie et al. (2017) add a third number: how many parallel paths a block "
    "has, its cardinality $C$. Each path is a bottleneck of its own, of $d$ channels inside; all of them read the "
    "same map and are summed. Splitting, transforming and merging is what Inception does by hand, here with paths "
    "that are all alike, so that one number describes them."
)
_CONSTANT = (
    "To find out what cardinality is worth, everything else has to cost the same. A block between maps of @channels "
    "channels has $C \\cdot (@channels \\cdot d + @kernel \\cdot @kernel \\cdot d \\cdot d + d \\cdot @channels)$ "
    "weights. One path of @width channels is ResNet-50's own bottleneck, with @weights of them; for each $C$ the "
    "table has the $d$ whose weights come nearest to that. It is worked out here, and where the paper's table has the "
    "same $C$ it has the same $d$. The inner width $C \\cdot d$ grows, and with it the activations."
)
_NETWORK = (
    "In the whole network the same choice gives @title: @params parameters against @base_params for ResNet-50, "
    "@params_share, and @macs MACs against @base_macs, @macs_share. Activations are @activations times as many."
)
_FORMS = (
    "The block can be written in three ways which compute the same function. In (a) every path ends in its own 1×1 "
    "and the results are summed. In (b) the paths' narrow maps are concatenated and one 1×1 reads them all, which is "
    "the same sum. In (c) the paths side by side are one 3×3 in $C$ groups. The weights are the same numbers, cut "
    "differently, so the counts are equal."
)
_ONE = "With a single path the three forms are one and the same graph. Choose more paths to see them part."


def _show() -> None:
    show_prose(_THIRD)
    show_heading("Paths at equal cost")
    blocks = {paths.cardinality: paths for paths in _equal_cost_blocks()}
    one = blocks[1]
    kernel = max(op.kernel for _, op in leaf_ops(one.block) if isinstance(op, Conv2d))
    weights = exact(one.weights)
    show_prose(_CONSTANT, channels=in_channels(one.block), kernel=kernel, width=one.base_width, weights=weights)
    with controls_container():
        count = choice_slider("Cardinality C", "cardinality", _CARDINALITIES, _DEFAULT_CARDINALITY)
        show_table(*_costs_table(list(blocks.values()), count))
    chosen = blocks[count]
    expression = f"resnet50:cardinality={chosen.cardinality},base_width={chosen.base_width}"
    show_prose(_NETWORK, **_figures(expression, _network_title(chosen)))
    show_heading("Three forms of one block")
    show_prose(_FORMS)
    _show_forms(chosen)
    grouped = expression if count > 1 else "resnext50_32x4d"
    title = _network_title(chosen) if count > 1 else network_title(grouped)
    show_links(
        PageLink("equivalence", f"The proof for {title}", {"grouped": grouped}),
        PageLink("compare", "Against ResNet-50", {"networks": ["resnet50", grouped]}),
        PageLink("explore", title, {"variant": grouped}),
    )


@st.cache_resource(show_spinner=False)
def _equal_cost_blocks() -> tuple[GroupedBottleneck, ...]:
    return equal_cost_paths(_CARDINALITIES)


def _costs_table(blocks: list[GroupedBottleneck], count: int) -> tuple[list[str], list[list[str]], str]:
    rows = []
    first = analyze(blocks[0].block, _SIDE)
    for paths in blocks:
        costs = analyze(paths.block, _SIDE)
        inner = paths.cardinality * paths.base_width
        cells = [str(paths.cardinality), str(paths.base_width), str(inner), exact(paths.weights)]
        cells += [exact(costs.macs), ratio_text(costs.macs, first.macs)]
        cells += [exact(costs.activations), ratio_text(costs.activations, first.activations)]
        rows.append([f"**{cell}**" if paths.cardinality == count else cell for cell in cells])
    return ["C", "d", "C · d", "weights", "MACs", "×", "activations", "×"], rows, "rrrrrrrr"


def _network_title(chosen: GroupedBottleneck) -> str:
    """The network that has such blocks, as the paper names it."""
    if chosen.cardinality == 1:
        return network_title("resnet50")
    return f"{network_title('resnet50').replace('ResNet', 'ResNeXt')} ({chosen.cardinality}×{chosen.base_width}d)"


def _figures(expression: str, title: str) -> dict[str, str]:
    ours, base = cached_analysis(expression, None), cached_analysis("resnet50", None)
    return {
        "title": title,
        "params": short(ours.params),
        "base_params": short(base.params),
        "params_share": share_text(ours.params, base.params),
        "macs": short(ours.macs),
        "base_macs": short(base.macs),
        "macs_share": share_text(ours.macs, base.macs),
        "activations": times_text(ours.activations, base.activations),
    }


def _show_forms(chosen: GroupedBottleneck) -> None:
    try:
        dot = forms_dot(chosen.block, _SIDE, f"One block as {chosen.cardinality} paths of {chosen.base_width}")
    except InvalidInput:
        show_prose(_ONE)
        return
    show_dot(dot, f"The three forms with {chosen.cardinality} paths", "forms")


CHAPTER = Chapter(
    "Cardinality",
    "Many narrow paths at the price of one wide one, and why grouped convolution is the same thing.",
    _show,
    ("Xie 2017",),
)
