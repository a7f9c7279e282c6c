"""Specs and the networks that they make. Oracles: the papers' rules written out again, and properties."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.densenet import DenseNetSpec
from analyzer.families.network import network
from analyzer.families.registry import FAMILIES, variant_names, variants
from analyzer.families.resnet import ResNetSpec
from analyzer.families.spec import Spec, floor_product, rules
from analyzer.families.vgg import VGGSpec
from analyzer.graph.graph import leaf_ops
from analyzer.graph.ops import Add, AvgPool2d, BatchNorm2d, Concat, Conv2d, Linear, MaxPool2d, Op, ReLU
from tests.support.strategies import densenet_specs, resnet_specs, specs, vgg_specs

NAMES = {
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2"),
    *("resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("regnet_y_400mf", "regnet_y_800mf", "regnet_y_1_6gf", "regnet_y_3_2gf", "regnet_y_8gf", "regnet_y_16gf"),
    *("regnet_y_32gf", "regnet_y_128gf", "regnet_x_400mf", "regnet_x_800mf", "regnet_x_1_6gf", "regnet_x_3_2gf"),
    *("regnet_x_8gf", "regnet_x_16gf", "regnet_x_32gf"),
}


def test_torchvisions_names_exist_with_title_and_paper() -> None:
    assert set(variant_names()) >= NAMES
    assert all(variant.title and variant.paper for _, _, variant in variants())


def test_every_name_and_alias_is_given_once() -> None:
    names = [word for family in FAMILIES.values() for word in (*family.variants, *family.aliases)]
    assert len(names) == len(set(names))
    assert set(names) & set(FAMILIES) == {"alexnet"}, "a family of one variant has its name"


def test_every_word_of_another_library_stands_for_a_field() -> None:
    for family in FAMILIES.values():
        assert set(family.words.values()) <= set(rules(family.spec))
        assert not set(family.words) & set(rules(family.spec))


def test_the_variants_of_one_family_are_listed_alone() -> None:
    assert [family for _, family, _ in variants("densenet")] == ["densenet"] * 11
    with pytest.raises(InvalidInput, match="family 'vg' is unknown; families are resnet, densenet"):
        list(variants("vg"))


def convolutions(spec: Spec) -> list[Conv2d]:
    """The convolutions of stem and transforms, without shortcuts' and squeeze-and-excitation's."""
    aside = (".downsample", ".se.")
    ops = [op for path, op in leaf_ops(spec.graph()) if not any(part in path for part in aside)]
    return [op for op in ops if isinstance(op, Conv2d)]


def stem_convolutions(spec: ResNetSpec) -> list[tuple[int, int, int, int, int, int]]:
    """The ResNet paper's 7×7/2 and CIFAR 3×3, and the Bag of Tricks' three 3×3 of half, half and whole width."""
    image, width, half = spec.in_channels, spec.stem_width, spec.stem_width // 2
    if spec.stem == "deep":
        return [(3, image, half, 1, 2, 1), (3, half, half, 1, 1, 1), (3, half, width, 1, 1, 1)]
    return [(3, image, width, 1, 1, 1) if spec.stem == "cifar" else (7, image, width, 1, 2, 1)]


def strides_and_dilations(spec: ResNetSpec) -> list[tuple[int, int, int]]:
    """Each stage's stride, its first block's dilation and the others', as torchvision's `_make_layer` sets them."""
    stages, total, dilation = [], {"cifar": 1}.get(spec.stem, 2 if spec.stem_pool == "none" else 4), 1
    for index in range(len(spec.depths)):
        stride, before = (2 if index else 1), dilation
        if stride == 2 and spec.output_stride is not None and total * 2 > spec.output_stride:
            stride, dilation = 1, dilation * 2
        total *= stride
        stages.append((stride, before, dilation))
    return stages


@given(resnet_specs())
def test_a_residual_networks_convolutions_are_the_papers(spec: ResNetSpec) -> None:
    """Table 1 of the ResNet and ResNeXt papers, block by block: (kernel, in, out, groups, stride, dilation)."""
    wanted, channels = stem_convolutions(spec), spec.stem_width
    default_expansion = 4 if spec.block == "bottleneck" else 1
    for index, (depth, (stage_stride, first_dilation, dilation)) in enumerate(
        zip(spec.depths, strides_and_dilations(spec), strict=True)
    ):
        width = spec.widths[index] if spec.widths else 64 * 2**index
        out = width * (spec.expansion or default_expansion)
        inner = width * spec.base_width // 64 * spec.cardinality
        for number in range(depth):
            stride, around = (1, dilation) if number else (stage_stride, first_dilation)
            if spec.block == "basic":
                wanted += [(3, channels, width, 1, stride, around), (3, width, out, 1, 1, around)]
            else:
                first, second = (stride, 1) if spec.stride_on == "1x1" else (1, stride)
                wanted += [
                    (1, channels, inner, 1, first, 1),
                    (3, inner, inner, spec.cardinality, second, around),
                    (1, inner, out, 1, 1, 1),
                ]
            channels = out
    built = convolutions(spec)
    assert [(op.kernel, op.in_channels, op.out_channels, op.groups, op.stride, op.dilation) for op in built] == wanted
    assert all(op.padding == op.dilation * (op.kernel // 2) and op.bias == spec.conv_bias for op in built)


@given(resnet_specs())
def test_a_projection_stands_where_the_shortcuts_letter_says(spec: ResNetSpec) -> None:
    """B: a 1×1 convolution with the block's stride where stride or channels differ; C: everywhere; A, none: nowhere."""
    wanted, channels = {}, spec.stem_width
    for stage, (stride, _, _) in enumerate(strides_and_dilations(spec), 1):
        out = spec.stage_widths[stage - 1] * spec.block_expansion
        for block in range(spec.depths[stage - 1]):
            changes = (block == 0 and stride != 1) or channels != out
            if spec.shortcut == "C" or (spec.shortcut == "B" and changes):
                wanted[f"layer{stage}.{block}"] = (1, channels, out, stride if block == 0 else 1)
            channels = out
    rows = [(path.rpartition(".downsample."), op) for path, op in leaf_ops(spec.graph()) if ".downsample." in path]
    convs = {name[0]: op for name, op in rows if isinstance(op, Conv2d)}
    pools = {name[0]: op.stride for name, op in rows if isinstance(op, AvgPool2d)}
    projections = {
        path: (op.kernel, op.in_channels, op.out_channels, op.stride * pools.get(path, 1)) for path, op in convs.items()
    }
    assert projections == wanted
    assert set(pools) == {path for path, (*_, stride) in wanted.items() if spec.avg_down and stride > 1}
    assert sum(isinstance(op, BatchNorm2d) for _, op in rows) == (0 if spec.preactivation else len(wanted))


