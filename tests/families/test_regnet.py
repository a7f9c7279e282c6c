"""AnyNets and RegNets: torchvision's own code, the paper's parametrisation, its spaces, and fields that fit."""

from math import log, log10, prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torchvision.models.regnet import BlockParams, RegNet

import analyzer
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical, parse
from analyzer.families.network import network
from analyzer.families.registry import FAMILIES
from analyzer.families.regnet import RegNetSpec, hidden_width
from analyzer.graph.resnext_forms import grouped_blocks, reason_without_forms
from analyzer.live.equivalence.equivalence import check_equivalence
from analyzer.live.network.build import transform_ends
from analyzer.live.verify.reference_networks import TIMM_REGNETS, WeightsOnMeta, layout, timm_regnet_name
from analyzer.render.explain.explain import explanation
from analyzer.render.report.remarks import remarks
from analyzer.sweep.space.candidates import Candidates
from analyzer.sweep.space.expression_functions import FUNCTIONS, LISTS, StageList
from analyzer.sweep.space.space import packaged_space
from analyzer.text.units import short
from tests.support.strategies import regnet_specs

TORCHVISION: dict[str, tuple[int, int, float, float, int]] = {
    "regnet_y_400mf": (16, 48, 27.89, 2.09, 8),
    "regnet_y_800mf": (14, 56, 38.84, 2.4, 16),
    "regnet_y_1_6gf": (27, 48, 20.71, 2.65, 24),
    "regnet_y_3_2gf": (21, 80, 42.63, 2.66, 24),
    "regnet_y_8gf": (17, 192, 76.82, 2.19, 56),
    "regnet_y_16gf": (18, 200, 106.23, 2.48, 112),
    "regnet_y_32gf": (20, 232, 115.89, 2.53, 232),
    "regnet_y_128gf": (27, 456, 160.83, 2.52, 264),
    "regnet_x_400mf": (22, 24, 24.48, 2.54, 16),
    "regnet_x_800mf": (16, 56, 35.73, 2.28, 16),
    "regnet_x_1_6gf": (18, 80, 34.01, 2.25, 24),
    "regnet_x_3_2gf": (25, 88, 26.31, 2.25, 48),
    "regnet_x_8gf": (23, 80, 49.56, 2.88, 120),
    "regnet_x_16gf": (22, 216, 55.59, 2.1, 128),
    "regnet_x_32gf": (23, 320, 69.86, 2.0, 168),
}
"""(d, w0, wa, wm, group width) in torchvision 0.29.1's builders, torchvision/models/regnet.py."""


def listed(stages: StageList) -> tuple[int, ...]:
    """The list of the one candidate that was asked for."""
    return tuple(int(part[0]) for part in stages.parts[: int(stages.length[0])])


@pytest.mark.parametrize("name", FAMILIES["regnet"].variants)
def test_the_papers_parametrisation_gives_the_named_networks(name: str) -> None:
    """Published: torchvision's constants; and torchvision's own code, run on them."""
    depth, *numbers, group = TORCHVISION[name]
    spec, given_numbers = parse(name), (depth, *numbers, 8, group)
    computed = [
        listed(LISTS["regnet_depths"][2](depth, *numbers)),
        listed(LISTS["regnet_widths"][2](*given_numbers)),
        listed(LISTS["regnet_group_widths"][2](*given_numbers)),
    ]
    fields = spec.effective_fields()
    assert computed == [tuple(fields["depths"]), tuple(fields["widths"]), _each(fields["group_widths"], 4)]
    w0, wa, wm = numbers
    theirs = BlockParams.from_init_params(depth=depth, w_0=int(w0), w_a=wa, w_m=wm, group_width=group)
    assert computed == [tuple(theirs.depths), tuple(theirs.widths), tuple(theirs.group_widths)]


def _each(values: list[int], count: int) -> tuple[int, ...]:
    return tuple(values * count if len(values) == 1 else values)


