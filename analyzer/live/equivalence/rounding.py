"""How far rounding alone can drive two evaluations of one formula apart.

The forms of a block sum the same products in different orders, so their difference is rounding and nothing else.
One sum of n products with random signs has, relative to its result, an error of at most λ·√n·u, where u is the unit
roundoff of the dtype (half its machine epsilon): each of the n roundings is random and in proportion to a partial sum,
which grows like √k (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019, and "Sharper
probabilistic backward error analysis for basic linear algebra kernels with random data", 2020; the worst case
γₙ = n·u/(1−n·u) would hold for sums whose errors all point the same way). The probability of exceeding it is at most
2·exp(−λ²/2) a sum; λ is chosen so that all sums of a check together exceed it with probability `RISK`.
Weights are drawn with mean zero and activations are normalised, so an error keeps its size relative to its tensor
through the layers that follow, and the errors of all reductions on the way add up. Two evaluations differ by at most
twice that:

    max|a − b| / max|b|  ≤  2 · λ · u · Σ √nᵢ

with nᵢ the length of each reduction that the tensor depends on: k²·Cᵢₙ/groups for a convolution, N·H·W twice for batch
norm's batch statistics, 4 for its arithmetic. A gradient depends on all these and on the reductions of the way back:
k²·Cₒᵤₜ/groups for a convolution's input, N·H·W for its weights, and N·H·W twice for a batch norm.

In float16 and bfloat16 sums are accumulated in float32, as torch's kernels do, and each op's result is rounded once
more when it is stored. Those roundings, r of them one after the other, are independent and add up as √r:

    max|a − b| / max|b|  ≤  2 · λ · (u₃₂ · Σ √nᵢ + u · √r)

with one for each op that computes, m − 1 for a sum of m tensors, and m − 1 for the gradient of a tensor read m times.
A weight's gradient is rounded once for each image, since torch's own float16 convolution stores it after each.

In the second block of ResNet-50 the reductions of inference are 256, 9 · 64 and 64 long (convolutions), 4 thrice (batch
norm) and 2 (addition), so Σ √nᵢ = 16 + 24 + 8 + 3 · 2 + √2 ≈ 55.4, and 7 ops store a result:

    >>> from analyzer.cost.analysis import analyze
    >>> rows = [row for row in analyze("resnet50").rows if row.path.startswith("layer1.1.")]
    >>> summed = 16 + 24 + 8 + 3 * 2 + sqrt(2)
    >>> bound = tolerance(rows, "float32", batch_size=1, training=False, gradient=False)
    >>> f"{CONFIDENCE:.2f} {bound:.2e} {2 * CONFIDENCE * 2**-24 * summed:.2e}"
    '8.39 5.55e-05 5.55e-05'
    >>> bound = tolerance(rows, "float16", batch_size=1, training=False, gradient=False)
    >>> f"{bound:.4f} {2 * CONFIDENCE * (2**-24 * summed + 2**-11 * sqrt(7)):.4f}"
    '0.0217 0.0217'
"""

from collections.abc import Iterable, Iterator
from math import exp2, inf, log, prod, sqrt
from typing import assert_never

from analyzer.cost.walk import OpCost
from analyzer.graph import ops
from analyzer.graph.graph import Graph
from analyzer.graph.ops import elements_per_statistic, rounds, tracks_statistics

UNIT_ROUNDOFF = {"float64": exp2(-53), "float32": exp2(-24), "float16": exp2(-11), "bfloat16": exp2(-8)}
"""Half the distance from 1 to the next number of the dtype."""

HALF_DTYPES = ("float16", "bfloat16")
"""Types in which values are stored, and sums accumulated in float32."""

NUM_SUMS = 10**9
"""More sums than a check of the largest named network compares."""

RISK = 1e-6
"""Probability that rounding alone makes a check fail, all its sums together."""

CEILING = 1e-12
"""A promise on top of the bound: float64 agrees within 1e-12 whatever the lengths, for a block or a whole network."""

CONFIDENCE = sqrt(2 * log(2 * NUM_SUMS / RISK))
"""λ: 2·exp(−λ²/2) · NUM_SUMS = RISK."""


