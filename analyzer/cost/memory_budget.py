"""What fits a memory budget: the largest batch of a network, and the deepest network of a kind.

Convention: inference needs parameters, buffers and the peak of activations. Training with SGD and momentum needs
parameters, their gradients and as many bytes of momentum, buffers, and the peak of activations in the forward pass;
the gradients of activations take the place of what the backward pass has freed (a bound from above: torch fills the
weights' gradients only as it frees what it has stored).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from analyzer.cost.memory import (
    MAX_BATCH,
    buffers_bytes,
    checked_batch,
    inference_bytes_by_op,
    item_bytes,
    params_bytes,
)
from analyzer.cost.network_costs import NetworkCosts
from analyzer.cost.training import BatchBytes, all_parameters, gradient_item_bytes, op_training, training_bytes_by_op
from analyzer.errors import InvalidInput, shortened
from analyzer.families.expression import canonical
from analyzer.families.network import Network, Size, network
from analyzer.families.spec import MAX_BLOCKS, Spec, rules
from analyzer.graph.memo import memoized_per_object

COPIES = 3
"""Weights, gradients and momentum."""


class DeepestNetwork(NamedTuple):
    """The deepest network that fits: its canonical expression, the blocks of its stages, the bytes that it needs."""

    expression: str
    depths: tuple[int, ...]
    needed_bytes: int


def needed_bytes(costs: NetworkCosts, *, training: bool = False, batch_size: int = 1, dtype: str = "float32") -> int:
    """Bytes that inference, or training of all parameters, needs; InvalidInput for a bad batch size or dtype."""
    batch = checked_batch(batch_size)
    return max(level.at(batch) for level in _needed_bytes_by_op(costs, training, dtype))


@memoized_per_object
def largest_batch(costs: NetworkCosts, budget_bytes: int, *, training: bool = False, dtype: str = "float32") -> int:
    """The largest batch that fits the budget, at most 1,048,576; 0 where not even one image does."""
    return largest_batches(costs, (budget_bytes,), training=training, dtype=dtype)[0]


def largest_batches(
    costs: NetworkCosts, budgets: Sequence[int], *, training: bool = False, dtype: str = "float32"
) -> list[int]:
    """`largest_batch` of several budgets in bytes."""
    checked_budgets = [_checked_budget(budget) for budget in budgets]
    during = set(_needed_bytes_by_op(costs, training, dtype))
    fitting = [min((budget - level.fixed) // level.per_image for level in during) for budget in checked_budgets]
    return [max(0, min(batch, MAX_BATCH)) for batch in fitting]


class BudgetFit(NamedTuple):
    """What fits a budget: the largest batch, and the deepest network at the requested batch, if there is one."""

    largest_batch: int
    deepest: DeepestNetwork | None


def fit_budget(
    costs: NetworkCosts, budget_bytes: int, *, training: bool = False, batch_size: int = 1, dtype: str = "float32"
) -> BudgetFit:
    """What fits the budget in inference, or in training of all parameters; InvalidInput as `largest_batch`."""
    batch = largest_batch(costs, budget_bytes, training=training, dtype=dtype)
    checked, size = checked_batch(batch_size), costs.input_shape[1:]
    try:
        deepest_network = deepest(
            costs.network, budget_bytes, training=training, batch_size=checked, dtype=dtype, input_size=size
        )
    except InvalidInput:  # a family without depths, or not even one block fits
        deepest_network = None
    return BudgetFit(batch, deepest_network)


def deepest(
    variant: str | Spec | Network,
    budget_bytes: int,
    *,
    training: bool = False,
    batch_size: int = 1,
    dtype: str = "float32",
    input_size: Size | None = None,
) -> DeepestNetwork:
    """The network with the most blocks that fits, all else as in `variant`: blocks go to, or come off, one stage.

    That is the stage with the most blocks (the last of equals). It never grows over the bounds on blocks, channels
    and ops. InvalidInput where even one block there is too much, or the family has no `depths`.
    """
    base, budget = _with_depths(network(variant).spec), _checked_budget(budget_bytes)

    def needed(num_blocks: int) -> int | None:
        """Bytes with that many blocks in the growing stage; None where that is no network."""
        try:
            costs = NetworkCosts.of(_with_blocks(base, num_blocks), input_size)
        except InvalidInput:
            return None
        return needed_bytes(costs, training=training, batch_size=batch_size, dtype=dtype)

    NetworkCosts.of(base, input_size)  # so that a bad size raises its own error
    num_blocks = _largest_fitting(
        lambda number: (needed_total := needed(number)) is not None and needed_total <= budget
    )
    spec, needed_total = _with_blocks(base, max(num_blocks, 1)), needed(max(num_blocks, 1))
    if not num_blocks or needed_total is None:
        raise InvalidInput(
            f"budget of {budget} bytes: {canonical(spec)} needs {needed_total}, with one block in that stage."
        )
    return DeepestNetwork(
        expression=canonical(spec), depths=tuple(spec.effective_fields()["depths"]), needed_bytes=needed_total
    )


def _needed_bytes_by_op(costs: NetworkCosts, training: bool, dtype: str) -> list[BatchBytes]:
    """Bytes needed during each op, weights and buffers included."""
    weights, item = params_bytes(costs, dtype), item_bytes(dtype)
    if training:
        ops = op_training(costs, all_parameters, False, gradient_item_bytes(dtype))
        during = training_bytes_by_op(costs, ops, item)
        weights *= COPIES
    else:
        during = [BatchBytes(level, 0) for level in inference_bytes_by_op(costs, item)]
    constant = weights + buffers_bytes(costs, dtype)
    return [BatchBytes(level.per_image, level.fixed + constant) for level in during]


def _checked_budget(budget_bytes: int) -> int:
    if type(budget_bytes) is not int or budget_bytes < 1:
        raise InvalidInput(f"budget {shortened(budget_bytes)}: must be a whole number of bytes, at least 1.")
    return budget_bytes


def _with_depths(spec: Spec | None) -> Spec:
    if spec is None or "depths" not in rules(type(spec)):
        kind = spec.family if spec else "a graph"
        raise InvalidInput(f"deepest: {kind} has no field depths, so there is no stage to which blocks could be added.")
    return spec


def _with_blocks(spec: Spec, num_blocks: int) -> Spec:
    depths = spec.effective_fields()["depths"]
    stage = max(range(len(depths)), key=lambda index: (depths[index], index))
    depths[stage] = num_blocks
    return spec.with_fields(depths=tuple(depths))


def _largest_fitting(fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to the bound on blocks that fits, by bisection; 0 where 1 does not."""
    low, high = 0, 1
    while high <= MAX_BLOCKS and fits(high):
        low, high = high, 2 * high
    high = min(high, MAX_BLOCKS + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
