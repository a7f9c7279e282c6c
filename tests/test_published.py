"""Oracle: published. Our closed form against the figures in tests/published/, each with its source there."""

import csv
import re
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import cache
from math import prod
from pathlib import Path

import pytest

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.conventions import CONVENTIONS
from analyzer.cost.walk import Row
from analyzer.families.densenet import DenseNetSpec
from analyzer.ops import (
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Op,
    ReLU,
)

PUBLISHED = Path(__file__).parent / "published"
Entry = dict[str, str]


def entries(name: str) -> list[Entry]:
    with (PUBLISHED / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def grouped(name: str, *keys: str) -> list[list[Entry]]:
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries(name):
        groups.setdefault(tuple(entry[key] for key in keys), []).append(entry)
    return list(groups.values())


def words(entry: Entry, *keys: str) -> str:
    return " ".join(entry[key] for key in keys)


@cache
def analysed(expression: str, size: str = "224") -> Analysis:
    height, _, width = size.partition("x")
    return analyze(expression, (int(height), int(width or height)))


def outputs(analysis: Analysis, op: type[Op] | tuple[type[Op], ...]) -> int:
    return sum(prod(row.output_shape) for row in analysis.rows if isinstance(row.operation, op))


def inputs(analysis: Analysis, op: type[Op]) -> int:
    return sum(prod(row.input_shapes[0]) for row in analysis.rows if isinstance(row.operation, op))


def macs_of(analysis: Analysis, op: type[Op]) -> int:
    return sum(row.macs for row in analysis.rows if isinstance(row.operation, op))


def pytorchcv_flops(analysis: Analysis) -> int:
    """Half of 2 a MAC (one addition less a bias-free sum), 4 a norm element, 1 a ReLU and k² a pool output."""
    flops = 2 * analysis.macs + 4 * outputs(analysis, BatchNorm2d) + outputs(analysis, ReLU)
    for row in analysis.rows:
        match row.operation:
            case Conv2d(bias=False) as op:
                flops -= op.in_channels * op.out_channels // op.groups
            case MaxPool2d() | AvgPool2d() as op:
                flops += op.kernel**2 * prod(row.output_shape)
            case GlobalAvgPool2d():
                flops += prod(row.input_shapes[0])
            case _:
                pass
    return flops // 2


def stage1_blocks(analysis: Analysis) -> list[Row]:
    """List the convolutions of stage 1's second block, the first without a projection."""
    return [row for row in analysis.rows if row.path.startswith("layer1.1.") and isinstance(row.operation, Conv2d)]


QUANTITIES: dict[str, Callable[[Analysis], int]] = {
    **{name: convention.count for name, convention in CONVENTIONS.items()},
    "activations": lambda it: it.activations,
    "conv_macs": lambda it: macs_of(it, Conv2d),
    "linear_macs": lambda it: macs_of(it, Linear),
    "conv_outputs": lambda it: outputs(it, Conv2d),
    "linear_outputs": lambda it: outputs(it, Linear),
    "norm_elements": lambda it: outputs(it, BatchNorm2d),
    "twice_norm_elements": lambda it: 2 * outputs(it, BatchNorm2d),
    "norm_statistics": lambda it: it.totals.buffers - sum(row.op == "BatchNorm2d" for row in it.rows),
    "relu_elements": lambda it: outputs(it, ReLU),
    "max_pool_outputs": lambda it: outputs(it, MaxPool2d),
    "global_pool_inputs": lambda it: inputs(it, GlobalAvgPool2d),
    "num_weighted": lambda it: sum(isinstance(row.operation, Conv2d | Linear) for row in it.rows),
    "params_without_norm": lambda it: it.params - sum(row.params for row in it.rows if row.op == "BatchNorm2d"),
    "pycls_activations": lambda it: it.activations + outputs(it, MaxPool2d),
    "pytorchcv": pytorchcv_flops,
    "stage1_width": lambda it: stage1_blocks(it)[1].output_shape[0],
    "stage1_block_weights": lambda it: sum(row.params for row in stage1_blocks(it)),
}


def agrees(count: int, entry: Entry) -> bool:
    """Whether a count prints as the figure does: to the unit, rounded, as papers print (rounded or cut), or roughly."""
    printed, value = Decimal(entry["figure"]), Decimal(count) / int(entry["unit"])
    rounded, cut = value.quantize(printed, ROUND_HALF_UP), value.quantize(printed, ROUND_DOWN)
    return {
        "exact": value == printed,
        "rounded": rounded == printed,
        "printed": printed in (rounded, cut),
        "about": abs(value - printed) <= Decimal("0.05") * printed,
    }[entry["printed"]]


def total_name(entry: Entry) -> str:
    return words(entry, "source", "model", "input", "quantity")


@pytest.mark.parametrize("entry", entries("totals"), ids=total_name)
def test_a_total_is_the_published_one(entry: Entry) -> None:
    count = QUANTITIES[entry["quantity"]](analysed(entry["expression"], entry["input"]))
    assert agrees(count, entry), f"{count} is not {entry['figure']} · {entry['unit']} ({entry['printed']})"


def under(analysis: Analysis, path: str) -> list[Row]:
    """List the rows of an op, block, stage or, for no path, of the whole network."""
    return [row for row in analysis.rows if not path or row.path == path or row.path.startswith(f"{path}.")]


@pytest.mark.parametrize(
    "group",
    grouped("shapes", "source", "expression", "input"),
    ids=lambda group: words(group[0], "source", "model", "input"),
)
def test_shapes_are_the_published_ones(group: list[Entry]) -> None:
    analysis = analysed(group[0]["expression"], group[0]["input"])
    ours = {entry["path"]: "x".join(map(str, under(analysis, entry["path"])[-1].output_shape)) for entry in group}
    assert ours == {entry["path"]: entry["shape"] for entry in group}


@pytest.mark.parametrize(
    "group", grouped("children", "source", "expression"), ids=lambda group: words(group[0], "source", "expression")
)
def test_parameters_by_child_and_block_are_the_published_ones(group: list[Entry]) -> None:
    analysis = analysed(group[0]["expression"])
    for entry in group:
        rows = under(analysis, entry["path"])
        ours = {
            "params": sum(row.params for row in rows),
            "buffers": sum(row.buffers for row in rows),
            "num_convs": sum(row.op == "Conv2d" for row in rows),
            "num_norms": sum(row.op == "BatchNorm2d" for row in rows),
        }
        stated = {name: int(entry[name]) for name in ours if entry[name]}
        assert {name: ours[name] for name in stated} == stated, entry["path"]


def leaf(row: Row) -> Entry:
    """Write a row in the columns of leaves.csv; torchvision calls every ReLU of a block `relu`."""
    facts: dict[str, object] = dict.fromkeys(("kernel", "stride", "padding", "groups"), "")
    match row.operation:
        case Conv2d() as op:
            facts = {"kernel": op.kernel, "stride": op.stride, "padding": op.padding, "groups": op.groups}
        case MaxPool2d() as op:
            facts |= {"kernel": op.kernel, "stride": op.stride, "padding": op.padding}
        case AvgPool2d() as op:
            facts |= {"kernel": op.kernel, "stride": op.stride, "padding": 0}
        case _:
            pass
    shown = {
        "path": re.sub(r"^(layer.*\.relu)\d$", r"\1", row.path),
        "type": row.op.replace("GlobalAvg", "AdaptiveAvg"),
        "input": "x".join(map(str, row.input_shapes[0])),
        "output": "x".join(map(str, row.output_shape)),
        **facts,
        "params": row.params,
        "macs": row.macs,
    }
    return {name: str(value) for name, value in shown.items()}


@pytest.mark.parametrize("group", grouped("leaves", "model"), ids=lambda group: group[0]["model"])
def test_every_leaf_is_torchvisions_in_order(group: list[Entry]) -> None:
    """Hooks on torchvision 0.29.1's leaf modules at 224×224; functional calls (add, concat, flatten) have none."""
    functional = {"relu", "avgpool"} if group[0]["model"].startswith("densenet") else set()
    rows = [row for row in analysed(group[0]["model"]).rows if not isinstance(row.operation, Add | Concat | Flatten)]
    ours = [leaf(row) for row in rows if row.path not in functional]
    assert ours == [{name: text for name, text in entry.items() if name != "model"} for entry in group]


@pytest.mark.parametrize(
    "entry", entries("receptive_fields"), ids=lambda entry: words(entry, "source", "model", "stage")
)
def test_a_receptive_field_is_the_published_one(entry: Entry) -> None:
    stage = next(stage for stage in analysed(entry["expression"]).stages if stage.stage == entry["stage"])
    assert stage.receptive_field == int(entry["receptive_field"])
    assert not entry["total_stride"] or stage.total_stride == int(entry["total_stride"])


def facts(*topics: str) -> list[Entry]:
    return [
        dict(part.split("=") for part in row["given"].split()) | row
        for row in entries("layer_facts")
        if row["topic"] in topics
    ]


def fact_name(entry: Entry) -> str:
    return words(entry, "topic", "given")


@pytest.mark.parametrize("entry", facts("window"), ids=fact_name)
def test_a_window_moves_to_the_published_number_of_positions(entry: Entry) -> None:
    positions = formulas.window_positions(int(entry["n"]), int(entry["f"]), int(entry["s"]), int(entry["p"]))
    assert positions == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("conv params"), ids=fact_name)