def tolerance(
    rows: Iterable[OpCost],
    dtype: str,
    *,
    batch_size: int,
    training: bool,
    gradient: bool,
    additions: int = 0,
    ceiling: float = CEILING,
) -> float:
    """The bound over the roundings of these ops, those of the way back included for a gradient; float64's is capped.

    `additions` counts those that the rows lack: sums of paths, and of gradients where a tensor is read twice.
    """
    all_rows = tuple(rows)
    lengths = [length for row in all_rows for length in _lengths(row, batch_size, training, gradient)]
    sum_of_roots = sum(map(sqrt, lengths))
    if dtype not in HALF_DTYPES:
        return min(2 * CONFIDENCE * UNIT_ROUNDOFF[dtype] * sum_of_roots, ceiling if dtype == "float64" else inf)
    num_stored = sum(_result_roundings(row, batch_size if gradient else 0) for row in all_rows) + additions
    return 2 * CONFIDENCE * (UNIT_ROUNDOFF["float32"] * sum_of_roots + UNIT_ROUNDOFF[dtype] * sqrt(num_stored))


def path_additions(graph: Graph, reference: Graph, *, gradient: bool) -> int:
    """Additions of tensors in one form of a graph that its reference lacks, and on the way back those of gradients."""
    forward = _forward_additions(graph) - _forward_additions(reference)
    return forward + _gradient_additions(graph) if gradient else forward


def _forward_additions(graph: Graph) -> int:
    """For each sum of m tensors m − 1, at every level."""
    nested = sum(_forward_additions(node.op) for node in graph.nodes if isinstance(node.op, Graph))
    return nested + sum(len(node.inputs) - 1 for node in graph.nodes if isinstance(node.op, ops.Add))


def _gradient_additions(graph: Graph) -> int:
    """For each tensor that m ops or sub-graphs read m − 1, at every level."""
    reads = [source for node in graph.nodes for source in node.inputs]
    nested = sum(_gradient_additions(node.op) for node in graph.nodes if isinstance(node.op, Graph))
    return len(reads) - len(set(reads)) + nested


def _result_roundings(row: OpCost, images: int) -> int:
    """Roundings of stored results: one where an op computes; backward, of its input and, an image, a weight."""
    if not rounds(row.operation):
        return 0
    match row.operation:
        case ops.Weighted() | ops.Norm():
            return 2 + images if images else 1
        case ops.Add():
            return len(row.input_shapes) - 1
        case ops.Pool() | ops.Activation() | ops.Concat() | ops.Multiply() | ops.Rearrangement() | ops.Dropout():
            return 2 if images else 1
        case _:
            assert_never(row.operation)


def _lengths(row: OpCost, batch_size: int, training: bool, gradient: bool) -> Iterator[int]:
    yield from _forward(row, batch_size, training)
    if gradient:
        yield from _backward(row, batch_size)


def _forward(row: OpCost, batch_size: int, training: bool) -> Iterator[int]:
    if not rounds(row.operation):
        return
    match row.operation:
        case ops.Conv2d() as conv:
            yield conv.kernel**2 * conv.in_channels // conv.groups
        case ops.Norm() as norm:
            yield 4
            if training or not tracks_statistics(norm):
                yield from _statistics(row, batch_size)
        case ops.Linear() as linear:
            yield linear.in_features
        case ops.Add():
            yield len(row.input_shapes)
        case ops.Pool():
            yield prod(row.input_shapes[0][1:])
        case ops.Activation() | ops.Concat() | ops.Multiply() | ops.Rearrangement() | ops.Dropout():
            yield 4
        case _:
            assert_never(row.operation)


def _backward(row: OpCost, batch_size: int) -> Iterator[int]:
    match row.operation:
        case ops.Conv2d() as conv:
            yield conv.kernel**2 * conv.out_channels // conv.groups
            yield batch_size * prod(row.output_shape[1:])
        case ops.Norm():
            yield from _statistics(row, batch_size)
        case ops.Linear() | ops.Activation() | ops.Pool() | ops.Merge() | ops.Rearrangement() | ops.Dropout():
            yield from _forward(row, batch_size, training=False)
        case _:
            assert_never(row.operation)


def _statistics(row: OpCost, batch_size: int) -> tuple[int, int]:
    """Lengths of a norm's two sums, for a mean and a variance."""
    count = elements_per_statistic(row.operation, row.output_shape)
    return (batch_size * count,) * 2 if tracks_statistics(row.operation) else (count,) * 2
