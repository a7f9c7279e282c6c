"""Training: MACs of the three passes, the storages that autograd keeps, and what transfer learning saves of both.

Conventions. MACs: a convolution's or linear layer's weight gradient takes as many as its forward pass, its input
gradient too; neither is computed where nothing that learns needs it (so the image's gradient never is). FLOPs are
2 × MACs. Stored bytes are what autograd holds when the forward pass is done, each storage once, without weights and
buffers, as torch keeps them: convolution, batch norm, max pool and average pool keep their input; ReLU (in place) and
sigmoid their output; linear its input where its weights learn; a product each factor that the other's gradient needs;
max pool its indices (int64); dropout its mask in the network's dtype (CUDA's own kernel takes one byte an element);
batch norm in training mode 2 float32 statistics a channel (float64 beside float64). Addition, concatenation, flatten,
zero-padding and the global average pool keep nothing. Nothing is kept where no gradient flows. Batch norm frozen means
evaluation mode: its statistics stay, its scale and shift still learn; its input is kept all the same.
"""

import re
from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple, assert_never

from analyzer.cost.memory import checked_batch, extra_bytes, item_bytes, statistics_bytes
from analyzer.cost.network_costs import NetworkCosts
from analyzer.cost.tensor_lifetimes import live_bytes_by_op, tensor_lifetimes
from analyzer.cost.walk import OpCost
from analyzer.errors import InvalidInput, shortened
from analyzer.graph.memo import memoized_per_object
from analyzer.graph.ops import (
    Activation,
    Dropout,
    Linear,
    Merge,
    Norm,
    Pool,
    Rearrangement,
    Weighted,
    saved_for_backward,
    tracks_statistics,
)

NO_GRADIENT = ("int8",)
"""dtypes in which torch computes no gradients."""

NEW_HEAD = "new-head"

TrainableRule = Callable[[int, OpCost], bool]
"""(index of the row, row) → whether the parameters of its op learn."""


def all_parameters(_index: int, _row: OpCost) -> bool:
    """All parameters learn."""
    return True


class BatchBytes(NamedTuple):
    """Bytes that grow with the batch: `per_image` for each image, and `fixed` ones."""

    per_image: int
    fixed: int

    def at(self, batch_size: int) -> int:
        """Bytes of a batch."""
        return batch_size * self.per_image + self.fixed


_ZERO_BYTES = BatchBytes(0, 0)


class StageTraining(NamedTuple):
    """A stage's share of training; `stored` are the bytes that its ops are the first to keep."""

    stage: str
    trainable_params: int
    backward_macs: int
    stored_bytes: int


class Training(NamedTuple):
    """What training costs: MACs of one image, bytes of a batch. `mode` says which parameters learn.

    `peak_bytes` is the peak of activations in the forward pass: what is stored, and what else lives.
    """

    mode: str
    batch_size: int
    dtype: str
    frozen_norm: bool
    trainable_params: int
    forward_macs: int
    input_gradient_macs: int
    weight_gradient_macs: int
    stored_bytes: int
    peak_bytes: int
    stages: tuple[StageTraining, ...]

    @property
    def backward_macs(self) -> int:
        """MACs of both gradients."""
        return self.input_gradient_macs + self.weight_gradient_macs

    @property
    def macs(self) -> int:
        """MACs of the forward and the backward pass."""
        return self.forward_macs + self.backward_macs


class OpTraining(NamedTuple):
    """One op's share of the MACs of one image, and what autograd stores for it.

    `saved_storages` are those that no earlier op saves; `own_bytes` are other bytes (indices, mask, statistics), and
    `stored` the bytes of both.
    """

    learned: int
    input_gradient: int
    weight_gradient: int
    saved_storages: tuple[int, ...]
    stored: BatchBytes
    own_bytes: BatchBytes


