"""Chapter: v1 and v1.5, where a bottleneck strides."""

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
    times_text,
)
from analyzer.render.lessons.block_drawings import stride_dot
from analyzer.render.lessons.computations import changed_rows
from analyzer.render.notation import op_notation
from analyzer.text.units import exact, shape, signed

_NETWORKS = ("resnet50", "resnet101", "resnet152")

_PLACES = (
    "The first bottleneck of a stage halves the map, and one of its three convolutions has to do it. In the paper it "
    "is the first 1×1. Its successors moved the stride to the 3×3: Goyal et al. (2017) trained that version, "
    "torchvision ships it as its ResNet-50, others call it v1.5, and He, T. et al. (2019) list it as ResNet-B. The "
    "name of the network stayed, and so two networks with different costs go by one name."
)
_READS = (
    "A 1×1 that moves two places at a time reads one position of every four and throws the others away, before "
    "anything has looked at them. A strided 3×3 overlaps with its neighbours and reads them all. That is what the "
    "change buys; what it costs is that the first 1×1 now works on the map before it is halved."
)
_MOVES = (
    "No weight changes its shape, so the parameters are equal, @params in both, and a checkpoint of one loads into "
    "the other without a word, and gives worse answers there. What differs is whatever sees the map: MACs, "
    "activations and receptive field. The @count rows below do @factor times the work, together @more MACs, "
    "@more_share of the network. Every other row is the same, the strided 3×3 among them, since its output has the "
    "same size either way."
)
_FIELD = (
    "Striding later also keeps neighbouring outputs closer together in the image: the receptive field goes from "
    "@field_1 to @field_2 pixels. A figure of ResNet-50 that does not say which version it is cannot be checked to "
    "the digit."
)


def _show() -> None:
    show_prose(_PLACES, _READS)
    with controls_container():
        name = network_selectbox("Network", "stride_network", _NETWORKS, "resnet50")
        first, second = (cached_analysis(f"{name}:stride_on={kernel}", None) for kernel in ("1x1", "3x3"))
        show_table(*_totals_table(first, second))
    show_dot(stride_dot(name), "The first block of stage 2, v1 and v1.5", "stride")
    show_heading("Which rows move")
    show_prose(_MOVES, **_figures(first, second))
    show_table(*_changes_table(first, second))
    show_prose(_FIELD, **_figures(first, second))
    show_links(
        PageLink("compare", f"{network_title(name)}, v1 against v1.5", {"networks": [first.variant, second.variant]}),
        PageLink(
            "explore", f"{network_title(name)} as drawn here", {"variant": second.variant, "part": "stage 2 · layer2.0"}
        ),
    )


def _totals_table(first: Analysis, second: Analysis) -> tuple[list[str], list[list[str]], str]:
    rows = [
        [version, f"`{analysis.variant}`", exact(analysis.params), exact(analysis.macs), exact(analysis.activations)]
        for version, analysis in (("v1, stride on the 1×1", first), ("v1.5, stride on the 3×3", second))
    ]
    totals = [(first.params, second.params), (first.macs, second.macs), (first.activations, second.activations)]
    rows.append(["difference", "", *(signed(now - was) for was, now in totals)])
    return ["version", "expression", "parameters", "MACs", "activations"], rows, "llrrr"


def _changes_table(first: Analysis, second: Analysis) -> tuple[list[str], list[list[str]], str]:
    rows = [
        [
            f"`{ours.path}`",
            f"{op_notation(ours.operation)} → {op_notation(theirs.operation)}",
            shape(ours.output_shape),
            shape(theirs.output_shape),
            exact(ours.macs),
            exact(theirs.macs),
            signed(theirs.macs - ours.macs),
        ]
        for ours, theirs in changed_rows(first, second)
    ]
    whole = signed(second.macs - first.macs)
    rows.append(["**all together**", "", "", "", "", "", whole])
    heads = ["weight path", "op", "output in v1", "in v1.5", "MACs in v1", "in v1.5", "difference"]
    return heads, rows, "llllrrr"


def _figures(first: Analysis, second: Analysis) -> dict[str, str]:
    moved = changed_rows(first, second)
    return {
        "params": exact(first.params),
        "count": str(len(moved)),
        "factor": " or ".join(dict.fromkeys(times_text(theirs.macs, ours.macs) for ours, theirs in moved)),
        "more": exact(second.macs - first.macs),
        "more_share": share_text(second.macs - first.macs, first.macs),
        "field_1": str(first.receptive_field),
        "field_2": str(second.receptive_field),
    }


CHAPTER = Chapter(
    "v1 and v1.5",
    "The same weights with the stride in another place: what moves, and what does not.",
    _show,
    ("He 2015", "Goyal 2017", "He 2019"),
)
