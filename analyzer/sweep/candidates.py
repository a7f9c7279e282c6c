"""A chunk of a space's candidates as arrays: their fields, variables and input sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened
from analyzer.families.fields import Ratio
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import rules
from analyzer.sweep.functions import Stages
from analyzer.sweep.space import Axis, Space


@dataclass(frozen=True, slots=True)
class Candidates:
    """Some candidates: `index` numbers them, `codes` say which value of each axis they take, `env` has every name.

    A name's value is an array over the candidates, or what they all share; a list's name has Stages.
    """

    space: Space
    index: NDArray[np.int64]
    codes: Mapping[str, NDArray[np.int64]]
    env: dict[str, Any]

    @classmethod
    def of(cls, space: Space, index: NDArray[np.int64]) -> Self:
        """The candidates of these numbers; InvalidInput where an expression has no value for one of them."""
        codes = space.codes(index)
        env: dict[str, Any] = dict(_shared(space.fixed))
        for axis in space.axes:
            env.update(_column(axis, codes[axis.name]))
        if space.input_sizes:
            env.update(_sizes(space, codes["input_size"]))
        for name, expression in space.derived:
            env.update(_derived(space, name, expression.text, expression.evaluate(env)))
        for name, count in space.lists.items():
            env[name] = Stages(tuple(env[f"{name}[{place}]"] for place in range(count)), count)
        return cls(space, index, codes, env)

    def take(self, rows: NDArray[Any]) -> "Candidates":
        """Those of a mask or of row numbers."""
        codes = {name: each[rows] for name, each in self.codes.items()}
        env = {name: _taken(value, rows) for name, value in self.env.items()}
        return Candidates(self.space, self.index[rows], codes, env)

    def fields(self, row: int) -> dict[str, Any]:
        """The family's fields of one candidate, as plain values."""
        known = rules(FAMILIES[self.space.family].spec)
        return {name: _at(value, row) for name, value in self.env.items() if name in known}


def _shared(fixed: Mapping[str, Any]) -> dict[str, Any]:
    env: dict[str, Any] = {}
    for name, value in fixed.items():
        env[name] = Stages(value, len(value)) if isinstance(value, tuple) else value
        if isinstance(value, tuple):
            env.update({f"{name}[{place}]": item for place, item in enumerate(value)})
    return env


def _column(axis: Axis, codes: NDArray[np.int64]) -> dict[str, Any]:
    if not isinstance(axis.values[0], tuple):
        kinds = {type(value) for value in axis.values}
        plain = kinds <= {int, float} or len(kinds) == 1
        return {axis.name: np.array(axis.values, dtype=None if plain else object)[codes]}
    lengths = np.array([len(value) for value in axis.values])
    table = [[value[place] if place < len(value) else 0 for value in axis.values] for place in range(max(lengths))]
    parts = tuple(_list_part(column)[codes] for column in table)
    return {axis.name: Stages(parts, lengths[codes])} | {f"{axis.name}[{i}]": part for i, part in enumerate(parts)}


def _list_part(column: list[Any]) -> NDArray[Any]:
    return np.array(column, dtype=np.int64 if all(isinstance(item, int) for item in column) else object)


def _sizes(space: Space, codes: NDArray[np.int64]) -> dict[str, Any]:
    pairs = [size if isinstance(size, tuple) else (size, size) for size in space.input_sizes]
    heights, widths = np.array(pairs, dtype=np.int64).T
    return {"input_height": heights[codes], "input_width": widths[codes]}


def _derived(space: Space, name: str, text: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Stages):
        parts = tuple(_whole(name, text, part) for part in value.parts)
        return {name: Stages(parts, value.length)} | {f"{name}[{i}]": part for i, part in enumerate(parts)}
    known = rules(FAMILIES[space.family].spec)
    if "[" in name or (name in known and not isinstance(known[name], Ratio)):
        return {name: _whole(name, text, value)}
    return {name: value}


def _whole(name: str, text: str, value: Any) -> Any:
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


def _taken(value: Any, rows: NDArray[Any]) -> Any:
    if isinstance(value, Stages):
        return Stages(tuple(_taken(part, rows) for part in value.parts), _taken(value.length, rows))
    return value[rows] if isinstance(value, np.ndarray) and value.ndim else value


def _at(value: Any, row: int) -> Any:
    if isinstance(value, Stages):
        parts = value.parts[: int(_at(value.length, row))]
        return tuple(_at(part, row) for part in parts)
    if isinstance(value, np.ndarray) and value.ndim:
        value = value[row]
    return value.item() if isinstance(value, np.generic | np.ndarray) else value
