"""What a network has many of (levels of memory, kernels), and how that grows with counted fields."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.sweep.tracing.evaluate_polynomials import CandidateArrays
from analyzer.sweep.tracing.polynomial import polynomial_key
from analyzer.sweep.tracing.symbolic_run import Multiset, SymbolicRun, TraceSource


class Multiplicity(NamedTuple):
    """How many of an item candidates have: `times`; with a `field`, `times` for each that it counts beyond the first.

    With a `value`, `times` for the candidates whose field has that value, and none for others.
    """

    times: int
    field: str = ""
    value: int | None = None


class GeneralMultiset:
    """The multiset of one run, and of runs with other counts, which are made when candidates have them.

    A counted field whose next two values add the same items adds them again with every further one.
    """

    def __init__(self, source: TraceSource, name: str, base: SymbolicRun) -> None:
        self._source, self._name = source, name
        self.base = base.multisets[name]
        self._steady: dict[str, Multiset] = {}
        self._differences: dict[tuple[str, int], Multiset] = {}
        for field in source.counted:
            first = self._difference(field, 2)
            if all(times > 0 for times in first.values()):
                second = self._difference(field, 3)
                if second == Counter({item: 2 * times for item, times in first.items()}):
                    self._steady[field] = first

    def agrees(self, true: SymbolicRun) -> bool:
        """Whether the multiset of a run with other counts equals, as polynomials, the expected one."""
        atoms, counts = self._source.atoms, true.tape.counted
        values = {str(atoms.items[atom]): value for atom, value in counts.items()}
        expected = Counter(self.base)
        for field in self._source.counted:
            steady = self._steady.get(field)
            added = self._difference(field, values[field]) if steady is None else steady
            for item, times in added.items():
                expected[item] += times if steady is None else times * (values[field] - 1)
        return self._with_counts(expected, counts) == self._with_counts(true.multisets[self._name], counts)

    def _with_counts(self, multiset: Multiset, counts: dict[int, int]) -> Multiset:
        """The multiset with numbers in place of counted fields."""
        result: Multiset = Counter()
        for item, times in multiset.items():
            parts = [
                polynomial_key(self._source.atoms.substituted(dict(part), counts)) if isinstance(part, tuple) else part
                for part in item
            ]
            result[tuple(parts)] += times
        return Counter({item: times for item, times in result.items() if times})

    def items(self, counts: Callable[[str], list[int]]) -> dict[Any, list[Multiplicity]]:
        """Item → how many of it candidates have; `counts` gives the values of a counted field."""
        multiplicities: dict[Any, list[Multiplicity]] = {
            item: [Multiplicity(times)] for item, times in self.base.items()
        }
        for field in self._source.counted:
            if field in self._steady:
                for item, times in self._steady[field].items():
                    multiplicities.setdefault(item, []).append(Multiplicity(times, field))
                continue
            for value in counts(field):
                for item, times in self._difference(field, value).items():
                    multiplicities.setdefault(item, []).append(Multiplicity(times, field, value))
        return multiplicities

    def _difference(self, field: str, value: int) -> Multiset:
        """Items that a network with another count has more of than the base; negative for fewer."""
        if (field, value) not in self._differences:
            multiset = (
                self._source.run(**{field: value}).multisets.get(self._name, Counter()) if value > 1 else self.base
            )
            self._differences[field, value] = _minus(multiset, self.base)
        return self._differences[field, value]


def _minus(first: Multiset, second: Multiset) -> Multiset:
    difference = Counter(first)
    difference.subtract(second)
    return Counter({item: times for item, times in difference.items() if times})


def multiplicities(arrays: CandidateArrays, items: Sequence[Multiplicity]) -> Any:
    """How many of an item each candidate has."""
    total: Any = 0
    for item in items:
        if not item.field:
            total = total + item.times
            continue
        counts: NDArray[np.int64] = arrays.field(item.field)
        total = total + item.times * (counts - 1 if item.value is None else counts == item.value)
    return total
