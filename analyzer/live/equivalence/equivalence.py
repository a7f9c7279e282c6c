"""The proof that ResNeXt's three forms are one function, run on every grouped block and on the whole network."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch
from torch import Tensor

from analyzer.cost.walk import cost_tree
from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Network, network
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph, in_channels
from analyzer.graph.ops import Conv2d
from analyzer.graph.resnext_forms import (
    FORM_TITLES,
    cardinality,
    forms,
    grouped_blocks,
    network_forms,
    reason_without_forms,
)
from analyzer.live.equivalence import network as equivalence_network
from analyzer.live.equivalence.comparison import (
    DTYPES,
    SIDE,
    BlockForms,
    BlockUnderTest,
    ComparisonCase,
    block_forms,
    common_tensors,
    comparisons,
    controls,
    evaluate_with_crossings,
    plant_fault,
    quick_backward,
    sizes,
    worst_comparison,
)
from analyzer.live.equivalence.forms import FAULTS, Evaluation, evaluate, runnable_form
from analyzer.live.equivalence.proof import BlockCheck, ErrorHistogram, FaultControl, FormCost, Proof, TensorComparison
from analyzer.live.identities.check import check_identities

DEFAULT_DTYPES = ("float64", "float32")
CONTROL_DTYPES = ("float64", "float32")
"""Types in which a fault in one path of many is larger than the bound; in shorter ones it need not be."""

MODES = ("eval", "train")
SEED = 2017
SEEDS_A_BLOCK = 100
"""Distance between the seeds of neighbouring blocks."""


Progress = Callable[[int, int, str], None]
"""Called with the number of the block that begins, the number of blocks, and its path; at the end with one more."""

BINS_A_DECADE = 4
_LOWEST = -20.0
"""Exponent of ten at which bins begin; double precision ends near -16."""


def _ignore_progress(_done: int, _total: int, _path: str) -> None:
    pass


def check_equivalence(
    variant: str | Spec | Graph | Network,
    *,
    dtypes: Sequence[str] = DEFAULT_DTYPES,
    full: bool = False,
    seed: int = SEED,
    progress: Progress = _ignore_progress,
) -> Proof:
    """Compare forms (a) and (b) with (c) in every grouped block, forward and back, eval and train, and in the whole.

    Then prove every other identity that applies to the network. Each block has its own random weights and batch
    norm statistics; planted faults must be detected for it to pass. Without `full`, the whole network's forms are
    compared by their outputs in evaluation mode alone, and faults planted in the coarsest of the types only.
    Raises InvalidInput where `variant` is no network or a dtype is unknown.
    """
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise InvalidInput(f"dtype {shortened(dtype)!r}: must be one of {', '.join(DTYPES)}.")
    resolved = network(variant)
    blocks = dict(grouped_blocks(resolved.graph))
    with _one_thread():
        rows, controls = _compare_blocks(blocks, dtypes, _control_dtypes(dtypes, full), seed, progress)
        progress(len(blocks) + 1, len(blocks), "")
        rows += equivalence_network.network_rows(resolved, dtypes, seed) if blocks and full else ()
        identities = check_identities(resolved, dtypes, seed)
        progress(len(blocks) + 1, len(blocks), "done")
    return Proof(
        variant=resolved.expression,
        title=resolved.title,
        reason=reason_without_forms(resolved.graph),
        blocks={path: cardinality(block) for path, block in blocks.items()},
        rows=(*rows, *identities.rows),
        controls=(*controls, *identities.controls),
        costs=tuple(_costs(resolved)) if blocks else (),
        identities=identities.identities,
        conditions=_conditions(resolved, dtypes, full, seed),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch: on small tensors threads wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _control_dtypes(dtypes: Sequence[str], full: bool) -> list[str]:
    """The types in which faults are planted: all in which they show, or the coarsest of these; else float32."""
    suitable = [dtype for dtype in CONTROL_DTYPES if dtype in dtypes] or ["float32"]
    return suitable if full else suitable[-1:]


def _compare_blocks(
    blocks: dict[str, Graph], dtypes: Sequence[str], control_dtypes: Sequence[str], seed: int, progress: Progress
) -> tuple[list[TensorComparison], list[FaultControl]]:
    rows: list[TensorComparison] = []
    block_controls: list[FaultControl] = []
    for number, block in enumerate(_blocks_under_test(blocks, seed), 1):
        progress(number, len(blocks), block.path)
        for case in product(dtypes, MODES):
            rows += comparisons(block, ComparisonCase(*case))
        for dtype in control_dtypes:
            block_controls += controls(block, dtype)
    return rows, block_controls


def _blocks_under_test(blocks: dict[str, Graph], seed: int) -> Iterator[BlockUnderTest]:
    """Each block with its tensors; equal neighbours share their modules, which have no weights of their own."""
    shared: BlockForms | None = None
    for index, (path, block) in enumerate(blocks.items()):
        if shared is None or block != shared.block:
            shared = block_forms(block)
        yield BlockUnderTest(path=path, block_forms=shared, seed=seed + SEEDS_A_BLOCK * index)


def _conditions(resolved: Network, dtypes: Sequence[str], full: bool, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "dtypes": list(dtypes),
        "full": full,
        "block_inputs": {dtype: list(sizes(dtype)) for dtype in dtypes},
        "network_batch_size": equivalence_network.BATCH_SIZE,
        "network_input_shape": list(equivalence_network.small_shape(resolved)),
        "torch": torch.__version__,
        "threads": 1,
    }


def _costs(resolved: Network) -> Iterator[FormCost]:
    for form in network_forms(resolved.graph):
        rows = cost_tree(form.graph, resolved.input_shape()).rows
        biases = sum(
            row.operation.out_channels for row in rows if isinstance(row.operation, Conv2d) and row.operation.bias
        )
        yield FormCost(
            form=form.letter,
            title=FORM_TITLES[form.letter],
            params=sum(row.params for row in rows),
            biases=biases,
            macs=sum(row.macs for row in rows),
            num_ops=len(rows),
        )


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
    block = BlockUnderTest(
        path=path, block_forms=_block_forms(blocks[path]), seed=seed + SEEDS_A_BLOCK * list(blocks).index(path)
    )
    case = ComparisonCase(dtype, mode)
    rows, spreads = [], []
    for identity, evaluation, reference, num_crossed in _block_evaluations(block, case, fault):
        for what, gradient, pairs in common_tensors(evaluation, reference, case.training):
            net = next(net for net in block.block_forms.nets if net.form.letter == identity[1])
            tolerance = block.tolerance(case, net.form, gradient=gradient)
            labels = {"identity": identity, "block": path, "dtype": dtype, "mode": mode}
            rows.append(worst_comparison(pairs, what=what, tolerance=tolerance, crossed=num_crossed, **labels))
            spreads.append(_error_histogram(identity, what, list(pairs.values())))
    return BlockCheck(fault=fault, rows=tuple(rows), spreads=tuple(spreads))


def _block_forms(block: Graph) -> BlockForms:
    rows = cost_tree(block, (in_channels(block), SIDE, SIDE)).rows
    return BlockForms(block, tuple(runnable_form(form) for form in forms(block)), (), rows)


def _block_evaluations(
    block: BlockUnderTest, case: ComparisonCase, fault: str
) -> Iterator[tuple[str, Evaluation, Evaluation, int]]:
    """(identity, form, grouped form, ReLUs that rounding moved) of forms (a) and (b)."""
    tensors = block.tensors.cut(case)
    with quick_backward(case.dtype):
        reference = evaluate(block.block_forms.nets[-1], *tensors, training=case.training)
        for net in block.block_forms.nets[:-1]:
            faulty = plant_fault(net, FAULTS[fault]) if fault else net
            evaluation, num_crossed = evaluate_with_crossings(faulty, reference, tensors, case)
            yield f"({net.form.letter}) = (c)", evaluation, reference, num_crossed


def _error_histogram(identity: str, what: str, pairs: list[tuple[Tensor, Tensor]]) -> ErrorHistogram:
    """How many numbers are equal, and how many lie in each bin of log10 |a − b| / max|b|, tensor by tensor."""
    exponents = torch.cat([_exponents(*pair) for pair in pairs])
    finite = exponents[torch.isfinite(exponents)].clamp(min=_LOWEST)
    bins, counts = torch.unique(torch.floor(finite * BINS_A_DECADE), return_counts=True)
    return ErrorHistogram(
        identity=identity,
        what=what,
        equal=int((exponents == -torch.inf).sum()),
        bins={
            left_edge / BINS_A_DECADE: count for left_edge, count in zip(bins.tolist(), counts.tolist(), strict=True)
        },
    )


def _exponents(one: Tensor, reference: Tensor) -> Tensor:
    largest = float(reference.abs().max())
    return ((one - reference).double().abs() / (largest or 1.0)).log10().flatten()
