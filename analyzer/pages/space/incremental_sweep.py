"""A design space that a page evaluates chunk by chunk, so that results are not lost when the page is interrupted."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from analyzer.errors import InvalidInput
from analyzer.sweep.engine.engine import evaluate
from analyzer.sweep.results.nearest import NearCandidate, Target, improve
from analyzer.sweep.results.pareto import Columns, FrontCollector
from analyzer.sweep.space.space import Space
from analyzer.text.units import exact

MAX_CANDIDATES = 1_000_000
"""Most candidates that a server evaluates for one visitor; a larger space is sampled, or goes to the command line."""
MAX_SECONDS = 60
"""Longest evaluation without a click on "Go on"."""
_CHUNK = 1 << 15
_SWEEP_SLOTS = threading.BoundedSemaphore(2)
"""Chunks that one server evaluates at a time."""


@dataclass(slots=True)
class IncrementalSweep:
    """How far a space has been evaluated, and the results so far; it goes on where it was left.

    Raises InvalidInput where the space has more candidates than a page evaluates.
    """

    space: Space
    objectives: tuple[tuple[str, bool], ...]
    targets: tuple[Target, ...] = ()
    done: int = 0
    seconds: float = 0.0
    limit_seconds: float = field(default_factory=lambda: MAX_SECONDS)
    stopped: bool = False
    collector: FrontCollector = field(init=False)
    nearest_by_key: dict[object, NearCandidate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.space.size > MAX_CANDIDATES:
            raise InvalidInput(
                f"the space has {exact(self.space.size)} candidates, and the page evaluates up to "
                f"{exact(MAX_CANDIDATES)}: draw some at random, or use the command line."
            )
        self.collector = FrontCollector(self.objectives)

    @property
    def nearest(self) -> NearCandidate | None:
        """The nearest network to the targets so far."""
        return self.nearest_by_key.get(None)

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to evaluate, or no more time."""
        return self.done >= self.space.size or self.stopped or self.seconds > self.limit_seconds

    @property
    def complete(self) -> bool:
        """Whether every candidate has been evaluated."""
        return self.done >= self.space.size

    @property
    def _extra_columns(self) -> list[str]:
        """Columns that are not computed unless they are asked for."""
        names = [name for name, _ in self.objectives] + [target.name for target in self.targets]
        return [name for name in names if name == "memory_bytes" or name.startswith("latency_ms:")]

    def stop(self) -> None:
        """Evaluate no more, until `resume`."""
        self.stopped = True

    def resume(self) -> None:
        """Let the evaluation go on for `MAX_SECONDS` more."""
        self.stopped, self.limit_seconds = False, self.seconds + MAX_SECONDS

    def steps(self) -> Iterator[int]:
        """The number of candidates done, before each step until it is finished."""
        while not self.finished:
            yield self.done
            self.step()

    def step(self) -> Columns:
        """Evaluate the next chunk; InvalidInput where an expression has no value for one of its candidates."""
        with _SWEEP_SLOTS:
            start = time.monotonic()
            stop = min(self.done + _CHUNK, self.space.size)
            columns = evaluate(self.space, self.done, stop, ask=self._extra_columns)
            self.collector.add(columns)
            if self.targets and len(columns["index"]):
                improve(self.nearest_by_key, None, columns, np.arange(len(columns["index"])), self.targets)
            self.done = stop
            self.seconds += time.monotonic() - start
        return columns
