"""One pass over a space: how many networks it has, between which figures they lie, and their Pareto front."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.errors import InvalidInput, shortened
from analyzer.sweep.evaluate import evaluate
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
        front=sorted_by(found.front, objectives[0]),
        sample=found.sample,
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
    return rows_of(columns, np.lexsort((columns["index"], key)))


__all__ = ["Columns", "Progress", "Summary", "chunks", "nothing_left", "sorted_by", "summarised"]