@given(resnet_specs())
def test_a_residual_network_adds_once_a_block_and_is_as_deep_as_the_paper_counts(spec: ResNetSpec) -> None:
    """Depth: the stem, two or three a block, one classifier; shortcut projections and gates do not count."""
    analysis = analyze(spec)
    num_adds = 0 if spec.shortcut == "none" else sum(spec.depths)
    assert sum(isinstance(row.operation, Add) for row in analysis.rows) == num_adds
    assert len(analysis.blocks) == sum(spec.depths)
    stem, end = (3 if spec.stem == "deep" else 1), (1 if spec.head == "classifier" else 0)
    assert analysis.depth == stem + sum(spec.depths) * (2 if spec.block == "basic" else 3) + end


@given(resnet_specs())
def test_squeeze_and_excitation_gates_each_block_with_biases(spec: ResNetSpec) -> None:
    """Hu et al. 2018 with biases: 1×1 to ⌊C/r⌋ hidden channels and back, once a block, after its last convolution."""
    gates = [(path, op) for path, op in leaf_ops(spec.graph()) if ".se.fc" in path and isinstance(op, Conv2d)]
    wanted = []
    for stage, (depth, width) in enumerate(zip(spec.depths, spec.stage_widths, strict=True), 1):
        out = width * spec.block_expansion
        hidden = out // spec.se_reduction if spec.se_reduction else 0
        both = (
            [("fc1", Conv2d(out, hidden, 1, bias=True)), ("fc2", Conv2d(hidden, out, 1, bias=True))] if hidden else []
        )
        wanted += [(f"layer{stage}.{block}.se.{name}", op) for block in range(depth) for name, op in both]
    assert gates == wanted


