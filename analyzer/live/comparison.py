"""One block in its three forms, compared tensor by tensor, and with faults planted in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from analyzer.cost.walk import Row, walk
from analyzer.families.aggregated import forms
from analyzer.graph import Graph, in_channels
from analyzer.live.faults import FAULTS, Fault
from analyzer.live.forms import Evaluation, Runnable, State, copied, evaluate, random_state, run, runnable
from analyzer.live.proof import Comparison, Control
from analyzer.live.rounding import tolerance

DTYPES = {"float64": torch.float64, "float32": torch.float32}
BATCH_SIZE = 4
SIDE = 5
"""Input of each block in pixels: batch norm sees 4·5·5 samples a channel, or 4·3·3 after a stride."""

MAX_DRAWS = 6
"""Draws after which a difference in a ReLU's sign is taken for a true one."""


class Case(NamedTuple):
    """The dtype and mode of one comparison."""

    dtype: str
    mode: str

    @property
    def training(self) -> bool:
        """Whether batch norm takes the batch's statistics."""
        return self.mode == "train"


class _Draw(NamedTuple):
    """Random weights, input and output gradient, in float64."""

    state: State
    features: Tensor
    cotangent: Tensor


class Trio(NamedTuple):
    """A block and its forms ready to run, the grouped one last; `faulty` are its planted faults, by name."""

    block: Graph
    nets: tuple[Runnable, ...]
    faulty: tuple[tuple[str, Runnable], ...]
    rows: tuple[Row, ...]


def trio(block: Graph) -> Trio:
    """The forms of a block with a grouped convolution, and form (a) and (b) with each fault planted."""
    nets = tuple(runnable(form) for form in forms(block))
    faulty = tuple((fault, planted(net, plant)) for net in nets[:-1] for fault, plant in FAULTS.items())
    return Trio(block, nets, faulty, walk(block, (in_channels(block), SIDE, SIDE)).rows)


def planted(net: Runnable, fault: Fault) -> Runnable:
    """The form with the fault in it; its module is shared where the fault is in the weights only."""
    form = fault(net.form)
    return Runnable(form=form, module=net.module) if form.graph is net.form.graph else runnable(form)


@dataclass(slots=True, kw_only=True)
class Bench:
    """A block at its path, and the draws made for it so far."""

    path: str
    trio: Trio
    seed: int
    draws: list[_Draw] = field(default_factory=list)

    def draw(self, number: int) -> _Draw:
        """The block's draw of that number, the same whatever was compared before."""
        while len(self.draws) <= number:
            self.draws.append(_drawn(self.trio, self.seed + len(self.draws)))
        return self.draws[number]

    def tolerance(self, case: Case, *, gradient: bool) -> float:
        """The bound on rounding for this block."""
        return tolerance(self.trio.rows, case.dtype, batch_size=BATCH_SIZE, training=case.training, gradient=gradient)


def _drawn(trio: Trio, seed: int) -> _Draw:
    generator = torch.Generator().manual_seed(seed)
    shapes = trio.rows[0].input_shapes[0], trio.rows[-1].output_shape
    state = random_state(trio.block, generator)
    features, cotangent = (
        torch.empty(BATCH_SIZE, *shape, dtype=torch.float64).normal_(generator=generator) for shape in shapes
    )
    return _Draw(state, features, cotangent)


def comparisons(bench: Bench, case: Case) -> Iterator[Comparison]:
    """Forms (a) and (b) against (c): output, gradients, and in training mode the running statistics."""
    evaluations, draw = _evaluations(bench, case)
    for net, evaluation in zip(bench.trio.nets[:-1], evaluations, strict=False):
        for what, gradient, pairs in _in_common(evaluation, evaluations[-1], case.training):
            worst = max((difference(*pair), name) for name, pair in pairs.items())
            yield Comparison(
                identity=f"({net.form.letter}) = (c)",
                block=bench.path,
                what=what,
                where=worst[1],
                dtype=case.dtype,
                mode=case.mode,
                max_abs=worst[0].max_abs,
                max_rel=worst[0].max_rel,
                tolerance=bench.tolerance(case, gradient=gradient),
                draw=draw,
            )


def _evaluations(bench: Bench, case: Case) -> tuple[list[Evaluation], int]:
    """All forms on the first draw in which every ReLU lets the same elements through in all of them.

    At zero a ReLU has no gradient: where rounding moves an input across it, the forms' gradients rightly differ.
    """
    evaluations: list[Evaluation] = []
    for number in range(MAX_DRAWS):
        state, features, cotangent = bench.draw(number)
        features, cotangent = features.to(DTYPES[case.dtype]), cotangent.to(DTYPES[case.dtype])
        evaluations = [evaluate(net, state, features, cotangent, training=case.training) for net in bench.trio.nets]
        if all(_same_signs(evaluation, evaluations[-1]) for evaluation in evaluations):
            return evaluations, number
    return evaluations, MAX_DRAWS - 1


def _same_signs(one: Evaluation, other: Evaluation) -> bool:
    return one.signs.keys() == other.signs.keys() and all(
        torch.equal(one.signs[key], other.signs[key]) for key in one.signs
    )


_Pairs = dict[str, tuple[Tensor, Tensor]]


def _in_common(one: Evaluation, reference: Evaluation, training: bool) -> Iterator[tuple[str, bool, _Pairs]]:
    """(what, whether it is a gradient, tensors by name) of everything that two evaluations have in common."""
    yield "output", False, {"output": (one.output, reference.output)}
    yield "gradient of input", True, {"input": (one.input_gradient, reference.input_gradient)}
    yield "gradients of weights", True, _paired(one.gradients, reference.gradients)
    if training:
        yield "running statistics", False, _paired(one.statistics, reference.statistics)


def _paired(one: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> _Pairs:
    return {name: (one[name], reference[name]) for name in reference}


class Difference(NamedTuple):
    """max|a − b| / max|b| and max|a − b|; infinite where either holds NaN."""

    max_rel: float
    max_abs: float


def difference(one: Tensor, reference: Tensor) -> Difference:
    """How far a tensor is from its reference; relative to 1 where the reference is zero throughout."""
    worst = float(torch.nan_to_num((one - reference).abs().max(), nan=torch.inf))
    largest = float(reference.abs().max())
    return Difference(worst / largest if largest > 0 else worst, worst)


@torch.no_grad()
def controls(bench: Bench, dtype: str) -> list[Control]:
    """Each fault planted in forms (a) and (b), their outputs compared with form (c) in evaluation mode."""
    case = Case(dtype, "eval")
    state, features, _ = bench.draw(0)
    state, features = copied(state, DTYPES[dtype]), features.to(DTYPES[dtype])
    expected = run(bench.trio.nets[-1], state, features, training=False)
    return [
        Control(
            fault=fault,
            form=net.form.letter,
            block=bench.path,
            dtype=dtype,
            max_rel=difference(run(net, state, features, training=False), expected).max_rel,
            tolerance=bench.tolerance(case, gradient=False),
        )
        for fault, net in bench.trio.faulty
    ]
