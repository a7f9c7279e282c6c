"""Networks side by side.

Oracles: published counts of the networks between which the fields change; each step taken again from its printed
values; sums over random pairs; the shipped JSON Schema; and the chart's bars, measured.
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from itertools import accumulate
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput
from analyzer.explanation.difference import (
    INPUT_SIZE,
    QUANTITIES,
    AttributionStep,
    NetworkDifference,
    SpecAtSize,
    by_role,
    quantities,
    quantity_sums,
    stage_order,
    try_move,
)
from analyzer.families.expression import parse
from analyzer.families.registry import variants
from analyzer.families.spec import Spec, rules
from analyzer.graph.graph import Graph, sequence
from analyzer.graph.ops import Conv2d, Flatten, GlobalAvgPool2d, Linear
from analyzer.render.compare.compare import NetworkComparison
from tests.support.strategies import densenet_specs, resnet_specs

SCHEMA = json.loads(files("analyzer").joinpath("schemas", "compare-1.json").read_text(encoding="utf-8"))
SHALLOW = {
    family: [name for name, _, _ in variants(family) if analyze(name).depth <= 60] for family in ("resnet", "densenet")
}
CHANGES: dict[str, tuple[object, ...]] = {
    "block": ("basic", "bottleneck"),
    "depths": ((1,), (2, 1), (1, 2, 1), (1, 1, 1, 1, 1)),
    "widths": (None, (24,), (16, 40), (16, 32, 64), (8, 16, 32, 48, 64)),
    "expansion": (None, 1, 2),
    "cardinality": (1, 2, 6),
    "base_width": (64, 32, 96),
    "stem": ("imagenet", "cifar", "deep"),
    "stem_width": (16, 48, 64),
    "stem_pool": ("padded", "valid", "none"),
    "shortcut": ("A", "B", "C", "none"),
    "stride_on": ("3x3", "1x1"),
    "avg_down": (False, True),
    "preactivation": (False, True),
    "se_reduction": (None, 4, 16),
    "output_stride": (None, 4, 8),
    "conv_bias": (False, True),
    "head": ("classifier", "pool", "none"),
    "head_pool": (None, 1, 2),
    "in_channels": (1, 3),
    "num_classes": (2, 10, 1000),
}


@st.composite
def changed_resnets(draw: st.DrawFn) -> Spec:
    """Residual networks in any combination of fields: a random one, changed wherever that makes a network."""
    spec: Spec = draw(resnet_specs())
    for name in draw(st.lists(st.sampled_from(list(CHANGES)), max_size=10)):
        value = draw(st.sampled_from(CHANGES[name]))
        try:
            changed = spec.with_fields(**{name: value})
            analyze(changed)
        except InvalidInput:
            continue
        spec = changed
    return spec


def difference(first: str | Spec, second: str | Spec) -> NetworkDifference:
    return NetworkDifference(analyze(first), analyze(second))


def check_steps(found: NetworkDifference) -> None:
    """The shares sum to the difference, and every step is what its printed fields make when they are set again."""
    ours, theirs = quantities(found.first), quantities(found.second)
    assert found.totals == {name: (ours[name], theirs[name]) for name in QUANTITIES}
    for name in QUANTITIES:
        assert sum(step.shares[name] for step in found.steps) == theirs[name] - ours[name]
    for step, reached in zip(found.steps, _reached(found), strict=True):
        assert all(change.old != change.new for change in step.changes)
        assert reached.params == ours["params"] + _until(found, step, "params")
        assert reached.macs == ours["macs"] + _until(found, step, "macs")


def _until(found: NetworkDifference, last: AttributionStep, name: str) -> int:
    sums = accumulate(step.shares[name] for step in found.steps)
    return next(total for step, total in zip(found.steps, sums, strict=True) if step is last)


def _reached(found: NetworkDifference) -> Iterator[Analysis]:
    spec, size = found.first.network.spec, found.first.input_shape[1:]
    assert spec is not None
    for step in found.steps:
        known = rules(type(spec))
        texts = {change.field: change.new for change in step.changes}
        if INPUT_SIZE in texts:
            height, width = texts.pop(INPUT_SIZE).split("x")
            size = int(height), int(width)
        spec = spec.with_fields(**{name: known[name].parse(text) for name, text in texts.items()})
        yield analyze(spec, size)


@pytest.mark.slow
@settings(max_examples=12)
@given(changed_resnets(), changed_resnets())
def test_shares_sum_exactly_between_any_two_residual_networks(first: Spec, second: Spec) -> None:
    check_steps(difference(first, second))


@settings(max_examples=15)
@given(densenet_specs(), densenet_specs())
def test_shares_sum_exactly_between_any_two_densely_connected_networks(first: Spec, second: Spec) -> None:
    check_steps(difference(first, second))


@settings(max_examples=12)
@given(st.sampled_from(sorted(SHALLOW)).flatmap(lambda family: st.tuples(*[st.sampled_from(SHALLOW[family])] * 2)))
def test_shares_sum_exactly_between_named_variants(pair: tuple[str, str]) -> None:
    check_steps(difference(*pair))


@settings(max_examples=10)
@given(resnet_specs(), densenet_specs())
def test_parts_sum_exactly_between_families(first: Spec, second: Spec) -> None:
    found = difference(first, second)
    assert not found.steps
    for name in ("params", "macs", "activations"):
        assert sum(part.counts[name][0] for part in found.parts) == quantities(found.first)[name]
        assert sum(part.counts[name][1] for part in found.parts) == quantities(found.second)[name]


def shares(first: str, second: str, name: str) -> list[tuple[str, int]]:
    steps = difference(first, second).steps
    return [(", ".join(change.field for change in step.changes), step.shares[name]) for step in steps]


def test_a_resnext_differs_by_its_width_and_then_by_its_groups() -> None:
    """Published: torchvision's resnet50, wide_resnet50_2 (the same inner width, one path) and resnext50_32x4d."""
    assert shares("resnet50", "resnext50_32x4d", "params") == [
        ("base_width", 68_883_240 - 25_557_032),
        ("cardinality, base_width", 25_028_904 - 68_883_240),
    ]


