"""A chunk of a space's candidates as arrays: their fields, variables and input sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import Ratio, rules
from analyzer.graph.memo import memoized_per_object
from analyzer.sweep.space.candidate_grid import Axis, CandidateGrid
from analyzer.sweep.space.expression import Expression
from analyzer.sweep.space.expression_functions import LISTS, StageList


@dataclass(frozen=True, slots=True)
class Candidates:
    """Some candidates: `index` numbers them, `codes` say which value of each axis they take, `env` has every name.

    A name's value is an array over the candidates, or what they all share; a list's name has StageList.
    """

    space: CandidateGrid
    index: NDArray[np.int64]
    codes: Mapping[str, NDArray[np.int64]]
    env: dict[str, Any]

    @classmethod
    def of(cls, space: CandidateGrid, index: NDArray[np.int64]) -> Self:
        """The candidates of these numbers; InvalidInput where an expression has no value for one of them."""
        codes = space.codes(index)
        return cls(space, index, codes, environment(space, codes))

    def take(self, rows: NDArray[Any]) -> "Candidates":
        """The candidates of a mask or of row numbers."""
        codes = {name: values[rows] for name, values in self.codes.items()}
        rows_by_id: dict[int, Any] = {}
        env = {name: _take_rows(value, rows, rows_by_id) for name, value in self.env.items()}
        return Candidates(self.space, self.index[rows], codes, env)

    def fields(self, row: int) -> dict[str, Any]:
        """The family's fields of one candidate, as plain values."""
        field_rules = rules(FAMILIES[self.space.family].spec)
        return {name: _value_at(value, row) for name, value in self.env.items() if name in field_rules}


