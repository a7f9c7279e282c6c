"""The functions of a design space's expressions, over arrays of candidates."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from analyzer.errors import InvalidInput
from analyzer.families.spec import MAX_STAGES

_WHOLE_LIMIT = float(2**62)


class StageList(NamedTuple):
    """One list for each candidate: an array (or number) for each stage, and each candidate's number of stages."""

    parts: tuple[Any, ...]
    length: Any


def checked_operation(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """The result of an operation, refused where whole numbers would leave 64 bits or a list is calculated with."""
    if isinstance(left, str | StageList) or isinstance(right, str | StageList):
        raise TypeError("lists and texts are no numbers")
    are_integers = np.asarray(left).dtype.kind in "biu" and np.asarray(right).dtype.kind in "biu"
    if are_integers and operation in (np.multiply, np.power, np.add, np.subtract):
        first, second = (float(np.max(np.abs(operand), initial=0)) for operand in (left, right))
        bound = first + second if operation is np.subtract else operation(first, second)
        if bound > _WHOLE_LIMIT:
            raise OverflowError("whole numbers over 64 bits")
    return operation(left, right)


def _rounded(value: Any) -> Any:
    """The nearest whole number, halves up."""
    return np.floor(np.asarray(value) + 0.5).astype(np.int64)


def _multiple(value: Any, divisor: Any) -> Any:
    """The nearest multiple, halves up, and at least one time the divisor."""
    return np.maximum(_rounded(np.true_divide(value, divisor)), 1) * divisor


def _fitting(width: Any, group_width: Any, ratio: Any) -> Any:
    """The width next to `width` whose inner width, width // ratio, a group width (or itself, if less) divides.

    As torchvision's RegNets: the inner width goes to the nearest multiple, halves up, and to the next one where that
    would take more than a tenth away (`_make_divisible`). The paper's code lets it go down.
    """
    inner = np.maximum(np.floor_divide(width, ratio), 1)
    group = np.minimum(group_width, inner)
    fitted = np.maximum((inner + group // 2) // group, 1) * group
    return np.where(10 * fitted < 9 * inner, fitted + group, fitted) * ratio


def _least(*values: Any) -> Any:
    result = values[0]
    for value in values[1:]:
        result = np.minimum(result, value)
    return result


def _greatest(*values: Any) -> Any:
    result = values[0]
    for value in values[1:]:
        result = np.maximum(result, value)
    return result


def _sum(stages: Any) -> Any:
    """The sum of a list; past the end of a shorter list stands 0."""
    return sum(_stages(stages).parts)


def _stages(value: Any) -> StageList:
    if not isinstance(value, StageList):
        raise TypeError("sum and len take a list field, such as depths")
    return value


FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., Any]]] = {
    "min": (2, 16, _least),
    "max": (2, 16, _greatest),
    "abs": (1, 1, np.abs),
    "sqrt": (1, 1, np.sqrt),
    "log": (1, 1, np.log),
    "log2": (1, 1, np.log2),
    "exp": (1, 1, np.exp),
    "floor": (1, 1, lambda value: np.floor(value).astype(np.int64)),
    "ceil": (1, 1, lambda value: np.ceil(value).astype(np.int64)),
    "round": (1, 1, _rounded),
    "multiple": (2, 2, _multiple),
    "fitting": (3, 3, _fitting),
    "sum": (1, 1, _sum),
    "len": (1, 1, lambda stages: _stages(stages).length),
}
"""Name → least and greatest number of arguments, and the function."""


class _Blocks(NamedTuple):
    """Widths and depths of each stage, and how many stages there are, of the candidates with those numbers."""

    numbers: tuple[Any, ...]
    widths: Any
    depths: Any
    length: Any


_MOST_BLOCKS = 1024
_MOST_POWERS = 64
_latest_blocks: list[_Blocks] = []


def _regnet(*numbers: Any) -> _Blocks:
    """The blocks of a RegNet, computed once for consecutive calls with the same numbers."""
    for latest in _latest_blocks[:1]:
        if all(previous is number for previous, number in zip(latest.numbers, numbers, strict=True)):
            return latest
    latest = _blocks(*numbers)
    _latest_blocks[:] = [latest]
    return latest


