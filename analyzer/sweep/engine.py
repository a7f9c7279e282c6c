"""Figures of candidates, chunk by chunk: each group of networks that are built alike is traced once."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.families.registry import FAMILIES
from analyzer.families.spec import MAX_OPS, rules
from analyzer.sweep.arrays import Arrays, check_size
from analyzer.sweep.candidates import Candidates
from analyzer.sweep.functions import Stages
from analyzer.sweep.polynomial import Atoms
from analyzer.sweep.space import Space
from analyzer.sweep.traced import FIGURES, Alike, Traced, trace


class Structure(NamedTuple):
    """A chunk's fields, sorted: those that all share, those that tell groups apart, and whole numbers that vary."""

    shared: dict[str, Any]
    telling: dict[str, NDArray[Any]]
    varying: dict[str, NDArray[np.int64]]
    lists: dict[str, Any]


_LENGTH = " length"


class Group(NamedTuple):
    """What was traced of candidates that are built alike, and the bounds of their fields within which it was."""

    bounds: dict[str, tuple[int, int]]
    traced: list[Traced]


class Engine:
    """What has been traced of a space so far; a chunk's figures do not depend on it."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._known = rules(FAMILIES[space.family].spec)
        self._atoms = Atoms()
        self._spans = dict(_spans(space))
        self._found: dict[Alike, Group] = {}

    def figures(self, some: Candidates) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.int64]]]:
        """Which candidates are possible networks, and every candidate's figures (0 where it is none)."""
        count = len(some.index)
        possible = np.zeros(count, dtype=bool)
        out = {name: np.zeros(count, dtype=np.int64) for name in FIGURES}
        structure = self._structure(some)
        for alike, rows in self._groups(some, structure):
            varying = {name: each if rows is None else each[rows] for name, each in structure.varying.items()}
            for traced, chosen, arrays in self._leaves(alike, varying, count if rows is None else len(rows)):
                places = chosen if rows is None else rows[chosen]
                if traced.figures:
                    for name in FIGURES:
                        out[name][places] = arrays.figure(traced.figures[name])
                    possible[places] = out["ops"][places] <= MAX_OPS
        return possible, out

    def _structure(self, some: Candidates) -> Structure:
        found = Structure({}, {}, {}, {})
        for name, value in some.env.items():
            base = name.partition("[")[0]
            if base not in self._known:
                continue
            if isinstance(value, Stages):
                found.lists[name] = value.length
                if isinstance(value.length, np.ndarray):
                    found.telling[name + _LENGTH] = value.length
            elif not isinstance(value, np.ndarray) or not value.ndim:
                found.shared[name] = value.item() if isinstance(value, np.ndarray | np.generic) else value
            elif value.dtype.kind == "i":
                found.varying[name] = value
            else:
                found.telling[name] = value
        return found

    def _group(self, alike: Alike, varying: Mapping[str, NDArray[np.int64]]) -> Group:
        """The group, with bounds that hold for all its candidates so far; what was traced inside others is dropped."""
        group = self._found.setdefault(alike, Group({}, []))
        for name, values in varying.items():
            low, high = int(values.min()), int(values.max())
            before = group.bounds.get(name)
            if before is None or low < before[0] or high > before[1]:
                group.bounds[name] = self._spans.get(name) or _rounded(low, high, before)
                group.traced.clear()
        return group

    def _groups(self, some: Candidates, structure: Structure) -> Iterator[tuple[Alike, NDArray[np.int64] | None]]:
        """Candidates that share all that is no whole number; None for all of them."""
        telling = list(structure.telling.values())
        if self._space.input_sizes:
            telling.append(some.codes["input_size"])
        if not len(some.index):
            return
        labels = _labels(telling, len(some.index))
        numbers = np.unique(labels) if telling else np.zeros(1, dtype=np.int64)
        for number in numbers:
            rows = None if len(numbers) == 1 else np.flatnonzero(labels == number)
            yield self._alike(some, structure, 0 if rows is None else int(rows[0])), rows

    def _alike(self, some: Candidates, structure: Structure, row: int) -> Alike:
        space = self._space
        lengths = {name: _number(each, row) for name, each in structure.lists.items()}
        shared = dict(structure.shared)
        for name, each in structure.telling.items():
            if not name.endswith(_LENGTH):
                shared[name] = each[row].item() if isinstance(each[row], np.generic) else each[row]
        shared = {name: value for name, value in shared.items() if _within(name, lengths)}
        size = space.input_sizes[int(some.codes["input_size"][row])] if space.input_sizes else None
        return Alike(space.family, tuple(shared.items()), tuple(lengths.items()), size)

    def _leaves(
        self, alike: Alike, varying: Mapping[str, NDArray[np.int64]], count: int
    ) -> Iterator[tuple[Traced, NDArray[np.int64], Arrays]]:
        """What was traced, which of a group's candidates it is about, and their arrays; new ones where none fits."""
        lengths = dict(alike.lengths)
        varying = {name: each for name, each in varying.items() if _within(name, lengths)}
        arrays = Arrays(self._atoms, varying, count)
        left = np.ones(count, dtype=bool)
        held: dict[Any, NDArray[np.bool_]] = {}
        for traced in self._every(alike, self._group(alike, varying), varying, left):
            fits = left.copy()
            for condition in traced.conditions:
                if condition not in held:
                    held[condition] = arrays.holds(condition)
                fits &= held[condition]
            if fits.all():
                yield traced, np.arange(count), arrays
            elif fits.any():
                rows = np.flatnonzero(fits)
                some = {name: each[rows] for name, each in varying.items()}
                yield traced, rows, Arrays(self._atoms, some, len(rows))
            left &= ~fits

    def _every(
        self, alike: Alike, group: Group, varying: Mapping[str, NDArray[np.int64]], left: NDArray[np.bool_]
    ) -> Iterator[Traced]:
        """What is traced of a group, then new traces of the first candidate left until none is."""
        known, place = group.traced, 0
        while left.any():
            if place == len(known):
                row = int(np.argmax(left))
                values = {name: int(each[row]) for name, each in varying.items()}
                traced = trace(self._atoms, alike, group.bounds, values)
                for figure in traced.figures.values():
                    check_size(self._atoms, figure.terms, group.bounds)
                known.append(traced)
            yield known[place]
            place += 1


