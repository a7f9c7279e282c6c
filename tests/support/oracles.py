"""The figures of tests/published and how each of their quantities is computed from an analysis."""

import csv
from bisect import bisect_left
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import cache
from math import prod
from pathlib import Path

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.walk import OpCost
from analyzer.errors import InvalidInput
from analyzer.graph.graph import Graph
from analyzer.graph.ops import BatchNorm2d, Conv2d, Linear, MaxPool2d, Op, ReLU
from analyzer.literature.counting_rules import CONVENTIONS, op_counts

PUBLISHED = Path(__file__).parents[1] / "published"
PublishedEntry = dict[str, str]


def published_entries(name: str) -> list[PublishedEntry]:
    with (PUBLISHED / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def grouped(name: str, *keys: str) -> list[list[PublishedEntry]]:
    groups: dict[tuple[str, ...], list[PublishedEntry]] = {}
    for entry in published_entries(name):
        groups.setdefault(tuple(entry[key] for key in keys), []).append(entry)
    return list(groups.values())


def entry_label(entry: PublishedEntry, *keys: str) -> str:
    return " ".join(entry[key] for key in keys)


@cache
def analysis_at(expression: str, size: str = "224") -> Analysis:
    height, _, width = size.partition("x")
    return analyze(expression, (int(height), int(width or height)))


def outputs(analysis: Analysis, op: type[Op] | tuple[type[Op], ...]) -> int:
    return sum(prod(row.output_shape) for row in analysis.rows if isinstance(row.operation, op))


def macs_of(analysis: Analysis, op: type[Op]) -> int:
    return sum(row.macs for row in analysis.rows if isinstance(row.operation, op))


def network_up_to(analysis: Analysis, path: str) -> Analysis:
    """The network as far as the op at a path of two names, `features.4`."""
    (features,) = (node.op for node in analysis.network.graph.nodes if node.name == path.split(".")[0])
    assert isinstance(features, Graph)
    stop = [node.name for node in features.nodes].index(path.split(".")[1])
    return analyze(Graph(features.kind, features.nodes[: stop + 1]), analysis.input_shape[1:])


def smallest_side(analysis: Analysis) -> int:
    """The least side of a square input from which each layer has an output."""

    def fits(side: int) -> bool:
        try:
            analyze(analysis.network, side)
        except InvalidInput:
            return False
        return True

    return bisect_left(range(65), True, lo=1, key=fits)


def stage1_blocks(analysis: Analysis) -> list[OpCost]:
    """List the convolutions of stage 1's second block, the first without a projection."""
    return [row for row in analysis.rows if row.path.startswith("layer1.1.") and isinstance(row.operation, Conv2d)]


QUANTITIES: dict[str, Callable[[Analysis], int]] = {
    **{name: convention.count for name, convention in CONVENTIONS.items()},
    "conv_macs": lambda analysis: macs_of(analysis, Conv2d),
    "linear_macs": lambda analysis: macs_of(analysis, Linear),
    "conv_outputs": lambda analysis: outputs(analysis, Conv2d),
    "linear_outputs": lambda analysis: outputs(analysis, Linear),
    "norm_elements": lambda analysis: outputs(analysis, BatchNorm2d),
    "twice_norm_elements": lambda analysis: 2 * outputs(analysis, BatchNorm2d),
    "norm_statistics": lambda analysis: op_counts(analysis).norm_statistics,
    "conv_bias_params": lambda analysis: op_counts(analysis).conv_biases,
    "num_convs": lambda analysis: sum(row.op == "Conv2d" for row in analysis.rows),
    "num_convs_with_bias": lambda analysis: sum(
        isinstance(row.operation, Conv2d) and row.operation.bias for row in analysis.rows
    ),
    "num_norms": lambda analysis: sum(row.op == "BatchNorm2d" for row in analysis.rows),
    "relu_elements": lambda analysis: outputs(analysis, ReLU),
    "relu_module_elements": lambda analysis: outputs(analysis, ReLU) - op_counts(analysis).functional_relu_elements,
    "max_pool_outputs": lambda analysis: outputs(analysis, MaxPool2d),
    "global_pool_inputs": lambda analysis: op_counts(analysis).adaptive_pool_inputs,
    "num_weighted": lambda analysis: sum(isinstance(row.operation, Conv2d | Linear) for row in analysis.rows),
    "smallest_side": smallest_side,
    "stage1_width": lambda analysis: stage1_blocks(analysis)[1].output_shape[0],
    "stage1_block_weights": lambda analysis: sum(row.params for row in stage1_blocks(analysis)),
}


def agrees(count: int, entry: PublishedEntry) -> bool:
    """Whether a count prints as the figure does: to the unit, rounded, as papers print (rounded or cut), or roughly."""
    printed, value = Decimal(entry["figure"]), Decimal(count) / int(entry["unit"])
    rounded, cut = value.quantize(printed, ROUND_HALF_UP), value.quantize(printed, ROUND_DOWN)
    return {
        "exact": value == printed,
        "rounded": rounded == printed,
        "printed": printed in (rounded, cut),
        "about": abs(value - printed) <= Decimal("0.05") * printed,
    }[entry["printed"]]


def count_of(entry: PublishedEntry) -> int:
    """Our count of a row of totals.csv; `quantity@path` counts the network as far as that op."""
    quantity, _, path = entry["quantity"].partition("@")
    analysis = analysis_at(entry["expression"], entry["input"])
    return QUANTITIES[quantity](network_up_to(analysis, path) if path else analysis)


def rows_under(analysis: Analysis, paths: str) -> list[OpCost]:
    """List the rows of ops, blocks or stages joined by `+`, or, for no path, of the whole network."""
    tops = paths.split("+")
    return [row for row in analysis.rows if any(not top or f"{row.path}.".startswith(f"{top}.") for top in tops)]
