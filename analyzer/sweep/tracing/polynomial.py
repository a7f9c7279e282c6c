"""Whole-number polynomials over atoms, in one normal form: a network's numbers in terms of its fields.

An atom is a field, or a quotient ⌊p / q⌋ of two polynomials. A term is a product of atoms with a whole coefficient.
Equal polynomials are equal dictionaries, since there is one way to write each: (w + 2)² − 4, halved, is

    >>> atoms = Atoms()
    >>> width = {((atoms.index("width"), 1),): 1}
    >>> side = plus(width, constant(2))
    >>> square = plus(times(side, side), constant(-4))
    >>> square  # w² + 4 w
    {((0, 2),): 1, ((0, 1),): 4}
    >>> atoms.quotient(square, constant(2))  # 2 w and a new atom, ⌊w² / 2⌋: only what divides evenly is taken out
    {((0, 1),): 2, ((1, 1),): 1}
    >>> atoms.items
    ['width', FloorQuotient(numerator=((((0, 2),), 1),), denominator=(((), 2),))]
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

Monomial = tuple[tuple[int, int], ...]
"""Sorted (atom, power) pairs; () is 1."""
Terms = dict[Monomial, int]
"""Monomial → coefficient, none of which is 0. Treated as immutable."""
ONE: Monomial = ()


class FloorQuotient(NamedTuple):
    """⌊numerator / denominator⌋."""

    numerator: tuple[tuple[Monomial, int], ...]
    denominator: tuple[tuple[Monomial, int], ...]


Atom = str | FloorQuotient
"""A field's name, or a quotient."""


def constant(number: int) -> Terms:
    """A number as a polynomial."""
    return {ONE: number} if number else {}


def plus(first: Terms, second: Terms, factor: int = 1) -> Terms:
    """`first` + `factor` · `second`."""
    result = dict(first)
    for monomial, coefficient in second.items():
        total = result.get(monomial, 0) + factor * coefficient
        if total:
            result[monomial] = total
        else:
            result.pop(monomial, None)
    return result


def times(first: Terms, second: Terms) -> Terms:
    """The product."""
    result: Terms = {}
    for one, left in first.items():
        for other, right in second.items():
            monomial = _monomial_product(one, other)
            total = result.get(monomial, 0) + left * right
            if total:
                result[monomial] = total
            else:
                del result[monomial]
    return result


def scale(terms: Terms, factor: int) -> Terms:
    """`factor` · `terms`."""
    return {monomial: factor * coefficient for monomial, coefficient in terms.items()} if factor else {}


def _monomial_product(one: Monomial, other: Monomial) -> Monomial:
    if not one or not other:
        return one or other
    powers = dict(one)
    for atom, power in other:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items()))


def divide(numerator: Terms, denominator: Terms) -> tuple[Terms, Terms]:
    """(q, r) with numerator = q · denominator + r, taking out whole terms where the denominator is a single one.

    ⌊numerator / denominator⌋ is then q + ⌊r / denominator⌋, whatever the signs.
    """
    if len(denominator) != 1:
        exact = numerator == denominator
        return (constant(1), {}) if exact else ({}, numerator)
    ((divisor, factor),) = denominator.items()
    quotient: Terms = {}
    rest: Terms = {}
    for monomial, coefficient in numerator.items():
        reduced = _divide_monomial(monomial, divisor)
        if reduced is None or coefficient % factor:
            rest[monomial] = coefficient
        else:
            quotient[reduced] = coefficient // factor
    return quotient, rest


def _divide_monomial(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    powers = dict(monomial)
    for atom, power in divisor:
        remaining = powers.get(atom, 0) - power
        if remaining < 0:
            return None
        powers[atom] = remaining
    return tuple((atom, power) for atom, power in powers.items() if power)


def polynomial_key(terms: Terms) -> tuple[tuple[Monomial, int], ...]:
    """The polynomial as a hashable key."""
    return tuple(sorted(terms.items()))


class Atoms:
    """Indices of atoms, in the order in which they appear; a quotient comes after the atoms in it."""

    def __init__(self) -> None:
        self.items: list[Atom] = []
        self._indices: dict[Atom, int] = {}

    def index(self, atom: Atom) -> int:
        """The index of an atom, new or known."""
        if atom not in self._indices:
            self._indices[atom] = len(self.items)
            self.items.append(atom)
        return self._indices[atom]

    def quotient(self, numerator: Terms, denominator: Terms) -> Terms:
        """⌊numerator / denominator⌋ as a polynomial."""
        whole, rest = divide(numerator, denominator)
        if not rest:
            return whole
        if set(rest) == set(denominator) == {ONE}:
            return plus(whole, constant(rest[ONE] // denominator[ONE]))
        atom = self.index(FloorQuotient(polynomial_key(rest), polynomial_key(denominator)))
        return plus(whole, {((atom, 1),): 1})

    def substituted(self, terms: Terms, known: Mapping[int, int]) -> Terms:
        """The polynomial with numbers in place of some fields, in quotients too."""
        result: Terms = {}
        for monomial, coefficient in terms.items():
            product = constant(coefficient)
            for atom, power in monomial:
                value = self._substituted_atom(atom, known)
                for _ in range(power):
                    product = times(product, value)
            result = plus(result, product)
        return result

    def _substituted_atom(self, index: int, known: Mapping[int, int]) -> Terms:
        if index in known:
            return constant(known[index])
        atom = self.items[index]
        if isinstance(atom, str):
            return {((index, 1),): 1}
        parts = (self.substituted(dict(part), known) for part in atom)
        return self.quotient(*parts)

    def fields(self, terms: Terms) -> frozenset[int]:
        """The fields that a polynomial reads, in quotients too."""
        return frozenset(self._fields(terms))

    def _fields(self, terms: Terms) -> Iterator[int]:
        for monomial in terms:
            for index, _ in monomial:
                atom = self.items[index]
                if isinstance(atom, str):
                    yield index
                else:
                    for part in atom:
                        yield from self._fields(dict(part))