def test_a_convolution_has_the_published_parameters(entry: Entry) -> None:
    bias, groups = entry["bias"] == "true", int(entry["groups"])
    conv = Conv2d(int(entry["cin"]), int(entry["cout"]), int(entry["k"]), groups=groups, bias=bias)
    assert formulas.params(conv) == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("dense connections"), ids=fact_name)
def test_dense_layers_have_the_published_number_of_connections(entry: Entry) -> None:
    """Each concat joins one more source to what went before: layer l reads the block's input and l − 1 layers."""
    analysis = analyze(f"densenet:depths={entry['L']},growth_rate=1,init_features=1", 32)
    reads = [row.input_shapes[0][0] for row in analysis.rows if row.path.endswith(".norm1")]
    assert sum(reads) == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("dense input channels"), ids=fact_name)
def test_a_dense_layer_reads_the_published_number_of_channels(entry: Entry) -> None:
    analysis = analyze(f"densenet:depths={entry['l']},growth_rate={entry['k']},init_features={entry['k0']}", 32)
    last = [row for row in analysis.rows if row.path.endswith(".norm1")][-1]
    assert last.input_shapes[0][0] == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("transition channels"), ids=fact_name)
def test_a_transition_leaves_the_published_number_of_channels(entry: Entry) -> None:
    spec = DenseNetSpec(
        depths=(1, 1), growth_rate=1, init_features=int(entry["m"]) - 1, compression=float(entry["theta"])
    )
    transition = next(stage for stage in analyze(spec, 32).stages if stage.stage == "transition1")
    assert transition.output_shape[0] == int(entry["expected"])


