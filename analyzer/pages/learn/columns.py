"""Chapter: VGG-19, plain-34 and ResNet-34 side by side."""

from analyzer.cost.analysis import Analysis
from analyzer.graph.ops import Conv2d, Linear
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.learn.chapter import (
    Chapter,
    PageLink,
    ratio_text,
    share_text,
    show_dot,
    show_heading,
    show_links,
    show_prose,
    show_table,
)
from analyzer.render.lessons.block_drawings import figure_dot
from analyzer.render.notation import shortcut_notation
from analyzer.text.units import exact, short

_NETWORKS = ("vgg19", "plain34", "resnet34")

_RULES = (
    "VGG (Simonyan and Zisserman 2015) settled what such networks are made of: 3×3 convolutions, and twice the "
    "channels whenever the map halves. He et al. (2015) kept both rules, let strided convolutions do most of the "
    "halving, and put a global average pool where VGG has its large linear layers. The result is the plain network in "
    "the middle; with shortcuts around every two convolutions it becomes the residual one on the right."
)
_LIGHTER = (
    "The deeper networks are the lighter ones. @plain has @depth weighted layers against @vgg_depth, and costs @macs "
    "MACs against @vgg_macs, @macs_share of it, because its stem brings the map down to @stem_side before the long "
    "stack begins, where VGG computes at @vgg_side and @vgg_next. The parameters tell another story: @linear_share of "
    "VGG-19's are in its linear layers, while its convolutions have @vgg_convs, about what all of ResNet-34 has, "
    "@resnet_params."
)
_SAME = (
    "Between the middle and the right there is next to no difference in cost: the projections at the @changes changes "
    "of shape are @more parameters, @more_share. That is why the pair made the case for residual learning: same "
    "layers, same price, and one of them trains."
)


def _show() -> None:
    show_prose(_RULES)
    show_dot(figure_dot("vgg19-plain34-resnet34"), "VGG-19, plain-34 and ResNet-34 side by side", "columns")
    show_heading("The three in numbers")
    analyses = [cached_analysis(name, None) for name in _NETWORKS]
    show_table(*_costs_table(analyses))
    show_prose(_LIGHTER, _SAME, **_figures(*analyses))
    show_links(
        PageLink("compare", "The three, stage by stage", {"networks": list(_NETWORKS)}),
        PageLink("explore", "ResNet-34", {"variant": "resnet34"}),
        PageLink("explore", "VGG-19", {"variant": "vgg19"}),
    )


def _costs_table(analyses: list[Analysis]) -> tuple[list[str], list[list[str]], str]:
    first = analyses[0]
    rows = [
        [
            analysis.network.title,
            str(analysis.depth),
            exact(analysis.params),
            ratio_text(analysis.params, first.params),
            exact(analysis.macs),
            ratio_text(analysis.macs, first.macs),
            exact(analysis.activations),
            f"{exact(analysis.receptive_field)} px",
        ]
        for analysis in analyses
    ]
    heads = ["network", "depth", "parameters", "×", "MACs", "×", "activations", "receptive field"]
    return heads, rows, "lrrrrrrr"


def _figures(vgg: Analysis, plain: Analysis, resnet: Analysis) -> dict[str, str]:
    linear = sum(row.params for row in vgg.rows if isinstance(row.operation, Linear))
    return {
        "plain": plain.network.title,
        "depth": str(plain.depth),
        "vgg_depth": str(vgg.depth),
        "macs": short(plain.macs),
        "vgg_macs": short(vgg.macs),
        "macs_share": share_text(plain.macs, vgg.macs),
        "stem_side": _side(plain, 0),
        "vgg_side": str(vgg.rows[0].output_shape[1]),
        "vgg_next": _side(vgg, 0),
        "linear_share": share_text(linear, vgg.params),
        "vgg_convs": short(sum(row.params for row in vgg.rows if isinstance(row.operation, Conv2d))),
        "resnet_params": short(resnet.params),
        "changes": str(sum(shortcut_notation(block) == "projection" for block in resnet.blocks)),
        "more": exact(resnet.params - plain.params),
        "more_share": share_text(resnet.params - plain.params, resnet.params),
    }


def _side(analysis: Analysis, stage: int) -> str:
    return str(analysis.stages[stage].output_shape[1])


CHAPTER = Chapter(
    "VGG-19, plain-34, ResNet-34",
    "The figure that made the case: three networks side by side, aligned by the size of their maps.",
    _show,
    ("Simonyan 2015", "He 2015"),
)