def environment(space: CandidateGrid, codes: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
    """Every name's values for candidates that take these values of the axes."""
    env = _axes_env(space, codes)
    for name, expression in space.derived:
        table = _table(space, name) if set(LISTS).intersection(expression.calls) else None
        if table is None:
            _derive(space, env, name, expression)
        else:
            axes, values = table
            entries = np.ravel_multi_index([codes[axis] for axis in axes], [_count(space, axis) for axis in axes])
            env.update({label: _take_rows(value, entries) for label, value in values.items()})
    _assemble(space, env, list(space.lists))
    return env


def _axes_env(space: CandidateGrid, codes: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
    env: dict[str, Any] = dict(_fixed_env(space.fixed))
    for axis in space.axes:
        if axis.name in codes:
            env.update(_column(space, axis, codes[axis.name]))
    if space.input_sizes and "input_size" in codes:
        env.update(_sizes(space, codes["input_size"]))
    return env


def _derive(space: CandidateGrid, env: dict[str, Any], name: str, expression: Expression) -> None:
    _assemble(space, env, [read for read in expression.names if read in space.lists])
    env.update(_derived_env(space, name, expression.text, expression.evaluate(env)))


def grid(space: CandidateGrid, counts: Mapping[str, int]) -> dict[str, Any]:
    """The values of all names that depend on these axes alone, for all their combinations, the last axis fastest."""
    codes = np.unravel_index(np.arange(prod(counts.values())), list(counts.values())) if counts else ()
    env = _axes_env(space, dict(zip(counts, codes, strict=True)))
    axes_by_name = supports(space)
    for name, expression in space.derived:
        if axes_by_name[name] <= counts.keys():
            _derive(space, env, name, expression)
    return env


@memoized_per_object
def _table(space: CandidateGrid, name: str) -> tuple[list[str], dict[str, Any]] | None:
    """A derived list's values over the axes that it depends on; None where they are too many or one is not defined."""
    axes = [axis.name for axis in space.axes if axis.name in supports(space)[name]]
    counts = {axis: _count(space, axis) for axis in axes}
    if prod(counts.values()) > min(_ENTRIES, space.size // 4):
        return None
    try:
        env = grid(space, counts)
    except InvalidInput:
        return None
    return axes, {label: value for label, value in env.items() if label.partition("[")[0] == name}


_ENTRIES = 2**17


def _count(space: CandidateGrid, name: str) -> int:
    return next(len(axis.values) for axis in space.axes if axis.name == name)


def support_of(axes_by_name: Mapping[str, frozenset[str]], name: str) -> frozenset[str]:
    """The axes that a field, or an element of one, depends on."""
    return axes_by_name.get(name) or axes_by_name.get(name.partition("[")[0], frozenset())


def supports(space: CandidateGrid) -> dict[str, frozenset[str]]:
    """Field, element or variable → the axes that it depends on."""
    axes_by_name = {axis.name: frozenset([axis.name]) for axis in space.axes}
    axes_by_name |= dict.fromkeys(("input_height", "input_width"), frozenset(["input_size"]))
    for name, expression in space.derived:
        sources = [source for read in expression.names for source in _elements(space, read)]
        axes_by_name[name] = frozenset[str]().union(*(support_of(axes_by_name, source) for source in sources))
    return axes_by_name


def _elements(space: CandidateGrid, name: str) -> list[str]:
    return [f"{name}[{stage}]" for stage in range(space.lists[name])] if name in space.lists else [name]


def _assemble(space: CandidateGrid, env: dict[str, Any], names: list[str]) -> None:
    """Put lists together from their elements."""
    for name in names:
        count = space.lists[name]
        env[name] = StageList(tuple(env[f"{name}[{stage}]"] for stage in range(count)), count)


def _fixed_env(fixed: Mapping[str, Any]) -> dict[str, Any]:
    env: dict[str, Any] = {}
    for name, value in fixed.items():
        env[name] = StageList(value, len(value)) if isinstance(value, tuple) else value
        if isinstance(value, tuple):
            env.update({f"{name}[{stage}]": item for stage, item in enumerate(value)})
    return env


def _column(space: CandidateGrid, axis: Axis, codes: NDArray[np.int64]) -> dict[str, Any]:
    if not isinstance(axis.values[0], tuple):
        return {axis.name: _values(space, axis.name)[codes]}
    lengths = np.array([len(value) for value in axis.values])
    columns = [[value[stage] if stage < len(value) else 0 for value in axis.values] for stage in range(max(lengths))]
    parts = tuple(_list_part(column)[codes] for column in columns)
    return {axis.name: StageList(parts, lengths[codes])} | {f"{axis.name}[{i}]": part for i, part in enumerate(parts)}


@memoized_per_object
def _values(space: CandidateGrid, name: str) -> NDArray[Any]:
    """The values of an axis that takes no lists."""
    values = next(axis.values for axis in space.axes if axis.name == name)
    kinds = {type(value) for value in values}
    return np.array(values, dtype=None if kinds <= {int, float} or len(kinds) == 1 else object)


def _list_part(column: list[Any]) -> NDArray[Any]:
    return np.array(column, dtype=np.int64 if all(isinstance(item, int) for item in column) else object)


def _sizes(space: CandidateGrid, codes: NDArray[np.int64]) -> dict[str, Any]:
    pairs = [size if isinstance(size, tuple) else (size, size) for size in space.input_sizes]
    heights, widths = np.array(pairs, dtype=np.int64).T
    return {"input_height": heights[codes], "input_width": widths[codes]}


def _derived_env(space: CandidateGrid, name: str, text: str, value: Any) -> dict[str, Any]:
    if isinstance(value, StageList):
        parts = tuple(_as_whole_numbers(name, text, part) for part in value.parts)
        return {name: StageList(parts, value.length)} | {f"{name}[{i}]": part for i, part in enumerate(parts)}
    field_rules = rules(FAMILIES[space.family].spec)
    if "[" in name or (name in field_rules and not isinstance(field_rules[name], Ratio)):
        return {name: _as_whole_numbers(name, text, value)}
    return {name: value}


def _as_whole_numbers(name: str, text: str, value: Any) -> Any:
    """Whole numbers, decimals that are whole included; truth values and words as they are."""
    numbers = np.asarray(value)
    if numbers.dtype.kind != "f":
        return value
    wrong = numbers[numbers != np.floor(numbers)]
    if wrong.size:
        raise InvalidInput(
            f"space: {name} = {shortened(text)} gives {wrong.flat[0]:.6g}, which is no whole number; round it."
        )
    return numbers.astype(np.int64)


def _take_rows(value: Any, rows: NDArray[Any], rows_by_id: dict[int, Any] | None = None) -> Any:
    """The rows of a value; equal elements of lists are taken once: `rows_by_id` holds them by identity."""
    rows_by_id = {} if rows_by_id is None else rows_by_id
    if isinstance(value, StageList):
        return StageList(
            tuple(_take_rows(part, rows, rows_by_id) for part in value.parts),
            _take_rows(value.length, rows, rows_by_id),
        )
    if not isinstance(value, np.ndarray) or not value.ndim:
        return value
    if id(value) not in rows_by_id:
        rows_by_id[id(value)] = value[rows]
    return rows_by_id[id(value)]


def _value_at(value: Any, row: int) -> Any:
    if isinstance(value, StageList):
        parts = value.parts[: int(_value_at(value.length, row))]
        return tuple(_value_at(part, row) for part in parts)
    if isinstance(value, np.ndarray) and value.ndim:
        value = value[row]
    return value.item() if isinstance(value, np.generic | np.ndarray) else value