DEPTHS: dict[str, Callable[[Entry], str]] = {
    "depth 6n+2": lambda it: f"resnet:block=basic,depths={it['n']}-{it['n']}-{it['n']},stem=cifar",
    "depth 9n+2": lambda it: f"resnet:block=bottleneck,depths={it['n']}-{it['n']}-{it['n']},stem=cifar",
    "residual depth": lambda it: (
        f"resnet:block={'basic' if it['convs_per_block'] == '2' else 'bottleneck'},depths={it['layers']}"
    ),
    "dense depth": lambda it: f"densenet:depths={it['blocks']}",
}


@pytest.mark.parametrize("entry", facts(*DEPTHS), ids=fact_name)
def test_a_network_has_the_published_depth(entry: Entry) -> None:
    assert analyze(DEPTHS[entry["topic"]](entry)).depth == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("dense layers a block"), ids=fact_name)
def test_a_densenet_of_the_published_blocks_has_its_depth(entry: Entry) -> None:
    ratio, expected = "4" if entry["bottleneck"] == "true" else "none", entry["expected"]
    spec = f"densenet:depths={expected}-{expected}-{expected},growth_rate=12,stem=cifar,bottleneck_ratio={ratio}"
    assert analyze(spec).depth == int(entry["L"])


def test_every_source_is_described_with_version_date_and_licence() -> None:
    table = [line.split("|") for line in (PUBLISHED / "README.md").read_text(encoding="utf-8").splitlines()]
    described = {
        cells[1].strip(" `") for cells in table if len(cells) == 7 and all(cell.strip() for cell in cells[1:6])
    }
    files = ("totals", "shapes", "children", "layer_facts", "receptive_fields")
    assert {entry["source"] for name in files for entry in entries(name)} <= described
