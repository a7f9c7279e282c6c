"""How a figure is worked out for many candidates: small tables of what depends on few axes, gathered and summed."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.sweep.arrays import Arrays
from analyzer.sweep.candidates import grid, support_of, supports
from analyzer.sweep.functions import Stages
from analyzer.sweep.polynomial import ONE, Atoms, Terms
from analyzer.sweep.space import Space
from analyzer.sweep.traced import Fraction

ENTRIES = 2**16
"""A table's entries at most: they stay in the processor's cache."""
SMALL = 2**12
"""Tables of so many entries are joined with others, which saves gathering from both."""

Axes = tuple[str, ...]


class Part(NamedTuple):
    """A sum of terms, and its values by the codes of the axes that they depend on; without a table it is worked out."""

    axes: Axes
    terms: Terms
    table: NDArray[np.int64] | None


class Plan(NamedTuple):
    """A figure: the sum of its parts, over the denominator."""

    parts: tuple[Part, ...]
    denominator: int

    def values(self, arrays: Arrays, codes: "Codes") -> NDArray[np.int64]:
        """The figure of every candidate."""
        total = np.zeros(arrays.count, dtype=np.int64)
        for part in self.parts:
            total += arrays.value(part.terms) if part.table is None else part.table[codes.of(part.axes)]
        return total if self.denominator == 1 else total // self.denominator


class Codes:
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
        self._most = max(min(ENTRIES, space.size // 4), 1)
        self._grids: dict[Axes, dict[str, Any]] = {}

    def entries(self, axes: Sequence[str]) -> int:
        """Entries of a table over these axes."""
        return prod(self.counts[name] for name in axes)

    def axes_of(self, terms: Terms) -> Axes:
        """The axes that a polynomial depends on, through expressions too, in the space's order."""
        names = [str(self.atoms.items[place]) for place in self.atoms.fields(terms)]
        found = frozenset[str]().union(*(support_of(self.supports, name) for name in names))
        return tuple(name for name in self.counts if name in found)

    def plan(self, figure: Fraction) -> Plan:
        """The plan of a figure."""
        by_axes: dict[Axes, Terms] = {}
        for monomial, coefficient in figure.terms.items():
            axes = () if monomial == ONE else self.axes_of({monomial: 1})
            by_axes.setdefault(axes, {})[monomial] = coefficient
        parts = [self._part(axes, terms) for axes, terms in self._joined(by_axes).items()]
        return Plan(tuple(parts), figure.denominator)

    def _part(self, axes: Axes, terms: Terms) -> Part:
        if self.entries(axes) > self._most:
            return Part(axes, terms, None)
        return Part(axes, terms, self.over(axes).value(terms))

    def over(self, axes: Axes) -> Arrays:
        """Arrays over all combinations of the axes' values."""
        return Arrays(self.atoms, self.fields(axes), self.entries(axes))

    def fields(self, axes: Axes) -> dict[str, Any]:
        """The fields of all combinations of the axes' values, and what follows from them."""
        if axes not in self._grids:
            self._grids[axes] = grid(self.space, {name: self.counts[name] for name in axes})
        return self._grids[axes]

    def spans(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Bounds of whole numbers over the whole space, of the fields that are axes or follow from few of them."""
        for name, support in self.supports.items():
            axes = tuple(axis for axis in self.counts if axis in support)
            if self.entries(axes) <= ENTRIES:
                yield from _bounds(name, self.fields(axes).get(name))

    def _joined(self, by_axes: dict[Axes, Terms]) -> dict[Axes, Terms]:
        """Fewer, larger groups of terms, where the table of both grows little; those without a table are one."""
        found: dict[Axes, Terms] = {}
        for axes in sorted(by_axes, key=self.entries, reverse=True):
            into = next((other for other in found if self._fits(axes, other)), None)
            if into is None:
                found[axes] = dict(by_axes[axes])
                continue
            terms = found.pop(into)
            union = tuple(name for name in self.counts if name in {*axes, *into})
            found[union] = found.get(union, {}) | terms | by_axes[axes]
        return found

    def _fits(self, axes: Axes, other: Axes) -> bool:
        both = self.entries(sorted({*axes, *other}))
        if self.entries(other) > self._most:
            return self.entries(axes) > self._most
        return both <= max(self.entries(other), min(SMALL, self._most))


def _bounds(name: str, value: Any) -> Iterator[tuple[str, tuple[int, int]]]:
    if isinstance(value, Stages):
        for place, part in enumerate(value.parts):
            there = np.broadcast_to(np.asarray(value.length) > place, np.shape(part))
            yield from _bounds(f"{name}[{place}]", np.asarray(part)[there])
    elif np.asarray(value).dtype.kind == "i" and np.size(value):
        yield name, (int(np.min(value)), int(np.max(value)))
