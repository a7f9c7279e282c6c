"""Design spaces, read from TOML files and the command line, and written as TOML."""

import ast
import dataclasses
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.errors import InvalidInput, shortened
from analyzer.families.expression import canonical, field_name, make_spec, parse
from analyzer.families.network import MAX_SIDE, Size, parse_size_or_none, size_of_sides
from analyzer.families.registry import FAMILIES, suggestion
from analyzer.families.spec import IntList, Rule, Spec, rules
from analyzer.sweep.space.axis import Choices, FieldValues, Fixed, StageElements, parse_field_values
from analyzer.sweep.space.candidate_grid import MAX_CANDIDATES, Axis, CandidateGrid
from analyzer.sweep.space.candidates import Candidates
from analyzer.sweep.space.expression import CONSTRAINED, Expression, require_condition
from analyzer.sweep.space.expression import parse as parse_expression
from analyzer.sweep.space.expression_functions import FUNCTIONS, LISTS

MAX_BYTES = 65_536
_SIZES = ("input_height", "input_width")
_KEYS = ("title", "family", "variant", "fields", "variables", "constraints", "input_sizes", "samples", "seed")


class Space(CandidateGrid):
    """A design space: candidates 0 to `size` − 1, each a network; `CandidateGrid` says how they are numbered."""

    @staticmethod
    def from_toml(source: Path | str) -> "Space":
        """The space of a TOML file (a Path) or of a TOML text; InvalidInput with one sentence where it is none."""
        return parse_space(source)

    def spec(self, index: int) -> Spec:
        """The candidate's spec; InvalidInput where it is no possible network, or there is no such candidate."""
        if not 0 <= index < self.size:
            raise InvalidInput(f"candidate {index}: the space has candidates 0 to {self.size - 1}.")
        return make_spec(self.family, Candidates.of(self, np.array([index])).fields(0))

    def expression(self, index: int) -> str:
        """The canonical variant expression of a candidate."""
        return canonical(self.spec(index))

    def input_size(self, index: int) -> Size:
        """The input size at which a candidate is evaluated."""
        if not self.input_sizes:
            return self.spec(index).default_input_size
        return self.input_sizes[int(self.codes(np.array([index]))["input_size"][0])]


def parse_space(source: Path | str) -> Space:
    """The space of a TOML file, or of a TOML text."""
    title = source.stem if isinstance(source, Path) else "design space"
    document = _document(source)
    unknown = [key for key in document if key not in _KEYS]
    if unknown:
        raise InvalidInput(f"space: {shortened(unknown[0])!r} is unknown; {suggestion(unknown[0], list(_KEYS))}")
    for key, kind in (("title", str), ("fields", dict), ("variables", dict), ("constraints", list)):
        if not isinstance(document.get(key, kind()), kind):
            raise InvalidInput(f"space: {key} must be {_KINDS[kind]}.")
    return space(
        title=document.get("title", title),
        family=document.get("family"),
        variant=document.get("variant"),
        fields=document.get("fields", {}),
        variables=document.get("variables", {}),
        constraints=document.get("constraints", []),
        input_sizes=document.get("input_sizes", []),
        samples=document.get("samples"),
        seed=document.get("seed", 0),
    )


_KINDS = {str: "a text", dict: "a table", list: "a list"}


def _document(source: Path | str) -> dict[str, Any]:
    source_name = shortened(source, 200) if isinstance(source, Path) else "space"
    try:
        data = source.read_bytes() if isinstance(source, Path) else source.encode()
        if len(data) > MAX_BYTES:
            raise InvalidInput(f"{source_name}: is over {MAX_BYTES} bytes.")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise InvalidInput(f"{source_name}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{source_name}: is no TOML ({shortened(error, 80)}).") from None


