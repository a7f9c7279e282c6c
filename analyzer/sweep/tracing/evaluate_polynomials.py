"""Polynomials evaluated for many candidates at once."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput
from analyzer.sweep.tracing.polynomial import ONE, Atoms, Monomial, Terms
from analyzer.sweep.tracing.symbol import Condition

_LIMIT = 2**63


class CandidateArrays:
    """Values of polynomials for candidates whose fields are in `env`, of all or of some `rows`; products are cached."""

    def __init__(self, atoms: Atoms, env: Mapping[str, Any], count: int, rows: NDArray[np.int64] | None = None) -> None:
        self._atoms, self.env, self.count, self.rows = atoms, env, count, rows
        self._products: dict[Monomial, NDArray[np.int64]] = {}

    def of(self, rows: NDArray[np.int64]) -> "CandidateArrays":
        """The arrays of other rows of the same fields."""
        return CandidateArrays(self._atoms, self.env, len(rows), rows)

    def field(self, name: str) -> NDArray[np.int64]:
        """A field's values."""
        values = np.asarray(self.env[name], dtype=np.int64)
        return values if self.rows is None or not values.ndim else values[self.rows]

    def holds(self, condition: Condition) -> NDArray[np.bool_]:
        """The candidates for which a condition is true."""
        value = self.value(dict(condition.terms))
        mask: NDArray[np.bool_] = value < 0 if condition.relation == "<" else value == 0
        return mask if condition.holds else ~mask

    def value(self, terms: Terms) -> NDArray[np.int64]:
        """A polynomial's values."""
        total = np.full(self.count, terms.get(ONE, 0), dtype=np.int64)
        for monomial, coefficient in terms.items():
            if monomial != ONE:
                total += self._product(monomial) * coefficient if coefficient != 1 else self._product(monomial)
        return total

    def _product(self, monomial: Monomial) -> NDArray[np.int64]:
        if monomial not in self._products:
            *rest, (atom, power) = monomial
            if power > 1:
                rest.append((atom, power - 1))
            single = self._atom(atom)
            self._products[monomial] = self._product(tuple(rest)) * single if rest else single
        return self._products[monomial]

    def _atom(self, index: int) -> NDArray[np.int64]:
        atom = self._atoms.items[index]
        if isinstance(atom, str):
            return self.field(atom)
        numerator, denominator = atom
        divisor: Any = dict(denominator).get(ONE, 0) if len(denominator) == 1 and denominator[0][0] == ONE else None
        with np.errstate(divide="ignore"):  # by 0 only where there is no such stage, or no possible network
            return self.value(dict(numerator)) // (divisor or self.value(dict(denominator)))


def check_size(atoms: Atoms, terms: Terms, bounds: Mapping[str, tuple[int, int]]) -> int:
    """An upper bound of the sum of a polynomial's terms; InvalidInput where it goes beyond 64 bits."""
    bound: int = sum(
        abs(coefficient) * prod(_largest_value(atoms, index, bounds) ** power for index, power in monomial)
        for monomial, coefficient in terms.items()
    )
    if bound >= _LIMIT:
        raise InvalidInput("space: figures go beyond 64-bit whole numbers (9.2e18); take smaller networks or inputs.")
    return bound


def _largest_value(atoms: Atoms, index: int, bounds: Mapping[str, tuple[int, int]]) -> int:
    atom = atoms.items[index]
    if isinstance(atom, str):
        return max(map(abs, bounds[atom]))
    divisor = dict(atom.denominator)
    return check_size(atoms, dict(atom.numerator), bounds) // (divisor[ONE] if set(divisor) == {ONE} else 1) + 1
