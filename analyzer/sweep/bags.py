"""What a network holds many of (levels of memory, kernels), as polynomials, and how that grows with what is counted."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis
from analyzer.sweep.arrays import Arrays
from analyzer.sweep.traced import Source

Bag = Counter[Any]
"""Item → how often a network holds it; of a difference, negative where it no longer does."""
Contents = Callable[[Analysis], Bag]


class Item(NamedTuple):
    """How often candidates hold something: all of them `times`, or with a `field` as often for each it counts over 1.

    With a `value`, only those whose field is that.
    """

    times: int
    field: str = ""
    value: int | None = None


class Bags:
    """The items of a trace; networks of new counts are run when a candidate has them."""

    def __init__(self, source: Source, contents: Contents) -> None:
        self._source, self._contents = source, contents
        self.base = self._bag()
        self._steady: dict[str, Bag] = {}
        self._known: dict[tuple[str, int], Bag] = {}
        for field in source.counted:
            first = _minus(self._bag(**{field: 2}), self.base)
            if all(times > 0 for times in first.values()):
                second = _minus(self._bag(**{field: 3}), self.base)
                if second == Counter({thing: 2 * times for thing, times in first.items()}):
                    self._steady[field] = first

    def _bag(self, **counts: int) -> Bag:
        run = self._source.run(**counts)
        return self._contents(run.analysis) if run.analysis is not None else Counter()

    def items(self, counts: Callable[[str], list[int]]) -> dict[Any, list[Item]]:
        """Each thing that candidates hold with how often they do; `counts` are the values of a counted field."""
        found: dict[Any, list[Item]] = {thing: [Item(times)] for thing, times in self.base.items()}
        for field in self._source.counted:
            if field in self._steady:
                for thing, times in self._steady[field].items():
                    found.setdefault(thing, []).append(Item(times, field))
                continue
            for value in counts(field):
                for thing, times in self._other(field, value).items():
                    found.setdefault(thing, []).append(Item(times, field, value))
        return found

    def _other(self, field: str, value: int) -> Bag:
        """What a network with another count holds more and less than the base."""
        if (field, value) not in self._known:
            self._known[field, value] = _minus(self._bag(**{field: value}), self.base) if value > 1 else Counter()
        return self._known[field, value]


def _minus(first: Bag, second: Bag) -> Bag:
    difference = Counter(first)
    difference.subtract(second)
    return Counter({thing: times for thing, times in difference.items() if times})


def times_held(arrays: Arrays, items: Sequence[Item]) -> Any:
    """How often each candidate holds a thing."""
    total: Any = 0
    for item in items:
        if not item.field:
            total = total + item.times
            continue
        counts: NDArray[np.int64] = arrays.field(item.field)
        total = total + item.times * (counts - 1 if item.value is None else counts == item.value)
    return total
