"""Design spaces: figures by traced polynomials against `analyze` of each candidate, and what a space may be."""

import dataclasses
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.spec import IntList, Spec, rules
from analyzer.latency.predict.predict import predict_total
from analyzer.sweep.engine.engine import evaluate
from analyzer.sweep.engine.latency import LatencyColumn
from analyzer.sweep.results.summary import reason_without_networks
from analyzer.sweep.space.candidate_grid import Axis
from analyzer.sweep.space.candidates import Candidates
from analyzer.sweep.space.space import Space, packaged_space, parse_space, space
from tests.support.strategies import densenet_specs, regnet_specs, resnet_specs, vgg_specs

pytestmark = pytest.mark.slow

FIGURES = ("params", "macs", "activations", "depth")
SPACES = sorted(path.stem for path in (Path(__file__).parents[2] / "analyzer" / "spaces").glob("*.toml"))


def assert_exact(found: Space, columns: Mapping[str, Any], rows: Any) -> None:
    """Each row's figures are those of `analyze` of its expression, at its input size."""
    for row in rows:
        size = int(columns["input_height"][row]), int(columns["input_width"][row])
        analysis = analyze(found.expression(int(columns["index"][row])), size)
        assert [int(columns[name][row]) for name in FIGURES] == [getattr(analysis, name) for name in FIGURES], row


def possible(found: Space, index: int) -> bool:
    """Whether `analyze` takes a candidate."""
    try:
        analyze(found.spec(index), found.input_sizes[index % len(found.input_sizes)])
    except InvalidInput:
        return False
    return True


def mixed(first: Spec, others: list[Spec], names: list[str]) -> Space:
    """The networks between some of one family: for each of those fields, the values that any of them has."""
    axes: list[Axis] = []
    lists: dict[str, int] = {}
    for name in names:
        values = [getattr(spec, name) for spec in (first, *others)]
        length = len(values[0]) if isinstance(values[0], tuple) else 0
        if isinstance(rules(type(first))[name], IntList) and all(value and len(value) == length for value in values):
            lists[name] = length
            axes += [_axis(f"{name}[{i}]", [value[i] for value in values]) for i in range(length)]
        elif None not in values or all(value is None for value in values) or not isinstance(values[0], tuple):
            axes.append(_axis(name, values))
    taken = {axis.name.partition("[")[0] for axis in axes}
    fixed = {name: getattr(first, name) for name in rules(type(first)) if name not in taken}
    sizes = (32, (40, 56))
    return Space(title="mixed", family=first.family, fixed=fixed, axes=tuple(axes), lists=lists, input_sizes=sizes)


