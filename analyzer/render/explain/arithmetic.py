"""The arithmetic of a Term as text: with its symbols, or with its numbers filled in."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import assert_never

from analyzer.explanation.traced_int import START, Constant, Formula, Product, Quotient, Sum, Variable, formula_of
from analyzer.text.units import exact

Naming = Callable[[Variable], str]


def symbols(term: int) -> str:
    """The formula: "⌊(n + 2·p − k)/s⌋ + 1"."""
    return _text(formula_of(term), lambda leaf: leaf.symbol)


def numbers(term: int) -> str:
    """The formula with its numbers filled in: "⌊(224 + 2·3 − 7)/2⌋ + 1"."""
    return _with_numbers(formula_of(term))


def sum_of_parts(term: int) -> str:
    """A sum with equal neighbours folded, but for what it starts from: "35 + 8 + 3 × 16"."""
    form = formula_of(term)
    if not isinstance(form, Sum):
        return numbers(term)
    addends = [addend for count, addend in form.addends for _ in range(count)]
    start = addends[:1] if isinstance(addends[0], Variable) and addends[0].symbol == START else []
    return " + ".join([*map(_with_numbers, start), *_folded(addends[len(start) :])])


def _folded(addends: list[Formula]) -> Iterator[str]:
    for (text, plain), run in groupby(addends, lambda form: (_with_numbers(form), isinstance(form, Variable))):
        count = len(list(run))
        yield from [f"{count} × {text}"] if plain and count > 1 else [text] * count


def _with_numbers(form: Formula) -> str:
    return _text(form, lambda leaf: exact(leaf.value))


def equation(term: int) -> str:
    """Formula, numbers and value: "2·C = 2·64 = 128"; what says nothing new is left out."""
    return " = ".join(dict.fromkeys((symbols(term), numbers(term), exact(term))))


def is_worked_out(term: int) -> bool:
    """Whether a number came about by any arithmetic."""
    return not isinstance(formula_of(term), Constant | Variable)


def leaves(form: Formula) -> Iterator[Variable]:
    """Every given number of a form."""
    match form:
        case Constant():
            return
        case Variable():
            yield form
        case Sum():
            for _, addend in form.addends:
                yield from leaves(addend)
        case Product():
            for factor in form.factors:
                yield from leaves(factor)
        case Quotient():
            yield from leaves(form.dividend)
            yield from leaves(form.divisor)
        case _:
            assert_never(form)


def _text(form: Formula, name_of: Naming) -> str:
    match form:
        case Constant():
            return exact(form.value)
        case Variable():
            return name_of(form)
        case Sum():
            return _sum(form, name_of)
        case Product():
            return "·".join(_bracketed(factor, name_of) for factor in form.factors)
        case Quotient():
            return _quotient(form, name_of)
        case _:
            assert_never(form)


def _bracketed(form: Formula, name_of: Naming) -> str:
    text = _text(form, name_of)
    return f"({text})" if isinstance(form, Sum) else text


def _quotient(form: Quotient, name_of: Naming) -> str:
    divisor = _text(form.divisor, name_of)
    if isinstance(form.divisor, Sum | Product):
        divisor = f"({divisor})"
    text = f"{_bracketed(form.dividend, name_of)}/{divisor}"
    if form.exact:
        return text
    return f"⌈{text}⌉" if form.up else f"⌊{text}⌋"


def _sum(form: Sum, name_of: Naming) -> str:
    """What is added, what is subtracted, and the formula's own constant last."""
    plus = [_multiple(count, addend, name_of) for count, addend in form.addends if count > 0]
    text = " + ".join(plus or [exact(form.constant)])
    text += "".join(f" − {_multiple(-count, addend, name_of)}" for count, addend in form.addends if count < 0)
    if form.constant and plus:
        text += f" {'+' if form.constant > 0 else '−'} {exact(abs(form.constant))}"
    return text


def _multiple(count: int, form: Formula, name_of: Naming) -> str:
    text = _bracketed(form, name_of)
    return text if count == 1 else f"{count}·{text}"