def by_equations(depth: int, initial: int, slope: float, factor: float) -> tuple[list[int], list[int]]:
    """Widths and depths block by block, as equations 2 to 4 of the paper are written."""
    widths: list[int] = []
    depths: list[int] = []
    for block in range(depth):
        power = float(np.round(log((initial + slope * block) / initial) / log(factor)))
        width = int(np.round(initial * factor**power / 8)) * 8
        if not widths or widths[-1] != width:
            widths.append(width)
            depths.append(0)
        depths[-1] += 1
    return widths, depths


@given(
    st.integers(1, 64), st.integers(1, 32), st.integers(0, 2560) | st.sampled_from((0, 40, 80)), st.integers(150, 300)
)
@example(64, 10, 400, 225)  # halves between two powers
@example(64, 1, 48, 256)  # a half to which the inverse comes from above
@example(64, 1, 2560, 150)  # more than 16 stages
def test_stages_are_those_of_the_papers_equations(depth: int, eighths: int, tenths: int, hundredths: int) -> None:
    """Closed form: the equations written out, one block at a time; no network has more than 16 stages."""
    numbers = depth, 8 * eighths, tenths / 10, hundredths / 100
    widths, depths = by_equations(*numbers)
    if len(widths) > 16:
        widths, depths = [0], [0]
    computed = [
        listed(LISTS[name][2](*(np.array([number]) for number in numbers))) for name in LISTS if "group" not in name
    ]
    raw = [FUNCTIONS["fitting"][2](width, 1, 1) if width else 0 for width in widths]
    assert computed == [tuple(map(int, raw)), tuple(depths)]


@given(st.integers(1, 200), st.integers(1, 300), st.sampled_from((1, 2, 4)))
def test_a_width_is_fitted_to_its_group_width_as_torchvision_does(eighths: int, group: int, ratio: int) -> None:
    """Reference output: BlockParams._adjust_widths_groups_compatibilty, misspelt there, of one stage."""
    (theirs,), _ = BlockParams._adjust_widths_groups_compatibilty([8 * eighths], [1 / ratio], [group])
    assert FUNCTIONS["fitting"][2](8 * eighths, group, ratio) == theirs


def torchvisions_anynet(spec: RegNetSpec) -> RegNet:
    """Torchvision's own network of these numbers, whose code takes lists for every stage."""
    count = len(spec.depths)
    params = BlockParams(
        depths=list(spec.depths),
        widths=list(spec.widths),
        group_widths=list(_each(spec.effective_fields()["group_widths"], count)),
        bottleneck_multipliers=[1 / ratio for ratio in _each(list(spec.bottleneck_ratios), count)],
        strides=[2] * count,
        se_ratio=spec.se_ratio,
    )
    return RegNet(params, num_classes=spec.num_classes, stem_width=spec.stem_width)


@settings(max_examples=25, deadline=None)
@given(regnet_specs(sizable=True))
def test_any_of_them_is_torchvisions_to_the_bit(spec: RegNetSpec) -> None:
    """Reference output: torchvision's AnyNet code with the same weights; names, shapes, order, outputs, gradients."""
    spec = spec.with_fields(in_channels=3)
    live, reference = analyzer.build(spec), torchvisions_anynet(spec)
    assert layout(live.state_dict()) == layout(reference.state_dict())
    reference.load_state_dict(live.state_dict())
    images = torch.randn(3, 3, 32, 32)
    for net in (live, reference):
        net.train()(images).sum().backward()
    for ours, theirs in zip(live.parameters(), reference.parameters(), strict=True):
        assert ours.grad is not None
        assert torch.equal(ours.grad, theirs.grad)
    with torch.no_grad():
        assert torch.equal(live.eval()(images), reference.eval()(images))


@pytest.mark.parametrize("name", ["regnet_y_16gf", "regnet_y_128gf", "regnet_x_8gf", "regnet_x_32gf"])
def test_large_ones_have_torchvisions_weights(name: str) -> None:
    """Reference output, on `meta`: names, shapes and order of the state_dict; the counts of its metadata."""
    spec = parse(name)
    assert isinstance(spec, RegNetSpec)
    with WeightsOnMeta():
        reference = torchvisions_anynet(spec)
    assert layout(analyzer.build(name, device="meta").state_dict()) == layout(reference.state_dict())