def space(
    *,
    title: str = "design space",
    family: object = None,
    variant: object = None,
    fields: Mapping[str, Any],
    variables: Mapping[str, Any] | None = None,
    constraints: Iterable[object] = (),
    input_sizes: object = (),
    samples: object = None,
    seed: object = 0,
) -> Space:
    """A space from what TOML and the command line say; InvalidInput in one sentence where it is none."""
    name, start = _base_fields(family, variant)
    described_fields = _fields(name, fields)
    described = {
        **{variable: _field_values(name, variable, raw, False) for variable, raw in (variables or {}).items()},
        **described_fields,
    }
    fixed, axes, derived, lists = _sort_fields(start, described)
    names = [*fixed, *(axis.name for axis in axes), *derived, *lists, *_SIZES]
    ordered = _order_derived(derived, names)
    plain = Space(title=title, family=name, fixed=fixed, axes=axes, derived=ordered, lists=lists)
    return restrict_space(plain, constraints, input_sizes, samples, seed)


def restrict_space(
    plain: Space,
    constraints: Iterable[object] = (),
    input_sizes: object = (),
    samples: object = None,
    seed: object = None,
) -> Space:
    """The space with more constraints, and with other input sizes, samples and seed where they are given."""
    names = [*plain.fixed, *(axis.name for axis in plain.axes), *(name for name, _ in plain.derived), *plain.lists]
    return replace(
        plain,
        constraints=(*plain.constraints, *(_constraint(text, [*names, *_SIZES], plain.family) for text in constraints)),
        input_sizes=_input_sizes(input_sizes) or plain.input_sizes,
        samples=plain.samples if samples is None else _whole("samples", samples, 1, MAX_CANDIDATES),
        seed=plain.seed if seed is None else _whole("seed", seed, 0, 2**63),
    )


def _base_fields(family: object, variant: object) -> tuple[str, dict[str, Any]]:
    if (family is None) == (variant is None):
        raise InvalidInput(f"space: needs either family (one of {', '.join(FAMILIES)}) or variant (an expression).")
    if isinstance(variant, str):
        spec = parse(variant)
        return spec.family, {name: getattr(spec, name) for name in rules(type(spec))}
    if not isinstance(family, str) or family not in FAMILIES:
        raise InvalidInput(f"space: family {shortened(family)!r} is unknown; families are {', '.join(FAMILIES)}.")
    return family, {}


def _fields(family: str, fields: Mapping[str, Any]) -> dict[str, FieldValues]:
    described: dict[str, FieldValues] = {}
    for key, raw in fields.items():
        base, bracket, rest = key.partition("[")
        name = field_name(family, base.strip()) + bracket + rest
        if name in described:
            raise InvalidInput(f"space: field {name} is given more than once.")
        described[name] = _field_values(family, name, raw, True)
    return described


def _field_values(family: str, name: str, raw: object, is_field: bool) -> FieldValues:
    field_rules = rules(FAMILIES[family].spec)
    if not is_field and (
        name in field_rules or not name.isidentifier() or name in {*CONSTRAINED, *FUNCTIONS, *LISTS, *_SIZES}
    ):
        raise InvalidInput(f"space: variable {shortened(name)!r} must be a new name of letters, digits and _.")
    return parse_field_values(name, field_rules[name] if is_field and "[" not in name else None, raw)


def _sort_fields(
    start: dict[str, Any], described: dict[str, FieldValues]
) -> tuple[dict[str, Any], tuple[Axis, ...], dict[str, Expression], dict[str, int]]:
    """Fixed values, axes, expressions, and how many elements each list that is made of elements has."""
    fixed, lists = dict(start), dict[str, int]()
    flat: dict[str, Any] = {}
    for name, values in described.items():
        base = name.partition("[")[0]
        if base != name:
            _open_list(base, fixed, lists, flat)
        fixed.pop(name, None)
        if isinstance(values, StageElements):
            lists[name] = len(values.items)
            flat.update({f"{name}[{stage}]": item for stage, item in enumerate(values.items)})
        else:
            flat[name] = values
    for name in flat:
        base, bracket, rest = name.partition("[")
        if bracket and not (rest[:-1].isdigit() and int(rest[:-1]) < lists.get(base, 0)):
            raise InvalidInput(
                f"space: {shortened(name)} is no stage; {base} has {lists.get(base, 0)} elements, from 0."
            )
    fixed.update({name: values.value for name, values in flat.items() if isinstance(values, Fixed)})
    axes = tuple(Axis(name, values.values) for name, values in flat.items() if isinstance(values, Choices))
    return fixed, axes, {name: values for name, values in flat.items() if isinstance(values, Expression)}, lists


