"""Variant expressions: `NAME` or `NAME:field=value,field=value…` to a Spec, and back to the canonical form."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import cache, lru_cache
from typing import Any

from analyzer.errors import InvalidInput, shortened
from analyzer.families.registry import FAMILIES, find_variant, suggestion
from analyzer.families.spec import Spec, Variant, rules

MAX_LENGTH = 65_536


def parse(expression: str) -> Spec:
    """The spec that an expression describes; InvalidInput with one sentence where it describes none."""
    if len(expression) > MAX_LENGTH:
        raise InvalidInput(f"expression of {len(expression)} characters: at most {MAX_LENGTH} are allowed.")
    name, colon, listed = (piece.strip() for piece in expression.partition(":"))
    if "=" in name and name.partition("=")[0] in _field_names():
        problem = "names no network; write one before its fields, as in resnet50:depths=3-4-23-3"
        raise InvalidInput(f"expression {shortened(name)!r}: {problem}.")
    family, start = (name, {}) if name in FAMILIES else preset(name)
    if colon and not listed:
        raise InvalidInput(
            f"expression {shortened(expression)!r} has an empty field list; write fields after the colon, or no colon."
        )
    assignments = _assignments(family, listed) if colon else {}
    return make_spec(family, start | assignments)


def _field_names() -> set[str]:
    return {field for family in FAMILIES.values() for field in rules(family.spec)}


def preset(name: str) -> tuple[str, dict[str, Any]]:
    """(family, fields off their defaults) of a named variant; InvalidInput with the closest names where none is."""
    family, variant = find_variant(name)
    spec = make_spec(family, dict(variant.fields))
    return family, {field: getattr(spec, field) for field in _non_default_fields(spec)}


def make_spec(family: str, values: dict[str, Any]) -> Spec:
    """A spec from checked field names; InvalidInput where a required field is missing."""
    spec = FAMILIES[family].spec
    missing = [item.name for item in fields(spec) if item.name not in values and item.default is MISSING]
    if missing:
        raise InvalidInput(f"{family}: {missing[0]} is missing; it must be {rules(spec)[missing[0]].rule()}.")
    return spec(**values)


def _assignments(family: str, listed: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in listed.split(","):
        name, equals, text = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InvalidInput(f"{family}: {shortened(part)!r} is no field=value pair.")
        field = field_name(family, name)
        if field in values:
            raise InvalidInput(f"{family}: field {field} is given more than once.")
        values[field] = rules(FAMILIES[family].spec)[field].parse(text)
    return values


def field_name(family: str, word: str) -> str:
    """The family's own word for a field; InvalidInput with the closest fields where there is none."""
    members = FAMILIES[family]
    known = rules(members.spec)
    field = members.words.get(word, word)
    if field not in known:
        raise InvalidInput(f"{family}: field {shortened(word)!r} is unknown; {suggestion(word, list(known))}")
    return field


def canonical(spec: Spec) -> str:
    """The one expression of a spec: a named variant plus its differences where that is shorter, or the family form."""
    exact = _name(spec)
    if exact is not None:
        return exact
    best_name, best = spec.family, _non_default_fields(spec)
    for name, base in _named_specs(spec.family):
        different = [item for item in rules(type(spec)) if getattr(base, item) != getattr(spec, item)]
        if len(different) < len(best):
            best_name, best = name, different
    return f"{best_name}:{','.join(_assigned(spec, best))}"


def named_variant(spec: Spec) -> Variant | None:
    """The named variant that a spec is, if it is one."""
    name = _name(spec)
    return find_variant(name)[1] if name else None


@lru_cache(maxsize=1024)
def _name(spec: Spec) -> str | None:
    return next((name for name, base in _named_specs(spec.family) if base == spec), None)


def _named_specs(family: str) -> Iterator[tuple[str, Spec]]:
    return ((name, _named_spec(family, name)) for name in FAMILIES[family].variants)


@cache
def _named_spec(family: str, name: str) -> Spec:
    return make_spec(family, dict(FAMILIES[family].variants[name].fields))


def _non_default_fields(spec: Spec) -> list[str]:
    return [item.name for item in fields(spec) if item.default is MISSING or getattr(spec, item.name) != item.default]


def _assigned(spec: Spec, names: list[str]) -> list[str]:
    known, values = rules(type(spec)), spec.effective_fields()
    return [f"{name}={known[name].text(values[name])}" for name in names]


def slug(expression: str) -> str:
    """A file name made from an expression: lower case, digits, `_`, `-`, `.`; at most 100 characters."""
    text = re.sub(r"[^a-z0-9_.]+", "-", expression.lower()).strip("-.") or "network"
    if len(text) <= 100:
        return text
    return f"{text[:87].rstrip('-.')}-{hashlib.sha256(expression.encode()).hexdigest()[:12]}"
