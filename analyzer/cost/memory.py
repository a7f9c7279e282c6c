"""Bytes: parameters and buffers by dtype, and the peak of activation memory in inference.

Convention: what torch's allocator is asked for by an eager forward pass without gradients, the image included
(analyzer.cost.tensor_lifetimes says which storages share memory and how long each lives); kernels' own scratch space
and the allocator's rounding are not. A concat's inputs live until it is done. A max pool makes its indices, 8 bytes an
output element, in inference too, and drops them at once.
"""

from math import prod
from typing import NamedTuple

from analyzer.cost.network_costs import NetworkCosts
from analyzer.cost.tensor_lifetimes import live_bytes_by_op, storage_owners, tensor_lifetimes
from analyzer.cost.walk import OpCost
from analyzer.errors import InvalidInput, shortened
from analyzer.graph.graph import INPUT
from analyzer.graph.ops import Norm, Shape, elements_per_statistic, saves_indices, tracks_statistics

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "int8": 1}
"""dtype → bytes of one number."""

INDEX_BYTES = 8
"""Of a max pool's index and of batch norm's batch counter: int64."""

MAX_BATCH = 2**20


class LiveStorage(NamedTuple):
    """A storage that lives at the peak: `path` is the op whose output is in it ("input": the image)."""

    path: str
    shape: Shape
    bytes: int


class Memory(NamedTuple):
    """Bytes in inference at one batch size and dtype; `peak_bytes` are those of activations, during op `peak_path`."""

    batch_size: int
    dtype: str
    params_bytes: int
    buffers_bytes: int
    peak_bytes: int
    peak_path: str
    alive: tuple[LiveStorage, ...]

    @property
    def total_bytes(self) -> int:
        """Parameters, buffers and the peak of activations together."""
        return self.params_bytes + self.buffers_bytes + self.peak_bytes


def item_bytes(dtype: str) -> int:
    """Bytes of one number; InvalidInput for an unknown dtype."""
    if dtype not in ITEM_BYTES:
        raise InvalidInput(f"dtype {shortened(dtype)!r}: must be one of {', '.join(ITEM_BYTES)}.")
    return ITEM_BYTES[dtype]


def checked_batch(batch_size: int) -> int:
    """A batch size from 1 to 1,048,576; InvalidInput outside."""
    if type(batch_size) is not int or not 1 <= batch_size <= MAX_BATCH:
        raise InvalidInput(f"batch_size {shortened(batch_size)}: must be a whole number from 1 to {MAX_BATCH}.")
    return batch_size


def params_bytes(costs: NetworkCosts, dtype: str = "float32") -> int:
    """Bytes of all learned numbers in that dtype, buffers not counted."""
    return costs.params * item_bytes(dtype)


def buffers_bytes(costs: NetworkCosts, dtype: str = "float32") -> int:
    """Bytes of batch norm's statistics, in float32 beside int8 weights, and of its counters, which stay int64."""
    item = ITEM_BYTES["float32"] if dtype == "int8" else item_bytes(dtype)
    norms = [row.buffers - 1 for row in costs.rows if tracks_statistics(row.operation)]
    return sum(norms) * item + INDEX_BYTES * len(norms)


def memory(costs: NetworkCosts, batch_size: int = 1, dtype: str = "float32") -> Memory:
    """Bytes that inference needs; the peak is the first of equal ones. InvalidInput for a bad batch size or dtype."""
    item, batch = item_bytes(dtype), checked_batch(batch_size)
    during = inference_bytes_by_op(costs, item)
    peak = max(during)
    step = during.index(peak)
    return Memory(
        batch_size=batch,
        dtype=dtype,
        params_bytes=params_bytes(costs, dtype),
        buffers_bytes=buffers_bytes(costs, dtype),
        peak_bytes=batch * peak,
        peak_path=costs.rows[step].path,
        alive=_live_storages(costs, step, batch, item),
    )


def inference_bytes_by_op(costs: NetworkCosts, item: int) -> list[int]:
    """Bytes of activations during each op for one image; a batch of b takes b times as many."""
    lifetimes = tensor_lifetimes(costs)
    during = live_bytes_by_op(lifetimes, [prod(storage.shape) * item for storage in lifetimes.storages])
    return [level + extra_bytes(row, item) for level, row in zip(during, costs.rows, strict=True)]


def extra_bytes(row: OpCost, item: int) -> int:
    """Bytes for one image that an op makes beside its output, in inference too: indices, or statistics of the image."""
    if saves_indices(row.operation):
        return INDEX_BYTES * prod(row.output_shape)
    if isinstance(row.operation, Norm) and not tracks_statistics(row.operation):
        return statistics_bytes(row, item)
    return 0


def statistics_bytes(row: OpCost, item: int) -> int:
    """Bytes of a mean and a variance for each of a norm's statistics of one image, in float32 at least."""
    return 2 * prod(row.output_shape) // elements_per_statistic(row.operation, row.output_shape) * max(item, 4)


def _live_storages(costs: NetworkCosts, step: int, batch: int, item: int) -> tuple[LiveStorage, ...]:
    rows, lifetimes = costs.rows, tensor_lifetimes(costs)
    storages = [
        LiveStorage(
            path=INPUT if op < 0 else rows[op].path,
            shape=costs.input_shape if op < 0 else rows[op].output_shape,
            bytes=batch * item * prod(lifetimes.storages[storage].shape),
        )
        for storage, op in storage_owners(lifetimes, step).items()
    ]
    extra = extra_bytes(rows[step], item)
    if extra:
        contents = "indices" if saves_indices(rows[step].operation) else "statistics"
        storages.append(
            LiveStorage(path=f"{rows[step].path} ({contents})", shape=rows[step].output_shape, bytes=batch * extra)
        )
    return tuple(storages)
