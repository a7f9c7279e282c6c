"""What a picture of a sweep needs, gathered chunk by chunk in bounded memory: a sample, and the front."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.sweep.pareto import front

SAMPLE = 4000
"""Rows in a sample: enough for a distribution to within 0.03 everywhere (Massart 2 exp(-2 n e^2), 99 %)."""

Columns = Mapping[str, NDArray[Any]]


@dataclass(slots=True)
class Summary:
    """Rows seen, an even sample of them, and the rows that no other beats in every objective."""

    objectives: tuple[tuple[str, bool], ...]
    limit: int = SAMPLE
    rows: int = 0
    sample: dict[str, NDArray[Any]] = field(default_factory=dict)
    front: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, columns: Columns) -> None:
        """Take a chunk in; the result does not depend on how rows are cut into chunks, nor on their order."""
        if not len(columns["index"]):
            return
        self.rows += len(columns["index"])
        self.sample = _smallest(_joined(self.sample, _smallest(columns, self.limit)), self.limit)
        self.front = self._unbeaten(_joined(self.front, self._unbeaten(columns)))

    def _unbeaten(self, columns: Columns) -> dict[str, NDArray[Any]]:
        if not self.objectives:
            return {}
        return _taken(columns, front(columns, self.objectives))


def summarised(chunks: Iterable[Columns], objectives: Sequence[tuple[str, bool]], limit: int = SAMPLE) -> Summary:
    """The summary of all chunks."""
    summary = Summary(tuple(objectives), limit)
    for columns in chunks:
        summary.add(columns)
    return summary


def _smallest(columns: Columns, limit: int) -> dict[str, NDArray[Any]]:
    """The rows whose scrambled index is smallest, in the order of their index: an even sample without a generator."""
    index = columns["index"]
    if len(index) <= limit:
        return dict(columns)
    chosen = np.argpartition(_scrambled(index), limit)[:limit]
    chosen = chosen[np.argsort(index[chosen])]
    return _taken(columns, chosen)


def _scrambled(index: NDArray[Any]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea and Flood 2014): distinct for distinct indices, and even."""
    mixed = index.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _taken(columns: Columns, chosen: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {name: values[chosen] for name, values in columns.items()}


def _joined(first: Columns, second: Columns) -> dict[str, NDArray[Any]]:
    if not first:
        return dict(second)
    return {name: np.concatenate([values, second[name]]) for name, values in first.items()}
