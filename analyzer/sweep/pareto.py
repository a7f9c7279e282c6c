"""The Pareto front of many points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened


def objectives_of(text: str) -> tuple[tuple[str, bool], ...]:
    """The (column, whether more is better) of params,macs,max:depth; InvalidInput unless 2 to 4 different ones."""
    found = []
    for part in text.split(","):
        word = part.strip()
        found.append((word.removeprefix("max:").removeprefix("min:"), word.startswith("max:")))
    if not 2 <= len({name for name, _ in found}) == len(found) <= 4 or not all(name for name, _ in found):
        raise InvalidInput(
            f"pareto {shortened(text)!r}: must be 2 to 4 different columns, such as params,macs,max:depth."
        )
    return tuple(found)


def front(columns: Mapping[str, NDArray[Any]], objectives: Sequence[tuple[str, bool]]) -> NDArray[np.bool_]:
    """Which rows no other row beats: none is at least as good in all objectives and better in one.

    An objective is a column and whether more of it is better. Equal rows are on the front together.
    """
    for name, _ in objectives:
        if name not in columns or np.asarray(columns[name]).dtype.kind not in "iuf":
            raise InvalidInput(f"pareto {shortened(name)!r}: is no column of numbers; there are {', '.join(columns)}.")
    points = np.column_stack([np.asarray(columns[name]) * (-1 if more else 1) for name, more in objectives])
    if not len(points):
        return np.zeros(0, dtype=bool)
    order = np.lexsort(points.T[::-1])
    return _unsorted(_sorted_front(points[order]), order)


def _unsorted(mask: NDArray[np.bool_], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    found = np.empty_like(mask)
    found[order] = mask
    return found


def _sorted_front(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Of points in lexicographic order: those that no point before them beats (points after them cannot)."""
    if points.shape[1] == 2:
        return _two(points)
    mask: NDArray[np.bool_] = np.zeros(len(points), dtype=bool)
    best = np.empty((0, points.shape[1]), dtype=points.dtype)
    for start in range(0, len(points), _CHUNK):
        chunk = points[start : start + _CHUNK]
        alive = np.flatnonzero(~_beaten(chunk, best))
        kept = [row for row in alive if _is_best(chunk, alive, int(row))]
        mask[start + np.array(kept, dtype=np.int64)] = True
        best = np.concatenate([best, np.unique(chunk[kept], axis=0)])
    return mask


_CHUNK = 1024


def _is_best(chunk: NDArray[Any], alive: NDArray[np.int64], row: int) -> bool:
    before = chunk[alive[alive < row]]
    return not bool(np.any(np.all(before <= chunk[row], axis=1) & np.any(before < chunk[row], axis=1)))


def _beaten(chunk: NDArray[Any], best: NDArray[Any]) -> NDArray[np.bool_]:
    beaten = np.zeros(len(chunk), dtype=bool)
    for start in range(0, len(best), _CHUNK):
        some = best[start : start + _CHUNK]
        rows = np.flatnonzero(~beaten)
        less = np.all(some[None] <= chunk[rows, None], axis=2) & np.any(some[None] < chunk[rows, None], axis=2)
        beaten[rows] = less.any(axis=1)
    return beaten


def _two(points: NDArray[Any]) -> NDArray[np.bool_]:
    """On the front are the points whose second figure is below that of all points before them, and their equals."""
    first, second = points.T
    before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1].astype(float)])
    fresh = second < before
    start = np.maximum.accumulate(np.where(fresh, np.arange(len(points)), 0))
    found: NDArray[np.bool_] = (first == first[start]) & (second == second[start])
    return found
