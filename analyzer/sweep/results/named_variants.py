"""Named variants to show beside a design space's networks: its own, or else others of its family nearby."""

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

    They are networks of the space, those of the front first; where there is none, variants whose parameters and
    MACs are about those of the sample. They are so far from each other that their labels can be read.
    """
    if not len(sample.get("index", ())):
        return {}
    sizes = set(zip(sample["input_height"].tolist(), sample["input_width"].tolist(), strict=True))
    chosen: dict[str, Analysis] = {}
    analyses = {} if len(sizes) > 1 else _variants_at(space, sizes.pop())
    for name, analysis in (_own_variants(space, analyses, front, sample) or analyses).items():
        if _is_near(analysis, sample) and all(_is_apart(analysis, other, sample) for other in chosen.values()):
            chosen[name] = analysis
    columns: dict[str, NDArray[Any]] = {"name": np.array(list(chosen), dtype=np.str_)}
    return columns | {
        figure: np.array([getattr(analysis, figure) for analysis in chosen.values()]) for figure in _FIGURES
    }


def _variants_at(space: Space, input_size: tuple[int, int]) -> dict[str, Analysis]:
    size: Size | None = input_size if space.input_sizes else None
    analyses = {name: analyze(name, size) for name, _, _ in variants(space.family)}
    return {name: analysis for name, analysis in analyses.items() if analysis.input_shape[1:] == input_size}


def _own_variants(space: Space, analyses: dict[str, Analysis], *parts: Columns) -> dict[str, Analysis]:
    """The variants that are candidates by their fields, or that have all figures of a row of `parts`."""
    own_variants = {
        name: analysis for name, analysis in analyses.items() if _is_candidate(space, analysis.network.spec)
    }
    for rows in parts:
        figures = set(zip(*(rows[name].tolist() for name in _FIGURES), strict=True))
        own_variants |= {
            name: analysis
            for name, analysis in analyses.items()
            if tuple(getattr(analysis, figure) for figure in _FIGURES) in figures
        }
    return own_variants


def _is_candidate(space: Space, spec: Spec | None) -> bool:
    """Whether a network is one of the grid's within the limits; False where its fields do not decide it."""
    if spec is None or space.samples is not None or len(space.input_sizes) > 1:
        return False
    values = spec.effective_fields()
    index = 0
    for axis in space.axes:
        name, bracket, rest = axis.name.partition("[")
        value = values.get(name)
        if isinstance(value, list):
            value = value[int(rest[:-1])] if bracket and int(rest[:-1]) < len(value) else tuple(value)
        if value not in axis.values:
            return False
        index = index * len(axis.values) + axis.values.index(value)
    return len(evaluate(space, index, index + 1)["index"]) == 1 and space.spec(index) == spec


def _is_near(analysis: Analysis, sample: Columns) -> bool:
    return all(
        sample[figure].min() <= _NEAR * getattr(analysis, figure)
        and getattr(analysis, figure) <= _NEAR * sample[figure].max()
        for figure in ("params", "macs")
    )


def _is_apart(analysis: Analysis, other: Analysis, sample: Columns) -> bool:
    """Whether labels to the right of both do not overlap, with linear axes and with logarithmic ones."""
    pairs = zip(("macs", "params"), _APART, strict=True)
    return any(_distance(getattr(analysis, name), getattr(other, name), sample[name]) > least for name, least in pairs)


def _distance(first: int, second: int, values: NDArray[Any]) -> float:
    """Distance as a share of the range: the lesser of the linear and the logarithmic one."""
    low, high = float(values.min()), float(values.max())
    if low <= 0 or low == high:
        return 0.0
    return min(abs(first - second) / (high - low), abs(log(first / second)) / log(high / low))
