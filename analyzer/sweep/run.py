"""Running a sweep into a folder: only the chunks that are not there yet, here or on a cluster."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from numpy.typing import NDArray

from analyzer.sweep.evaluate import evaluate
from analyzer.sweep.space import Space
from analyzer.sweep.store import Store

Evaluate = Callable[[int, int], dict[str, NDArray[Any]]]
"""First candidate, and the one after the last → the rows that satisfy the constraints, as columns."""


@lru_cache(maxsize=4)
def evaluator(text: str, ask: tuple[str, ...]) -> Evaluate:
    """How to evaluate a space given by its TOML, with what it needs made once in a process."""
    return partial(evaluate, Space.from_toml(text), ask=ask)


@dataclass(slots=True)
class Progress:
    """How far a run is; the rate counts what this run evaluated, not what it found done."""

    total: int
    found: int
    done: int
    rows: int = 0
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Candidates a second since the start of this run; 0 before the first chunk."""
        return (self.done - self.found) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None where nothing is known yet."""
        return (self.total - self.done) / self.rate if self.rate else None

    def advance(self, candidates: int, rows: int) -> None:
        """Count a chunk that has become whole."""
        self.done += candidates
        self.rows += rows
        self.seconds = time.monotonic() - self.started


Tell = Callable[[Progress], None]


def quiet(progress: Progress) -> None:
    """Tell nobody."""


def started(store: Store, missing: list[int]) -> Progress:
    """The progress of a run that has these chunks to do."""
    left = sum(stop - start for start, stop in map(store.manifest.bounds, missing))
    found = store.manifest.size - left
    return Progress(total=store.manifest.size, found=found, done=found)


def run(store: Store, tell: Tell = quiet, evaluate: Evaluate | None = None) -> Progress:
    """Evaluate and write each chunk that is missing, one after the other; stopped at any time, it can be run again.

    `evaluate` takes the place of the manifest's own space.
    """
    evaluate = evaluate or evaluator(store.manifest.space, store.manifest.ask)
    missing = store.missing()
    progress = started(store, missing)
    tell(progress)
    for number in missing:
        start, stop = store.manifest.bounds(number)
        columns = evaluate(start, stop)
        store.write(number, columns)
        progress.advance(stop - start, len(columns["index"]))
        tell(progress)
    store.forget_leftovers()
    return progress