def test_weights_start_as_torchvisions() -> None:
    """Reference output: by torchvision's code a gate's biases start as torch starts them, within 1/√fan-in."""
    torch.manual_seed(0)
    spec = RegNetSpec(depths=(1, 1), widths=(64, 128), group_widths=(16,), se_ratio=0.25)
    ours, theirs = analyzer.build(spec).state_dict(), torchvisions_anynet(spec).state_dict()
    for name, there in theirs.items():
        here = ours[name]
        if ".se." in name and name.endswith("bias"):
            bound = ours[name.replace("bias", "weight")][0].numel() ** -0.5
            assert 0 < float(here.abs().max()) <= bound >= float(there.abs().max()) > 0
        elif there.dim() > 1:
            assert float(here.std()) == pytest.approx(float(there.std()), rel=0.15), name
        else:
            assert torch.equal(here, there), name


@given(st.integers(1, 1_000_000), st.integers(1, 65_536))
@example(250_000, 30)  # 7.5, to the even 8
@example(250_000, 34)  # 8.5, to the even 8
@example(290_000, 150)  # 43.5 as it is written; the nearest binary number is below
def test_hidden_channels_are_rounded_to_even(millionths: int, channels: int) -> None:
    """Closed form: Python's own rounding of the exact fraction, as torchvision rounds se_ratio · width_in."""
    from fractions import Fraction

    assert hidden_width(millionths / 1_000_000, channels) == round(Fraction(millionths, 1_000_000) * channels)


@given(regnet_specs())
def test_figures_are_those_of_the_papers_blocks(spec: RegNetSpec) -> None:
    """Closed form: weights and norms of X and Y blocks written out, a stage after the other."""
    count, params, read = len(spec.depths), 27 * spec.stem_width + 2 * spec.stem_width, spec.stem_width
    params += 9 * (spec.in_channels - 3) * spec.stem_width
    ratios, groups = _each(list(spec.bottleneck_ratios), count), _each(spec.effective_fields()["group_widths"], count)
    for depth, width, ratio, group in zip(spec.depths, spec.widths, ratios, groups, strict=True):
        inner = width // ratio
        for block in range(depth):
            params += read * inner + 9 * inner * group + inner * width + 2 * (inner + inner + width)
            params += read * width + 2 * width if block == 0 else 0
            if spec.se_ratio is not None:
                hidden = hidden_width(spec.se_ratio, read)
                params += 2 * inner * hidden + hidden + inner
            read = width
    params += (read + 1) * spec.num_classes if spec.head == "classifier" else 0
    analysis = analyze(spec)
    assert analysis.params == params
    assert analysis.depth == 1 + 3 * sum(spec.depths) + (spec.head == "classifier")
    assert analysis.totals.total_stride == 2 ** (1 + count)


PAPER = {"a": (16 * 128 * 3 * 6) ** 4, "b": (16 * 128 * 6) ** 4 * 3, "c": (16 * 128) ** 4 * 3 * 6}


@pytest.mark.parametrize(("name", "published"), [("a", 1.8e18), ("b", 6.8e16), ("c", 3.2e14)])
def test_the_spaces_have_the_papers_sizes(name: str, published: float) -> None:
    """Published: the number of combinations of AnyNetX A, B and C, exactly, and as printed."""
    assert packaged_space(f"anynet_{name}").grid_size == PAPER[name] == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize(("name", "published"), [("d", 1.3e13), ("e", 5.5e11)])
