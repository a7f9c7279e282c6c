"""Random small networks for property tests: every field of every family is drawn wherever it may be.

`specs` holds any network at its default input size; `sizable` those that take any size from 32 pixels and end with a
classifier, which leaves out windowed head pools (their classifier fits one size) and VGG and AlexNet.
"""

from typing import Any

from hypothesis import strategies as st

from analyzer.families.alexnet import AlexNetSpec
from analyzer.families.densenet import DenseNetSpec
from analyzer.families.regnet import RegNetSpec
from analyzer.families.resnet import ResNetSpec
from analyzer.families.spec import Spec
from analyzer.families.vgg import VGGSpec

widths = st.integers(1, 96)
depth_lists = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
sizes = st.tuples(st.integers(32, 80), st.integers(32, 80))
heads = st.sampled_from(("classifier", "classifier", "classifier", "pool", "none"))
in_channels = st.integers(1, 4)
num_classes = st.integers(1, 20)


@st.composite
def resnet_specs(draw: st.DrawFn, bottleneck: bool | None = None, sizable: bool = False) -> ResNetSpec:
    """Residual networks of up to 16 blocks."""
    depths = draw(depth_lists)
    bottleneck = draw(st.booleans()) if bottleneck is None else bottleneck
    drawn_widths = draw(st.none() | st.tuples(*[widths] * len(depths)))
    expansion = draw(st.none() | st.integers(1, 5))
    narrowest = min(drawn_widths or (64,))
    return ResNetSpec(
        block="bottleneck" if bottleneck else "basic",
        depths=depths,
        widths=drawn_widths,
        expansion=expansion,
        cardinality=draw(st.integers(1, 8)) if bottleneck else 1,
        base_width=draw(st.integers(-(-64 // narrowest), 128)) if bottleneck else 64,
        preactivation=draw(st.booleans()),
        conv_bias=draw(st.booleans()),
        stride_on=draw(st.sampled_from(("3x3", "1x1"))),
        se_reduction=draw(st.none() | st.integers(1, narrowest)),
        in_channels=draw(in_channels),
        num_classes=draw(num_classes),
        **draw(_stems_and_shortcuts(depths, drawn_widths, expansion or (4 if bottleneck else 1))),
        **({} if sizable else draw(_resnet_heads(len(depths)))),
    )


@st.composite
def _stems_and_shortcuts(
    draw: st.DrawFn, depths: tuple[int, ...], drawn_widths: tuple[int, ...] | None, expansion: int
) -> dict[str, Any]:
    """Stem, shortcut and strides; option A only where no block has fewer channels than what it reads."""
    stem, pool = (
        draw(st.sampled_from(("imagenet", "cifar", "deep"))),
        draw(st.sampled_from(("padded", "valid", "none"))),
    )
    width = draw(widths)
    width += width % 2 if stem == "deep" else 0
    stage_widths = drawn_widths or [64 * 2**index for index in range(len(depths))]
    outputs = [width, *(expansion * stage_width for stage_width in stage_widths)]
    growing = outputs == sorted(outputs)
    stem_stride = 1 if stem == "cifar" else 2 if pool == "none" else 4
    strides = [stride for stride in (4, 8, 16, 32) if stem_stride <= stride <= stem_stride * 2 ** (len(depths) - 1)]
    return {
        "stem": stem,
        "stem_width": width,
        "stem_pool": pool,
        "shortcut": draw(st.sampled_from(("B", "C", "none", *(("A",) if growing else ())))),
        "avg_down": draw(st.booleans()),
        "output_stride": draw(st.none() | st.sampled_from(strides)) if strides else None,
    }


@st.composite
def _resnet_heads(draw: st.DrawFn, num_stages: int) -> dict[str, Any]:
    """Head and head pool; a window of at most 2, which fits every last map at the default size."""
    head = draw(heads)
    return {"head": head, "head_pool": None if head == "none" else draw(st.none() | st.integers(1, 2))}


@st.composite
def densenet_specs(draw: st.DrawFn, sizable: bool = False) -> DenseNetSpec:
    """Densely connected networks of up to 16 dense layers."""
    return DenseNetSpec(
        depths=draw(depth_lists),
        growth_rate=draw(st.integers(1, 32)),
        init_features=draw(st.integers(40, 64)),
        bottleneck_ratio=draw(st.none() | st.integers(1, 6)),
        compression=draw(st.integers(300_000, 1_000_000)) / 1_000_000,
        stem=draw(st.sampled_from(("imagenet", "cifar"))),
        head="classifier" if sizable else draw(heads),
        in_channels=draw(in_channels),
        num_classes=draw(num_classes),
    )


@st.composite
def regnet_specs(draw: st.DrawFn, sizable: bool = False) -> RegNetSpec:
    """AnyNets of up to 16 blocks, with ratios and group widths a stage or for all; each group width fits its stage."""
    depths = draw(depth_lists)
    ratios = draw(_one_or_each(st.integers(1, 4), len(depths)))
    groups = draw(st.none() | _one_or_each(st.integers(1, 8), len(depths)))
    steps = [
        ratio * group
        for ratio, group in zip(_each(ratios, len(depths)), _each(groups or (1,), len(depths)), strict=True)
    ]
    drawn = tuple(step * draw(st.integers(1, max(48 // step, 2))) for step in steps)
    narrowest = min(drawn)
    return RegNetSpec(
        depths=depths,
        widths=drawn,
        bottleneck_ratios=ratios,
        group_widths=groups,
        se_ratio=draw(
            st.none() | st.integers(-(-600_000 // narrowest), 1_000_000).map(lambda ratio: ratio / 1_000_000)
        ),
        stem_width=narrowest + draw(st.integers(0, 32)),
        head="classifier" if sizable else draw(heads),
        in_channels=draw(in_channels),
        num_classes=draw(num_classes),
    )


def _one_or_each(numbers: st.SearchStrategy[int], count: int) -> st.SearchStrategy[tuple[int, ...]]:
    """One number for all stages, or one for each."""
    return st.tuples(numbers) | st.tuples(*[numbers] * count)


def _each(numbers: tuple[int, ...], count: int) -> tuple[int, ...]:
    return numbers * count if len(numbers) == 1 else numbers


@st.composite
def vgg_specs(draw: st.DrawFn) -> VGGSpec:
    """VGG networks of up to 7 convolutions and pools."""
    rest = draw(st.lists(st.just("M") | st.integers(1, 32), max_size=6))
    return VGGSpec(
        config=(draw(st.integers(1, 32)), *rest),
        batch_norm=draw(st.booleans()),
        head=draw(heads),
        in_channels=draw(in_channels),
        num_classes=draw(num_classes),
    )


alexnet_specs = st.builds(AlexNetSpec, head=heads, in_channels=in_channels, num_classes=num_classes)

sizable: st.SearchStrategy[Spec] = (
    resnet_specs(sizable=True) | densenet_specs(sizable=True) | regnet_specs(sizable=True)
)
specs: st.SearchStrategy[Spec] = (
    resnet_specs() | resnet_specs() | densenet_specs() | regnet_specs() | vgg_specs() | alexnet_specs
)

sized: st.SearchStrategy[tuple[Spec, tuple[int, int] | None]] = st.tuples(sizable, sizes) | st.tuples(specs, st.none())
"""A network and an input size, None for the network's own."""