def _blocks(depth: Any, initial: Any, slope: Any, factor: Any, quantum: Any) -> _Blocks:
    """Equations 2 to 4 of the RegNet paper (Radosavovic et al. 2020, §3.3), power by power.

    u_j = w_0 + w_a·j for each block j; u_j = w_0·w_m^s_j; w_j = w_0·w_m^⌊s_j⌉, rounded to `quantum`; blocks of one
    width are a stage. One of more than 16 stages becomes a stage without blocks, which is no network.
    """
    numbers = depth, initial, slope, factor, quantum
    depth, initial, slope, factor = np.broadcast_arrays(
        *(np.atleast_1d(values) for values in (depth, initial, slope, factor))
    )
    if int(np.max(depth, initial=1)) > _MOST_BLOCKS:
        raise InvalidInput(f"regnet: depths go up to {_MOST_BLOCKS} blocks.")
    last_power = _power(depth - 1, initial, slope, factor)
    if np.max(last_power, initial=0) >= _MOST_POWERS:
        raise InvalidInput(f"regnet: makes over {_MOST_POWERS} steps of the width; take a larger width factor.")
    count = int(np.max(last_power, initial=0)) + 1
    widths, depths = np.zeros((2, max(count, MAX_STAGES), depth.size), dtype=np.int64)
    stage, width, start = np.full(depth.size, -1), np.zeros(depth.size, np.int64), np.zeros(depth.size, np.int64)
    rows = np.arange(depth.size)
    for power in range(count):
        rows = rows[last_power[rows] >= power]
        end = _first_block(power + 1, depth[rows], initial[rows], slope[rows], factor[rows])
        blocks = end - start[rows]
        start[rows] = end
        new_width = (np.round(initial[rows] * factor[rows] ** power / quantum) * quantum).astype(np.int64)
        is_new_stage = (blocks > 0) & (new_width != width[rows])
        width[rows] = np.where(blocks > 0, new_width, width[rows])
        stage[rows] += is_new_stage
        widths[stage[rows], rows] = width[rows]
        depths[stage[rows], rows] += blocks
    too_many = stage >= MAX_STAGES
    widths[0, too_many] = depths[0, too_many] = 0
    length = np.where(too_many, 1, stage + 1)
    num_stages = int(np.max(length, initial=1))
    return _Blocks(numbers, widths[:num_stages], depths[:num_stages], length)


def _of_stages(parts: Iterable[Any], length: Any) -> StageList:
    """The list, with a 0 for each stage that no candidate has, so that all chunks have the same columns."""
    stages = tuple(parts)
    return StageList((*stages, *[0] * (MAX_STAGES - len(stages))), length)


def _power(block: Any, initial: Any, slope: Any, factor: Any) -> Any:
    """⌊s_j⌉ of a block."""
    return np.round(np.log((initial + slope * block) / initial) / np.log(factor)).astype(np.int64)


def _first_block(power: int, depth: Any, initial: Any, slope: Any, factor: Any) -> Any:
    """The first block whose power is at least that, or the depth; by the inverse function, put right by the power."""
    offset = initial * (factor ** (power - 0.5) - 1)
    is_reached = depth * slope > offset
    guess = np.where(is_reached, np.ceil(offset / np.where(is_reached, slope, 1)), depth).astype(np.int64)
    guess -= (guess > 0) & (_power(np.maximum(guess - 1, 0), initial, slope, factor) >= power)
    return guess + ((guess < depth) & (_power(guess, initial, slope, factor) < power))


def _regnet_widths(
    depth: Any, initial: Any, slope: Any, factor: Any, quantum: Any = 8, group_width: Any = 1, ratio: Any = 1
) -> StageList:
    """Each stage's width, fitted to group widths and bottleneck ratio."""
    blocks = _regnet(depth, initial, slope, factor, quantum)
    parts = (np.where(width > 0, _fitting(width, group_width, ratio), 0) for width in blocks.widths)
    return _of_stages(parts, blocks.length)


def _regnet_depths(depth: Any, initial: Any, slope: Any, factor: Any, quantum: Any = 8) -> StageList:
    """Each stage's blocks."""
    blocks = _regnet(depth, initial, slope, factor, quantum)
    return _of_stages(blocks.depths, blocks.length)


def _regnet_group_widths(
    depth: Any, initial: Any, slope: Any, factor: Any, quantum: Any, group_width: Any, ratio: Any = 1
) -> StageList:
    """Each stage's group width, which is at most its inner width."""
    blocks = _regnet(depth, initial, slope, factor, quantum)
    inner = (np.maximum(np.floor_divide(width, ratio), 1) for width in blocks.widths)
    return _of_stages((np.minimum(group_width, inner_width) for inner_width in inner), blocks.length)


LISTS: Mapping[str, tuple[int, int, Callable[..., Any]]] = {
    "regnet_widths": (4, 7, _regnet_widths),
    "regnet_depths": (4, 5, _regnet_depths),
    "regnet_group_widths": (6, 7, _regnet_group_widths),
}
"""As FUNCTIONS; these give one list for each candidate."""