def test_ordered_spaces_have_the_papers_sizes(name: str, published: float) -> None:
    """Published: (16·128)⁴·3·6 over 4! and over (4!)², which leaves out ties; the order of size is the paper's."""
    space = packaged_space(f"anynet_{name}")
    ordered = [constraint for constraint in space.constraints if "macs" not in constraint.names]
    env = Candidates.of(space, np.arange(200_000)).env
    share = np.mean(np.all([constraint.evaluate(env) for constraint in ordered], axis=0))
    ties = prod((n + 1) * (n + 2) * (n + 3) / n**3 for n in ((128,) if name == "d" else (128, 16)))
    assert space.grid_size * share == pytest.approx(published * ties, rel=0.15)
    assert round(log10(space.grid_size * share)) == round(log10(published))


def test_the_regnet_space_has_the_papers_order_of_size() -> None:
    """Published: 64⁴·6·3, about 3.0·10⁸; w0 has half of its 64 values here, multiples of 8 as its code takes them."""
    assert packaged_space("regnet").grid_size * 2 == 64**4 * 6 * 3


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ("group_widths=8-8", "group_widths=8"),
        ("bottleneck_ratios=2-2", "bottleneck_ratios=2"),
        ("bottleneck_ratios=1", ""),
        ("group_widths=16-32", ""),
        ("se_ratio=none", ""),
        ("group_width=8,bottleneck_ratio=2", "bottleneck_ratios=2,group_widths=8"),
        ("num_classes=0", "head=pool"),
    ],
)
def test_one_network_has_one_expression(fields: str, same: str) -> None:
    """Oracle: the shorter form written out; both are one Graph."""
    start = "regnet:depths=1-2,widths=16-32"
    assert canonical(parse(f"{start},{fields}")) == ",".join(filter(None, (start, same)))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"widths": (8,)}, "regnet: widths=8 must have one width for each of the 2 stages of depths"),
    ({"group_widths": (3,)}, "regnet: group_widths=3 must divide the inner widths, of which 16 is no multiple"),
    ({"group_widths": (8, 8, 8)}, "group_widths=8-8-8 must have one number, or one for each of the 2 stages"),
    ({"bottleneck_ratios": (1, 2, 4)}, "bottleneck_ratios=1-2-4 must have one number, or one for each"),
    ({"bottleneck_ratios": (17,)}, "bottleneck_ratios=17 leaves none of 16 channels"),
    ({"se_ratio": 0.01}, "se_ratio=0.01 leaves no hidden channel of a block that reads 32"),
    ({"se_ratio": 1.5}, "se_ratio='1.5' must be a decimal above 0 and up to 1, with at most 6 places, or none"),
    ({"depths": (9_999, 2)}, "has 10001 blocks; at most 10000"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=[case[1] for case in REFUSED])
