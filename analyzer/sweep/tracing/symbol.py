"""Whole numbers that remember how they follow from a candidate's fields, and what was decided by comparing them.

A family's own code and the cost walk run on Symbols as on ints. A comparison whose result differs among
candidates is recorded as a condition, and a field that counts something (blocks of a stage) as counted.

    >>> tape = Tape(Atoms(), {"width": (16, 256)})
    >>> width = tape.symbol("width", 64)  # 64 in this run, and 16 to 256 among the candidates
    >>> isinstance(width, int), f"{9 * width * width + 1}"
    (True, '36865')
    >>> (9 * width * width + 1).terms  # 9 · width² + 1, width being atom 0
    {((0, 2),): 9, (): 1}
    >>> width > 8, list(tape.conditions)  # true for every candidate: nothing is recorded
    (True, [])
    >>> width > 100, list(tape.conditions)  # not (100 − width < 0) is what this run goes on from
    (False, [Condition(terms=(((), 100), (((0, 1),), -1)), relation='<', holds=False)])
    >>> len(range(width)), tape.counted
    (64, {0: 64})
"""

from typing import Any, NamedTuple

from analyzer.errors import InvalidInput
from analyzer.sweep.tracing.polynomial import ONE, Atoms, Terms, constant, plus, polynomial_key, scale, times


class Condition(NamedTuple):
    """That a polynomial is below zero ("<") or zero ("="); where `holds` is False, that it is not."""

    terms: tuple[Any, ...]
    relation: str
    holds: bool