@pytest.mark.parametrize(
    ("first", "second", "name", "wanted"),
    [
        ("resnet50_v1", "resnet50", "macs", [("stride_on", 231_211_008)]),
        ("resnet34:shortcut=A", "resnet34", "macs", [("shortcut", 3_663_761_408 - 3_644_493_824)]),
        ("resnet50", "resnet101", "params", [("depths", 44_549_160 - 25_557_032)]),
        ("resnet50", "resnet50:num_classes=10", "params", [("num_classes", -990 * 2049)]),
        ("resnet50c", "resnet50d", "params", [("avg_down", 0)]),
        ("vgg16", "vgg16_bn", "params", [("batch_norm", 138_365_992 - 138_357_544)]),
    ],
)
def test_one_field_has_the_published_difference(
    first: str, second: str, name: str, wanted: list[tuple[str, int]]
) -> None:
    assert shares(first, second, name) == wanted


def test_the_input_size_is_a_share_of_its_own() -> None:
    """Closed form: a 1×1 map leaves the head; at twice the side every other convolution costs four times as much."""
    found = NetworkDifference(analyze("resnet50:head=none", 224), analyze("resnet50:head=none", 448))
    assert [(step.changes[0].field, step.shares["params"]) for step in found.steps] == [(INPUT_SIZE, 0)]
    assert found.steps[0].shares["macs"] == 3 * found.first.macs
    assert not found.equal


def test_fields_that_can_only_change_together_do_and_say_why() -> None:
    """By hand: two widths for three stages are refused, and three widths for two are."""
    base = "resnet:block=basic,depths=1-1,widths=8-24"
    (step,) = difference(base, "resnet:block=basic,depths=1-1-1,widths=8-24-40").steps
    assert [change.field for change in step.changes] == ["depths", "widths"]
    assert "must have one width for each of the 3 stages" in step.why


def test_a_field_that_cannot_go_first_waits() -> None:
    """By hand: basic blocks take no groups, so the block changes last."""
    fields = [name for name, _ in shares("resnext50_32x4d", "resnet34", "params")]
    assert fields[-1] == "block"
    assert set(", ".join(fields).split(", ")) == {"block", "cardinality", "base_width"}


def test_a_field_without_effect_waits_until_it_has_one() -> None:
    """By hand: a network that ends with the pool has no classes, so the head must change before their number can."""
    first, second = "resnet18:head=pool", "resnet18:num_classes=10"
    assert [name for name, _ in shares(first, second, "params")] == ["head", "num_classes"]
    start, target = SpecAtSize(parse(first), (224, 224)), SpecAtSize(parse(second), (224, 224))
    assert try_move(start, target, ("num_classes",), ["head", "num_classes"]) == ""


def test_equal_networks_have_no_difference() -> None:
    found = difference("resnet50:groups=32,width_per_group=4", "resnext50_32x4d")
    assert found.equal
    assert found.steps == ()


def test_roles_are_in_the_order_of_the_networks() -> None:
    named = (analyze("vgg11"), analyze("densenet121"))
    assert stage_order(named) == [
        *("stem", "stage1", "transition1", "stage2", "transition2", "stage3", "transition3", "stage4", "stage5", "head")
    ]


