"""The proof that ResNeXt's three forms are one function, run on every grouped block and on the whole network."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch

from analyzer.cost.walk import walk
from analyzer.errors import InvalidInput, shortened
from analyzer.families.aggregated import TITLES, cardinality, grouped_blocks, network_forms, nothing_to_prove
from analyzer.families.network import Network, network
from analyzer.families.spec import Spec
from analyzer.graph import Graph
from analyzer.live import equivalence_network
from analyzer.live.comparison import DTYPES, Bench, Case, Trio, comparisons, controls, sizes, trio
from analyzer.live.identities import check_identities
from analyzer.live.proof import Comparison, Control, FormCost, Proof
from analyzer.ops import Conv2d

DEFAULT_DTYPES = ("float64", "float32")
CONTROLLED = ("float64", "float32")
"""Types in which a fault in one path of many is larger than the bound; in shorter ones it need not be."""

MODES = ("eval", "train")
SEED = 2017
SEEDS_A_BLOCK = 100
"""Distance between the seeds of neighbouring blocks."""


Progress = Callable[[int, int, str], None]
"""Told the number of the block that begins, how many there are, and its path; with one more than that at the end."""


def _silent(_done: int, _total: int, _path: str) -> None:
    pass


def check_equivalence(
    variant: str | Spec | Graph | Network,
    *,
    dtypes: Sequence[str] = DEFAULT_DTYPES,
    full: bool = False,
    seed: int = SEED,
    progress: Progress = _silent,
) -> Proof:
    """Compare forms (a) and (b) with (c) in every grouped block, forward and back, eval and train, and in the whole.

    Then prove every other identity that the network has a place for. Each block has its own random weights and batch
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
        rows, found = _over_blocks(blocks, dtypes, _controlled(dtypes, full), seed, progress)
        progress(len(blocks) + 1, len(blocks), "")
        rows += equivalence_network.network_rows(resolved, dtypes, seed) if blocks and full else ()
        others = check_identities(resolved, dtypes, seed)
        progress(len(blocks) + 1, len(blocks), "done")
    return Proof(
        variant=resolved.expression,
        title=resolved.title,
        reason=nothing_to_prove(resolved.graph),
        blocks={path: cardinality(block) for path, block in blocks.items()},
        rows=(*rows, *others.rows),
        controls=(*found, *others.controls),
        costs=tuple(_costs(resolved)) if blocks else (),
        identities=others.identities,
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


def _controlled(dtypes: Sequence[str], full: bool) -> list[str]:
    """The types in which faults are planted: all that can show them, or the coarsest; else float32."""
    able = [dtype for dtype in CONTROLLED if dtype in dtypes] or ["float32"]
    return able if full else able[-1:]


def _over_blocks(
    blocks: dict[str, Graph], dtypes: Sequence[str], controlled: Sequence[str], seed: int, progress: Progress
) -> tuple[list[Comparison], list[Control]]:
    rows: list[Comparison] = []
    found: list[Control] = []
    for number, bench in enumerate(_benches(blocks, seed), 1):
        progress(number, len(blocks), bench.path)
        for case in product(dtypes, MODES):
            rows += comparisons(bench, Case(*case))
        for dtype in controlled:
            found += controls(bench, dtype)
    return rows, found


def _benches(blocks: dict[str, Graph], seed: int) -> Iterator[Bench]:
    """One bench a block; equal neighbours share their modules, which hold no weights."""
    shared: Trio | None = None
    for index, (path, block) in enumerate(blocks.items()):
        if shared is None or block != shared.block:
            shared = trio(block)
        yield Bench(path=path, trio=shared, seed=seed + SEEDS_A_BLOCK * index)


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
        rows = walk(form.graph, resolved.input_shape()).rows
        biases = sum(
            row.operation.out_channels for row in rows if isinstance(row.operation, Conv2d) and row.operation.bias
        )
        yield FormCost(
            form=form.letter,
            title=TITLES[form.letter],
            params=sum(row.params for row in rows),
            biases=biases,
            macs=sum(row.macs for row in rows),
            num_ops=len(rows),
        )