def test_an_impossible_anynet_is_refused_with_field_value_and_rule(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        RegNetSpec(**{"depths": (1, 2), "widths": (16, 32)} | fields)
    assert message in str(refused.value)


def test_x_blocks_have_three_equal_forms() -> None:
    """Reference output: forms (a) and (b) of X blocks against the grouped one, ratios and group widths by stage."""
    result = check_equivalence("regnet:depths=2-1,widths=16-32,bottleneck_ratios=1-2,group_widths=4-4,stem_width=8")
    assert result.passed
    blocks = [path for path, _ in grouped_blocks(network(result.variant).graph)]
    assert blocks == [
        "trunk_output.block1.block1-0",
        "trunk_output.block1.block1-1",
        "trunk_output.block2.block2-0",
    ]
    assert dict.fromkeys(blocks, 4) == result.blocks


def test_why_other_blocks_have_no_forms_is_true_of_them() -> None:
    """Oracle: a gate between the grouped convolution and the last 1×1 reads all paths; no groups, one path."""
    assert "gate (squeeze-and-excitation) between" in reason_without_forms(network("regnet_y_400mf").graph)
    assert "cardinality 1" in reason_without_forms(network("regnet:depths=1-1,widths=8-16").graph)
    assert reason_without_forms(network("seresnext50_32x4d").graph) == ""


REASONS = [
    ("", "The first block of each stage halves the map: trunk_output.block1.block1-0, trunk_output.block2.block2-0."),
    ("", "Of 3 shortcuts 2 are projections (option B)"),
    ("stage2", "f.b.0 has stride 2: trunk_output.block2.block2-0 is the first block of stage 2"),
    ("trunk_output.block2.block2-0", "Inner width: ⌊width/bottleneck_ratio⌋ = ⌊48/2⌋ = 24."),
    ("trunk_output.block2.block2-0", "A bottleneck: 1×1 to 24 channels, 3×3 there, where it is cheap, and 1×1 to 48."),
    ("trunk_output.block1.block1-0", "1×1 to 16 channels, 3×3 there, cheap by its groups alone, and 1×1 to 16."),
    ("trunk_output.block2.block2-1.f.se.fc1", "rounded: 0.25 · 48 = 12."),
    ("trunk_output.block1.block1-0.f.se", "rounded: 0.25 · 30 ≈ 8."),
]


@pytest.mark.parametrize(("path", "sentence"), REASONS)
def test_reasons_are_true_of_x_and_y_blocks(path: str, sentence: str) -> None:
    """Oracle: the numbers of a small network worked out by hand; 7.5 hidden channels go to 8."""
    variant = "regnet:depths=1-2,widths=16-48,bottleneck_ratios=1-2,group_widths=8,se_ratio=0.25,stem_width=30"
    result = explanation(analyze(variant), path)
    assert any(sentence in reason for reason in result.reasons), result.reasons
    assert not any("no stride" in reason for reason in result.reasons)


def test_timms_regnets_compute_the_same_and_their_weights_load(tmp_path: Path) -> None:
    """Reference output: timm's own network of the paper's numbers, through a name map, both ways."""
    timm = pytest.importorskip("timm", reason="timm is in the extra oracles")
    assert set(TIMM_REGNETS) == set(FAMILIES["regnet"].variants)
    assert set(TIMM_REGNETS.values()) <= set(timm.list_models())
    theirs = timm.create_model("regnety_004").eval()
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    ours = analyzer.build("regnet_y_400mf", weights=tmp_path / "timm.pth").eval()
    assert {timm_regnet_name(name) for name in ours.state_dict()} == set(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize("name", ["regnet_x_400mf", "regnet_y_8gf", "regnet_x_8gf", "regnet_x_32gf"])
def test_timms_regnets_have_our_weights(name: str) -> None:
    """Reference output, on `meta`: names through the map, and shapes."""
    timm = pytest.importorskip("timm", reason="timm is in the extra oracles")
    with WeightsOnMeta():
        theirs = timm.create_model(TIMM_REGNETS[name]).state_dict()
    ours = analyzer.build(name, device="meta").state_dict()
    assert {timm_regnet_name(key): value.shape for key, value in ours.items()} == {
        key: value.shape for key, value in theirs.items()
    }


def test_what_groups_save_is_the_difference_to_one_group() -> None:
    """Closed form: the same network without group widths, whose counts the remark foretells."""
    analysis, whole = analyze("regnet_x_400mf"), analyze("regnet:depths=1-2-7-12,widths=32-64-160-400")
    said = next(remark for remark in remarks(analysis, analysis.blocks) if remark.startswith("Group width 16:"))
    weights = [row.params for row in whole.rows if row.path.endswith(".f.b.0")]
    assert f"they would have {sum(weights):,}, and the network {short(whole.params)} instead of" in said
    assert f"{short(whole.macs)} instead of {short(analysis.macs)} MACs" in said


def test_blocks_can_start_as_their_shortcuts() -> None:
    """Closed form: with their transforms' last scales zero, identity blocks hand a map on, which a ReLU has left."""
    spec = RegNetSpec(depths=(2, 3), widths=(16, 32), group_widths=(8,), se_ratio=0.25)
    net = analyzer.build(spec, zero_init_residual=True).eval()
    assert len(list(transform_ends(net))) == 5
    first, last = (net.get_submodule(f"trunk_output.block2.block2-{index}") for index in (0, 2))
    outputs: list[torch.Tensor] = []
    for block in (first, last):
        block.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        net(torch.randn(2, 3, 32, 32))
    assert torch.equal(*outputs)
