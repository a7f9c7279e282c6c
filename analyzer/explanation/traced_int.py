"""Whole numbers that remember how they came about, so that a formula run on them can be written out.

A `TracedInt` is an int: every formula and every check takes it, and what comes out is the value with its arithmetic.
Plain ints stand for a formula's own constants; those that change nothing (· 1, + 0, · 64/64) leave no trace.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Constant:
    """A number of the formula itself."""

    value: int


@dataclass(frozen=True, slots=True)
class Variable:
    """An input of the formula, with its symbol; `divides`: what it divides is a multiple of it."""

    symbol: str
    value: int
    divides: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Σ count · formula, and a constant; `count` is how often a formula is added, or, below 0, subtracted."""

    addends: tuple[tuple[int, "Formula"], ...]
    constant: int


@dataclass(frozen=True, slots=True)
class Product:
    """Two or more factors."""

    factors: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Quotient:
    """⌊dividend / divisor⌋, or with `up` ⌈dividend / divisor⌉; `exact` where nothing is left over."""

    dividend: "Formula"
    divisor: "Formula"
    up: bool = False

    @property
    def exact(self) -> bool:
        """Whether the divisor is known to divide, so that no rounding is meant."""
        return isinstance(self.divisor, Variable) and self.divisor.divides


START = ""
"""The symbol of the number that a sum starts from."""

Formula = Constant | Variable | Sum | Product | Quotient


class TracedInt(int):
    """An int with the formula that it came from."""

    formula: Formula

    @classmethod
    def of(cls, value: int, formula: Formula) -> Self:
        """The value with a formula that evaluates to it."""
        number = cls(value)
        number.formula = formula
        return number

    def __add__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(self) + int(other), _sum(self.formula, formula_of(other)))

    def __radd__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(other) + int(self), _sum(formula_of(other), self.formula))

    def __sub__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(self) - int(other), _sum(self.formula, _multiple(-1, formula_of(other))))

    def __rsub__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(other) - int(self), _sum(formula_of(other), _multiple(-1, self.formula)))

    def __mul__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(self) * int(other), _product(self.formula, formula_of(other)))

    def __rmul__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(other) * int(self), _product(formula_of(other), self.formula))

    def __pow__(self, power: int, _: None = None) -> "TracedInt":  # type: ignore[override]  # whole powers only
        return TracedInt.of(int(self) ** int(power), _product(*[self.formula] * int(power)))

    def __floordiv__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(self) // int(other), _quotient(self.formula, formula_of(other)))

    def __rfloordiv__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(other) // int(self), _quotient(formula_of(other), self.formula))

    def __neg__(self) -> "TracedInt":
        if isinstance(self.formula, Quotient) and not self.formula.exact:
            return TracedInt.of(-int(self), _negate(self.formula))
        return TracedInt.of(-int(self), _multiple(-1, self.formula))


def variable(value: int, symbol: str, *, divides: bool = False) -> TracedInt:
    """An input of a formula, under its symbol."""
    return TracedInt.of(value, Variable(symbol, int(value), divides))


def traced_sum(numbers: Iterable[int]) -> TracedInt:
    """The sum of many numbers, each an addend of its own, in linear time; zeros leave no trace."""
    nonzero = [(int(number), formula_of(number)) for number in numbers if number]
    formulas = [formula for _, formula in nonzero]
    if len(formulas) > 1:
        total: Formula = Sum(tuple((1, formula) for formula in formulas), 0)
    else:
        total = formulas[0] if formulas else Constant(0)
    return TracedInt.of(sum(value for value, _ in nonzero), total)


def formula_of(number: int) -> Formula:
    """How a number came about; a plain int is a constant."""
    return number.formula if isinstance(number, TracedInt) else Constant(int(number))


def _addends(formula: Formula) -> tuple[tuple[tuple[int, Formula], ...], int]:
    match formula:
        case Constant():
            return (), formula.value
        case Sum():
            return formula.addends, formula.constant
        case _:
            return ((1, formula),), 0


def _sum(left: Formula, right: Formula) -> Formula:
    """The sum, with equal variables counted together, and whatever cancels left out."""
    (terms, constant), (other_terms, other_constant) = _addends(left), _addends(right)
    addends = list(terms)
    for count, formula in other_terms:
        index = next((i for i, addend in enumerate(addends) if _can_merge(addend, (count, formula))), None)
        if index is None:
            addends.append((count, formula))
        else:
            addends[index] = (addends[index][0] + count, formula)
    return _sum_of_addends(tuple((count, formula) for count, formula in addends if count), constant + other_constant)


def _can_merge(ours: tuple[int, Formula], theirs: tuple[int, Formula]) -> bool:
    alike = isinstance(theirs[1], Variable) or ours[0] == -theirs[0]
    return alike and ours[1] == theirs[1]


def _sum_of_addends(addends: tuple[tuple[int, Formula], ...], constant: int) -> Formula:
    if not addends:
        return Constant(constant)
    if not constant and len(addends) == 1 and addends[0][0] == 1:
        return addends[0][1]
    return Sum(addends, constant)


def _multiple(count: int, formula: Formula) -> Formula:
    addends, constant = _addends(formula)
    return _sum_of_addends(tuple((count * factor, addend) for factor, addend in addends), count * constant)


def _product(*formulas: Formula) -> Formula:
    factors: list[Formula] = []
    for formula in formulas:
        factors += formula.factors if isinstance(formula, Product) else (formula,)
    if Constant(0) in factors:
        return Constant(0)
    factors = [factor for factor in _cancel(factors) if factor != Constant(1)]
    return Product(tuple(factors)) if len(factors) > 1 else factors[0] if factors else Constant(1)


def _cancel(factors: list[Formula]) -> list[Formula]:
    """The factors without a divisor of an exact quotient that is itself a factor."""
    left = list(factors)
    for quotient in factors:
        if isinstance(quotient, Quotient) and quotient.exact and quotient.divisor in left:
            left.remove(quotient.divisor)
            left[left.index(quotient)] = quotient.dividend
    return left


def _quotient(dividend: Formula, divisor: Formula) -> Formula:
    if isinstance(dividend, Product) and isinstance(divisor, Constant) and divisor in dividend.factors:
        index = dividend.factors.index(divisor)
        return _product(*dividend.factors[:index], *dividend.factors[index + 1 :])
    return dividend if divisor == Constant(1) else Quotient(dividend, divisor)


def _negate(quotient: Quotient) -> Formula:
    """−⌊a / b⌋ = ⌈−a / b⌉."""
    return Quotient(_multiple(-1, quotient.dividend), quotient.divisor, not quotient.up)