def _axis(name: str, values: list[Any]) -> Axis:
    return Axis(name, tuple({(type(value), value): value for value in values}.values()))


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Spaces whose axes are up to 5 random fields of random networks of one family."""
    family: st.SearchStrategy[Spec] = draw(
        st.sampled_from([resnet_specs(), resnet_specs(), densenet_specs(), regnet_specs(), regnet_specs(), vgg_specs()])
    )
    first, *others = draw(st.lists(family, min_size=2, max_size=3))
    names = draw(st.lists(st.sampled_from(list(rules(type(first)))), min_size=1, max_size=5, unique=True))
    return mixed(first, others, names)


@settings(max_examples=30)
@given(spaces(), st.randoms(use_true_random=False))
def test_every_figure_of_a_random_space_is_that_of_analyze(found: Space, random: Any) -> None:
    """Oracle: the closed form of each candidate by itself; candidates that it refuses are left out."""
    chosen = random.sample(range(found.size), min(found.size, 8))
    for index in chosen:
        columns = evaluate(found, index, index + 1)
        assert len(columns["index"]) == possible(found, index)
        assert_exact(found, columns, range(len(columns["index"])))
    whole = evaluate(found, 0, min(found.size, 2000))
    assert_exact(found, whole, random.sample(range(len(whole["index"])), min(len(whole["index"]), 6)))


@pytest.mark.parametrize("name", SPACES)
def test_the_spaces_that_come_with_the_program_are_exact(name: str) -> None:
    """Oracle: the closed form of a few candidates of each, at their first, middle and last rows."""
    found = packaged_space(name)
    found = dataclasses.replace(found, constraints=found.constraints[1:])  # the first bounds complexity
    columns = evaluate(found, 0, min(found.size, 50_000))
    count = len(columns["index"])
    assert count
    assert_exact(found, columns, {0, count // 3, count // 2, count - 1})


MEMORY_SPACES = [
    {"variant": "resnet18d", "fields": {"depths": {"each": "1..3", "stages": 4}, "stem_width": "32..64 step 8"}},
    {"variant": "seresnet50", "fields": {"depths": ["1..4", 1, "1..2", 1], "base_width": [16, 32, 64]}},
    {"variant": "preact_resnet164_cifar", "fields": {"depths": ["n", "n", "n"], "stem_width": [16, 64, 128]}},
    {"variant": "densenet121", "fields": {"depths": ["1..9 step 4", "2", "1..3", 2], "growth_rate": [4, 32]}},
    {"variant": "densenet40_k12_cifar", "fields": {"depths": ["1..3", "n", "depths[0]"], "init_features": [8, 256]}},
    {
        "variant": "regnet_y_400mf",
        "fields": {
            "depths": ["1..3", 1, "n", 2],
            "group_widths": [8, "8 * n", "16", 4],
            "widths": [48, 64, "64 * n", 80],
        },
    },
    {"variant": "vgg11", "fields": {"config": ["8-M-16-M", "64-M-8-8"], "num_classes": [10, 1000]}},
    {"variant": "resnet18", "fields": {"shortcut": ["A", "B", "C", "none"], "stem": ["deep", "cifar", "imagenet"]}},
]


@pytest.mark.parametrize("given_space", MEMORY_SPACES, ids=lambda each: str(each["variant"]))
def test_memory_is_that_of_analyze_for_every_candidate(given_space: dict[str, Any]) -> None:
    """Oracle: the closed form of each candidate's inference memory, at an even and at an odd size."""
    found = space(**given_space, variables={"n": [1, 2, 4]}, input_sizes=[32, "47x33"])
    columns = evaluate(found, 0, found.size, ask=["memory_bytes"])
    assert len(columns["index"])
    for row in range(0, len(columns["index"]), 1 + len(columns["index"]) // 20):
        size = int(columns["input_height"][row]), int(columns["input_width"][row])
        analysis = analyze(found.expression(int(columns["index"][row])), size)
        assert columns["memory_bytes"][row] == analysis.memory().total_bytes


def test_a_chunk_is_the_same_however_it_is_cut() -> None:
    """Oracle: one evaluation of the whole, by a fresh space."""
    whole = evaluate(packaged_space("anynet_c"), 0, 40_000)
    other = packaged_space("anynet_c")
    parts = [evaluate(other, start, start + 8_000) for start in (32_000, 0, 16_000, 8_000, 24_000)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in whole}
    order = np.argsort(joined["index"])
    assert all(np.array_equal(joined[name][order], whole[name]) for name in whole)


def test_spaces_travel_between_processes_and_keep_their_fingerprint() -> None:
    found = packaged_space("resnext")
    evaluate(found, 0, 10)
    there = pickle.loads(pickle.dumps(found))
    assert there == found
    assert there.fingerprint == found.fingerprint == "5545ef9edf36"  # recorded: files of results carry it
    assert "_results" in vars(found)
    assert "_results" not in vars(there)


def test_the_grid_counts_with_its_last_axis_fastest() -> None:
    """Oracle: the mixed-radix numbers written out."""
    found = space(variant="resnet18", fields={"stem_width": [32, 64], "widths": ["[64-128-256-512]"][0]})
    assert [found.expression(index) for index in range(found.size)] == ["resnet18:stem_width=32", "resnet18"]


@pytest.mark.parametrize("extra", [{}, {"widths": {"each": "64..65536", "stages": 4}}], ids=["shuffled", "by axis"])
def test_samples_are_drawn_evenly_and_by_seed_alone(extra: dict[str, Any]) -> None:
    """Oracle: the expected number of each value, within 5 standard deviations; the same part by itself."""
    fields = {"cardinality": [1, 2, 4, 8], "base_width": "1..64", "stem_width": "1..1000"} | extra
    found = space(variant="resnet50", fields=fields, samples=20_000, seed=7)
    codes = Candidates.of(found, np.arange(found.size)).codes
    for count, name in ((4, "cardinality"), (64, "base_width"), (1000, "stem_width")):
        seen = np.bincount(codes[name], minlength=count)
        assert np.abs(seen - 20_000 / count).max() < 5 * (20_000 / count) ** 0.5
    part = Candidates.of(found, np.arange(500, 600)).codes
    assert all(np.array_equal(part[name], codes[name][500:600]) for name in part)
    other = Candidates.of(dataclasses.replace(found, seed=8), np.arange(found.size)).codes
    assert any((other[name] != codes[name]).any() for name in codes)


@pytest.mark.parametrize("values", [1, 2, 3, 65, 1000])
def test_drawn_candidates_are_different_ones(values: int) -> None:
    """Oracle: every candidate of the grid, once."""
    found = space(variant="resnet50", fields={"stem_width": f"1..{values}"}, samples=10**6, seed=values)
    assert found.size == values
    drawn = Candidates.of(found, np.arange(values)).codes["stem_width"]
    assert sorted(drawn.tolist()) == list(range(values))


TOML = """
title = "a small one"
family = "resnet"
constraints = ["params <= 12e6", "widths[0] % 16 == 0", "sum(depths) <= 9"]
input_sizes = [224, "160x192"]

[variables]
w = { from = 16, to = 64, step = 8 }

[fields]
block = "basic"
depths = { stage1 = "1..3", stage2 = 2, stage3 = "2 * depths[0]", stage4 = [1, 3] }
widths = ["w", "2 * w", "widths[1] * 2", "multiple(w * 7.5, 8)"]
"""


def test_a_toml_space_has_ranges_expressions_constraints_and_sizes() -> None:
    """Oracle: the same networks picked one by one from the grid, written out."""
    found = parse_space(TOML)
    columns = evaluate(found, 0, found.size)
    wanted = []
    for w in range(16, 65, 8):
        for first in (1, 2, 3):
            for last in (1, 3):
                for size in (224, (160, 192)):
                    wide = f"{w}-{2 * w}-{4 * w}-{int(w * 7.5 / 8 + 0.5) * 8}"
                    analysis = analyze(f"resnet:block=basic,depths={first}-2-{2 * first}-{last},widths={wide}", size)
                    if analysis.params <= 12e6 and w % 16 == 0 and 3 * first + 2 + last <= 9:
                        wanted.append((analysis.params, analysis.macs, analysis.activations))
    rows = zip(columns["params"].tolist(), columns["macs"].tolist(), columns["activations"].tolist(), strict=True)
    assert list(rows) == wanted
    assert wanted
    assert list(columns)[:4] == ["index", "w", "depths[0]", "depths[3]"]


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"base_width": "4..10 step 3"}, (4, 7, 10)),
        ({"base_width": "4..64 times 2"}, (4, 8, 16, 32, 64)),
        ({"base_width": "4..20 times 1.5 multiple of 4"}, (4, 8, 12)),
        ({"base_width": {"from": 10, "to": 40, "multiple_of": 8}}, (16, 24, 32, 40)),
        ({"base_width": {"from": 10, "to": 40, "count": 4}}, (10, 20, 30, 40)),
        ({"base_width": "[1, 4..6, 5, 9]"}, (1, 4, 5, 6, 9)),
        ({"shortcut": ["A", "projection", "none"]}, ("A", "B", "none")),
        ({"se_reduction": ["none", 16]}, (None, 16)),
        ({"depths": "[3-4-6-3, 3-4-23-3]"}, ((3, 4, 6, 3), (3, 4, 23, 3))),
        ({"depths": [[1, 1], [2, 2]]}, ((1, 1), (2, 2))),
        ({"avg_down": [True, False]}, (True, False)),
    ],
)
def test_values_are_lists_and_ranges(fields: dict[str, Any], values: tuple[Any, ...]) -> None:
    """Oracle: the values written out."""
    assert space(family="resnet", fields=fields).axes[0].values == values


