"""Chapter: batch norm, and how it folds into the convolution before it."""

from math import prod

from analyzer.graph.ops import BatchNorm2d
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    controls_container,
    network_selectbox,
    network_title,
    share_text,
    show_heading,
    show_links,
    show_prose,
    show_table,
)
from analyzer.render.lessons.computations import FoldingEffect, folding_effect
from analyzer.text.units import exact, signed

_NETWORKS = (
    "resnet18",
    "resnet50",
    "resnet152",
    "resnetv2_50",
    "resnext50_32x4d",
    "densenet121",
    "densenet201",
    "vgg16_bn",
)

_NORMALISES = (
    "Batch norm (Ioffe and Szegedy 2015) treats each channel by itself. In training it subtracts the batch's mean "
    "$\\mu$, divides by the batch's standard deviation, and lets the channel choose its scale $\\gamma$ and shift "
    "$\\beta$ anew. Those two are learned and count as parameters; the running averages of $\\mu$ and $\\sigma^2$, "
    "which inference uses, are kept but not learned and count as buffers."
)
_FORMULA = "$$\ny = \\gamma \\, \\frac{x - \\mu}{\\sqrt{\\sigma^2 + \\varepsilon}} + \\beta\n$$"
_AFFINE = (
    "In inference all four are constants, and batch norm is a line through each channel, $y = s x + t$ with $s = "
    "\\gamma / \\sqrt{\\sigma^2 + \\varepsilon}$ and $t = \\beta - s \\mu$. A convolution before it is linear too, so "
    "the two are one convolution with other weights and a bias:"
)
_FOLDED = "$$\ns \\, (W * x + b) + t = (s W) * x + (s b + t)\n$$"
_COUNTS = (
    "@title has @norms batch norms, and @folds of them fold. That takes @ops ops, @params_less parameters and "
    "@buffers_less buffers away, the biases that come instead already counted. The MACs stay as they are, @macs in "
    "both, since batch norm counts none in our convention; what is saved is a pass over @elements elements for every "
    "image, @elements_share of all that are normalised."
)
_WHICH = (
    "A batch norm folds where it alone reads a convolution. Where it comes first, as in pre-activation and in "
    "DenseNet, it reads a sum or a concatenation that others read too, and stays; only those between two convolutions "
    "of one block fold. Choose such a network above and see how many are left."
)
_EXACT = (
    "Folding changes no function, but it rounds in another order, so the two networks agree to rounding and not bit "
    "for bit. The Equivalence page proves it on numbers, with the error against its bound, among the other identities "
    "of a network."
)


def _show() -> None:
    show_prose(_NORMALISES, _FORMULA, _AFFINE, _FOLDED)
    show_heading("With and without")
    with controls_container():
        name = network_selectbox("Network", "norm_network", _NETWORKS, "resnet50")
        effect = folding_effect(cached_analysis(name, None))
        show_table(*_counts_table(effect))
    show_prose(_COUNTS, _WHICH, _EXACT, **_figures(effect))
    show_links(
        PageLink("equivalence", "The identities, proved", {"grouped": "resnext50_32x4d"}),
        PageLink("explore", network_title(name), {"variant": name}),
    )


def _counts_table(effect: FoldingEffect) -> tuple[list[str], list[list[str]], str]:
    before, after = effect.before, effect.after
    counts = {
        "batch norms": (effect.num_norms, effect.num_norms - effect.num_folded),
        "ops": (len(before.rows), len(after.rows)),
        "parameters": (before.params, after.params),
        "buffers": (before.totals.buffers, after.totals.buffers),
        "elements normalised": (_normalized_elements(effect)),
        "MACs": (before.macs, after.macs),
    }
    rows = [[words, exact(was), exact(now), signed(now - was)] for words, (was, now) in counts.items()]
    return ["", "as trained", "folded", "difference"], rows, "lrrr"


def _normalized_elements(effect: FoldingEffect) -> tuple[int, int]:
    """Elements that go through a batch norm for one image, before and after."""
    was, now = (
        sum(prod(row.output_shape) for row in analysis.rows if isinstance(row.operation, BatchNorm2d))
        for analysis in (effect.before, effect.after)
    )
    return was, now


def _figures(effect: FoldingEffect) -> dict[str, str]:
    before, after = effect.before, effect.after
    was, now = _normalized_elements(effect)
    return {
        "title": before.network.title,
        "norms": str(effect.num_norms),
        "folds": "all" if effect.num_folded == effect.num_norms else str(effect.num_folded),
        "ops": exact(len(before.rows) - len(after.rows)),
        "params_less": exact(before.params - after.params),
        "buffers_less": exact(before.totals.buffers - after.totals.buffers),
        "macs": exact(before.macs),
        "elements": exact(was - now),
        "elements_share": share_text(was - now, was),
    }


CHAPTER = Chapter(
    "Batch norm and folding",
    "What batch norm computes, what it counts, and how it disappears into a convolution.",
    _show,
    ("Ioffe 2015", "He 2016"),
)
