"""One pass over a space: how many networks it has, between which figures they lie, and their Pareto front."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened
from analyzer.sweep.evaluate import SHOWN, evaluate
from analyzer.sweep.pareto import front
from analyzer.sweep.space import Space

STEP = 2**18
"""Candidates between two reports of progress; what is in memory at once."""

Columns = dict[str, NDArray[Any]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`networks` of the space's candidates satisfy its constraints; `front` are the rows that no other beats."""

    space: Space
    objectives: tuple[tuple[str, bool], ...]
    networks: int
    ranges: dict[str, tuple[float, float]]
    front: Columns


def chunks(space: Space, ask: Sequence[str], progress: Progress | None = None) -> Iterator[Columns]:
    """The whole space's columns, part by part."""
    for start in range(0, space.size, STEP):
        stop = min(start + STEP, space.size)
        yield evaluate(space, start, stop, ask=ask)
        if progress is not None:
            progress(stop, space.size)


def summarised(
    space: Space, objectives: tuple[tuple[str, bool], ...], *, ask: Sequence[str] = (), progress: Progress | None = None
) -> Summary:
    """Evaluate every candidate; InvalidInput where none is left or an objective is no column of numbers."""
    networks, best = 0, Columns()
    ranges: dict[str, tuple[float, float]] = {}
    for columns in chunks(space, ask, progress):
        networks += len(columns["index"])
        best = _merged(best, columns)
        best = _rows(best, front(best, objectives))
        if len(columns["index"]):
            _widen(ranges, columns, [*SHOWN[2:], *ask])
    if not networks:
        raise InvalidInput(nothing_left(space))
    return Summary(
        space=space, objectives=objectives, networks=networks, ranges=ranges, front=sorted_by(best, objectives[0])
    )


def nothing_left(space: Space) -> str:
    """The sentence for a space without networks."""
    if not space.constraints:
        return f"space {shortened(space.title)}: none of its {space.size} candidates is a possible network."
    rules = " and ".join(shortened(each.text) for each in space.constraints[:4])
    return f"space {shortened(space.title)}: none of its {space.size} candidates satisfies {rules}."


def sorted_by(columns: Columns, objective: tuple[str, bool]) -> Columns:
    """The rows by one column, the best first; equal ones by their number."""
    name, more = objective
    key = -columns[name] if more else columns[name]
    return _rows(columns, np.lexsort((columns["index"], key)))


def _merged(first: Columns, second: Columns) -> Columns:
    """Rows under rows; a list's stage that only some parts have is 0 in the others."""
    if not first:
        return second
    names = list(dict.fromkeys([*first, *second]))
    return {name: np.concatenate([_column(first, name), _column(second, name)]) for name in names}


def _column(columns: Columns, name: str) -> NDArray[Any]:
    return columns[name] if name in columns else np.zeros(len(columns["index"]), dtype=np.int64)


def _rows(columns: Columns, rows: NDArray[Any]) -> Columns:
    return {name: column[rows] for name, column in columns.items()}


def _widen(ranges: dict[str, tuple[float, float]], columns: Columns, names: Sequence[str]) -> None:
    for name in names:
        low, high = columns[name].min().item(), columns[name].max().item()
        before = ranges.get(name, (low, high))
        ranges[name] = min(low, before[0]), max(high, before[1])
