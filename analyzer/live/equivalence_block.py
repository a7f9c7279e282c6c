"""One grouped block looked at closely: how far each number of its other forms is from the grouped form's."""

from collections.abc import Iterator

import torch
from torch import Tensor

from analyzer.cost.walk import walk
from analyzer.errors import InvalidInput, shortened
from analyzer.families.aggregated import forms, grouped_blocks
from analyzer.families.network import Network, network
from analyzer.families.spec import Spec
from analyzer.graph import Graph, in_channels
from analyzer.live.comparison import (
    DTYPES,
    SIDE,
    Bench,
    Case,
    Trio,
    beside,
    compared,
    in_common,
    planted,
    quick_backward,
)
from analyzer.live.equivalence import MODES, SEED, SEEDS_A_BLOCK
from analyzer.live.faults import FAULTS
from analyzer.live.forms import Evaluation, evaluate, runnable
from analyzer.live.proof import BlockCheck, Spread

BINS_A_DECADE = 4
_LOWEST = -20.0
"""Exponent of ten at which bins begin; double precision ends near -16."""


def check_block(
    variant: str | Spec | Graph | Network,
    path: str,
    *,
    dtype: str = "float64",
    mode: str = "train",
    fault: str = "",
    seed: int = SEED,
) -> BlockCheck:
    """Forms (a) and (b) of the block at a path against (c), number by number, with a fault planted in both if named.

    Weights and input are those that `check_equivalence` draws for this block with the same seed. Raises InvalidInput
    for an unknown block, dtype, mode or fault.
    """
    blocks = dict(grouped_blocks(network(variant).graph))
    for name, value, known in (
        ("block", path, tuple(blocks)),
        ("dtype", dtype, tuple(DTYPES)),
        ("mode", mode, MODES),
        ("fault", fault, ("", *FAULTS)),
    ):
        if value not in known:
            raise InvalidInput(f"{name} {shortened(value)!r}: must be one of {', '.join(known) or 'none'}.")
    bench = Bench(path=path, trio=_trio(blocks[path]), seed=seed + SEEDS_A_BLOCK * list(blocks).index(path))
    case = Case(dtype, mode)
    rows, spreads = [], []
    for identity, found, reference, crossed in _evaluated(bench, case, fault):
        for what, gradient, pairs in in_common(found, reference, case.training):
            net = next(net for net in bench.trio.nets if net.form.letter == identity[1])
            tolerance = bench.tolerance(case, net.form, gradient=gradient)
            place = {"identity": identity, "block": path, "dtype": dtype, "mode": mode}
            rows.append(compared(pairs, what=what, tolerance=tolerance, crossed=crossed, **place))
            spreads.append(_spread(identity, what, list(pairs.values())))
    return BlockCheck(fault=fault, rows=tuple(rows), spreads=tuple(spreads))


def _trio(block: Graph) -> Trio:
    rows = walk(block, (in_channels(block), SIDE, SIDE)).rows
    return Trio(block, tuple(runnable(form) for form in forms(block)), (), rows)


def _evaluated(bench: Bench, case: Case, fault: str) -> Iterator[tuple[str, Evaluation, Evaluation, int]]:
    """(identity, form, grouped form, ReLUs that rounding moved) of forms (a) and (b)."""
    given = bench.draw.cut(case)
    with quick_backward(case.dtype):
        reference = evaluate(bench.trio.nets[-1], *given, training=case.training)
        for net in bench.trio.nets[:-1]:
            faulty = planted(net, FAULTS[fault]) if fault else net
            found, crossed = beside(faulty, reference, given, case)
            yield f"({net.form.letter}) = (c)", found, reference, crossed


def _spread(identity: str, what: str, pairs: list[tuple[Tensor, Tensor]]) -> Spread:
    """How many numbers are equal, and how many lie in each bin of log10 |a − b| / max|b|, tensor by tensor."""
    exponents = torch.cat([_exponents(*pair) for pair in pairs])
    known = exponents[torch.isfinite(exponents)].clamp(min=_LOWEST)
    bins, counts = torch.unique(torch.floor(known * BINS_A_DECADE), return_counts=True)
    return Spread(
        identity=identity,
        what=what,
        equal=int((exponents == -torch.inf).sum()),
        bins={place / BINS_A_DECADE: count for place, count in zip(bins.tolist(), counts.tolist(), strict=True)},
    )


def _exponents(one: Tensor, reference: Tensor) -> Tensor:
    largest = float(reference.abs().max())
    return ((one - reference).double().abs() / (largest or 1.0)).log10().flatten()
