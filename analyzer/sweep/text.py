"""The one TOML text of a design space, which gives the same space again."""

import ast
import dataclasses
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from analyzer.families.fields import IntList, Rule
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import rules
from analyzer.sweep.grammar import Expression
from analyzer.sweep.space import Space

_FEW = 4
"""Whole numbers in equal steps are written as a range where there are more than these."""


def to_toml(space: Space) -> str:
    """The space as TOML: every field stated, so that it means the same whatever a named variant becomes."""
    fields, variables = _told(space)
    lines = [f"title = {_quoted(space.title)}", _start(space)]
    if space.constraints:
        lines.append(f"constraints = [{', '.join(_quoted(each.text) for each in space.constraints)}]")
    if space.input_sizes:
        lines.append(f"input_sizes = [{', '.join(map(_size, space.input_sizes))}]")
    if space.samples is not None:
        lines += [f"samples = {space.samples}", f"seed = {space.seed}"]
    for title, table in (("variables", variables), ("fields", fields)):
        if table:
            lines += ["", f"[{title}]", *(f"{name} = {value}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _start(space: Space) -> str:
    """The family; or a variant with the least that the family needs, where a field has its default without words."""
    if not _unsaid(space):
        return f"family = {_quoted(space.family)}"
    spec = FAMILIES[space.family].spec
    needed = [each.name for each in dataclasses.fields(spec) if each.default is dataclasses.MISSING]
    values = {axis.name: axis.values[0] for axis in space.axes} | dict(space.fixed)
    given = (f"{name}={rules(spec)[name].text(values.get(name, (1,)))}" for name in needed)
    return f"variant = {_quoted(space.family + ':' + ','.join(given))}"


def _unsaid(space: Space) -> list[str]:
    """Lists that follow from other fields: None, for which there is no text."""
    known = rules(FAMILIES[space.family].spec)
    return [name for name, value in space.fixed.items() if value is None and isinstance(known[name], IntList)]


def _told(space: Space) -> tuple[dict[str, str], dict[str, str]]:
    """What each field and each variable is, as TOML values, in the order in which candidates are numbered."""
    known = rules(FAMILIES[space.family].spec)
    told: dict[str, str] = {}
    for name in _ordered(space):
        base = name.partition("[")[0]
        if base in space.lists and base not in told:
            told[base] = _stages(space, base)
        elif base not in space.lists and name not in _unsaid(space):
            told[name] = _value(space, name)
    fields = {name: value for name, value in told.items() if name in known}
    return fields, {name: value for name, value in told.items() if name not in known}


def _ordered(space: Space) -> Iterator[str]:
    yield from (axis.name for axis in space.axes)
    yield from (name for name, _ in space.derived)
    yield from space.fixed


def _stages(space: Space, name: str) -> str:
    items = (f"stage{place + 1} = {_value(space, f'{name}[{place}]')}" for place in range(space.lists[name]))
    return f"{{ {', '.join(items)} }}"


def _value(space: Space, name: str) -> str:
    axes = {axis.name: axis.values for axis in space.axes}
    rule = rules(FAMILIES[space.family].spec).get(name)
    if name in axes:
        return _choices(axes[name], rule)
    derived = dict(space.derived)
    return _quoted(_expression(derived[name])) if name in derived else _plain(space.fixed[name], rule)


def _choices(values: tuple[Any, ...], rule: Rule | None) -> str:
    if len(values) > _FEW and all(type(value) is int for value in values):
        steps = {second - first for first, second in pairwise(values)}
        if len(steps) == 1 and (step := steps.pop()) > 0:
            return f"{{ from = {values[0]}, to = {values[-1]}, step = {step} }}"
    return f"[{', '.join(_plain(value, rule) for value in values)}]"


def _plain(value: Any, rule: Rule | None) -> str:
    if value is None and rule is not None:
        return _quoted(rule.text(value))
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(each, None) for each in value)}]"
    return repr(value).lower() if isinstance(value, bool | int | float) else _quoted(value)


def _expression(expression: Expression) -> str:
    """Its text; in parentheses where it would be taken for a value or for a list of stages."""
    plain = isinstance(expression.tree, ast.BinOp | ast.Call | ast.IfExp | ast.Compare | ast.BoolOp)
    return expression.text if plain else f"({expression.text})"


def _size(size: int | tuple[int, int]) -> str:
    return str(size) if isinstance(size, int) else f"[{size[0]}, {size[1]}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