def test_roles_join_the_stages_and_keep_the_head_apart() -> None:
    """Published: both networks have 1000 classes on 2048 and 1024 features; the sums are those of the parts."""
    found = difference("resnet50", "densenet121")
    joined = by_role(found.parts)
    assert {part.stage for part in joined} == {"stem", "stages", "transitions", "head"}
    assert joined[-1].counts["params"] == (2_049_000, 1_025_000)
    assert dict(quantity_sums(joined)) == dict(quantity_sums(found.parts))


def _mine() -> Graph:
    return Graph(
        "mine",
        tuple(
            sequence(
                ("conv", Conv2d(3, 8, 3)),
                ("pool", GlobalAvgPool2d()),
                ("flatten", Flatten()),
                ("fc", Linear(8, 10)),
                stage="head",
            )
        ),
    )


def test_a_graph_of_ones_own_is_compared_by_parts() -> None:
    """Closed form: 3·3·3·8 weights and 8·10 + 10."""
    found = analyzer.compare("resnet18", _mine())
    (apart,) = found.differences
    assert not apart.by_field
    assert apart.totals["params"] == (11_689_512, 216 + 90)
    assert "share no fields" in found.markdown


@pytest.fixture(scope="module")
def four() -> NetworkComparison:
    return analyzer.compare("resnet18", "resnet34", "densenet121", "resnet18")


def test_json_is_valid_and_sums(four: NetworkComparison) -> None:
    document: dict[str, Any] = json.loads(json.dumps(four.to_dict()))
    jsonschema.validate(document, SCHEMA)
    assert [item["equal"] for item in document["differences"]] == [False, False, True]
    assert [item["by_field"] is None for item in document["differences"]] == [False, True, False]
    for network in document["networks"]:
        assert sum(stage["params"] for stage in network["stages"]) == network["totals"]["params"]
        assert sum(stage["stored_bytes"] for stage in network["stages"]) == network["totals"]["stored_bytes"]


def test_markdown_has_every_stage_of_every_network(four: NetworkComparison) -> None:
    lines = four.markdown.splitlines()
    start = lines.index("**Stage by stage**")
    rows = [line.split(" | ") for line in lines[start + 4 : start + 4 + 4 * 9]]
    assert [row[0] for row in rows[:5]] == ["| stem", "| ", "| ", "| ", "| stage 1"]
    assert rows[0][1:6] == ["`resnet18@224x224`", "64×56×56", "9.54 k", "", "118 M"]
    assert rows[1][1:6] == ["`resnet34`", "64×56×56", "9.54 k", "=", "118 M"]
    assert [row[2] for row in rows[8:12]] == ["–", "–", "128×28×28", "–"]


def test_the_chart_is_deterministic_and_its_bars_are_proportional() -> None:
    """Measured: the bars of stage 4's parameters, of which ResNet-34's is the longest in its column."""
    found = analyzer.compare("resnet18", "resnet34")
    assert found.svg == analyzer.compare("resnet18", "resnet34").svg
    root = ElementTree.fromstring(found.svg)
    bars = [item for item in root.iter("{http://www.w3.org/2000/svg}rect") if item.get("x") == "100"][2:]
    lengths = [float(bar.attrib["width"]) for bar in bars][8:10]
    params = [next(row.params for row in each.stages if row.stage == "stage4") for each in found.analyses]
    assert lengths[0] / lengths[1] == pytest.approx(params[0] / params[1], rel=0.01)


def test_hostile_names_do_not_break_the_chart_or_the_page() -> None:
    graph = _mine()
    named = Graph("<script>&\"'", graph.nodes)
    found = analyzer.compare(named, "resnet18")
    ElementTree.fromstring(found.svg)
    assert "<script>" not in found.svg
    assert "<script>" not in found.html


@pytest.mark.parametrize("form", ["markdown", "json", "html", "svg"])
def test_every_format_goes_to_standard_output_and_to_a_file(
    form: str, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    path = tmp_path / "out"
    arguments = ["compare", "resnet18", "resnet34", "--format", form]
    assert main(arguments) == main([*arguments, "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "resnet34" in printed
    if form != "markdown":
        assert printed.rstrip("\n") == path.read_text(encoding="utf-8").rstrip("\n")


@pytest.mark.parametrize("names", [[], ["resnet18"]])
def test_fewer_than_two_networks_are_refused(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *names]) == 2
    assert capsys.readouterr().err == ("compare: give two or more networks, such as resnet50 resnext50_32x4d.\n")


def test_every_spec_field_of_the_residual_family_is_drawn() -> None:
    assert set(CHANGES) == set(rules(type(parse("resnet50"))))
