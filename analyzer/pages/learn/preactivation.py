"""Chapter: pre-activation, and what its order changes in the counts."""

from analyzer.cost.analysis import Analysis
from analyzer.explanation.difference import NetworkDifference, OpKindDifference
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    controls_container,
    network_selectbox,
    network_title,
    show_dot,
    show_heading,
    show_links,
    show_prose,
    show_table,
)
from analyzer.render.compare.compare import op_kind_label
from analyzer.render.lessons.block_drawings import preactivation_dot
from analyzer.text.units import exact, signed, stage_label

_NETWORKS = ("resnet50", "resnet101", "resnet152", "resnet34", "resnet110_cifar")

_CLEANS = (
    "In the original block a ReLU follows the addition, so the shortcut is not quite an identity: whatever a block "
    "puts out has been cut off at zero before the next one reads it. He et al. (2016) move batch norm and ReLU to the "
    "front of each convolution and leave nothing after the sum. Then the path from any block to any later one is a "
    "plain sum, $x_L = x_l + \\sum_{i} F(x_i)$, and the gradient that flows back along it carries a term that no "
    "weight has multiplied."
)
_ORDERS = (
    "Everything follows from that order. Each batch norm now has the channels of its convolution's *input* and not of "
    "its output. Where a stage begins, the projection starts after the first BN and ReLU, and needs no batch norm of "
    "its own. The stem gives its batch norm and ReLU up, for the first block brings them, and one of each has to be "
    "added before the pool of the head, since the last sum would otherwise go there as it is."
)
_COUNTS = (
    "The convolutions are the same, so the MACs are: @macs in both. The parameters are not. Only batch norms move, "
    "and they have two for each channel: @title has @original, its pre-activation twin @other, a difference of "
    "@difference. The table has every place where they differ. Whoever checks an implementation by its count should "
    "expect this and no other number."
)
_FOLDS = (
    "The order has a price that no count of parameters shows. A batch norm right after a convolution can be folded "
    "into it for inference; one that stands before it reads a sum, and stays. The next chapter counts them."
)


def _show() -> None:
    show_prose(_CLEANS, _ORDERS)
    with controls_container():
        name = network_selectbox("Network", "preactivation_network", _NETWORKS, "resnet50")
        other = f"{name}:preactivation=true"
        difference = NetworkDifference(cached_analysis(name, None), cached_analysis(other, None))
        show_table(*_totals_table(difference.first, difference.second))
    show_dot(preactivation_dot(name), "Original and pre-activation blocks", "preactivation")
    show_heading("What moves in the counts")
    show_prose(_COUNTS, **_figures(difference))
    show_table(*_changes_table(difference.parts))
    show_prose(_FOLDS)
    show_links(
        PageLink("compare", f"{network_title(name)} in both orders", {"networks": [name, other]}),
        PageLink("explore", "The pre-activation network", {"variant": difference.second.variant}),
    )


def _totals_table(first: Analysis, second: Analysis) -> tuple[list[str], list[list[str]], str]:
    rows = [
        [order, f"`{analysis.variant}`", exact(analysis.params), exact(analysis.macs), exact(analysis.activations)]
        for order, analysis in (("original", first), ("pre-activation", second))
    ]
    return ["order", "expression", "parameters", "MACs", "activations"], rows, "llrrr"


def _changes_table(parts: tuple[OpKindDifference, ...]) -> tuple[list[str], list[list[str]], str]:
    rows = [
        [stage_label(part.stage), op_kind_label(part.kind), exact(was), exact(now), signed(now - was)]
        for part in parts
        for was, now in [part.counts["params"]]
        if was != now
    ]
    whole = sum(part.counts["params"][1] - part.counts["params"][0] for part in parts)
    rows.append(["**all together**", "", "", "", signed(whole)])
    return ["stage", "op", "original", "pre-activation", "difference"], rows, "llrrr"


def _figures(difference: NetworkDifference) -> dict[str, str]:
    return {
        "macs": exact(difference.first.macs),
        "title": difference.first.network.title,
        "original": exact(difference.first.params),
        "other": exact(difference.second.params),
        "difference": signed(difference.second.params - difference.first.params),
    }


CHAPTER = Chapter(
    "Pre-activation",
    "Batch norm and ReLU before the convolution: a clean path for the identity, and other counts.",
    _show,
    ("He 2016",),
)