def _open_list(base: str, fixed: dict[str, Any], lists: dict[str, int], flat: dict[str, Any]) -> None:
    """Take a fixed list apart, so that one of its elements can be described."""
    if base not in lists:
        elements = fixed.pop(base, None)
        if not isinstance(elements, tuple):
            raise InvalidInput(f"space: {base} has no list whose elements could be described; give {base} first.")
        lists[base] = len(elements)
        flat.update({f"{base}[{stage}]": Fixed(item) for stage, item in enumerate(elements)})


def _order_derived(derived: dict[str, Expression], known: list[str]) -> tuple[tuple[str, Expression], ...]:
    """Expressions in an order in which each reads only earlier ones; InvalidInput for a cycle."""
    for name, expression in derived.items():
        _check_names(f"space: {name} =", expression, known)
    remaining, ordered = dict(derived), []
    while remaining:
        ready = [
            name
            for name, expression in remaining.items()
            if not any(_reads(other, expression.names) for other in remaining)
        ]
        if not ready:
            raise InvalidInput(f"space: {' and '.join(list(remaining)[:4])} follow from each other in a circle.")
        ordered += [(name, remaining.pop(name)) for name in ready]
    return tuple(ordered)


def _reads(name: str, names: tuple[str, ...]) -> bool:
    """Whether one of `names` refers to that name: itself, its list, or an element of it."""
    base = name.partition("[")[0]
    return any(other in (name, base) or (name == base and other.startswith(f"{name}[")) for other in names)


def _check_names(subject: str, expression: Expression, known: list[str]) -> None:
    base_names = [name.partition("[")[0] for name in known]
    for name in expression.names:
        if name.partition("[")[0] not in base_names:
            raise InvalidInput(
                f"{subject} {shortened(expression.text)}: {shortened(name)!r} is unknown; {suggestion(name, known)}"
            )


def _constraint(text: object, known: list[str], family: str) -> Expression:
    if not isinstance(text, str):
        raise InvalidInput(f"space: constraint {shortened(text)!r} must be a text such as params <= 25.6e6.")
    expression = parse_expression(text)
    fields = rules(FAMILIES[family].spec)
    _check_names("space: constraint", expression, [*known, *CONSTRAINED, *fields])
    require_condition(expression, fields)
    return expression


def packaged_space(name: str) -> Space:
    """The space of a path that ends in `.toml`, or of one of the files that come with the program."""
    if name.endswith(".toml"):
        return parse_space(Path(name))
    path = SPACES / f"{name}.toml"
    known = sorted(file.stem for file in SPACES.glob("*.toml"))
    if name not in known:
        hint = suggestion(name, known)
        raise InvalidInput(f"space {shortened(name)!r} is unknown; {hint} A file of your own ends in .toml.")
    return parse_space(path)


SPACES = Path(__file__).parents[2] / "spaces"


def _input_sizes(sizes: object) -> tuple[Size, ...]:
    items = sizes if isinstance(sizes, list | tuple) else [sizes]
    return tuple(dict.fromkeys(input_size(item) for item in items))


def input_size(item: object) -> Size:
    """A side, or (height, width), from a number, a pair or a text; InvalidInput otherwise."""
    size = parse_size_or_none(item) if isinstance(item, str) else item
    sides: Sequence[Any] = size if isinstance(size, list | tuple) else [size]
    if len(sides) not in (1, 2) or not all(type(side) is int and 1 <= side <= MAX_SIDE for side in sides):
        raise InvalidInput(
            f"space: input size {shortened(item)!r} must be a side or HEIGHTxWIDTH, 1 to {MAX_SIDE} pixels."
        )
    return size_of_sides(sides[0], sides[-1])


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(f"space: {name}={shortened(value)!r} must be a whole number from {low} on.")
    return value


_FEW = 4
"""Whole numbers in equal steps are written as a range where there are more than these."""


