"""Evaluating a figure for many candidates: small tables of what depends on few axes, gathered and summed.

A polynomial's terms are sorted by the axes that they depend on. 3 w² + 5 w + 2 d over 49 widths and 100 depths becomes
a table of 49 entries, 3 w² + 5 w, and one of 100, 2 d; a candidate's figure is the sum of an entry of each, fetched by
its indices on the axes. That is 149 evaluations for 4,900 candidates, and a term like w · d would need a table of 4,900
of its own: one that is larger than `ENTRIES`, or than a quarter of the space, is not made, and its terms are evaluated
candidate by candidate. Where figures are joined by the most of them (a peak), tables hold the most instead of the sum.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.sweep.space.candidates import grid, support_of, supports
from analyzer.sweep.space.expression_functions import StageList
from analyzer.sweep.space.space import Space
from analyzer.sweep.tracing.evaluate_polynomials import CandidateArrays
from analyzer.sweep.tracing.general_figures import PolynomialFraction
from analyzer.sweep.tracing.polynomial import ONE, Atoms, Terms

ENTRIES = 2**16
"""A table's entries at most: they stay in the processor's cache."""
SMALL = 2**12
"""Tables of so many entries are joined with others, which saves gathering from both."""

Axes = tuple[str, ...]


Evaluator = Callable[[CandidateArrays, Sequence[Any]], NDArray[Any]]
"""(arrays, contributions) → the contributions joined, for every candidate of the arrays."""


class AxisTable(NamedTuple):
    """Contributions by the axes that they depend on; without a table they are evaluated candidate by candidate."""

    axes: Axes
    items: tuple[Any, ...]
    table: NDArray[Any] | None


class EvaluationPlan(NamedTuple):
    """A figure: its parts, how several contributions are evaluated together, and what joins them (sum or maximum)."""

    parts: tuple[AxisTable, ...]
    evaluator: Evaluator
    join: np.ufunc
    denominator: int = 1

    def values(self, arrays: CandidateArrays, codes: "TableIndex") -> NDArray[Any]:
        """The figure of every candidate."""
        total: Any = None
        for part in self.parts:
            values = self.evaluator(arrays, part.items) if part.table is None else part.table[codes.of(part.axes)]
            total = values if total is None else self.join(total, values)
        total = np.asarray(0 if total is None else total)
        return np.broadcast_to(total if self.denominator == 1 else total // self.denominator, (arrays.count,))


class TableIndex:
    """Candidates' indices into tables, computed once for each combination of axes."""

    def __init__(
        self, codes: Mapping[str, NDArray[np.int64]], counts: Mapping[str, int], rows: NDArray[np.int64] | None
    ) -> None:
        self._codes, self._counts, self._rows = codes, counts, rows
        self._indices: dict[Axes, Any] = {(): 0}

    def of(self, axes: Axes) -> Any:
        """Indices into a table over these axes, the last one fastest."""
        if axes not in self._indices:
            *rest, last = axes
            codes = self._codes[last] if self._rows is None else self._codes[last][self._rows]
            self._indices[axes] = self.of(tuple(rest)) * self._counts[last] + codes if rest else codes
        return self._indices[axes]


