"""Chapter: the degradation problem, the residual block, and what its shortcuts cost."""

from collections import Counter
from typing import Final

from analyzer.cost.analysis import Analysis
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    controls_container,
    network_selectbox,
    network_title,
    share_text,
    show_dot,
    show_heading,
    show_links,
    show_prose,
    show_table,
)
from analyzer.render.lessons.block_drawings import residual_dot, shortcuts_dot
from analyzer.render.notation import shortcut_notation
from analyzer.text.units import exact, signed

_NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet20_cifar", "resnet110_cifar")
_OPTIONS: Final = ("none", "A", "B", "C")
_OPTION_LABELS = {
    "none": "no shortcuts: the plain network",
    "A": "A: identity, zero-padded where shapes change",
    "B": "B: identity, projection where shapes change",
    "C": "C: projection everywhere",
}

_DEGRADES = (
    "A deeper network should never be worse. Take a trained one, append layers that compute the identity, and the "
    "result is deeper and exactly as good; training only has to find something at least as good as that. He et al. "
    "(2015) found that it does not: beyond a certain depth, a plain stack of convolutions has the *higher training "
    "error*, the deeper it is. They called it degradation. It is no over-fitting, since the training error itself is "
    "worse, and no vanishing signal, since batch norm keeps forward and backward signals alive. The solver simply has "
    "a hard time to make a few non-linear layers compute the identity."
)
_REPARAMETRISES = (
    "The residual block gives it the identity for nothing. Its layers compute a transform $F(x)$ and the block puts "
    "out $F(x) + x$. To be the identity it drives the weights of $F$ towards zero; to be nearly the identity, which "
    "is what deep networks turn out to want, it learns a small difference. In the drawing, the shortcut that carries "
    "$x$ is the solid arc."
)
_CHANGES = (
    "Where a new stage begins, the map halves and the channels double, and $x$ no longer has the shape of $F(x)$. "
    "These are the dashed shortcuts of the paper's figure. It tries three ways. **Option A** takes every other "
    "position and pads the missing channels with zeros, and so has no parameters. **Option B** puts a strided 1×1 "
    "convolution with a batch norm there, a projection, and keeps the identity elsewhere; nearly every library builds "
    "this one. **Option C** projects in every block."
)
_COSTS = (
    "@title has @identities blocks with an identity and @projections where shapes change. Against the plain network "
    "option B adds @b parameters, @b_share of the network, and option C @c, which is @c_share. The zero-padding of "
    "option A adds none, and the additions themselves count as no multiply-accumulates. In bottlenecks the shortcut "
    "joins the two wide ends of the block, so that a projection in each of them is dear: the paper gave option C up "
    "for that reason, and uses A on CIFAR."
)
_SAME_DEPTH = (
    "So the comparison in the paper is fair: a residual network and the plain one of the same depth have the same "
    "convolutions, and, with option A, equal counts to the last digit. What differs is only how well they train."
)


def _show() -> None:
    show_prose(_DEGRADES, _REPARAMETRISES)
    show_dot(residual_dot(), "A plain block and two residual blocks", "residual")
    show_prose(_CHANGES)
    show_heading("What each option costs")
    with controls_container():
        name = network_selectbox("Network", "shortcut_network", _NETWORKS, "resnet34")
        analyses = {option: cached_analysis(f"{name}:shortcut={option}", None) for option in _OPTIONS}
        show_table(*_options_table(analyses))
    show_prose(_COSTS, _SAME_DEPTH, **_figures(name, analyses))
    show_dot(shortcuts_dot(name, _OPTIONS), "Stage 2 with each of the shortcuts", "shortcuts")
    show_links(
        PageLink(
            "compare", f"{network_title(name)} with each option", {"networks": [analyses[o].variant for o in _OPTIONS]}
        ),
        PageLink("explore", network_title(name), {"variant": name}),
    )


def _options_table(analyses: dict[str, Analysis]) -> tuple[list[str], list[list[str]], str]:
    plain = analyses["none"]
    rows = [
        [
            _OPTION_LABELS[option],
            exact(analysis.params),
            signed(analysis.params - plain.params),
            exact(analysis.macs),
            signed(analysis.macs - plain.macs),
        ]
        for option, analysis in analyses.items()
    ]
    return ["shortcuts", "parameters", "more", "MACs", "more"], rows, "lrrrr"


def _figures(name: str, analyses: dict[str, Analysis]) -> dict[str, str]:
    kinds = Counter(map(shortcut_notation, analyses["B"].blocks))
    plain = analyses["none"].params
    more = {option: analyses[option].params - plain for option in ("B", "C")}
    return {
        "title": network_title(name),
        "identities": str(kinds["identity"]),
        "projections": str(kinds["projection"]),
        "b": exact(more["B"]),
        "b_share": share_text(more["B"], analyses["B"].params),
        "c": exact(more["C"]),
        "c_share": share_text(more["C"], analyses["C"].params),
    }


CHAPTER = Chapter(
    "The residual block",
    "Why deeper plain networks got worse, what the shortcut changes, and what it costs.",
    _show,
    ("He 2015",),
)