def training(
    costs: NetworkCosts,
    learns: TrainableRule = all_parameters,
    *,
    mode: str = "all",
    frozen_norm: bool = False,
    batch_size: int = 1,
    dtype: str = "float32",
) -> Training:
    """MACs and bytes of training the parameters that learn; InvalidInput for a bad batch size or dtype, or int8."""
    batch = checked_batch(batch_size)
    ops = op_training(costs, learns, frozen_norm, gradient_item_bytes(dtype))
    return Training(
        mode=mode,
        batch_size=batch,
        dtype=dtype,
        frozen_norm=frozen_norm,
        trainable_params=sum(op.learned for op in ops),
        forward_macs=costs.macs,
        input_gradient_macs=sum(op.input_gradient for op in ops),
        weight_gradient_macs=sum(op.weight_gradient for op in ops),
        stored_bytes=sum(op.stored.at(batch) for op in ops),
        peak_bytes=max([level.at(batch) for level in training_bytes_by_op(costs, ops, item_bytes(dtype))]),
        stages=_stages(costs, ops, batch),
    )


def gradient_item_bytes(dtype: str) -> int:
    """Bytes of one number in a dtype that has gradients; InvalidInput for another."""
    item = item_bytes(dtype)
    if dtype in NO_GRADIENT:
        raise InvalidInput(f"dtype {dtype!r}: has no gradients, so nothing trains in it; take a floating-point one.")
    return item


def op_training(costs: NetworkCosts, learns: TrainableRule, frozen_norm: bool, item: int) -> Sequence[OpTraining]:
    """Each row's share of training, in the rows' order; linear in their number."""
    if learns is all_parameters:
        return _training_everything(costs, frozen_norm, item)
    return _op_training(costs, learns, frozen_norm, item)


@memoized_per_object
def _training_everything(costs: NetworkCosts, frozen_norm: bool, item: int) -> Sequence[OpTraining]:
    return _op_training(costs, all_parameters, frozen_norm, item)


def _op_training(costs: NetworkCosts, learns: TrainableRule, frozen_norm: bool, item: int) -> list[OpTraining]:
    lifetimes = tensor_lifetimes(costs, training=True)
    flows = [False] * len(lifetimes.storages)
    already_saved: set[int] = set()
    shares = []
    for index, (row, reads, written) in enumerate(zip(costs.rows, lifetimes.reads, lifetimes.writes, strict=True)):
        learned = row.params if row.params and learns(index, row) else 0
        flows_in = [flows[source] for source in reads]
        flows[written] = bool(learned) or any(flows_in)
        saved: tuple[int, ...] = ()
        own = _ZERO_BYTES
        if flows[written]:
            needed = _saved_storages(row, reads, written, flows_in, bool(learned))
            saved = tuple([source for source in dict.fromkeys(needed) if source not in already_saved])
            already_saved.update(saved)
            own = _own_bytes(row, frozen_norm, item)
        stored = BatchBytes(
            own.per_image + item * sum([prod(lifetimes.storages[storage].shape) for storage in saved]), own.fixed
        )
        inputs = row.macs if flows_in[0] else 0
        shares.append(OpTraining(learned, inputs, row.macs if learned else 0, saved, stored, own))
    return shares


def _saved_storages(
    row: OpCost, reads: tuple[int, ...], written: int, flows_in: Sequence[bool], learned: bool
) -> tuple[int, ...]:
    """The storages that an op's gradient needs; `flows_in` says through which of its inputs a gradient flows."""
    saved = saved_for_backward(row.operation)
    match saved:
        case "inputs":
            return reads
        case "input if weights learn":
            return reads if learned else ()
        case "output":
            return (written,)
        case "other factors":
            return tuple(source for source, other in zip(reads, reversed(flows_in), strict=True) if other)
        case "nothing":
            return ()
        case _:
            assert_never(saved)


def _own_bytes(row: OpCost, frozen_norm: bool, item: int) -> BatchBytes:
    """Bytes that an op keeps beside inputs and outputs: indices, mask, statistics."""
    match row.operation:
        case Pool():
            return BatchBytes(extra_bytes(row, item), 0)
        case Dropout():
            return BatchBytes(item * prod(row.output_shape), 0)
        case Norm() if tracks_statistics(row.operation):  # once for the whole batch
            return BatchBytes(0, 0 if frozen_norm else statistics_bytes(row, item))
        case Norm():
            return BatchBytes(extra_bytes(row, item), 0)
        case Weighted() | Activation() | Merge() | Rearrangement():
            return _ZERO_BYTES
        case _:
            assert_never(row.operation)


