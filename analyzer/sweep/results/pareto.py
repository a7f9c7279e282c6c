"""The Pareto front of many points, collected chunk by chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened
from analyzer.sweep.engine.engine import SHOWN_COLUMNS
from analyzer.sweep.space.candidate_grid import GAMMA, splitmix64

_CHUNK = 1024
_MAX_PROBES = 8
"""Points compared with all others at once, before those that they beat are left out."""
SAMPLE = 4000
"""Rows in a sample; a share of all rows is met to within 0.026 everywhere (99 %: Massart 1990, 2·exp(−2n·e²))."""
Columns = Mapping[str, NDArray[Any]]


def objectives_of(text: str) -> tuple[tuple[str, bool], ...]:
    """The (column, whether more is better) of params,macs,max:depth; InvalidInput unless 2 to 4 different ones."""
    objectives = []
    for part in text.split(","):
        word = part.strip()
        objectives.append((word.removeprefix("max:").removeprefix("min:"), word.startswith("max:")))
    if not 2 <= len({name for name, _ in objectives}) == len(objectives) <= 4 or not all(
        name for name, _ in objectives
    ):
        raise InvalidInput(
            f"pareto {shortened(text)!r}: must be 2 to 4 different columns, such as params,macs,max:depth."
        )
    return tuple(objectives)


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
    mask = np.zeros(len(points), dtype=bool)
    rows = np.flatnonzero(~_beaten_by_some(points))
    mask[rows] = _front(points[rows])
    return mask


def _front(points: NDArray[Any]) -> NDArray[np.bool_]:
    order = np.lexsort(points.T[::-1])
    mask = np.empty(len(points), dtype=bool)
    mask[order] = _sorted_front(points[order])
    return mask


def _beaten_by_some(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Points that the best of a small even sample beat: most of them, where there are many."""
    if len(points) < 8 * _CHUNK:
        return np.zeros(len(points), dtype=bool)
    some = points[:: len(points) // (2 * _CHUNK)]
    best = np.unique(some[_front(some)], axis=0)
    if points.shape[1] > 2:
        return _beaten(points, best[:: max(len(best) // (8 * _MAX_PROBES), 1)])
    first, second = best.T  # one rises, the other falls
    position = np.searchsorted(first, points[:, 0], side="right") - 1
    is_beaten = (second[position] < points[:, 1]) | (
        (second[position] == points[:, 1]) & (first[position] < points[:, 0])
    )
    mask: NDArray[np.bool_] = (position >= 0) & is_beaten
    return mask


def _sorted_front(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Of points in lexicographic order: those that no point before them beats (points after them cannot)."""
    if points.shape[1] == 2:
        return _front_of_two(points)
    mask: NDArray[np.bool_] = np.zeros(len(points), dtype=bool)
    best = np.empty((0, points.shape[1]), dtype=points.dtype)
    for start in range(0, len(points), _CHUNK):
        chunk = points[start : start + _CHUNK]
        candidates = np.flatnonzero(~_beaten(chunk, best))
        survivors = [row for row in candidates if _is_best(chunk, candidates, int(row))]
        mask[start + np.array(survivors, dtype=np.int64)] = True
        best = np.concatenate([best, np.unique(chunk[survivors], axis=0)])
    return mask


def _is_best(chunk: NDArray[Any], candidates: NDArray[np.int64], row: int) -> bool:
    before = chunk[candidates[candidates < row]]
    return not bool(np.any(np.all(before <= chunk[row], axis=1) & np.any(before < chunk[row], axis=1)))


def _beaten(chunk: NDArray[Any], best: NDArray[Any]) -> NDArray[np.bool_]:
    beaten = np.zeros(len(chunk), dtype=bool)
    for start in range(0, len(best), _MAX_PROBES):
        rows = np.flatnonzero(~beaten)
        if not len(rows):
            break
        beaten[rows] = _beaten_by(chunk[rows], best[start : start + _MAX_PROBES])
    return beaten


def _beaten_by(chunk: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    mask = np.zeros(len(chunk), dtype=bool)
    columns = np.ascontiguousarray(chunk.T)
    for point in others:
        as_good, better = columns[0] >= point[0], columns[0] > point[0]
        for column, figure in zip(columns[1:], point[1:], strict=True):
            as_good &= column >= figure
            better |= column > figure
        mask |= as_good & better
    return mask


def _front_of_two(points: NDArray[Any]) -> NDArray[np.bool_]:
    """On the front are the points whose second figure is below that of all points before them, and their equals."""
    first, second = points.T
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1].astype(float)])
    improves = second < best_before
    last_improvement = np.maximum.accumulate(np.where(improves, np.arange(len(points)), 0))
    mask: NDArray[np.bool_] = (first == first[last_improvement]) & (second == second[last_improvement])
    return mask


@dataclass(slots=True)
class FrontCollector:
    """Number of networks, ranges of their figures, their Pareto front, and an even sample of them.

    It does not depend on how rows are cut into chunks, nor on the order in which these come.
    """

    objectives: tuple[tuple[str, bool], ...]
    ask: Sequence[str] = ()
    limit: int = SAMPLE
    networks: int = 0
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    front: Columns = field(default_factory=dict)
    sample: Columns = field(default_factory=dict)

    def add(self, columns: Columns) -> None:
        """Add a chunk; InvalidInput where an objective is no column of numbers."""
        self.networks += len(columns["index"])
        best = merge_rows(self.front, rows_of(columns, front(columns, self.objectives)))
        self.front = rows_of(best, front(best, self.objectives))
        self.sample = _smallest(merge_rows(self.sample, _smallest(columns, self.limit)), self.limit)
        if len(columns["index"]):
            _widen(self.ranges, columns, [*SHOWN_COLUMNS[2:], *self.ask])


def merge_rows(first: Columns, second: Columns) -> Columns:
    """Rows under rows; a list's stage that only some parts have is 0 in the others."""
    if not first:
        return second
    names = list(dict.fromkeys([*first, *second]))
    return {name: np.concatenate([_column(first, name), _column(second, name)]) for name in names}


def _column(columns: Columns, name: str) -> NDArray[Any]:
    return columns[name] if name in columns else np.zeros(len(columns["index"]), dtype=np.int64)


def rows_of(columns: Columns, rows: Any) -> dict[str, NDArray[Any]]:
    """The rows of a mask, of a slice, or of row numbers in their order."""
    return {name: column[rows] for name, column in columns.items()}


def _widen(ranges: dict[str, tuple[float, float]], columns: Columns, names: Sequence[str]) -> None:
    for name in names:
        low, high = columns[name].min().item(), columns[name].max().item()
        known_range = ranges.get(name, (low, high))
        ranges[name] = min(low, known_range[0]), max(high, known_range[1])


def _smallest(columns: Columns, limit: int) -> Columns:
    """The rows whose scrambled index is smallest, in the order of their index: an even sample without a generator."""
    index = columns["index"]
    scrambled = splitmix64(index.astype(np.uint64), GAMMA)
    chosen = np.argpartition(scrambled, limit)[:limit] if len(index) > limit else np.arange(len(index))
    return rows_of(columns, chosen[np.argsort(index[chosen])])