class Planner:
    """Makes the evaluation plans of one space."""

    def __init__(self, space: Space, atoms: Atoms) -> None:
        self.space, self.atoms = space, atoms
        self.counts = {axis.name: len(axis.values) for axis in space.axes}
        self.counts["input_size"] = max(len(space.input_sizes), 1)
        self.supports = supports(space)
        self._max_entries = self.at_most(ENTRIES)
        self._grids: dict[Axes, dict[str, Any]] = {}

    def at_most(self, entries: int) -> int:
        """Entries that a table may have: fewer than the space has candidates, or it would not pay."""
        return max(min(entries, self.space.size // 4), 1)

    def entries(self, axes: Sequence[str]) -> int:
        """Entries of a table over these axes."""
        return prod(self.counts[name] for name in axes)

    def axes_of(self, terms: Terms) -> Axes:
        """The axes that a polynomial depends on, through expressions too, in the space's order."""
        field_names = [str(self.atoms.items[atom]) for atom in self.atoms.fields(terms)]
        axes = frozenset[str]().union(*(support_of(self.supports, name) for name in field_names))
        return self.order(axes)

    def order(self, names: Iterable[str]) -> Axes:
        """The axes of these names in the space's order."""
        wanted = set(names)
        return tuple(name for name in self.counts if name in wanted)

    def figure(self, figure: PolynomialFraction) -> EvaluationPlan:
        """The plan of a polynomial over its denominator."""
        terms = [(() if term[0] == ONE else self.axes_of({term[0]: 1}), term) for term in figure.terms.items()]
        plan = self.plan(terms, lambda arrays, items: arrays.value(dict(items)), np.add, self._max_entries)
        return plan._replace(denominator=figure.denominator)

    def counts_of(self, field: str, bounds: tuple[int, int]) -> list[int]:
        """The values from 1 on that a field takes in the space; all within its bounds where those are too many."""
        axes = self.order(support_of(self.supports, field))
        if self.entries(axes) > ENTRIES:
            return list(range(max(bounds[0], 1), bounds[1] + 1))
        values = np.unique(self.fields(axes)[field])
        return [value for value in values.tolist() if value >= 1]

    def plan(
        self, contributions: Iterable[tuple[Axes, Any]], evaluator: Evaluator, join: np.ufunc, max_entries: int
    ) -> EvaluationPlan:
        """The plan of contributions, each with the axes that it depends on; tables have at most `max_entries`."""
        by_axes: dict[Axes, list[Any]] = {}
        for axes, item in contributions:
            by_axes.setdefault(axes, []).append(item)
        tables = {
            axes: evaluator(self.over(axes), items)
            for axes, items in by_axes.items()
            if self.entries(axes) <= max_entries
        }
        large = {axes: items for axes, items in by_axes.items() if axes not in tables}
        parts = [AxisTable(axes, (), table) for axes, table in self._joined(tables, join, max_entries).items()]
        if large:
            axes = self.order(name for large_axes in large for name in large_axes)
            parts.append(AxisTable(axes, tuple(item for items in large.values() for item in items), None))
        return EvaluationPlan(tuple(parts), evaluator, join)

    def over(self, axes: Axes) -> CandidateArrays:
        """Arrays over all combinations of the axes' values."""
        return CandidateArrays(self.atoms, self.fields(axes), self.entries(axes))

    def fields(self, axes: Axes) -> dict[str, Any]:
        """The fields for all combinations of the axes' values, with those derived from them."""
        if axes not in self._grids:
            self._grids[axes] = grid(self.space, {name: self.counts[name] for name in axes})
        return self._grids[axes]

    def spans(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Bounds of whole numbers over the whole space, of the fields that are axes or follow from few of them."""
        for name, support in self.supports.items():
            axes = self.order(support)
            if self.entries(axes) <= ENTRIES:
                yield from _bounds(name, self.fields(axes).get(name))

    def _joined(self, tables: dict[Axes, NDArray[Any]], join: np.ufunc, max_entries: int) -> dict[Axes, NDArray[Any]]:
        """Fewer tables: two are joined into one where that has few more entries."""
        joined: dict[Axes, NDArray[Any]] = {}
        for axes in sorted(tables, key=self.entries, reverse=True):
            partner = next((other for other in joined if self._fits(axes, other, max_entries)), None)
            if partner is None:
                joined[axes] = tables[axes]
                continue
            union = self.order({*axes, *partner})
            union_table = join(
                self._spread(axes, tables[axes], union), self._spread(partner, joined.pop(partner), union)
            )
            joined[union] = join(joined[union], union_table) if union in joined else union_table
        return joined

    def _spread(self, axes: Axes, table: NDArray[Any], union: Axes) -> NDArray[Any]:
        """The table repeated over the axes of the union."""
        shape = [self.counts[name] if name in axes else 1 for name in union]
        wide = np.broadcast_to(table.reshape(shape), [self.counts[name] for name in union])
        return wide.reshape(-1)

    def _fits(self, axes: Axes, other: Axes, max_entries: int) -> bool:
        num_entries = self.entries(self.order({*axes, *other}))
        return num_entries <= max(self.entries(other), min(SMALL, max_entries))


def _bounds(name: str, value: Any) -> Iterator[tuple[str, tuple[int, int]]]:
    if isinstance(value, StageList):
        for stage, part in enumerate(value.parts):
            has_stage, values = np.broadcast_arrays(np.asarray(value.length) > stage, part)
            yield from _bounds(f"{name}[{stage}]", values[has_stage])
    elif np.asarray(value).dtype.kind == "i" and np.size(value):
        yield name, (int(np.min(value)), int(np.max(value)))
