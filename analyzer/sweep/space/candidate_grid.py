"""The candidates of a design space as data: fields of a family that take several values, numbered from 0."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.families.network import Size
from analyzer.graph.memo import Memoizable
from analyzer.sweep.space.expression import Expression

_ROUNDS = 4

GAMMA = 0x9E3779B97F4A7C15
"""The step from one state of SplitMix64 to the next."""
MAX_CANDIDATES = 2**62


def draw_codes(index: NDArray[np.int64], seed: int, stream: int, count: int) -> NDArray[np.int64]:
    """Evenly drawn numbers below `count` (under 2³²), each depending on seed, candidate and axis alone."""
    mixed = _mix(index.astype(np.uint64), seed, stream)
    return ((mixed >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def shuffle(index: NDArray[np.int64], seed: int, count: int) -> NDArray[np.int64]:
    """Where each number below `count` comes in one random order of them all: a Feistel network, until inside."""
    half = max((count - 1).bit_length() + 1, 2) // 2
    positions = index.astype(np.uint64)
    outside = np.arange(len(positions))
    while len(outside):
        positions[outside] = _permute(positions[outside], seed, half)
        outside = outside[positions[outside] >= np.uint64(count)]
    return positions.astype(np.int64)


def _permute(numbers: NDArray[np.uint64], seed: int, half: int) -> NDArray[np.uint64]:
    """Numbers of 2 · `half` bits, permuted among each other."""
    mask = np.uint64(2**half - 1)
    left, right = numbers >> np.uint64(half), numbers & mask
    for round_number in range(_ROUNDS):
        left, right = right, left ^ (_mix(right, seed, round_number) & mask)
    return left << np.uint64(half) | right


def _mix(numbers: NDArray[np.uint64], seed: int, stream: int) -> NDArray[np.uint64]:
    return splitmix64(numbers, seed * GAMMA + (stream + 1) * 0xD1B54A32D192ED03)


def splitmix64(numbers: NDArray[np.uint64], offset: int) -> NDArray[np.uint64]:
    """The outputs of SplitMix64 (Steele, Lea and Flood 2014) at the states numbers + offset: distinct, and even."""
    state = numbers + np.uint64(offset % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    mixed: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed


class Axis(NamedTuple):
    """A field, a list's element ("depths[0]") or a variable, with the values it takes."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class CandidateGrid(Memoizable):
    """Candidates 0 to `size` − 1: the grid of all axes, the last one fastest; or `samples` drawn from it by `seed`.

    Drawn candidates are different ones, but for grids of more than 2⁶², from which each axis is drawn by itself.

    `fixed` are fields that every candidate shares, `derived` those that follow from axes by expressions, in an order
    in which each reads only earlier ones; a name with brackets is one stage's element of a list field, of which
    `lists` says how many elements it has. `constraints` leave only some candidates. Without `input_sizes` each
    network is evaluated at its own default size.
    """

    title: str
    family: str
    fixed: Mapping[str, Any]
    axes: tuple[Axis, ...]
    derived: tuple[tuple[str, Expression], ...] = ()
    lists: Mapping[str, int] = field(default_factory=dict)
    constraints: tuple[Expression, ...] = ()
    input_sizes: tuple[Size, ...] = ()
    samples: int | None = None
    seed: int = 0

    @cached_property
    def grid_size(self) -> int:
        """Number of candidates of the whole grid."""
        return prod(len(axis.values) for axis in self.axes) * max(len(self.input_sizes), 1)

    @property
    def size(self) -> int:
        """Number of candidates before constraints."""
        return self.grid_size if self.samples is None else min(self.samples, self.grid_size)

    @cached_property
    def fingerprint(self) -> str:
        """12 hexadecimal digits of the SHA-256 of what the space consists of, its title left out."""
        parts = {
            "family": self.family,
            "fixed": {name: _plain(value) for name, value in sorted(self.fixed.items())},
            "axes": [[axis.name, [_plain(value) for value in axis.values]] for axis in self.axes],
            "derived": [[name, expression.text] for name, expression in self.derived],
            "constraints": [expression.text for expression in self.constraints],
            "input_sizes": [_plain(size) for size in self.input_sizes],
            "samples": self.samples,
            "seed": self.seed if self.samples is not None else None,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def codes(self, index: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Axis (and "input_size") → which of its values each candidate takes."""
        counts = {axis.name: len(axis.values) for axis in self.axes} | {"input_size": max(len(self.input_sizes), 1)}
        if self.samples is not None and self.grid_size > MAX_CANDIDATES:
            return {
                name: draw_codes(index, self.seed, stream, count) for stream, (name, count) in enumerate(counts.items())
            }
        if self.samples is not None:
            index = shuffle(index, self.seed, self.grid_size)
        codes = {}
        for name, count in reversed(counts.items()):
            rest = index // count
            codes[name], index = index - rest * count, rest
        return codes


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
