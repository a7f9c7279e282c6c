"""A whole network in its three forms: outputs and gradients in evaluation mode, in training mode their drift."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from analyzer.cost.walk import OpCost, cost_tree
from analyzer.errors import InvalidInput
from analyzer.families.network import Network
from analyzer.families.spec import MAX_OPS
from analyzer.graph.graph import Graph, num_ops
from analyzer.graph.ops import Shape
from analyzer.graph.resnext_forms import network_forms
from analyzer.live.equivalence.comparison import (
    DTYPES,
    SLOW_DTYPE_SIZES,
    ComparisonCase,
    common_tensors,
    evaluate_with_crossings,
    quick_backward,
    worst_comparison,
)
from analyzer.live.equivalence.forms import (
    Runnable,
    StateDict,
    calibrate,
    evaluate,
    random_state,
    runnable_form,
    runnable_graph,
)
from analyzer.live.equivalence.proof import TensorComparison
from analyzer.live.equivalence.rounding import path_additions, tolerance

BATCH_SIZE = 2
TRAIN_CEILING = 1e-11
"""Tolerance of training mode in float64: batch norm's statistics of few samples magnify rounding."""

TRAIN_DTYPES = ("float64", "float32")
"""Types in which training mode is run; float32's drift is reported and not judged."""


class NetworkTensors(NamedTuple):
    """A network's random weights, images and output gradient in float64, and its ops at the images' size."""

    state: StateDict
    images: Tensor
    cotangent: Tensor
    rows: tuple[OpCost, ...]

    def cast(self, dtype: str) -> tuple[StateDict, Tensor, Tensor]:
        """The tensors in a type; where the type is slow, one image of half the side."""
        images, cotangent = self.images, self.cotangent
        if dtype in SLOW_DTYPE_SIZES and images.shape[-1] % 2 == 0 and cotangent.ndim == 2:
            side = images.shape[-1] // 2
            images, cotangent = images[:1, :, :side, :side], cotangent[:1]
        return self.state, images.to(DTYPES[dtype]), cotangent.to(DTYPES[dtype])


def small_shape(resolved: Network) -> tuple[int, int, int]:
    """(C, H, W) of the smallest images that leave maps of at least 2×2 and fit the head; else the variant's own."""
    default_shape = resolved.input_shape()
    stride = max(row.total_stride for row in cost_tree(resolved.graph, default_shape).rows)
    try:
        shape = resolved.input_shape(2 * stride)
        cost_tree(resolved.graph, shape)
    except InvalidInput:
        return default_shape
    return shape


def random_network_tensors(net: Runnable, shape: Shape, seed: int) -> NetworkTensors:
    """Weights whose statistics fit the images, so that activations keep their size through all blocks."""
    generator = torch.Generator().manual_seed(seed)
    rows = cost_tree(net.form.graph, shape).rows
    images, cotangent = (
        torch.empty(BATCH_SIZE, *size, dtype=torch.float64).normal_(generator=generator)
        for size in (shape, rows[-1].output_shape)
    )
    return NetworkTensors(calibrate(net, random_state(net.form.graph, generator), images), images, cotangent, rows)


def network_rows(resolved: Network, dtypes: Sequence[str], seed: int) -> Iterator[TensorComparison]:
    """The forms that stay within the bound on ops against (c), forward and back.

    In evaluation mode in every type; in training mode in float64 and float32.
    """
    *split_forms, grouped = network_forms(resolved.graph)
    nets = [runnable_form(form) for form in split_forms if num_ops(form.graph) <= MAX_OPS]
    if not nets:
        return
    reference = runnable_graph(grouped.graph)
    tensors = random_network_tensors(reference, small_shape(resolved), seed)
    for dtype in dtypes:
        for mode in ("eval", "train") if dtype in TRAIN_DTYPES else ("eval",):
            yield from _case_rows(nets, reference, tensors, ComparisonCase(dtype, mode))


def _case_rows(
    nets: Sequence[Runnable], reference: Runnable, tensors: NetworkTensors, case: ComparisonCase
) -> Iterator[TensorComparison]:
    inputs = tensors.cast(case.dtype)
    with quick_backward(case.dtype):
        expected = evaluate(reference, *inputs, training=case.training)
        evaluations = [evaluate_with_crossings(net, expected, inputs, case) for net in nets]
    for net, (evaluation, num_crossed) in zip(nets, evaluations, strict=True):
        for what, gradient, pairs in common_tensors(evaluation, expected, case.training):
            yield worst_comparison(
                pairs,
                identity=f"({net.form.letter}) = (c)",
                block="",
                what=what,
                dtype=case.dtype,
                mode=case.mode,
                tolerance=_bound(tensors, net.form.graph, reference.form.graph, case, gradient),
                crossed=num_crossed,
            )


def _bound(
    tensors: NetworkTensors, graph: Graph, reference: Graph, case: ComparisonCase, gradient: bool
) -> float | None:
    """The bound over all ops of the network; None for float32 in training mode, and where it is 1 or more."""
    if case.training and case.dtype == "float32":
        return None
    options = {"ceiling": TRAIN_CEILING} if case.training else {}
    bound = tolerance(
        tensors.rows,
        case.dtype,
        batch_size=BATCH_SIZE,
        training=case.training,
        gradient=gradient,
        additions=path_additions(graph, reference, gradient=gradient),
        **options,
    )
    return bound if bound < 1 else None
