"""A tiny evaluator of arithmetic as `explain` prints it, written without the package: the tests' own oracle."""

import re
from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor

_TOKEN = re.compile(r"\s*([0-9][0-9,]*|[+−·×/()⌊⌋⌈⌉])")
_CLOSING = {"(": ")", "⌊": "⌋", "⌈": "⌉"}


def evaluate_arithmetic(text: str) -> Fraction:
    """The value of "⌊(224 + 2·3 − 7)/2⌋ + 1"; ValueError where the text is no arithmetic."""
    tokens = list(_tokens(text))
    value = _sum(tokens)
    if tokens:
        raise ValueError(f"{text!r}: {tokens[0]!r} is left over")
    return value


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"{text!r} is no arithmetic at {position}")
        yield match[1]
        position = match.end()


def _sum(tokens: list[str]) -> Fraction:
    value = _product(tokens)
    while tokens and tokens[0] in "+−":
        sign = 1 if tokens.pop(0) == "+" else -1
        value += sign * _product(tokens)
    return value


def _product(tokens: list[str]) -> Fraction:
    value = _factor(tokens)
    while tokens and tokens[0] in "·×/":
        sign, factor = tokens.pop(0), _factor(tokens)
        value = value / factor if sign == "/" else value * factor
    return value


def _factor(tokens: list[str]) -> Fraction:
    if not tokens:
        raise ValueError("a number is missing")
    first = tokens.pop(0)
    if first[0].isdigit():
        return Fraction(int(first.replace(",", "")))
    value = _sum(tokens)
    if first not in _CLOSING or not tokens or tokens.pop(0) != _CLOSING[first]:
        raise ValueError(f"{first!r} is not closed")
    return Fraction({"(": lambda number: number, "⌊": floor, "⌈": ceil}[first](value))