def _labels(telling: list[NDArray[Any]], count: int) -> NDArray[np.int64]:
    """A number for each candidate, equal where all arrays are."""
    labels = np.zeros(count, dtype=np.int64)
    for values in telling:
        plain = values if values.dtype.kind != "O" else np.array([repr(item) for item in values])
        kinds, codes = np.unique(plain, return_inverse=True)
        labels = labels * len(kinds) + codes
    return labels


def _within(name: str, lengths: Mapping[str, int]) -> bool:
    """Whether a field is a whole one, or an element that its list has."""
    base, bracket, place = name.partition("[")
    return not bracket or int(place[:-1]) < lengths[base]


def _spans(space: Space) -> Iterator[tuple[str, tuple[int, int]]]:
    """Bounds of the fields that are axes, in every chunk."""
    for axis in space.axes:
        if all(type(value) is int for value in axis.values):
            yield axis.name, (min(axis.values), max(axis.values))
        elif all(isinstance(value, tuple) for value in axis.values):
            for place in range(max(map(len, axis.values))):
                items = [value[place] for value in axis.values if place < len(value)]
                if all(type(item) is int for item in items):
                    yield f"{axis.name}[{place}]", (min(items), max(items))


def _number(value: Any, row: int) -> int:
    return int(value[row]) if isinstance(value, np.ndarray) else int(value)


def _rounded(low: int, high: int, before: tuple[int, int] | None) -> tuple[int, int]:
    """Bounds around the numbers; they reach out to powers of two, so that they seldom have to be widened."""
    low, high = (low, high) if before is None else (min(low, before[0]), max(high, before[1]))
    return 2 ** (low.bit_length() - 1) if low > 0 else low, 2 ** high.bit_length()