@given(densenet_specs())
def test_a_dense_networks_convolutions_are_the_papers(spec: DenseNetSpec) -> None:
    """DenseNet, sections 3 and 4: layer l reads k₀ + k(l − 1), makes ratio·k and adds k; transitions keep ⌊θC⌋."""
    stem_kernel = 3 if spec.stem == "cifar" else 7
    wanted, channels = [(stem_kernel, spec.in_channels, spec.init_features)], spec.init_features
    thousandths = round(spec.compression * 1_000_000)
    for index, depth in enumerate(spec.depths):
        for _ in range(depth):
            if spec.bottleneck_ratio is None:
                wanted.append((3, channels, spec.growth_rate))
            else:
                inner = spec.bottleneck_ratio * spec.growth_rate
                wanted += [(1, channels, inner), (3, inner, spec.growth_rate)]
            channels += spec.growth_rate
        if index < len(spec.depths) - 1:
            wanted.append((1, channels, channels * thousandths // 1_000_000))
            channels = channels * thousandths // 1_000_000
    assert [(op.kernel, op.in_channels, op.out_channels) for op in convolutions(spec)] == wanted
    linears = [op for _, op in leaf_ops(spec.graph()) if isinstance(op, Linear)]
    assert linears == ([Linear(channels, spec.num_classes)] if spec.head == "classifier" else [])


@given(densenet_specs())
def test_a_dense_network_joins_once_a_layer_and_in_order(spec: DenseNetSpec) -> None:
    """What came before stays first, so that channel i keeps its place (the order of torchvision's weights)."""
    for row in analyze(spec).rows:
        if isinstance(row.operation, Concat):
            before, new = (shape[0] for shape in row.input_shapes)
            assert new == spec.growth_rate
            assert before >= spec.init_features or ".denseblock1." not in row.path
    features = next(node.op for node in spec.graph().nodes if node.name == "features")
    for block in [node.op for node in features.nodes if node.name.startswith("denseblock")]:  # type: ignore[union-attr]
        joins = [node.inputs for node in block.nodes if isinstance(node.op, Concat)]  # type: ignore[union-attr]
        wanted = [
            ("input" if index == 1 else f"concat{index - 1}", f"denselayer{index}")
            for index in range(1, len(joins) + 1)
        ]
        assert joins == wanted


@given(resnet_specs(bottleneck=True))
def test_one_path_of_width_64_is_the_plain_bottleneck(spec: ResNetSpec) -> None:
    """ResNeXt, section 3.1: cardinality 1 and base width 64 is the ResNet of the same depths and widths."""
    plain = spec.with_fields(cardinality=1, base_width=64)
    inner = {path: op for path, op in leaf_ops(plain.graph()) if isinstance(op, Conv2d) and path.endswith(".conv2")}
    widths = {path: plain.stage_widths[int(path[len("layer")]) - 1] for path in inner}
    assert inner == {path: replace(op, out_channels=widths[path], groups=1) for path, op in inner.items()}
    assert network("resnet50:cardinality=1,base_width=64").graph == network("resnet50").graph


def longer(values: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return tuple(value + (position == index) for position, value in enumerate(values))


@settings(max_examples=50)
@given(resnet_specs() | densenet_specs(), st.integers(0, 3))
def test_more_depth_never_means_fewer_parameters(spec: ResNetSpec | DenseNetSpec, stage: int) -> None:
    assume(stage < len(spec.depths))
    deeper = spec.with_fields(depths=longer(spec.depths, stage))
    assert analyze(deeper).params > analyze(spec).params
    assert analyze(deeper).macs > analyze(spec).macs


@settings(max_examples=50)
@given(resnet_specs(), st.integers(0, 3))
def test_more_width_never_means_fewer_parameters(spec: ResNetSpec, stage: int) -> None:
    """Not with shortcut B, where a block that gets as wide as what it reads loses its projection."""
    assume(stage < len(spec.depths) and spec.shortcut != "B")
    outputs = [spec.stem_width, *(width * spec.block_expansion for width in longer(spec.stage_widths, stage))]
    assume(spec.shortcut != "A" or outputs == sorted(outputs))
    wider = spec.with_fields(widths=longer(spec.stage_widths, stage))
    assert analyze(wider).params > analyze(spec).params
    assert analyze(wider).macs > analyze(spec).macs


@given(densenet_specs(), st.sampled_from(("growth_rate", "init_features")))
def test_more_dense_width_never_means_fewer_parameters(spec: DenseNetSpec, name: str) -> None:
    assert analyze(spec.with_fields(**{name: getattr(spec, name) + 1})).params > analyze(spec).params


@given(vgg_specs(), st.integers(0, 6))
def test_more_vgg_depth_never_means_fewer_parameters(spec: VGGSpec, index: int) -> None:
    """One more convolution of the width that is read there."""
    assume(index < len(spec.config) and spec.config[index] != "M")
    config = (*spec.config[: index + 1], *spec.config[index:])
    assert analyze(spec.with_fields(config=config)).params > analyze(spec).params


@given(vgg_specs())
def test_a_vgg_networks_layers_are_its_configs(spec: VGGSpec) -> None:
    """Simonyan and Zisserman, Table 1: 3×3 convolutions with bias, each with ReLU, and 2×2 pools of stride 2."""
    wanted: list[Op] = []
    channels = spec.in_channels
    for item in spec.config:
        if isinstance(item, str):
            wanted.append(MaxPool2d(2, stride=2))
        else:
            norm = [BatchNorm2d(item)] if spec.batch_norm else []
            wanted += [Conv2d(channels, item, 3, padding=1, bias=True), *norm, ReLU()]
            channels = item
    assert [op for path, op in leaf_ops(spec.graph()) if path.startswith("features.")] == wanted
    linears = [op for _, op in leaf_ops(spec.graph()) if isinstance(op, Linear)]
    hidden = [Linear(channels * 49, 4096), Linear(4096, 4096), Linear(4096, spec.num_classes)]
    assert linears == (hidden if spec.head == "classifier" else [])


@given(st.integers(1, 1_000_000), st.integers(1, 65_536))
@example(290_000, 100)
def test_compression_floors_the_decimal_as_written(millionths: int, channels: int) -> None:
    """0.29 · 100 is 29, though the nearest binary number to 0.29 gives 28.999…"""
    assert floor_product(millionths / 1_000_000, channels) == channels * millionths // 1_000_000


IMPOSSIBLE: list[tuple[type[Spec], dict[str, Any], str]] = [
    (ResNetSpec, {"block": "basic", "depths": ()}, "resnet: depths='' must be 1 to 16 whole numbers"),
    (ResNetSpec, {"block": "basic", "depths": (0,)}, "resnet: depths='0' must be"),
    (ResNetSpec, {"block": "basic", "depths": (True,)}, "resnet: depths='True' must be"),
    (ResNetSpec, {"block": "basic", "depths": (1,) * 17}, "must be 1 to 16 whole numbers"),
    (ResNetSpec, {"block": "basic", "depths": (10_000, 1)}, "10001 blocks; at most 10000"),
    (ResNetSpec, {"block": "Basic", "depths": (1,)}, "resnet: block='Basic' must be one of basic, bottleneck"),
    (ResNetSpec, {"block": "basic", "depths": (1,), "cardinality": 2}, "cardinality=2 must be 1 with basic blocks"),
    (ResNetSpec, {"block": "basic", "depths": (1,), "base_width": 4}, "base_width=4 must be 64 with basic blocks"),
    (
        ResNetSpec,
        {"block": "basic", "depths": (1, 1), "widths": (64,)},
        "widths=64 must have one width for each of the 2",
    ),
    (ResNetSpec, {"block": "basic", "depths": (1,), "widths": (65_537,)}, "widths='65537' must be"),
    (ResNetSpec, {"block": "bottleneck", "depths": (1,), "base_width": 1, "widths": (63,)}, "⌊63 · 1 / 64⌋ = 0"),
    (ResNetSpec, {"block": "bottleneck", "depths": (1,), "cardinality": 2000}, "cardinality=2000 gives a block 128000"),
    (ResNetSpec, {"block": "bottleneck", "depths": (1,) * 10}, "32768 gives a block 131072 channels; at most 65536"),
    (ResNetSpec, {"block": "basic", "depths": (1,), "num_classes": -1}, "num_classes='-1' must be"),
    (ResNetSpec, {"block": "basic", "depths": (1,), "stem_width": 1.5}, "stem_width='1.5' must be a whole number"),
    (ResNetSpec, {"block": "basic", "depths": (1,), "in_channels": 10**5000}, "must be a whole number from 1 to 65536"),
    (DenseNetSpec, {"depths": (10_001,)}, "densenet: depths='10001' must be"),
    (DenseNetSpec, {"depths": (6,), "compression": 0.0}, "compression='0.0' must be a decimal above 0 and up to 1"),
    (DenseNetSpec, {"depths": (6,), "compression": 1.1}, "compression='1.1' must be"),
    (DenseNetSpec, {"depths": (6,), "compression": float("nan")}, "compression='nan' must be"),
    (DenseNetSpec, {"depths": (6,), "compression": 1 / 3}, "with at most 6 places"),
    (DenseNetSpec, {"depths": (6,), "compression": True}, "compression='True' must be"),
    (DenseNetSpec, {"depths": (6,), "growth_rate": 20_000}, "bottleneck_ratio=4 times growth_rate=20000 is over 65536"),
    (DenseNetSpec, {"depths": (1, 1), "compression": 0.01}, "compression=0.01 leaves none of 96 channels"),
    (DenseNetSpec, {"depths": (3000,)}, "growth_rate=32 makes 96064 channels in 3000 dense layers; at most 65536"),
    (
        ResNetSpec,
        {"block": "basic", "depths": (1, 1), "widths": (64, 32), "shortcut": "A"},
        "shortcut=A cannot zero-pad 64 channels onto 32",
    ),
    (DenseNetSpec, {"depths": (6,), "stem": "deep"}, "stem='deep' must be one of imagenet, cifar"),
]


@pytest.mark.parametrize(("family", "fields", "message"), IMPOSSIBLE, ids=[case[2] for case in IMPOSSIBLE])
def test_an_impossible_spec_is_refused_with_field_value_and_rule(
    family: type[Spec], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        family(**fields)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ResNetSpec(block="basic", depths=(4000,)), "28007 ops are over the bound of 20000 ops in all"),
    ],
)
def test_a_network_over_a_bound_is_refused_by_that_bound(spec: Spec, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        network(spec)
    assert message in str(refused.value)


def test_fields_without_effect_take_their_default() -> None:
    """Basic blocks have no 1×1 to stride; one stage has neither a stride nor a transition."""
    assert ResNetSpec(block="basic", depths=(1, 1), stride_on="1x1") == ResNetSpec(block="basic", depths=(1, 1))
    assert ResNetSpec(block="bottleneck", depths=(3,), stride_on="1x1") == ResNetSpec(block="bottleneck", depths=(3,))
    assert DenseNetSpec(depths=(3,), compression=0.7) == DenseNetSpec(depths=(3,))
    assert ResNetSpec(block="bottleneck", depths=(1, 1), widths=(64, 128), expansion=4) == ResNetSpec(
        block="bottleneck", depths=(1, 1)
    )


OTHER: list[tuple[str, Any]] = [
    *(("stride_on", "1x1"), ("stem", "cifar"), ("stem", "deep"), ("in_channels", 9), ("num_classes", 99)),
    *(
        ("preactivation", True),
        ("conv_bias", True),
        ("batch_norm", True),
        ("stem_pool", "none"),
        ("stem_pool", "valid"),
    ),
    *(("shortcut", "none"), ("head", "pool"), ("head", "none"), ("se_reduction", 1), ("bottleneck_ratio", None)),
]


@given(specs)
def test_two_specs_of_one_graph_differ_only_where_a_floor_hides_it(spec: Spec) -> None:
    """A field that has an effect changes the Graph: no second expression of a network goes unnoticed."""
    for name, other in OTHER:
        if name not in rules(type(spec)) or getattr(spec, name) == other:
            continue
        try:
            changed = spec.with_fields(**{name: other})
        except InvalidInput:
            continue
        assert (changed == spec) == (changed.graph() == spec.graph()), name


@given(specs)
def test_resolved_fields_make_the_same_network(spec: Spec) -> None:
    """What the JSON report states is enough to build the network again."""
    fields = {
        name: tuple(value) if isinstance(value, list) else value for name, value in spec.effective_fields().items()
    }
    assert type(spec)(**fields) == spec
    assert "widths" not in fields or None not in (fields["widths"], fields.get("expansion", 1))


def test_default_input_sizes() -> None:
    assert network("resnet50").input_shape() == (3, 224, 224)
    assert network("resnet50:stem=cifar").input_shape() == (3, 32, 32)
    assert network("densenet121:stem=cifar,in_channels=1").input_shape() == (1, 32, 32)
    assert network("resnet50").input_shape((320, 256)) == (3, 320, 256)


@pytest.mark.parametrize(
    "size", [0, -1, 16_385, True, 224.0, "224", (224,), (1, 2, 3), (224, None), 10**5000], ids=type
)
def test_an_odd_input_size_is_refused(size: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^input size .* from 1 to 16384\.$") as refused:
        network("resnet50").input_shape(size)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("variant", [None, 50, ["resnet50"]])
def test_what_is_no_variant_is_refused(variant: Any) -> None:
    with pytest.raises(InvalidInput, match="must be a variant expression, a Spec or a Graph"):
        network(variant)
