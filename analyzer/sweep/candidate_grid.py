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
from analyzer.families.once import Memoizable
from analyzer.sweep.draw import drawn, shuffled
from analyzer.sweep.grammar import Expression

MAX_CANDIDATES = 2**62


class Axis(NamedTuple):
    """A field, a list's element ("depths[0]") or a variable, with the values it takes."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class CandidateGrid(Memoizable):
    """Candidates 0 to `size` − 1: the grid of all axes, the last one fastest; or `samples` drawn from it by `seed`.

    Drawn candidates are different ones, but for grids of more than 2⁶², from which each axis is drawn by itself.

    `fixed` are fields that every candidate shares, `derived` what follows from axes by expressions, in an order in
    which each reads only what is before it; a name with brackets is one stage's element of a list field, of which
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
            "derived": [[name, each.text] for name, each in self.derived],
            "constraints": [each.text for each in self.constraints],
            "input_sizes": [_plain(size) for size in self.input_sizes],
            "samples": self.samples,
            "seed": self.seed if self.samples is not None else None,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def codes(self, index: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Axis (and "input_size") → which of its values each candidate takes."""
        counts = {axis.name: len(axis.values) for axis in self.axes} | {"input_size": max(len(self.input_sizes), 1)}
        if self.samples is not None and self.grid_size > MAX_CANDIDATES:
            return {name: drawn(index, self.seed, place, count) for place, (name, count) in enumerate(counts.items())}
        if self.samples is not None:
            index = shuffled(index, self.seed, self.grid_size)
        found = {}
        for name, count in reversed(counts.items()):
            rest = index // count
            found[name], index = index - rest * count, rest
        return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