def to_toml(space: Space) -> str:
    """The space as TOML: every field stated, so that it means the same whatever a named variant becomes."""
    fields, variables = _toml_values(space)
    lines = [f"title = {_quote(space.title)}", _base_key(space)]
    if space.constraints:
        lines.append(f"constraints = [{', '.join(_quote(constraint.text) for constraint in space.constraints)}]")
    if space.input_sizes:
        lines.append(f"input_sizes = [{', '.join(map(_size, space.input_sizes))}]")
    if space.samples is not None:
        lines += [f"samples = {space.samples}", f"seed = {space.seed}"]
    for title, table in (("variables", variables), ("fields", fields)):
        if table:
            lines += ["", f"[{title}]", *(f"{name} = {value}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _base_key(space: Space) -> str:
    """The family; or a variant with the fields that the family needs, where a default cannot be written as text."""
    if not _default_lists(space):
        return f"family = {_quote(space.family)}"
    spec = FAMILIES[space.family].spec
    needed = [field.name for field in dataclasses.fields(spec) if field.default is dataclasses.MISSING]
    values = {axis.name: axis.values[0] for axis in space.axes} | dict(space.fixed)
    assignments = (f"{name}={rules(spec)[name].text(values.get(name, (1,)))}" for name in needed)
    return f"variant = {_quote(space.family + ':' + ','.join(assignments))}"


def _default_lists(space: Space) -> list[str]:
    """Lists that follow from other fields: None, for which there is no text."""
    field_rules = rules(FAMILIES[space.family].spec)
    return [name for name, value in space.fixed.items() if value is None and isinstance(field_rules[name], IntList)]


def _toml_values(space: Space) -> tuple[dict[str, str], dict[str, str]]:
    """The TOML values of fields and of variables, in the order in which candidates are numbered."""
    field_rules = rules(FAMILIES[space.family].spec)
    values: dict[str, str] = {}
    for name in _in_order(space):
        base = name.partition("[")[0]
        if base in space.lists and base not in values:
            values[base] = _stages(space, base)
        elif base not in space.lists and name not in _default_lists(space):
            values[name] = _value(space, name)
    fields = {name: value for name, value in values.items() if name in field_rules}
    return fields, {name: value for name, value in values.items() if name not in field_rules}


def _in_order(space: Space) -> Iterator[str]:
    yield from (axis.name for axis in space.axes)
    yield from (name for name, _ in space.derived)
    yield from space.fixed


def _stages(space: Space, name: str) -> str:
    items = (f"stage{stage + 1} = {_value(space, f'{name}[{stage}]')}" for stage in range(space.lists[name]))
    return f"{{ {', '.join(items)} }}"


def _value(space: Space, name: str) -> str:
    axes = {axis.name: axis.values for axis in space.axes}
    rule = rules(FAMILIES[space.family].spec).get(name)
    if name in axes:
        return _choices(axes[name], rule)
    derived = dict(space.derived)
    return _quote(_expression(derived[name])) if name in derived else _plain(space.fixed[name], rule)


def _choices(values: tuple[Any, ...], rule: Rule | None) -> str:
    if len(values) > _FEW and all(type(value) is int for value in values):
        steps = {second - first for first, second in pairwise(values)}
        if len(steps) == 1 and (step := steps.pop()) > 0:
            return f"{{ from = {values[0]}, to = {values[-1]}, step = {step} }}"
    return f"[{', '.join(_plain(value, rule) for value in values)}]"


def _plain(value: Any, rule: Rule | None) -> str:
    if value is None and rule is not None:
        return _quote(rule.text(value))
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(item, None) for item in value)}]"
    return repr(value).lower() if isinstance(value, bool | int | float) else _quote(value)


def _expression(expression: Expression) -> str:
    """Its text; in parentheses where it would be read as a value or as a list of stages."""
    plain = isinstance(expression.tree, ast.BinOp | ast.Call | ast.IfExp | ast.Compare | ast.BoolOp)
    return expression.text if plain else f"({expression.text})"


def _size(size: int | tuple[int, int]) -> str:
    return str(size) if isinstance(size, int) else f"[{size[0]}, {size[1]}]"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
