"""What a network holds many of (levels of memory, kernels), and how that grows with what is counted."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.sweep.tracing.evaluate_polynomials import CandidateArrays
from analyzer.sweep.tracing.polynomial import polynomial_key
from analyzer.sweep.tracing.symbolic_run import Multiset, SymbolicRun, TraceSource


class Multiplicity(NamedTuple):
    """How often candidates hold something: all of them `times`, or with a `field` as often for each it counts over 1.

    With a `value`, only those whose field is that.
    """

    times: int
    field: str = ""
    value: int | None = None


class GeneralMultiset:
    """A bag of one run, and of those with other counts: they are run when candidates have them.

    A counted field whose next two values add the same things adds them again with every further one.
    """

    def __init__(self, source: TraceSource, name: str, base: SymbolicRun) -> None:
        self._source, self._name = source, name
        self.base = base.multisets[name]
        self._steady: dict[str, Multiset] = {}
        self._known: dict[tuple[str, int], Multiset] = {}
        for field in source.counted:
            first = self._other(field, 2)
            if all(times > 0 for times in first.values()):
                second = self._other(field, 3)
                if second == Counter({thing: 2 * times for thing, times in first.items()}):
                    self._steady[field] = first

    def agrees(self, true: SymbolicRun) -> bool:
        """Whether the bag of a run with other counts is, as polynomials, what is expected of them."""
        atoms, counts = self._source.atoms, true.tape.counted
        values = {str(atoms.items[place]): value for place, value in counts.items()}
        expected = Counter(self.base)
        for field in self._source.counted:
            steady = self._steady.get(field)
            more = self._other(field, values[field]) if steady is None else steady
            for thing, times in more.items():
                expected[thing] += times if steady is None else times * (values[field] - 1)
        return self._with_counts(expected, counts) == self._with_counts(true.multisets[self._name], counts)

    def _with_counts(self, bag: Multiset, counts: dict[int, int]) -> Multiset:
        """The bag with numbers for counts."""
        found: Multiset = Counter()
        for thing, times in bag.items():
            parts = [
                polynomial_key(self._source.atoms.substituted(dict(part), counts)) if isinstance(part, tuple) else part
                for part in thing
            ]
            found[tuple(parts)] += times
        return Counter({thing: times for thing, times in found.items() if times})

    def items(self, counts: Callable[[str], list[int]]) -> dict[Any, list[Multiplicity]]:
        """Each thing that candidates hold with how often they do; `counts` are the values of a counted field."""
        found: dict[Any, list[Multiplicity]] = {thing: [Multiplicity(times)] for thing, times in self.base.items()}
        for field in self._source.counted:
            if field in self._steady:
                for thing, times in self._steady[field].items():
                    found.setdefault(thing, []).append(Multiplicity(times, field))
                continue
            for value in counts(field):
                for thing, times in self._other(field, value).items():
                    found.setdefault(thing, []).append(Multiplicity(times, field, value))
        return found

    def _other(self, field: str, value: int) -> Multiset:
        """What a network with another count holds more than the base, and less."""
        if (field, value) not in self._known:
            bag = self._source.run(**{field: value}).multisets.get(self._name, Counter()) if value > 1 else self.base
            self._known[field, value] = _minus(bag, self.base)
        return self._known[field, value]


def _minus(first: Multiset, second: Multiset) -> Multiset:
    difference = Counter(first)
    difference.subtract(second)
    return Counter({thing: times for thing, times in difference.items() if times})


def multiplicities(arrays: CandidateArrays, items: Sequence[Multiplicity]) -> Any:
    """How often each candidate holds a thing."""
    total: Any = 0
    for item in items:
        if not item.field:
            total = total + item.times
            continue
        counts: NDArray[np.int64] = arrays.field(item.field)
        total = total + item.times * (counts - 1 if item.value is None else counts == item.value)
    return total
