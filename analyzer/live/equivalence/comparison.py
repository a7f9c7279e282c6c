"""One block in its three forms, compared tensor by tensor, and with faults planted in it."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from analyzer.cost.walk import OpCost, cost_tree
from analyzer.graph.graph import Graph, in_channels
from analyzer.graph.resnext_forms import ResNeXtForm, forms
from analyzer.live.equivalence.forms import (
    FAULTS,
    Evaluation,
    Fault,
    Runnable,
    StateDict,
    copy_state,
    evaluate,
    num_crossings,
    random_state,
    run,
    runnable_form,
    set_relu_signs,
)
from analyzer.live.equivalence.proof import FaultControl, TensorComparison
from analyzer.live.equivalence.rounding import HALF_DTYPES, path_additions, tolerance

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
BATCH_SIZE = 2
SIDE = 5
"""Input of each block in pixels: batch norm sees 2·5·5 samples a channel, or 2·3·3 after a stride."""

SLOW_DTYPE_SIZES = {"float16": (2, 3)}
"""Batch size and side in types whose backward convolutions CPUs compute a hundred times slower than float32's."""


def sizes(dtype: str) -> tuple[int, int]:
    """Batch size and side in pixels of a block's input."""
    return SLOW_DTYPE_SIZES.get(dtype, (BATCH_SIZE, SIDE))


class ComparisonCase(NamedTuple):
    """The dtype and mode of one comparison."""

    dtype: str
    mode: str

    @property
    def training(self) -> bool:
        """Whether batch norm takes the batch's statistics."""
        return self.mode == "train"


