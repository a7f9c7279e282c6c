"""One pass over a space: how many networks it has, the ranges of their figures, and their Pareto front."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.families.expression import make_spec
from analyzer.sweep.engine.engine import SHOWN_COLUMNS, evaluate, requested_figures
from analyzer.sweep.results.pareto import Columns, FrontCollector, rows_of
from analyzer.sweep.space.candidates import Candidates
from analyzer.sweep.space.space import Space

MAX_EXPLAINED = 2**18
"""Candidates that are evaluated to say how near a space comes to its constraints."""

STEP = 2**18
"""Candidates between two reports of progress: all that are in memory at once."""
Progress = Callable[[int, int], None]


def reason_without_networks(space: Space) -> str:
    """The sentence: why none is possible, or how near they come to the constraints."""
    alone = space.size == 1
    which = "its one candidate" if alone else f"none of its {space.size:,} candidates"
    subject = f"space {shortened(space.title)}: {which}"
    columns = evaluate(
        replace(space, constraints=()), 0, min(space.size, MAX_EXPLAINED), ask=requested_figures(space, ())
    )
    if not len(columns["index"]):
        reason = _reason(space) if alone else f"the first: {_reason(space)}"
        return f"{subject} is {'no' if alone else 'a'} possible network ({reason})."
    rules = " and ".join(shortened(constraint.text) for constraint in space.constraints[:4])
    return f"{subject} {'does not satisfy' if alone else 'satisfies'} {rules}; {_constraint_ranges(space, columns)}."


def _reason(space: Space) -> str:
    try:
        analyze(space.expression(0), space.input_size(0))
    except InvalidInput as error:
        return str(error).rstrip(".")
    raise AssertionError("a candidate that is a network was counted as none")


def _constraint_ranges(space: Space, columns: dict[str, NDArray[Any]]) -> str:
    """The ranges of what the constraints name."""
    names = [name for constraint in space.constraints for name in (*constraint.names, *constraint.latencies)]
    with_flops = {**columns, "flops": 2 * columns["macs"]}
    numbers = [name for name in dict.fromkeys(names) if name in with_flops and with_flops[name].dtype.kind in "iuf"]
    ranges = [f"{name} {_range(with_flops[name])}" for name in numbers]
    subject = (
        "it has"
        if space.size == 1
        else "they have"
        if space.size <= MAX_EXPLAINED
        else f"the first {MAX_EXPLAINED:,} have"
    )
    return f"{subject} {', '.join(ranges)}" if ranges else "no two of them differ in what it names"


def _range(values: NDArray[Any]) -> str:
    low, high = _number(values.min()), _number(values.max())
    return low if low == high else f"from {low} to {high}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if np.asarray(value).dtype.kind == "f" else f"{int(value):,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`networks` of the space's candidates satisfy its constraints; `front` are the rows that no other beats."""

    space: Space
    objectives: tuple[tuple[str, bool], ...]
    networks: int
    ranges: dict[str, tuple[float, float]]
    front: Columns
    sample: Columns
    """At most `pareto.SAMPLE` rows, drawn evenly."""


def chunks(space: Space, ask: Sequence[str], progress: Progress | None = None) -> Iterator[Columns]:
    """The whole space's columns, part by part."""
    for start in range(0, space.size, STEP):
        stop = min(start + STEP, space.size)
        yield evaluate(space, start, stop, ask=ask)
        if progress is not None:
            progress(stop, space.size)


def summarise(
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
    collector = FrontCollector(objectives, ask)
    for columns in chunks(space, ask, progress) if parts is None else parts:
        collector.add(columns)
    if not collector.networks:
        raise InvalidInput(reason_without_networks(space))
    return Summary(
        space=space,
        objectives=objectives,
        networks=collector.networks,
        ranges=collector.ranges,
        front=sorted_by(_distinct_networks(space, collector.front), objectives[0]),
        sample=collector.sample,
    )


def _distinct_networks(space: Space, rows: Columns) -> Columns:
    """The first row of each network at each input size: rounding can make one network of several candidates."""
    figures = list(zip(*(rows[name].tolist() for name in SHOWN_COLUMNS), strict=True))
    counts = Counter(figures)
    shared = [row for row, row_figures in enumerate(figures) if counts[row_figures] > 1]
    if not shared:
        return rows
    candidates = Candidates.of(space, rows["index"][shared])
    specs = [make_spec(space.family, candidates.fields(row)) for row in range(len(shared))]
    first = {(figures[row], spec): row for row, spec in reversed(list(zip(shared, specs, strict=True)))}
    repeated = set(shared).difference(first.values())
    return rows_of(rows, np.array([row for row in range(len(figures)) if row not in repeated], dtype=np.int64))


def sorted_by(columns: Columns, objective: tuple[str, bool]) -> Columns:
    """The rows by one column, the best first; equal ones by their number."""
    name, more = objective
    key = -columns[name] if more else columns[name]
    return rows_of(columns, np.lexsort((columns["index"], key)))


__all__ = ["Columns", "Progress", "Summary", "chunks", "sorted_by", "summarise"]
