"""Named variants beside a design space's networks: those of its family that lie where its networks lie."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis, analyze
from analyzer.families.network import Size
from analyzer.families.registry import variants
from analyzer.sweep.space import Space
from analyzer.sweep.summary import Columns

MOST = 10
_NEAR = 1.15
"""How far outside the networks' range a variant may lie."""
_FIGURES = ("params", "macs", "activations", "depth")


def known(space: Space, sample: Columns) -> dict[str, NDArray[Any]]:
    """Name and figures of at most ten named variants, at the space's only input size or at their own.

    They have the input size of the space's networks, parameters and MACs about as these, and each other figures.
    """
    if not len(sample.get("index", ())):
        return {}
    sides = set(zip(sample["input_height"].tolist(), sample["input_width"].tolist(), strict=True))
    found = {} if len(sides) > 1 else _at(space, sides.pop())
    near = {(each.params, each.macs): (name, each) for name, each in reversed(found.items()) if _is_near(each, sample)}
    chosen = list(near.values())[::-1][:: -(-len(near) // MOST) or 1]
    columns: dict[str, NDArray[Any]] = {"name": np.array([name for name, _ in chosen], dtype=np.str_)}
    return columns | {figure: np.array([getattr(each, figure) for _, each in chosen]) for figure in _FIGURES}


def _at(space: Space, side: tuple[int, int]) -> dict[str, Analysis]:
    size: Size | None = side if space.input_sizes else None
    found = {name: analyze(name, size) for name, _, _ in variants(space.family)}
    return {name: each for name, each in found.items() if each.input_shape[1:] == side}


def _is_near(each: Analysis, sample: Columns) -> bool:
    return all(
        sample[figure].min() <= _NEAR * getattr(each, figure) and getattr(each, figure) <= _NEAR * sample[figure].max()
        for figure in ("params", "macs")
    )