@pytest.mark.parametrize(
    "column",
    [
        "latency_ms:rtx4090@256",
        "latency_ms:V100@1/amp",
        "latency_ms:Core i9-10940X@128",
        "latency_ms:L4@8/amp/cuda_graph",
        "latency_ms:rtx4090@32/channels_last/train",
    ],
)
@pytest.mark.parametrize("given_space", MEMORY_SPACES[1:5], ids=lambda each: str(each["variant"]))
def test_latency_is_that_of_the_predictor(given_space: dict[str, Any], column: str) -> None:
    """Oracle: the prediction for each candidate by itself, on GPUs and a CPU, whose formula has branches of its own."""
    found = space(**given_space, variables={"n": [1, 2, 4]}, input_sizes=[64])
    columns = evaluate(found, 0, found.size, ask=[column])
    mode = LatencyColumn.of(column)
    for row in range(0, len(columns["index"]), 1 + len(columns["index"]) // 5):
        analysis = analyze(found.expression(int(columns["index"][row])), 64)
        assert columns[column][row] == pytest.approx(predict_total(analysis, mode.target).ms, rel=1e-9)


def test_networks_whose_kernels_differ_in_kind_are_told_apart() -> None:
    """Oracle: the predictor, to which a convolution is another kernel when its groups are more than one."""
    fields = {"cardinality": [1, 2, 4], "base_width": [4, 16], "in_channels": [3, 16]}
    found = space(variant="resnet50", fields=fields, input_sizes=[64], constraints=['latency["L4", 8, "amp"] < 1e9'])
    columns = evaluate(found, 0, found.size)
    mode = LatencyColumn.of("latency_ms:L4@8/amp")
    wanted = [predict_total(analyze(found.expression(row), 64), mode.target).ms for row in range(12)]
    assert columns["latency_ms:L4@8/amp"].tolist() == pytest.approx(wanted, rel=1e-9)


REFUSED = {
    "field 'widht' is unknown": {"fields": {"widht": [1]}},
    "variable 'params' must be a new name": {"fields": {}, "variables": {"params": [1]}},
    "in a circle": {"fields": {"stem_width": "base_width + 1", "base_width": "stem_width"}},
    "'wdth' is unknown": {"fields": {"stem_width": "2 * wdth"}},
    "has no values": {"fields": {"stem_width": []}},
    "is empty": {"fields": {"stem_width": "64..32"}},
    "must be a whole number from 1 to 65536": {"fields": {"stem_width": [0, 64]}},
    "must be one of imagenet, cifar, deep": {"fields": {"stem": ["imagenet", "cifra"]}},
    "is no stage": {"fields": {"depths[4]": [1, 2]}},
    "cannot be read": {"fields": {}, "constraints": ["params <="]},
    "Lambda is not part of the grammar": {"fields": {}, "constraints": ["(lambda: 1) < 2"]},
    "function '?' is unknown": {"fields": {}, "constraints": ["params.__class__() < 2"]},
    "function '__import__' is unknown": {"fields": {}, "constraints": ["__import__('os') == 1"]},
    "is over 1000 characters": {"fields": {}, "constraints": ["params <= " + "1+" * 600 + "1"]},
    "is over 300 terms": {"fields": {}, "constraints": ["params <= " + "1+" * 200 + "1"]},
    "square brackets take a stage": {"fields": {}, "constraints": ["widths[stem_width] == 1"]},
    "must be a whole number": {"fields": {}, "samples": 0},
    "input size 'big'": {"fields": {}, "input_sizes": ["big"]},
}


@pytest.mark.parametrize("told", REFUSED)
def test_a_space_that_is_none_is_refused_in_one_sentence(told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        space(variant="resnet50", **REFUSED[told])  # type: ignore[arg-type]
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "constraint", "told"),
    [
        ({"stem_width": "base_width // 0"}, "params > 0", "cannot be worked out"),
        ({"stem_width": "base_width / 3"}, "params > 0", "no whole number"),
        ({"stem_width": "base_width ** 60"}, "params > 0", "cannot be worked out"),
        ({}, "depths + 1 > 2", "mixes kinds of values"),
        ({}, "stem + 1 > 2", "mixes kinds of values"),
    ],
)
def test_arithmetic_without_a_result_is_refused(fields: dict[str, str], constraint: str, told: str) -> None:
    found = space(variant="resnet50", fields={"base_width": [4, 5]} | fields, constraints=[constraint])
    with pytest.raises(InvalidInput, match=told):
        evaluate(found, 0, 2)


