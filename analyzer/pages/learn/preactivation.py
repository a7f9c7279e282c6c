"""Chapter: pre-activation, and what its order changes in the counts."""

from analyzer.cost.analysis import Analysis
from analyzer.explanation.difference import Difference, Part
from analyzer.pages.explore.cached import analysis_of
from analyzer.pages.learn.parts import (
    Chapter,
    Link,
    bench,
    draw,
    heading,
    look_further,
    pick_network,
    say,
    table,
    title_of,
)
from analyzer.render.compare.compare import kind_words
from analyzer.render.lessons.block_drawings import preactivation_dot
from analyzer.text.units import exact, signed, stage_words

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
    say(_CLEANS, _ORDERS)
    with bench():
        name = pick_network("Network", "preactivation_network", _NETWORKS, "resnet50")
        other = f"{name}:preactivation=true"
        found = Difference(analysis_of(name, None), analysis_of(other, None))
        table(*_totals(found.first, found.second))
    draw(preactivation_dot(name), "Original and pre-activation blocks", "preactivation")
    heading("What moves in the counts")
    say(_COUNTS, **_figures(found))
    table(*_moved(found.parts))
    say(_FOLDS)
    look_further(
        Link("compare", f"{title_of(name)} in both orders", {"networks": [name, other]}),
        Link("explore", "The pre-activation network", {"variant": found.second.variant}),
    )


def _totals(first: Analysis, second: Analysis) -> tuple[list[str], list[list[str]], str]:
    rows = [
        [words, f"`{each.variant}`", exact(each.params), exact(each.macs), exact(each.activations)]
        for words, each in (("original", first), ("pre-activation", second))
    ]
    return ["order", "expression", "parameters", "MACs", "activations"], rows, "llrrr"


def _moved(parts: tuple[Part, ...]) -> tuple[list[str], list[list[str]], str]:
    rows = [
        [stage_words(part.stage), kind_words(part.kind), exact(was), exact(now), signed(now - was)]
        for part in parts
        for was, now in [part.counts["params"]]
        if was != now
    ]
    whole = sum(part.counts["params"][1] - part.counts["params"][0] for part in parts)
    rows.append(["**all together**", "", "", "", signed(whole)])
    return ["stage", "op", "original", "pre-activation", "difference"], rows, "llrrr"


def _figures(found: Difference) -> dict[str, str]:
    return {
        "macs": exact(found.first.macs),
        "title": found.first.network.title,
        "original": exact(found.first.params),
        "other": exact(found.second.params),
        "difference": signed(found.second.params - found.first.params),
    }


CHAPTER = Chapter(
    "Pre-activation",
    "Batch norm and ReLU before the convolution: a clean path for the identity, and other counts.",
    _show,
    ("He 2016",),
)
