"""The rules of a spec's fields: one object parses, checks, prints and describes a field, on every surface."""

import re
from dataclasses import MISSING, field
from typing import Any, NamedTuple

from analyzer.errors import InvalidInput, shortened


class Int(NamedTuple):
    """A whole number from `low` to `high`, or None (written as `word`) where `optional`."""

    help: str
    low: int
    high: int
    optional: bool = False
    word: str = "none"

    def rule(self) -> str:
        return f"a whole number from {self.low} to {self.high}{f' or {self.word}' if self.optional else ''}"

    def parse(self, text: str) -> object:
        return None if self.optional and text == self.word else _whole(text)

    def accepts(self, value: object) -> bool:
        return (value is None and self.optional) or _is_int(value, self.low, self.high)

    def text(self, value: Any) -> str:
        return self.word if value is None else str(value)


class OneOf(NamedTuple):
    """One of a few whole numbers, or None (written `none`)."""

    help: str
    options: tuple[int, ...]

    def rule(self) -> str:
        return f"one of {', '.join(map(str, self.options))} or none"

    def parse(self, text: str) -> object:
        return None if text == "none" else _whole(text)

    def accepts(self, value: object) -> bool:
        return value is None or (_is_int(value, min(self.options), max(self.options)) and value in self.options)

    def text(self, value: Any) -> str:
        return "none" if value is None else str(value)


class IntList(NamedTuple):
    """At most `longest` whole numbers from `low` to `high`, joined by `-`; None: the default follows other fields."""

    help: str
    low: int
    high: int
    longest: int
    optional: bool = False

    def rule(self) -> str:
        return f"1 to {self.longest} whole numbers from {self.low} to {self.high}, joined by -"

    def parse(self, text: str) -> object:
        return tuple(_whole(part) for part in text.split("-", self.longest + 1))

    def accepts(self, value: object) -> bool:
        if value is None:
            return self.optional
        if not isinstance(value, tuple) or not 1 <= len(value) <= self.longest:
            return False
        return all(_is_int(item, self.low, self.high) for item in value)

    def text(self, value: Any) -> str:
        return "-".join(map(str, value))


class Choice(NamedTuple):
    """One of a few words; `words` maps other spellings onto them; the word `none` stands for itself."""

    help: str
    options: tuple[str, ...]
    words: tuple[tuple[str, str], ...] = ()

    def rule(self) -> str:
        return f"one of {', '.join(self.options)}"

    def parse(self, text: str) -> object:
        return dict(self.words).get(text, text)

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in self.options

    def text(self, value: Any) -> str:
        return str(value)


class Config(NamedTuple):
    """A chain of convolutions' output channels and pools, joined by `-`: 64-M-128-M."""

    help: str
    high: int
    longest: int
    pool: str = "M"

    def rule(self) -> str:
        channels = f"1 to {self.longest} channels from 1 to {self.high} or {self.pool} for a pool"
        return f"{channels}, joined by -, the first no pool"

    def parse(self, text: str) -> object:
        return tuple(part if part == self.pool else _whole(part) for part in text.split("-", self.longest + 1))

    def accepts(self, value: object) -> bool:
        if not isinstance(value, tuple) or not 1 <= len(value) <= self.longest:
            return False
        return all(item == self.pool or _is_int(item, 1, self.high) for item in value) and value[0] != self.pool

    def text(self, value: Any) -> str:
        return "-".join(map(str, value))


class Flag(NamedTuple):
    """`true` or `false`."""

    help: str

    def rule(self) -> str:
        return "true or false"

    def parse(self, text: str) -> object:
        return {"true": True, "false": False}.get(text, text)

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)

    def text(self, value: Any) -> str:
        return "true" if value else "false"


class Ratio(NamedTuple):
    """A decimal above 0 and up to 1, or None (written `none`) where `optional`."""

    help: str
    optional: bool = False

    def rule(self) -> str:
        return f"a decimal above 0 and up to 1, with at most 6 places{', or none' if self.optional else ''}"

    def parse(self, text: str) -> object:
        if self.optional and text == "none":
            return None
        return float(text) if re.fullmatch(r"1|[01]?\.[0-9]{1,6}", text, re.ASCII) else text

    def accepts(self, value: object) -> bool:
        if value is None:
            return self.optional
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and 0 < float(str(value)) <= 1 and round(float(str(value)), 6) == float(str(value))

    def text(self, value: Any) -> str:
        if value is None:
            return "none"
        return f"{float(value):.6f}".rstrip("0").removesuffix(".") if value != 1 else "1.0"


Rule = Int | OneOf | IntList | Choice | Config | Flag | Ratio


def ruled(rule: Rule, default: Any = MISSING) -> Any:
    """A dataclass field with its rule; required where it has no default."""
    return field(default=default, metadata={"rule": rule})


def check(family: str, name: str, rule: Rule, value: object) -> None:
    """Raise InvalidInput with family, field, value and rule where the value breaks the rule."""
    if not rule.accepts(value):
        shown = value
        if isinstance(rule, IntList | Config) and isinstance(value, tuple):
            shown = "-".join(map(shortened, value[:60]))
        raise InvalidInput(f"{family}: {name}={shortened(shown)!r} must be {rule.rule()}.")


def floor_of(ratio: float, number: int) -> int:
    """⌊ratio·number⌋ with the ratio taken as the decimal it is written as (0.29·100 is 29)."""
    from fractions import Fraction  # with decimal it costs milliseconds that only a ratio should pay

    exact = Fraction(repr(float(ratio)))
    return number * exact.numerator // exact.denominator


def _whole(text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else text


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
