"""Oracle: published. Our closed form against the figures in tests/published/, each with its source there."""

import re
from collections import Counter

import pytest

from analyzer.cost.network_costs import StageCost
from analyzer.cost.walk import OpCost
from analyzer.graph.ops import Add, AvgPool2d, Concat, Conv2d, Flatten, MaxPool2d
from tests.support.oracles import (
    PUBLISHED,
    PublishedEntry,
    agrees,
    analysis_at,
    count_of,
    entry_label,
    grouped,
    published_entries,
    rows_under,
)


@pytest.mark.parametrize(
    "group", grouped("totals", "source", "model"), ids=lambda group: entry_label(group[0], "source", "model")
)
def test_totals_are_the_published_ones(group: list[PublishedEntry]) -> None:
    for entry in group:
        count = count_of(entry)
        difference = f"{entry['quantity']} at {entry['input']}: {count} is not {entry['figure']} · {entry['unit']}"
        assert agrees(count, entry), f"{difference} ({entry['printed']})"


@pytest.mark.parametrize(
    "group",
    grouped("shapes", "source", "expression", "input"),
    ids=lambda group: entry_label(group[0], "source", "model", "input"),
)
def test_shapes_are_the_published_ones(group: list[PublishedEntry]) -> None:
    analysis = analysis_at(group[0]["expression"], group[0]["input"])
    ours = {entry["path"]: "x".join(map(str, rows_under(analysis, entry["path"])[-1].output_shape)) for entry in group}
    assert ours == {entry["path"]: entry["shape"] for entry in group}


@pytest.mark.parametrize(
    "group",
    grouped("children", "source", "expression"),
    ids=lambda group: entry_label(group[0], "source", "expression"),
)
def test_parameters_by_child_and_block_are_the_published_ones(group: list[PublishedEntry]) -> None:
    analysis = analysis_at(group[0]["expression"])
    for entry in group:
        rows = rows_under(analysis, entry["path"])
        ours = {
            "params": sum(row.params for row in rows),
            "buffers": sum(row.buffers for row in rows),
            "num_convs": sum(row.op == "Conv2d" for row in rows),
            "num_norms": sum(row.op == "BatchNorm2d" for row in rows),
        }
        stated = {name: int(entry[name]) for name in ours if entry[name]}
        assert {name: ours[name] for name in stated} == stated, entry["path"]


def leaf(row: OpCost) -> PublishedEntry:
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
def test_every_leaf_is_torchvisions_in_order(group: list[PublishedEntry]) -> None:
    """Hooks on torchvision 0.29.1's leaf modules at 224×224; functional calls (add, concat, flatten) have none."""
    functional = {"relu", "avgpool"} if group[0]["model"].startswith("densenet") else set()
    rows = [row for row in analysis_at(group[0]["model"]).rows if not isinstance(row.operation, Add | Concat | Flatten)]
    ours = [leaf(row) for row in rows if row.path not in functional]
    assert ours == [{name: text for name, text in entry.items() if name != "model"} for entry in group]


@pytest.mark.parametrize(
    "entry", published_entries("receptive_fields"), ids=lambda entry: entry_label(entry, "source", "model", "stage")
)
def test_a_receptive_field_is_the_published_one(entry: PublishedEntry) -> None:
    analysis = analysis_at(entry["expression"])
    ends: dict[str, OpCost | StageCost] = {row.path: row for row in analysis.rows}
    ends |= {stage.stage: stage for stage in analysis.stages}
    end = ends[entry["stage"]]
    assert end.receptive_field == int(entry["receptive_field"])
    assert not entry["total_stride"] or end.total_stride == int(entry["total_stride"])


TABLES = ("totals", "shapes", "children", "leaves", "receptive_fields", "layer_facts")
SOURCE_OF_LEAVES = "torchvision-hooks"


def described_sources() -> set[str]:
    """List the sources in the README's table whose every cell is filled."""
    table = [line.split("|") for line in (PUBLISHED / "README.md").read_text(encoding="utf-8").splitlines()]
    full = [cells for cells in table if len(cells) == 7 and all(cell.strip() for cell in cells[1:6])]
    return {cells[1].strip(" `") for cells in full if cells[1].strip().startswith("`")}


def test_every_source_is_described_with_version_date_and_licence() -> None:
    stated = {
        entry.get("source", SOURCE_OF_LEAVES)
        for name in (*TABLES, "not_applicable")
        for entry in published_entries(name)
    }
    assert stated == described_sources()


def test_every_figure_of_a_source_is_tested_or_has_its_reason() -> None:
    """carried.csv was counted on the sources' own tables: none of their figures may be dropped from here unseen."""
    here: Counter[tuple[str, str]] = Counter()
    for table in TABLES:
        here.update((entry.get("source", SOURCE_OF_LEAVES), table) for entry in published_entries(table))
    for entry in published_entries("not_applicable"):
        here[entry["source"], entry["table"]] += int(entry["figures"])
    assert here == {(entry["source"], entry["table"]): int(entry["figures"]) for entry in published_entries("carried")}


def test_no_figure_is_left_out_without_a_reason_and_few_are_of_networks_that_the_fields_express() -> None:
    """At most 5 per cent, of all figures and of the totals alone."""
    left_out = published_entries("not_applicable")
    assert {entry["network"] for entry in left_out} == {"ours", "other"}
    assert all(len(entry["reason"]) > 8 for entry in left_out)
    ours = sum(int(entry["figures"]) for entry in left_out if entry["network"] == "ours")
    assert ours == sum(entry["network"] == "ours" for entry in left_out), "one row a figure"
    assert ours <= 0.05 * (ours + len(published_entries("totals")))


def test_no_row_stands_twice() -> None:
    for name in {*TABLES, "not_applicable", "carried"} - {"leaves"}:  # a module that runs twice is two leaves
        rows = [tuple(entry.values()) for entry in published_entries(name)]
        assert len(set(rows)) == len(rows), name
