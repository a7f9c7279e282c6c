"""How a figure is worked out for many candidates: small tables of what depends on few axes, gathered and summed.

A polynomial's terms are sorted by the axes that they depend on. 3 w² + 5 w + 2 d over 49 widths and 100 depths becomes
a table of 49 entries, 3 w² + 5 w, and one of 100, 2 d; a candidate's figure is the sum of an entry of each, fetched by
its places on the axes. That is 149 evaluations for 4,900 candidates, and a term like w · d would need a table of 4,900
of its own: one that is larger than `ENTRIES`, or than a quarter of the space, is not made, and its terms are worked out
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
"""Some contributions joined, for the candidates of some arrays."""


class AxisTable(NamedTuple):
    """Contributions by the axes that they depend on; without a table they are worked out candidate by candidate."""

    axes: Axes
    items: tuple[Any, ...]
    table: NDArray[Any] | None


class EvaluationPlan(NamedTuple):
    """A figure: its parts, how some contributions are worked out together, and what joins parts (a sum or the most)."""

    parts: tuple[AxisTable, ...]
    evaluator: Evaluator
    join: np.ufunc
    denominator: int = 1

    def values(self, arrays: CandidateArrays, codes: "TableIndex") -> NDArray[Any]:
        """The figure of every candidate."""
        total: Any = None
        for part in self.parts:
            own = self.evaluator(arrays, part.items) if part.table is None else part.table[codes.of(part.axes)]
            total = own if total is None else self.join(total, own)
        total = np.asarray(0 if total is None else total)
        return np.broadcast_to(total if self.denominator == 1 else total // self.denominator, (arrays.count,))


class TableIndex:
    """Candidates' places in tables; each table's are worked out once."""

    def __init__(
        self, codes: Mapping[str, NDArray[np.int64]], counts: Mapping[str, int], rows: NDArray[np.int64] | None
    ) -> None:
        self._codes, self._counts, self._rows = codes, counts, rows
        self._held: dict[Axes, Any] = {(): 0}

    def of(self, axes: Axes) -> Any:
        """Places in a table over these axes, the last one fastest."""
        if axes not in self._held:
            *rest, last = axes
            own = self._codes[last] if self._rows is None else self._codes[last][self._rows]
            self._held[axes] = self.of(tuple(rest)) * self._counts[last] + own if rest else own
        return self._held[axes]


class Planner:
    """Makes plans for one space."""

    def __init__(self, space: Space, atoms: Atoms) -> None:
        self.space, self.atoms = space, atoms
        self.counts = {axis.name: len(axis.values) for axis in space.axes}
        self.counts["input_size"] = max(len(space.input_sizes), 1)
        self.supports = supports(space)
        self._most = self.at_most(ENTRIES)
        self._grids: dict[Axes, dict[str, Any]] = {}

    def at_most(self, entries: int) -> int:
        """Entries that a table may have: fewer than the space has candidates, or it would not pay."""
        return max(min(entries, self.space.size // 4), 1)

    def entries(self, axes: Sequence[str]) -> int:
        """Entries of a table over these axes."""
        return prod(self.counts[name] for name in axes)

    def axes_of(self, terms: Terms) -> Axes:
        """The axes that a polynomial depends on, through expressions too, in the space's order."""
        names = [str(self.atoms.items[place]) for place in self.atoms.fields(terms)]
        found = frozenset[str]().union(*(support_of(self.supports, name) for name in names))
        return self.order(found)

    def order(self, names: Iterable[str]) -> Axes:
        """Axes in the space's order."""
        known = set(names)
        return tuple(name for name in self.counts if name in known)

    def figure(self, figure: PolynomialFraction) -> EvaluationPlan:
        """The plan of a polynomial."""
        terms = [(() if each[0] == ONE else self.axes_of({each[0]: 1}), each) for each in figure.terms.items()]
        plan = self.plan(terms, lambda arrays, items: arrays.value(dict(items)), np.add, self._most)
        return plan._replace(denominator=figure.denominator)

    def counts_of(self, field: str, bounds: tuple[int, int]) -> list[int]:
        """The values that a field takes in the space, those of its bounds where they are not to be listed."""
        axes = self.order(support_of(self.supports, field))
        if self.entries(axes) > ENTRIES:
            return list(range(max(bounds[0], 1), bounds[1] + 1))
        values = np.unique(self.fields(axes)[field])
        return [value for value in values.tolist() if value >= 1]

    def plan(
        self, contributions: Iterable[tuple[Axes, Any]], worked: Evaluator, join: np.ufunc, most: int
    ) -> EvaluationPlan:
        """The plan of contributions, each with the axes that it depends on; tables have at most so many entries."""
        by_axes: dict[Axes, list[Any]] = {}
        for axes, item in contributions:
            by_axes.setdefault(axes, []).append(item)
        tables = {axes: worked(self.over(axes), items) for axes, items in by_axes.items() if self.entries(axes) <= most}
        large = {axes: items for axes, items in by_axes.items() if axes not in tables}
        parts = [AxisTable(axes, (), table) for axes, table in self._joined(tables, join, most).items()]
        if large:
            axes = self.order(name for each in large for name in each)
            parts.append(AxisTable(axes, tuple(item for items in large.values() for item in items), None))
        return EvaluationPlan(tuple(parts), worked, join)

    def over(self, axes: Axes) -> CandidateArrays:
        """CandidateArrays over all combinations of the axes' values."""
        return CandidateArrays(self.atoms, self.fields(axes), self.entries(axes))

    def fields(self, axes: Axes) -> dict[str, Any]:
        """The fields of all combinations of the axes' values, and what follows from them."""
        if axes not in self._grids:
            self._grids[axes] = grid(self.space, {name: self.counts[name] for name in axes})
        return self._grids[axes]

    def spans(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Bounds of whole numbers over the whole space, of the fields that are axes or follow from few of them."""
        for name, support in self.supports.items():
            axes = self.order(support)
            if self.entries(axes) <= ENTRIES:
                yield from _bounds(name, self.fields(axes).get(name))

    def _joined(self, tables: dict[Axes, NDArray[Any]], join: np.ufunc, most: int) -> dict[Axes, NDArray[Any]]:
        """Fewer, larger tables, where that of both has little more entries."""
        found: dict[Axes, NDArray[Any]] = {}
        for axes in sorted(tables, key=self.entries, reverse=True):
            into = next((other for other in found if self._fits(axes, other, most)), None)
            if into is None:
                found[axes] = tables[axes]
                continue
            union = self.order({*axes, *into})
            both = join(self._spread(axes, tables[axes], union), self._spread(into, found.pop(into), union))
            found[union] = join(found[union], both) if union in found else both
        return found

    def _spread(self, axes: Axes, table: NDArray[Any], union: Axes) -> NDArray[Any]:
        """A table over more axes."""
        shape = [self.counts[name] if name in axes else 1 for name in union]
        wide = np.broadcast_to(table.reshape(shape), [self.counts[name] for name in union])
        return wide.reshape(-1)

    def _fits(self, axes: Axes, other: Axes, most: int) -> bool:
        both = self.entries(self.order({*axes, *other}))
        return both <= max(self.entries(other), min(SMALL, most))


def _bounds(name: str, value: Any) -> Iterator[tuple[str, tuple[int, int]]]:
    if isinstance(value, StageList):
        for place, part in enumerate(value.parts):
            there, number = np.broadcast_arrays(np.asarray(value.length) > place, part)
            yield from _bounds(f"{name}[{place}]", number[there])
    elif np.asarray(value).dtype.kind == "i" and np.size(value):
        yield name, (int(np.min(value)), int(np.max(value)))