class Tape:
    """The record of one run on Symbols: its atoms, the bounds of fields, the conditions and the counted fields."""

    def __init__(self, atoms: Atoms, bounds: dict[str, tuple[int, int]]) -> None:
        self.atoms, self.bounds = atoms, bounds
        self.values: dict[int, int] = {}
        self.conditions: dict[Condition, None] = {}
        self.counted: dict[int, int] = {}
        self._ranges: dict[int, tuple[int, int]] = {}

    def symbol(self, field: str, value: int) -> Any:
        """A field whose value is `value` in this run; in place of an int."""
        atom = self.atoms.index(field)
        self.values[atom] = value
        return Symbol(self, {((atom, 1),): 1})

    def value(self, terms: Terms) -> int:
        """A polynomial's value in this run."""
        total = 0
        for monomial, coefficient in terms.items():
            for atom, power in monomial:
                coefficient *= self._atom_value(atom) ** power
            total += coefficient
        return total

    def _atom_value(self, index: int) -> int:
        if index not in self.values:
            atom = self.atoms.items[index]
            if isinstance(atom, str):
                raise InvalidInput(f"space: {atom} has no value.")
            numerator, denominator = (self.value(dict(part)) for part in atom)
            self.values[index] = numerator // denominator
        return self.values[index]

    def range(self, terms: Terms) -> tuple[int, int]:
        """Numbers that a polynomial cannot be below and above, whatever the candidate."""
        low = high = 0
        for monomial, coefficient in terms.items():
            min_product = max_product = 1
            for atom, power in monomial:
                bottom, top = self._atom_range(atom)
                min_product, max_product = min_product * bottom**power, max_product * top**power
            low, high = (
                low + min(coefficient * min_product, coefficient * max_product),
                high + max(coefficient * min_product, coefficient * max_product),
            )
        return low, high

    def _atom_range(self, index: int) -> tuple[int, int]:
        """Of an atom, none of which is negative."""
        if index not in self._ranges:
            atom = self.atoms.items[index]
            if isinstance(atom, str):
                self._ranges[index] = self.bounds[atom]
            else:
                (low, high), (least, most) = (self.range(dict(part)) for part in atom)
                self._ranges[index] = max(low // max(most, 1), 0), max(high // max(least, 1), 0)
        return self._ranges[index]

    def decide(self, terms: Terms, relation: str) -> bool:
        """Whether a polynomial is below zero, or zero; recorded where that is not so for every candidate."""
        decided = self._common_answer(terms, relation)
        if decided is None and self.counted:
            decided = self._common_answer(self.atoms.substituted(terms, self.counted), relation)
        if decided is not None:
            return decided
        value = self.value(terms)
        holds = value < 0 if relation == "<" else value == 0
        self.conditions[Condition(polynomial_key(terms), relation, holds)] = None
        return holds

    def _common_answer(self, terms: Terms, relation: str) -> bool | None:
        """The answer, where it is the same for every candidate; else None."""
        low, high = self.range(terms)
        if relation == "<":
            return high < 0 if high < 0 or low >= 0 else None
        return low == high == 0 if low > 0 or high < 0 or low == high == 0 else None

    def count(self, terms: Terms) -> int:
        """A polynomial's value in this run, its fields recorded as counted."""
        for index in self.atoms.fields(terms):
            self.counted[index] = self.values[index]
        return self.value(terms)


class Symbol:
    """A whole number of a run; `terms` is its polynomial in the fields. Passes for an int."""

    __slots__ = ("tape", "terms")

    def __init__(self, tape: Tape, terms: Terms) -> None:
        self.tape, self.terms = tape, terms

    __class__ = property(lambda self: int)  # the fields' rules ask for ints

    def _simplified(self, terms: Terms) -> Any:
        if not terms:
            return 0
        return terms[ONE] if len(terms) == 1 and ONE in terms else Symbol(self.tape, terms)

    def __add__(self, other: Any) -> Any:
        return self._simplified(plus(self.terms, terms_of(other)))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._simplified(plus(self.terms, terms_of(other), -1))

    def __rsub__(self, other: Any) -> Any:
        return self._simplified(plus(terms_of(other), self.terms, -1))

    def __mul__(self, other: Any) -> Any:
        if type(other) is int:
            return self._simplified(scale(self.terms, other))
        return self._simplified(times(self.terms, terms_of(other)))

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self._simplified(scale(self.terms, -1))

    def __pow__(self, power: int) -> Any:
        result = constant(1)
        for _ in range(power):
            result = times(result, self.terms)
        return self._simplified(result)

    def __floordiv__(self, other: Any) -> Any:
        return self._quotient(self.terms, terms_of(other))

    def __rfloordiv__(self, other: Any) -> Any:
        return self._quotient(terms_of(other), self.terms)

    def _quotient(self, numerator: Terms, denominator: Terms) -> Any:
        return self._simplified(self.tape.atoms.quotient(numerator, denominator))

    def __mod__(self, other: Any) -> Any:
        return self - self // other * other

    def __rmod__(self, other: Any) -> Any:
        return other - other // self * self

    def __lt__(self, other: Any) -> bool:
        return self._decide(plus(self.terms, terms_of(other), -1), "<")

    def __gt__(self, other: Any) -> bool:
        return self._decide(plus(terms_of(other), self.terms, -1), "<")

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __eq__(self, other: object) -> bool:
        kind = type(other)
        if kind is not int and kind is not Symbol:
            return NotImplemented
        if kind is Symbol and getattr(other, "tape", None) is not self.tape:
            return False  # caches keep their keys; a number of another run is not equal to this one's
        return self._decide(plus(self.terms, terms_of(other), -1), "=")

    def __bool__(self) -> bool:
        return not self._decide(self.terms, "=")

    def _decide(self, terms: Terms, relation: str) -> bool:
        if set(terms) <= {ONE}:
            number = terms.get(ONE, 0)
            return number < 0 if relation == "<" else number == 0
        return self.tape.decide(terms, relation)

    def __hash__(self) -> int:
        return hash((id(self.tape), polynomial_key(self.terms)))

    def __index__(self) -> int:
        return self.tape.count(self.terms)

    __int__ = __index__

    def __str__(self) -> str:
        return str(self.tape.value(self.terms))

    __repr__ = __str__

    def __format__(self, format_spec: str) -> str:
        return format(self.tape.value(self.terms), format_spec)


def terms_of(number: Any) -> Terms:
    """The polynomial of a Symbol or an int."""
    return number.terms if type(number) is Symbol else constant(int(number))
