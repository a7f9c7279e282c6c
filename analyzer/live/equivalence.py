"""The proof that ResNeXt's three forms are one function, run on every grouped block and on the whole network."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import torch

from analyzer.cost.walk import walk
from analyzer.errors import InvalidInput, shortened
from analyzer.families.aggregated import TITLES, Form, cardinality, grouped_blocks, network_forms, nothing_to_prove
from analyzer.families.network import Network, network
from analyzer.families.spec import MAX_OPS, Spec
from analyzer.graph import Graph, num_ops
from analyzer.live.comparison import (
    BATCH_SIZE,
    DTYPES,
    SIDE,
    Bench,
    Case,
    Trio,
    comparisons,
    controls,
    difference,
    trio,
)
from analyzer.live.forms import random_state, run, runnable
from analyzer.live.proof import Comparison, Control, FormCost, Proof
from analyzer.live.rounding import tolerance

MODES = ("eval", "train")
SEED = 2017
NETWORK_BATCH_SIZE = 2
NETWORK_SIDE = 64
SEEDS_A_BLOCK = 100
"""Distance between the seeds of neighbouring blocks, more than the draws that one can use."""


Progress = Callable[[int, int, str], None]
"""Told the number of the block that begins, how many there are, and its path; with one more than that at the end."""


def _silent(_done: int, _total: int, _path: str) -> None:
    pass


def check_equivalence(
    variant: str | Spec | Graph | Network,
    *,
    dtypes: Sequence[str] = tuple(DTYPES),
    seed: int = SEED,
    progress: Progress = _silent,
) -> Proof:
    """Compare forms (a) and (b) with (c) in every grouped block, forward and back, eval and train, and in the whole.

    Each block has its own random weights and batch norm statistics. Planted faults must be detected for it to pass.
    A network without grouped bottlenecks gives a Proof without rows that says why. Raises InvalidInput where `variant`
    is no network or a dtype is neither float64 nor float32.
    """
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise InvalidInput(f"dtype {shortened(dtype)!r}: must be {' or '.join(DTYPES)}.")
    resolved = network(variant)
    blocks = dict(grouped_blocks(resolved.graph))
    rows, found = _over_blocks(blocks, dtypes, seed, progress)
    progress(len(blocks) + 1, len(blocks), "")
    return Proof(
        variant=resolved.expression,
        title=resolved.title,
        reason=nothing_to_prove(resolved.graph),
        blocks={path: cardinality(block) for path, block in blocks.items()},
        rows=(*rows, *(_network_rows(resolved, seed) if blocks and "float64" in dtypes else ())),
        controls=tuple(found),
        costs=tuple(_costs(resolved)) if blocks else (),
        conditions=_conditions(resolved, dtypes, seed),
    )


def _over_blocks(
    blocks: dict[str, Graph], dtypes: Sequence[str], seed: int, progress: Progress
) -> tuple[list[Comparison], list[Control]]:
    rows: list[Comparison] = []
    found: list[Control] = []
    for number, bench in enumerate(_benches(blocks, seed), 1):
        progress(number, len(blocks), bench.path)
        for case in product(dtypes, MODES):
            rows += comparisons(bench, Case(*case))
        for dtype in dtypes:
            found += controls(bench, dtype)
    return rows, found


def _benches(blocks: dict[str, Graph], seed: int) -> Iterator[Bench]:
    """One bench a block; equal neighbours share their modules, which hold no weights."""
    shared: Trio | None = None
    for index, (path, block) in enumerate(blocks.items()):
        if shared is None or block != shared.block:
            shared = trio(block)
        yield Bench(path=path, trio=shared, seed=seed + SEEDS_A_BLOCK * index)


def _conditions(resolved: Network, dtypes: Sequence[str], seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "dtypes": list(dtypes),
        "block_batch_size": BATCH_SIZE,
        "block_input_size": SIDE,
        "network_batch_size": NETWORK_BATCH_SIZE,
        "network_input_shape": list(resolved.input_shape(NETWORK_SIDE)),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


@torch.no_grad()
def _network_rows(resolved: Network, seed: int) -> list[Comparison]:
    """The whole network in evaluation mode and float64, in the forms that stay within the bound on ops."""
    *split, whole = network_forms(resolved.graph)
    generator = torch.Generator().manual_seed(seed)
    state = random_state(whole.graph, generator)
    shape = resolved.input_shape(NETWORK_SIDE)
    images = torch.empty(NETWORK_BATCH_SIZE, *shape, dtype=torch.float64).normal_(generator=generator)
    rows = walk(whole.graph, shape).rows
    bound = tolerance(rows, "float64", batch_size=NETWORK_BATCH_SIZE, training=False, gradient=False)
    expected = run(runnable(whole), state, images, training=False)
    affordable = [form for form in split if num_ops(form.graph) <= MAX_OPS]
    outputs = [(form, run(runnable(form), state, images, training=False)) for form in affordable]
    return [_network_row(form, *difference(output, expected), bound) for form, output in outputs]


def _network_row(form: Form, max_rel: float, max_abs: float, bound: float) -> Comparison:
    return Comparison(
        identity=f"({form.letter}) = (c)",
        block="",
        what="output",
        where="output",
        dtype="float64",
        mode="eval",
        max_abs=max_abs,
        max_rel=max_rel,
        tolerance=bound,
        draw=0,
    )


def _costs(resolved: Network) -> Iterator[FormCost]:
    for form in network_forms(resolved.graph):
        rows = walk(form.graph, resolved.input_shape()).rows
        params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
        yield FormCost(form=form.letter, title=TITLES[form.letter], params=params, macs=macs, num_ops=len(rows))