def test_networks_over_the_bound_of_ops_are_none() -> None:
    """Oracle: by hand, 69 ops and 7 for each block over 2 are 19,998 for depth 2849 and over the bound for 2850."""
    found = space(variant="resnet18", fields={"depths[1]": [2849, 2850]}, input_sizes=[32])
    assert evaluate(found, 0, found.size)["depths[1]"].tolist() == [2849]


def test_counts_beyond_64_bits_are_refused() -> None:
    fields = {"stem": "cifar", "depths": "200-1-1-1", "widths": ["w"] * 4}
    found = space(variant="resnet50", fields=fields, variables={"w": [16000, 16384]}, input_sizes=[16384])
    with pytest.raises(InvalidInput, match="64-bit"):
        evaluate(found, 0, 2)


@pytest.mark.parametrize("blocks", [[16], [15, 16], [12, 16, 20]], ids=str)
def test_few_regnets_by_their_parametrisation_are_worked_out(blocks: list[int]) -> None:
    """Oracle: `analyze` of each candidate; lists whose stages beyond the last are nobody's."""
    fields = {"depths": "regnet_depths(d, 24, 36, 2.5)", "widths": "regnet_widths(d, 24, 36, 2.5)"}
    found = space(family="regnet", fields=fields, variables={"d": blocks})
    columns = evaluate(found, 0, found.size)
    assert columns["params"].tolist() == [analyze(found.expression(row)).params for row in range(len(blocks))]


def test_a_regnet_of_too_many_stages_is_refused_with_its_reason() -> None:
    """By hand: from 8 to over 4,000 channels are 24 steps of 1.3, more than 16 stages."""
    fields = {"depths": "regnet_depths(d, 8, 8, 1.3)", "widths": "regnet_widths(d, 8, 8, 1.3)"}
    found = space(family="regnet", fields=fields, variables={"d": [500, 600]})
    assert len(evaluate(found, 0, 2)["index"]) == 0
    assert "is a possible network (the first: regnet: " in reason_without_networks(found)
