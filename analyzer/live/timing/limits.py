"""What a device can run: its precisions, and one-sentence errors where memory, kernels or the compiler fail."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import NamedTuple

import torch

from analyzer.cost.analysis import Analysis
from analyzer.cost.walk import OpCost
from analyzer.errors import InvalidInput, Unavailable, shortened
from analyzer.graph.graph import Graph
from analyzer.latency.run_settings import PRECISIONS
from analyzer.live.timing.devices import TimingDevice

_EXHAUSTED = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")


def stage_starts(graph: Graph) -> tuple[tuple[str, str], ...]:
    """(stage, path of its first node) in execution order; a graph without stage labels is one stage, "network"."""
    starts: list[tuple[str, str]] = []
    for stage, path in _labelled_nodes(graph):
        if not starts or starts[-1][0] != stage:
            starts.append((stage, path))
    return tuple(starts) or (("network", graph.nodes[0].name),)


def _labelled_nodes(graph: Graph) -> Iterator[tuple[str, str]]:
    for node in graph.nodes:
        if node.stage:
            yield node.stage, node.name
        if isinstance(node.op, Graph):
            yield from ((stage, f"{node.name}.{path}") for stage, path in _labelled_nodes(node.op))


def least_bytes(rows: Sequence[OpCost], batch_size: int, element_bytes: int) -> int:
    """Bytes that no run can do without: the parameters, and the largest op's inputs and output for one batch."""
    largest = max(sum(map(prod, row.input_shapes)) + prod(row.output_shape) for row in rows)
    return element_bytes * (sum(row.params for row in rows) + batch_size * largest)


class Precision(NamedTuple):
    """Type of the weights and input, and of autocast where it is used."""

    dtype: torch.dtype
    autocast: torch.dtype | None = None


def precision_named(name: str, kind: str) -> Precision:
    """The types of one of timm's precisions on that kind of device; InvalidInput for an unknown one."""
    match name:
        case "float32":
            return Precision(torch.float32)
        case "float16":
            return Precision(torch.float16)
        case "bfloat16":
            return Precision(torch.bfloat16)
        case "amp":
            return Precision(torch.float32, torch.float16 if kind == "cuda" else torch.bfloat16)
        case "amp_bfloat16":
            return Precision(torch.float32, torch.bfloat16)
        case _:
            raise InvalidInput(f"precision {shortened(name)!r}: must be one of {', '.join(PRECISIONS)}.")


def require_memory(device: TimingDevice, analysis: Analysis, batch_size: int, precision: Precision) -> None:
    """MemoryError where even the largest op cannot fit, so that the system never has to end the process."""
    free, needed = device.free_bytes(), least_bytes(analysis.rows, batch_size, precision.dtype.itemsize)
    if free is not None and needed > free:
        raise MemoryError(f"it needs at least {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free")


@contextmanager
def explain_memory_errors(device: TimingDevice, what: str) -> Iterator[None]:
    """Turn every way of running out of memory into Unavailable."""
    try:
        yield
    except MemoryError as error:
        raise Unavailable(
            f"{device.torch_device} has too little memory for {what}: {error}; lower the batch size."
        ) from None
    except RuntimeError as error:
        if any(phrase in str(error).lower() for phrase in _EXHAUSTED):
            raise Unavailable(f"{device.torch_device} ran out of memory with {what}; lower the batch size.") from None
        raise


@contextmanager
def explain_kernel_errors(device: TimingDevice, precision: str) -> Iterator[None]:
    """Turn a missing kernel into Unavailable."""
    try:
        yield
    except RuntimeError as error:
        if "not implemented" not in str(error):
            raise
        reason = shortened(str(error).split(". ")[0], 160)
        raise Unavailable(f"precision {precision}: cannot run on {device.torch_device}: {reason}.") from None


@contextmanager
def explain_refusals(what: str) -> Iterator[None]:
    """Turn whatever else torch refuses into Unavailable with its reason; torch has one type of error for all."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, Unavailable):
            raise
        reason = shortened(str(error).splitlines()[0] if str(error) else type(error).__name__, 160)
        raise Unavailable(f"torch could not run {what}: {reason}.") from None


@contextmanager
def explain_compiler_errors() -> Iterator[None]:
    """Turn torch.compile's failures into Unavailable."""
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = shortened(str(error).splitlines()[0] if str(error) else type(error).__name__, 160)
        raise Unavailable(f"execution compiled: torch.compile failed: {reason}.") from None