def training_bytes_by_op(costs: NetworkCosts, ops: Sequence[OpTraining], item: int) -> list[BatchBytes]:
    """Bytes of activations during each op of the forward pass, those kept for the backward pass never dying."""
    stored = frozenset(storage for op in ops for storage in op.saved_storages)
    lifetimes = tensor_lifetimes(costs, training=True)
    during = live_bytes_by_op(lifetimes, [item * prod(storage.shape) for storage in lifetimes.storages], stored)
    levels, so_far = [], BatchBytes(0, 0)
    for level, row, op in zip(during, costs.rows, ops, strict=True):
        passing = 0 if op.own_bytes.per_image else extra_bytes(row, item)
        so_far = BatchBytes(so_far.per_image + op.own_bytes.per_image, so_far.fixed + op.own_bytes.fixed)
        levels.append(BatchBytes(level + so_far.per_image + passing, so_far.fixed))
    return levels


def _stages(costs: NetworkCosts, ops: Sequence[OpTraining], batch: int) -> tuple[StageTraining, ...]:
    members: dict[str, list[OpTraining]] = {stage.stage: [] for stage in costs.stages}
    for row, op in zip(costs.rows, ops, strict=True):
        members[row.stage].append(op)
    return tuple(
        StageTraining(
            stage=stage,
            trainable_params=sum(op.learned for op in part),
            backward_macs=sum(op.input_gradient + op.weight_gradient for op in part),
            stored_bytes=sum(op.stored.at(batch) for op in part),
        )
        for stage, part in members.items()
    )


def transfer(
    costs: NetworkCosts,
    mode: str = "all",
    *,
    frozen_norm: bool = False,
    batch_size: int = 1,
    dtype: str = "float32",
) -> Training:
    """Training in one of transfer learning's modes; what does not learn below the first that does costs no gradient.

    "all"; stages joined by commas ("head", "stage4,head"); or "new-head=256": the last linear layer gives way to a new
    one of 256 classes, which alone learns. InvalidInput for an unknown stage, or where there is no classifier.
    """
    costs, learns = _network_and_rule(costs, mode)
    return training(costs, learns, mode=mode, frozen_norm=frozen_norm, batch_size=batch_size, dtype=dtype)


def _network_and_rule(costs: NetworkCosts, mode: str) -> tuple[NetworkCosts, TrainableRule]:
    """The network that a mode trains, and which of its ops' parameters learn."""
    if mode == "all":
        return costs, all_parameters
    if mode.startswith(f"{NEW_HEAD}="):
        costs = _with_new_head(costs, mode.removeprefix(f"{NEW_HEAD}="))
        last = max(index for index, row in enumerate(costs.rows) if isinstance(row.operation, Linear))
        return costs, lambda index, _: index == last
    stages = _known_stages(costs, mode)
    return costs, lambda _, row: row.stage in stages


def _known_stages(costs: NetworkCosts, mode: str) -> frozenset[str]:
    known = [row.stage for row in costs.stages]
    named = [part.strip() for part in mode.split(",")]
    for name in named:
        if name not in known:
            raise InvalidInput(
                f"trainable {shortened(name)!r}: must be all, {NEW_HEAD}=CLASSES or stages of {costs.variant}: "
                f"{', '.join(known)}."
            )
    return frozenset(named)


def _with_new_head(costs: NetworkCosts, text: str) -> NetworkCosts:
    spec = costs.network.spec
    if spec is None or not any(isinstance(row.operation, Linear) for row in costs.rows):
        raise InvalidInput(f"trainable {NEW_HEAD}: {costs.variant} has no classifier that could be replaced.")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text, re.ASCII):
        raise InvalidInput(f"trainable {NEW_HEAD}={shortened(text)}: must be a number of classes, at least 1.")
    _, height, width = costs.input_shape
    return NetworkCosts.of(spec.with_fields(num_classes=int(text)), (height, width))
