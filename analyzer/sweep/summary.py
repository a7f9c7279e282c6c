"""One pass over a space: how many networks it has, between which figures they lie, and their Pareto front."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.errors import InvalidInput
from analyzer.families.expression import make
from analyzer.sweep.candidates import Candidates
from analyzer.sweep.empty import nothing_left
from analyzer.sweep.evaluate import SHOWN, evaluate
from analyzer.sweep.gather import Columns, Gathered, rows_of
from analyzer.sweep.space import Space

STEP = 2**18
"""Candidates between two reports of progress; what is in memory at once."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`networks` of the space's candidates satisfy its constraints; `front` are the rows that no other beats."""

    space: Space
    objectives: tuple[tuple[str, bool], ...]
    networks: int
    ranges: dict[str, tuple[float, float]]
    front: Columns
    sample: Columns
    """At most `gather.SAMPLE` rows, drawn evenly."""


def chunks(space: Space, ask: Sequence[str], progress: Progress | None = None) -> Iterator[Columns]:
    """The whole space's columns, part by part."""
    for start in range(0, space.size, STEP):
        stop = min(start + STEP, space.size)
        yield evaluate(space, start, stop, ask=ask)
        if progress is not None:
            progress(stop, space.size)


def summarised(
    space: Space,
    objectives: tuple[tuple[str, bool], ...],
    *,
    ask: Sequence[str] = (),
    progress: Progress | None = None,
    parts: Iterable[Columns] | None = None,
) -> Summary:
    """Evaluate every candidate, or take `parts`, the same columns from elsewhere.

    InvalidInput where no network is left or an objective is no column of numbers.
    """
    found = Gathered(objectives, ask)
    for columns in chunks(space, ask, progress) if parts is None else parts:
        found.add(columns)
    if not found.networks:
        raise InvalidInput(nothing_left(space))
    return Summary(
        space=space,
        objectives=objectives,
        networks=found.networks,
        ranges=found.ranges,
        front=sorted_by(_different(space, found.front), objectives[0]),
        sample=found.sample,
    )


def _different(space: Space, rows: Columns) -> Columns:
    """The first row of each network at each input size: rounding can make one network of several candidates."""
    figures = list(zip(*(rows[name].tolist() for name in SHOWN), strict=True))
    often = Counter(figures)
    alike = [place for place, each in enumerate(figures) if often[each] > 1]
    if not alike:
        return rows
    some = Candidates.of(space, rows["index"][alike])
    specs = [make(space.family, some.fields(place)) for place in range(len(alike))]
    first = {(figures[place], spec): place for place, spec in reversed(list(zip(alike, specs, strict=True)))}
    again = set(alike).difference(first.values())
    return rows_of(rows, np.array([place for place in range(len(figures)) if place not in again], dtype=np.int64))


def sorted_by(columns: Columns, objective: tuple[str, bool]) -> Columns:
    """The rows by one column, the best first; equal ones by their number."""
    name, more = objective
    key = -columns[name] if more else columns[name]
    return rows_of(columns, np.lexsort((columns["index"], key)))


__all__ = ["Columns", "Progress", "Summary", "chunks", "sorted_by", "summarised"]
