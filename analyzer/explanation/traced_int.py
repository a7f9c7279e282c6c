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
    """A number that the formula was given, with its symbol; `divides`: what it divides is a multiple of it."""

    symbol: str
    value: int
    divides: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Σ count · form, and a constant; `count` is how often a form is added, or, below 0, subtracted."""

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
"""The symbol of what a sum starts from, as against the equal neighbours that it adds up."""

Formula = Constant | Variable | Sum | Product | Quotient


class TracedInt(int):
    """An int with the form of its arithmetic."""

    form: Formula

    @classmethod
    def of(cls, value: int, form: Formula) -> Self:
        """The value with a form that evaluates to it."""
        term = cls(value)
        term.form = form
        return term

    def __add__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(self) + int(other), _sum(self.form, formula_of(other)))

    def __radd__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(other) + int(self), _sum(formula_of(other), self.form))

    def __sub__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(self) - int(other), _sum(self.form, _multiple(-1, formula_of(other))))

    def __rsub__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(other) - int(self), _sum(formula_of(other), _multiple(-1, self.form)))

    def __mul__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(self) * int(other), _product(self.form, formula_of(other)))

    def __rmul__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(other) * int(self), _product(formula_of(other), self.form))

    def __pow__(self, power: int, _: None = None) -> "TracedInt":  # type: ignore[override]  # whole powers only
        return TracedInt.of(int(self) ** int(power), _product(*[self.form] * int(power)))

    def __floordiv__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(self) // int(other), _quotient(self.form, formula_of(other)))

    def __rfloordiv__(self, other: int) -> "TracedInt":
        return TracedInt.of(int(other) // int(self), _quotient(formula_of(other), self.form))

    def __neg__(self) -> "TracedInt":
        if isinstance(self.form, Quotient) and not self.form.exact:
            return TracedInt.of(-int(self), _negated(self.form))
        return TracedInt.of(-int(self), _multiple(-1, self.form))


def variable(value: int, symbol: str, *, divides: bool = False) -> TracedInt:
    """A number that a formula is given, under its symbol."""
    return TracedInt.of(value, Variable(symbol, int(value), divides))


def traced_sum(terms: Iterable[int]) -> TracedInt:
    """The sum of many numbers, each an addend of its own, in linear time; zeros leave no trace."""
    kept = [(int(term), formula_of(term)) for term in terms if term]
    forms = [form for _, form in kept]
    form = Sum(tuple((1, form) for form in forms), 0) if len(forms) > 1 else forms[0] if forms else Constant(0)
    return TracedInt.of(sum(value for value, _ in kept), form)


def formula_of(number: int) -> Formula:
    """How a number came about; a plain int is a constant."""
    return number.form if isinstance(number, TracedInt) else Constant(int(number))


def _addends(form: Formula) -> tuple[tuple[tuple[int, Formula], ...], int]:
    match form:
        case Constant():
            return (), form.value
        case Sum():
            return form.addends, form.constant
        case _:
            return ((1, form),), 0


def _sum(left: Formula, right: Formula) -> Formula:
    """The sum, with equal given numbers counted together, and whatever is taken from itself left out."""
    (ours, constant), (theirs, more) = _addends(left), _addends(right)
    addends = list(ours)
    for count, form in theirs:
        place = next((i for i, ours in enumerate(addends) if _can_merge(ours, (count, form))), None)
        if place is None:
            addends.append((count, form))
        else:
            addends[place] = (addends[place][0] + count, form)
    return _sum_of_addends(tuple((count, form) for count, form in addends if count), constant + more)


def _can_merge(ours: tuple[int, Formula], theirs: tuple[int, Formula]) -> bool:
    alike = isinstance(theirs[1], Variable) or ours[0] == -theirs[0]
    return alike and ours[1] == theirs[1]


def _sum_of_addends(addends: tuple[tuple[int, Formula], ...], constant: int) -> Formula:
    if not addends:
        return Constant(constant)
    if not constant and len(addends) == 1 and addends[0][0] == 1:
        return addends[0][1]
    return Sum(addends, constant)


def _multiple(count: int, form: Formula) -> Formula:
    addends, constant = _addends(form)
    return _sum_of_addends(tuple((count * times, addend) for times, addend in addends), count * constant)


def _product(*forms: Formula) -> Formula:
    factors = [factor for form in forms for factor in (form.factors if isinstance(form, Product) else (form,))]
    if Constant(0) in factors:
        return Constant(0)
    factors = [factor for factor in _cancel(factors) if factor != Constant(1)]
    return Product(tuple(factors)) if len(factors) > 1 else factors[0] if factors else Constant(1)


def _cancel(factors: list[Formula]) -> list[Formula]:
    """The factors, a number that is divided by exactly and multiplied with again left out."""
    left = list(factors)
    for quotient in factors:
        if isinstance(quotient, Quotient) and quotient.exact and quotient.divisor in left:
            left.remove(quotient.divisor)
            left[left.index(quotient)] = quotient.dividend
    return left


def _quotient(dividend: Formula, divisor: Formula) -> Formula:
    if isinstance(dividend, Product) and isinstance(divisor, Constant) and divisor in dividend.factors:
        place = dividend.factors.index(divisor)
        return _product(*dividend.factors[:place], *dividend.factors[place + 1 :])
    return dividend if divisor == Constant(1) else Quotient(dividend, divisor)


def _negated(form: Quotient) -> Formula:
    """−⌊a / b⌋ = ⌈−a / b⌉."""
    return Quotient(_multiple(-1, form.dividend), form.divisor, not form.up)
