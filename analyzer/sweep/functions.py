"""The functions of a design space's expressions, over arrays of candidates."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from analyzer.errors import InvalidInput
from analyzer.families.spec import MAX_STAGES

_WHOLE_LIMIT = float(2**62)


class Stages(NamedTuple):
    """A list a candidate: one array (or number) a stage, and how many of them each candidate has."""

    parts: tuple[Any, ...]
    length: Any


def checked(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """The result of an operation, refused where whole numbers would leave 64 bits or a list is calculated with."""
    if isinstance(left, str | Stages) or isinstance(right, str | Stages):
        raise TypeError("lists and texts are no numbers")
    whole = np.asarray(left).dtype.kind in "biu" and np.asarray(right).dtype.kind in "biu"
    if whole and operation in (np.multiply, np.power, np.add, np.subtract):
        first, second = (float(np.max(np.abs(each), initial=0)) for each in (left, right))
        most = first + second if operation is np.subtract else operation(first, second)
        if most > _WHOLE_LIMIT:
            raise OverflowError("whole numbers over 64 bits")
    return operation(left, right)


def _rounded(value: Any) -> Any:
    """The nearest whole number, halves up."""
    return np.floor(np.asarray(value) + 0.5).astype(np.int64)


def _multiple(value: Any, divisor: Any) -> Any:
    """The nearest multiple, halves up, and at least one time the divisor."""
    return np.maximum(_rounded(np.true_divide(value, divisor)), 1) * divisor


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
    """The sum of a list; what a shorter list has past its end is 0."""
    return sum(_stages(stages).parts)


def _stages(value: Any) -> Stages:
    if not isinstance(value, Stages):
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
    "sum": (1, 1, _sum),
    "len": (1, 1, lambda stages: _stages(stages).length),
}
"""Name → least and most values it takes, and what it does."""


def _regnet(depth: Any, initial: Any, slope: Any, factor: Any, quantum: Any) -> tuple[Any, Any, Any]:
    """Widths and depths of each stage, and how many stages there are, by equations 2 to 4 of the RegNet paper.

    u_j = w_0 + w_a·j for each block j; u_j = w_0·w_m^s_j; w_j = w_0·w_m^⌊s_j⌉, rounded to `quantum`; blocks of one
    width are a stage (Radosavovic et al. 2020, §3.3).
    """
    depth, initial, slope, factor = np.broadcast_arrays(
        *(np.atleast_1d(each) for each in (depth, initial, slope, factor))
    )
    most = int(np.max(depth, initial=1))
    if most > 1024:
        raise InvalidInput("regnet: depths go up to 1024 blocks.")
    widths, depths = np.zeros((2, MAX_STAGES, depth.size), dtype=np.int64)
    stage, last = np.full(depth.size, -1), np.zeros(depth.size, dtype=np.int64)
    for block in range(most):
        power = np.round(np.log((initial + slope * block) / initial) / np.log(factor))
        width = (np.round(initial * factor**power / quantum) * quantum).astype(np.int64)
        alive = block < depth
        stage = np.where(alive & (width != last), stage + 1, stage)
        if np.max(stage) >= MAX_STAGES:
            raise InvalidInput(f"regnet: makes more than {MAX_STAGES} stages; take a larger width factor.")
        last = np.where(alive, width, last)
        rows = np.flatnonzero(alive)
        widths[stage[rows], rows] = width[rows]
        depths[stage[rows], rows] += 1
    return widths, depths, stage + 1


def _regnet_widths(depth: Any, initial: Any, slope: Any, factor: Any, quantum: Any = 8) -> Stages:
    widths, _, length = _regnet(depth, initial, slope, factor, quantum)
    return Stages(tuple(widths), length)


def _regnet_depths(depth: Any, initial: Any, slope: Any, factor: Any, quantum: Any = 8) -> Stages:
    _, depths, length = _regnet(depth, initial, slope, factor, quantum)
    return Stages(tuple(depths), length)


LISTS: Mapping[str, tuple[int, int, Callable[..., Any]]] = {
    "regnet_widths": (4, 5, _regnet_widths),
    "regnet_depths": (4, 5, _regnet_depths),
}
"""As FUNCTIONS, those that give a list a candidate."""
