"""Named variants beside a design space's networks: its own, or else those of its family that lie where they lie."""

from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis, analyze
from analyzer.families.network import Size
from analyzer.families.registry import variants
from analyzer.families.spec import Spec
from analyzer.sweep.engine.engine import evaluate
from analyzer.sweep.results.pareto import Columns
from analyzer.sweep.space.space import Space

_FIGURES = ("params", "macs", "activations", "depth")
_NEAR = 1.15
"""How far outside the networks' range a variant may lie."""
_APART = (0.2, 0.05)
"""Least distance of two names, as shares of the ranges of MACs and parameters; of nearer ones the first is named."""


def nearby_variants(space: Space, sample: Columns, front: Columns) -> dict[str, NDArray[Any]]:
    """Name and figures of named variants at the input size of the sample, where that is one size.

    They are networks of the space, those of the front first; where none is seen, their parameters and MACs are about
    those of the sample. They are so far from each other that names can be read.
    """
    if not len(sample.get("index", ())):
        return {}
    sides = set(zip(sample["input_height"].tolist(), sample["input_width"].tolist(), strict=True))
    chosen: dict[str, Analysis] = {}
    at = {} if len(sides) > 1 else _at(space, sides.pop())
    for name, each in (_own(space, at, front, sample) or at).items():
        if _is_near(each, sample) and all(_is_apart(each, other, sample) for other in chosen.values()):
            chosen[name] = each
    columns: dict[str, NDArray[Any]] = {"name": np.array(list(chosen), dtype=np.str_)}
    return columns | {figure: np.array([getattr(each, figure) for each in chosen.values()]) for figure in _FIGURES}


def _at(space: Space, side: tuple[int, int]) -> dict[str, Analysis]:
    size: Size | None = side if space.input_sizes else None
    found = {name: analyze(name, size) for name, _, _ in variants(space.family)}
    return {name: each for name, each in found.items() if each.input_shape[1:] == side}


def _own(space: Space, found: dict[str, Analysis], *parts: Columns) -> dict[str, Analysis]:
    """Those that are candidates by their fields, and those that have all figures of a row of a part."""
    own = {name: each for name, each in found.items() if _is_candidate(space, each.network.spec)}
    for rows in parts:
        figures = set(zip(*(rows[name].tolist() for name in _FIGURES), strict=True))
        own |= {name: each for name, each in found.items() if tuple(getattr(each, x) for x in _FIGURES) in figures}
    return own


def _is_candidate(space: Space, spec: Spec | None) -> bool:
    """Whether a network is one of the grid's within the limits; False where that cannot be told from its fields."""
    if spec is None or space.samples is not None or len(space.input_sizes) > 1:
        return False
    values = spec.effective_fields()
    index = 0
    for axis in space.axes:
        name, bracket, place = axis.name.partition("[")
        value = values.get(name)
        if isinstance(value, list):
            value = value[int(place[:-1])] if bracket and int(place[:-1]) < len(value) else tuple(value)
        if value not in axis.values:
            return False
        index = index * len(axis.values) + axis.values.index(value)
    return len(evaluate(space, index, index + 1)["index"]) == 1 and space.spec(index) == spec


def _is_near(each: Analysis, sample: Columns) -> bool:
    return all(
        sample[figure].min() <= _NEAR * getattr(each, figure) and getattr(each, figure) <= _NEAR * sample[figure].max()
        for figure in ("params", "macs")
    )


def _is_apart(each: Analysis, other: Analysis, sample: Columns) -> bool:
    """Whether names to the right of both do not lie over each other, however the axes are scaled."""
    pairs = zip(("macs", "params"), _APART, strict=True)
    return any(_distance(getattr(each, name), getattr(other, name), sample[name]) > least for name, least in pairs)


def _distance(first: int, second: int, values: NDArray[Any]) -> float:
    """As a share of the range, the lesser of the linear and the logarithmic one."""
    low, high = float(values.min()), float(values.max())
    if low <= 0 or low == high:
        return 0.0
    return min(abs(first - second) / (high - low), abs(log(first / second)) / log(high / low))
