"""Random small networks for property tests."""

from hypothesis import strategies as st

from analyzer.families.densenet import DenseNetSpec
from analyzer.families.resnet import ResNetSpec
from analyzer.families.spec import Spec

widths = st.integers(1, 96)
depth_lists = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
stems = st.sampled_from(("imagenet", "cifar"))
sizes = st.tuples(st.integers(32, 80), st.integers(32, 80))


@st.composite
def resnet_specs(draw: st.DrawFn, bottleneck: bool | None = None) -> ResNetSpec:
    """Residual networks of up to 16 blocks; every field is drawn where it may be."""
    depths = draw(depth_lists)
    bottleneck = draw(st.booleans()) if bottleneck is None else bottleneck
    drawn_widths = draw(st.none() | st.tuples(*[widths] * len(depths)))
    narrowest = min(drawn_widths or (64,))
    return ResNetSpec(
        block="bottleneck" if bottleneck else "basic",
        depths=depths,
        widths=drawn_widths,
        expansion=draw(st.none() | st.integers(1, 5)),
        cardinality=draw(st.integers(1, 8)) if bottleneck else 1,
        base_width=draw(st.integers(-(-64 // narrowest), 128)) if bottleneck else 64,
        stem=draw(stems),
        stem_width=draw(widths),
        stride_on=draw(st.sampled_from(("3x3", "1x1"))),
        in_channels=draw(st.integers(1, 4)),
        num_classes=draw(st.integers(1, 20)),
    )


@st.composite
def densenet_specs(draw: st.DrawFn) -> DenseNetSpec:
    """Densely connected networks of up to 16 dense layers."""
    return DenseNetSpec(
        depths=draw(depth_lists),
        growth_rate=draw(st.integers(1, 32)),
        init_features=draw(st.integers(40, 64)),
        bottleneck_ratio=draw(st.none() | st.integers(1, 6)),
        compression=draw(st.integers(300_000, 1_000_000)) / 1_000_000,
        stem=draw(stems),
        in_channels=draw(st.integers(1, 4)),
        num_classes=draw(st.integers(1, 20)),
    )


specs: st.SearchStrategy[Spec] = resnet_specs() | densenet_specs()