class _BlockTensors(NamedTuple):
    """Random weights, input and output gradient, in float64 and at full size."""

    state: StateDict
    features: Tensor
    cotangent: Tensor

    def cut(self, case: ComparisonCase) -> "_BlockTensors":
        """The same tensors in the case's type and at its size; weights are cast when they are copied."""
        batch_size, side = sizes(case.dtype)
        features = self.features[:batch_size, :, :side, :side].to(DTYPES[case.dtype])
        output_side = -(-side * self.cotangent.shape[-1] // self.features.shape[-1])
        cotangent = self.cotangent[:batch_size, :, :output_side, :output_side].to(DTYPES[case.dtype])
        return _BlockTensors(self.state, features, cotangent)


class BlockForms(NamedTuple):
    """A block and its forms ready to run, the grouped one last; `faulty` are its planted faults, by name."""

    block: Graph
    nets: tuple[Runnable, ...]
    faulty: tuple[tuple[str, Runnable], ...]
    rows: tuple[OpCost, ...]


def block_forms(block: Graph) -> BlockForms:
    """The forms of a block with a grouped convolution, and form (a) and (b) with each fault planted."""
    nets = tuple(runnable_form(form) for form in forms(block))
    faulty = tuple((fault, plant_fault(net, plant)) for net in nets[:-1] for fault, plant in FAULTS.items())
    return BlockForms(block, nets, faulty, cost_tree(block, (in_channels(block), SIDE, SIDE)).rows)


def plant_fault(net: Runnable, fault: Fault) -> Runnable:
    """The form with the fault in it; its module is shared where the fault is in the weights only."""
    form = fault(net.form)
    if form.graph is not net.form.graph:
        return runnable_form(form)
    return Runnable(form=form, module=net.module, names=net.names, relus=net.relus)


@dataclass(slots=True, kw_only=True)
class BlockUnderTest:
    """A block at its path, with its random weights, input and output gradient, drawn when first needed."""

    path: str
    block_forms: BlockForms
    seed: int
    _tensors: _BlockTensors | None = field(default=None, init=False)

    @property
    def tensors(self) -> _BlockTensors:
        """Weights, input and output gradient in float64, the same whatever was compared before."""
        if self._tensors is None:
            self._tensors = _random_block_tensors(self.block_forms, self.seed)
        return self._tensors

    def tolerance(self, case: ComparisonCase, form: ResNeXtForm, *, gradient: bool) -> float:
        """The bound on rounding between this form of the block and the grouped one."""
        return tolerance(
            self.block_forms.rows,
            case.dtype,
            batch_size=BATCH_SIZE,  # a smaller batch has shorter sums, which the bound covers
            training=case.training,
            gradient=gradient,
            additions=path_additions(form.graph, self.block_forms.block, gradient=gradient),
        )


def _random_block_tensors(block_forms: BlockForms, seed: int) -> _BlockTensors:
    generator = torch.Generator().manual_seed(seed)
    shapes = block_forms.rows[0].input_shapes[0], block_forms.rows[-1].output_shape
    state = random_state(block_forms.block, generator)
    features, cotangent = (
        torch.empty(BATCH_SIZE, *shape, dtype=torch.float64).normal_(generator=generator) for shape in shapes
    )
    return _BlockTensors(state, features, cotangent)


def comparisons(block: BlockUnderTest, case: ComparisonCase) -> Iterator[TensorComparison]:
    """Forms (a) and (b) against (c): output, gradients, and in training mode the running statistics."""
    tensors = block.tensors.cut(case)
    with quick_backward(case.dtype):
        reference = evaluate(block.block_forms.nets[-1], *tensors, training=case.training)
        evaluations = [evaluate_with_crossings(net, reference, tensors, case) for net in block.block_forms.nets[:-1]]
    for net, (evaluation, num_crossed) in zip(block.block_forms.nets, evaluations, strict=False):
        for what, gradient, pairs in common_tensors(evaluation, reference, case.training):
            yield worst_comparison(
                pairs,
                identity=f"({net.form.letter}) = (c)",
                block=block.path,
                what=what,
                dtype=case.dtype,
                mode=case.mode,
                tolerance=block.tolerance(case, net.form, gradient=gradient),
                crossed=num_crossed,
            )


@contextmanager
def quick_backward(dtype: str) -> Iterator[None]:
    """Torch's own convolutions in types whose backward ones oneDNN computes far slower; both sum in float32."""
    if dtype not in SLOW_DTYPE_SIZES:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a setting of Intel GPUs, which leaving oneDNN alone touches
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def evaluate_with_crossings(
    net: Runnable, reference: Evaluation, tensors: tuple[StateDict, Tensor, Tensor], case: ComparisonCase
) -> tuple[Evaluation, int]:
    """A form's evaluation, and how many ReLU inputs rounding moved across zero, seen from the reference.

    There its output stands, and the way back is run again on the reference's sides, for lack of a gradient at zero.
    Types with few digits always cross somewhere, so there the first run is forward only.
    """
    evaluation = evaluate(net, *tensors, training=case.training, backward=case.dtype not in HALF_DTYPES)
    num_crossed = num_crossings(evaluation.signs, reference.signs)
    if not num_crossed and evaluation.gradients:
        return evaluation, 0
    on_reference_signs = evaluate(net, *tensors, training=case.training, signs=reference.signs)
    return replace(
        evaluation, input_gradient=on_reference_signs.input_gradient, gradients=on_reference_signs.gradients
    ), num_crossed


def worst_comparison(pairs: "_Pairs", **labels: Any) -> TensorComparison:
    """A row about the worst of some tensors, each beside its reference."""
    worst, where = max((tensor_error(*pair), name) for name, pair in pairs.items())
    return TensorComparison(where=where, max_abs=worst.max_abs, max_rel=worst.max_rel, **labels)


_Pairs = dict[str, tuple[Tensor, Tensor]]


def common_tensors(one: Evaluation, reference: Evaluation, training: bool) -> Iterator[tuple[str, bool, _Pairs]]:
    """(what, whether it is a gradient, tensors by name) of everything that two evaluations have in common."""
    yield "output", False, {"output": (one.output, reference.output)}
    yield "gradient of input", True, {"input": (one.input_gradient, reference.input_gradient)}
    yield "gradients of weights", True, _tensor_pairs(one.gradients, reference.gradients)
    if training:
        yield "running statistics", False, _tensor_pairs(one.statistics, reference.statistics)


def _tensor_pairs(one: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> _Pairs:
    return {name: (_with_weight(one, name), _with_weight(reference, name)) for name in reference}


def _with_weight(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """A tensor; a convolution's bias together with its weight.

    Before batch norm a bias has gradient zero in training mode: relative to itself, all that is seen is rounding.
    """
    weight = tensors.get(f"{name.removesuffix('.bias')}.weight") if name.endswith(".bias") else None
    if weight is None or weight.ndim < 4:
        return tensors[name]
    return torch.cat([tensors[name], weight.flatten()])


class TensorError(NamedTuple):
    """max|a − b| / max|b| and max|a − b|; infinite where either holds NaN."""

    max_rel: float
    max_abs: float


def tensor_error(one: Tensor, reference: Tensor) -> TensorError:
    """How far a tensor is from its reference; relative to 1 where the reference is zero throughout."""
    worst = 0.0 if torch.equal(one, reference) else float((one - reference).abs_().max())
    if not worst < torch.inf:
        return TensorError(torch.inf, torch.inf)
    largest = float(reference.abs().max()) if worst else 0.0
    return TensorError(worst / largest if largest > 0 else worst, worst)


@torch.no_grad()
def controls(block: BlockUnderTest, dtype: str) -> list[FaultControl]:
    """Each fault planted in forms (a) and (b), their outputs compared with form (c) in evaluation mode."""
    case = ComparisonCase(dtype, "eval")
    state, features = copy_state(block.tensors.state, DTYPES[dtype]), block.tensors.cut(case).features
    expected = forward(block.block_forms.nets[-1], state, features)
    return [
        FaultControl(
            fault=fault,
            identity=f"({net.form.letter}) = (c)",
            block=block.path,
            dtype=dtype,
            max_rel=tensor_error(forward(net, state, features), expected).max_rel,
            tolerance=block.tolerance(case, net.form, gradient=False),
        )
        for fault, net in block.block_forms.faulty
    ]


@torch.no_grad()
def forward(net: Runnable, state: StateDict, features: Tensor, *, training: bool = False) -> Tensor:
    """A form's output, with every ReLU following its own input."""
    set_relu_signs(net, None)
    return run(net, state, features, training=training)
