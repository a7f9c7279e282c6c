"""Values of a design space's fields: lists, ranges, fixed values and expressions, from TOML or a command line."""

import re
from dataclasses import dataclass
from math import isfinite
from typing import Any

from analyzer.errors import InvalidInput, shortened
from analyzer.families.spec import IntList, LayerList, Rule
from analyzer.sweep.space.expression import Expression, parse

MAX_VALUES = 1_000_000

PlainValue = Any
"""A field's value: a number, word, truth value, None, or a tuple (a list a network)."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """One value."""

    value: PlainValue


@dataclass(frozen=True, slots=True)
class Choices:
    """Values to choose from, different from each other, in order."""

    values: tuple[PlainValue, ...]


@dataclass(frozen=True, slots=True)
class StageElements:
    """A list with a description of its own for each stage."""

    items: "tuple[Fixed | Choices | Expression, ...]"


FieldValues = Fixed | Choices | Expression | StageElements

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_RANGE = re.compile(
    rf"(?P<from>{_NUMBER}) ?\.\. ?(?P<to>{_NUMBER})"
    rf"(?: (?P<how>step|times|count) (?P<by>{_NUMBER}))?(?: multiple of (?P<multiple>[0-9]+))?",
    re.ASCII,
)
_RANGE_KEYS = ("from", "to", "step", "times", "count", "multiple_of")


def parse_field_values(name: str, rule: Rule | None, raw: object) -> FieldValues:
    """A field's values (or, without a rule, a variable's) from TOML or `--set`; InvalidInput in one sentence."""
    if isinstance(rule, IntList | LayerList):
        return _list_field(name, rule, raw)
    if isinstance(raw, str):
        return _text(name, rule, raw.strip())
    if isinstance(raw, list):
        return _choices(name, [_single_value(name, rule, item) for item in raw])
    if isinstance(raw, dict):
        return _choices(name, _range_table(name, rule, raw))
    return Fixed(_checked_value(name, rule, raw))


def _text(name: str, rule: Rule | None, text: str) -> FieldValues:
    if text.startswith("[") and text.endswith("]"):
        return _choices(name, [value for item in split(text[1:-1]) for value in _item_values(name, rule, item)])
    match = _RANGE.fullmatch(text)
    if match:
        return _choices(name, _range_of(name, rule, match))
    value = _literal(rule, text)
    if value is not None or (rule is not None and rule.accepts(None) and rule.parse(text) is None):
        return Fixed(value)
    expression = parse(text)
    if not expression.names or expression.names == (text,):
        _refuse_word(name, rule, text)
    return expression


def _refuse_word(name: str, rule: Rule | None, text: str) -> None:
    """A single word is a mistyped value where the field has words, otherwise the name of another field."""
    if rule is not None and not hasattr(rule, "low"):
        raise InvalidInput(f"space: {name}={shortened(text)!r} must be {rule.rule()}.")


def _literal(rule: Rule | None, text: str) -> PlainValue:
    if rule is None:
        return _number(text) if re.fullmatch(_NUMBER, text, re.ASCII) else None
    value = rule.parse(text)
    return value if rule.accepts(value) else None


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _item_values(name: str, rule: Rule | None, item: str) -> list[PlainValue]:
    match = _RANGE.fullmatch(item)
    return _range_of(name, rule, match) if match else [_single_value(name, rule, item)]


def _single_value(name: str, rule: Rule | None, item: object) -> PlainValue:
    if isinstance(item, str):
        value = _literal(rule, item)
        parsed = rule.parse(item) if rule is not None else value
        return _checked_value(name, rule, parsed if value is None else value)
    return _checked_value(name, rule, item)


def _checked_value(name: str, rule: Rule | None, value: object) -> PlainValue:
    if isinstance(value, float) and not isfinite(value):
        raise InvalidInput(f"space: {name}={value} is no number to work with.")
    if rule is None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(
                f"space: {name}={shortened(value)!r} must be a number, a list, a range or an expression."
            )
    elif not rule.accepts(value):
        raise InvalidInput(f"space: {name}={shortened(value)!r} must be {rule.rule()}.")
    return value


def _choices(name: str, values: list[PlainValue]) -> Choices:
    if not values:
        raise InvalidInput(f"space: {name} has no values; give at least one.")
    if len(values) > MAX_VALUES:
        raise InvalidInput(f"space: {name} has {len(values)} values; at most {MAX_VALUES} are allowed.")
    return Choices(tuple({(type(value), value): value for value in values}.values()))


def _range_of(name: str, rule: Rule | None, match: re.Match[str]) -> list[PlainValue]:
    table: dict[str, object] = {"from": _number(match["from"]), "to": _number(match["to"])}
    if match["how"]:
        table[match["how"]] = _number(match["by"])
    if match["multiple"]:
        table["multiple_of"] = int(match["multiple"])
    return _range_table(name, rule, table)


def _range_table(name: str, rule: Rule | None, table: dict[str, Any]) -> list[PlainValue]:
    """A range: linear by `step` (1), geometric by `times`, or `count` values evenly apart; `multiple_of` rounds."""
    unknown = [key for key in table if key not in _RANGE_KEYS]
    numbers = all(isinstance(number, int | float) and not isinstance(number, bool) for number in table.values())
    if (
        unknown
        or not {"from", "to"} <= table.keys()
        or not numbers
        or len(table.keys() & {"step", "times", "count"}) > 1
    ):
        raise InvalidInput(
            f"space: {name}: a range has from and to, one of step, times and count, and multiple_of, all numbers."
        )
    if not (isfinite(table["from"]) and isfinite(table["to"]) and table["from"] <= table["to"]):
        raise InvalidInput(f"space: {name}: the range from {table['from']} to {table['to']} is empty.")
    multiple = table.get("multiple_of", 0)
    values = [_round(value, multiple) for value in _steps(name, table)]
    return [_checked_value(name, rule, value) for value in dict.fromkeys(values)]


def _round(value: float, multiple: int) -> int | float:
    if multiple:
        return max(int(value / multiple + 0.5), 1) * multiple
    return int(value) if value == int(value) else round(value, 6)


def _steps(name: str, table: dict[str, Any]) -> list[float]:
    low, high = table["from"], table["to"]
    if "times" in table:
        return _geometric(name, low, high, table["times"])
    step = table.get("step", table.get("multiple_of", 1))
    if not table.keys() & {"step", "count"} and step > 0:
        low = -(-low // step) * step if "multiple_of" in table else low
    count = int((high - low) / step + 1e-9) + 1 if step > 0 and "count" not in table else table.get("count", 0)
    if not isinstance(count, int) or not 1 <= count <= MAX_VALUES:
        given_range = f"the range from {low:,} to {high:,}"
        raise InvalidInput(f"space: {name}: {given_range} must step upward and have 1 to {MAX_VALUES:,} values.")
    if "count" in table:
        step = (high - low) / max(count - 1, 1)
    return [low + step * index for index in range(count)]


def _geometric(name: str, low: float, high: float, factor: float) -> list[float]:
    if factor <= 1.001 or low <= 0:
        raise InvalidInput(f"space: {name}: a geometric range starts above 0 and its factor is over 1.001.")
    values = [low]
    while values[-1] * factor <= high * (1 + 1e-9):
        values.append(values[-1] * factor)
    return values


def _list_field(name: str, rule: IntList | LayerList, raw: object) -> FieldValues:
    """A list a network: one value, several to choose from, or a description for each stage."""
    if isinstance(raw, str):
        return _list_text(name, rule, raw.strip())
    if isinstance(raw, dict):
        return _list_table(name, raw)
    if not isinstance(raw, list) or not raw:
        return Fixed(_checked_value(name, rule, raw))
    if all(isinstance(item, list) for item in raw):
        return _choices(name, [_checked_value(name, rule, tuple(item)) for item in raw])
    if all(isinstance(item, int) or item == "M" for item in raw):
        return Fixed(_checked_value(name, rule, tuple(raw)))
    if all(isinstance(item, str) and _whole_list(rule, item) for item in raw):
        return _choices(name, [_checked_value(name, rule, rule.parse(item)) for item in raw])
    return StageElements(tuple(_element(f"{name}[{stage}]", item) for stage, item in enumerate(raw)))


def _list_text(name: str, rule: IntList | LayerList, text: str) -> FieldValues:
    if text.startswith("[") and text.endswith("]"):
        items = split(text[1:-1])
        if all(_whole_list(rule, item) for item in items):
            return _choices(name, [_checked_value(name, rule, rule.parse(item)) for item in items])
        return StageElements(tuple(_element(f"{name}[{stage}]", item) for stage, item in enumerate(items)))
    value = rule.parse(text)
    return Fixed(value) if rule.accepts(value) else parse(text)


def _list_table(name: str, raw: dict[str, Any]) -> StageElements:
    """`{each = …, stages = 4}`, or `{stage1 = …, stage2 = …}`."""
    if set(raw) == {"each", "stages"} and isinstance(raw["stages"], int) and 1 <= raw["stages"] <= 16:
        return StageElements(tuple(_element(f"{name}[{stage}]", raw["each"]) for stage in range(raw["stages"])))
    if list(raw) != [f"stage{stage}" for stage in range(1, len(raw) + 1)]:
        raise InvalidInput(f"space: {name}: a table has each and stages (1 to 16), or stage1, stage2, … in order.")
    return StageElements(tuple(_element(f"{name}[{stage}]", item) for stage, item in enumerate(raw.values())))


def _whole_list(rule: IntList | LayerList, item: str) -> bool:
    return "-" in item and rule.accepts(rule.parse(item))


def _element(name: str, raw: object) -> Fixed | Choices | Expression:
    described = parse_field_values(name, None, raw)
    values = (
        described.values
        if isinstance(described, Choices)
        else (described.value,)
        if isinstance(described, Fixed)
        else ()
    )
    if isinstance(described, StageElements) or any(not isinstance(value, int) for value in values):
        raise InvalidInput(f"space: {name} must be whole numbers or an expression.")
    return described


def split(text: str) -> list[str]:
    """The items between a text's commas; commas inside brackets do not separate."""
    items, level, start = [], 0, 0
    for position, letter in enumerate(text):
        level += (letter in "([") - (letter in ")]")
        if letter == "," and not level:
            items.append(text[start:position].strip())
            start = position + 1
    items.append(text[start:].strip())
    return [item for item in items if item]
