"""A space that a page evaluates chunk by chunk, so that what was found is kept when the page is interrupted."""

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
"""What a server evaluates for one visitor; a larger space is drawn from, or goes to the command line."""
MAX_SECONDS = 60
_CHUNK = 1 << 15
_SWEEP_SLOTS = threading.BoundedSemaphore(2)
"""Chunks that one server evaluates at a time."""


@dataclass(slots=True)
class IncrementalSweep:
    """How far a space has been evaluated, and what was found; it goes on where it was left.

    Raises InvalidInput where the space has more candidates than a page evaluates.
    """

    space: Space
    objectives: tuple[tuple[str, bool], ...]
    targets: tuple[Target, ...] = ()
    done: int = 0
    seconds: float = 0.0
    limit: float = field(default_factory=lambda: MAX_SECONDS)
    stopped: bool = False
    found: FrontCollector = field(init=False)
    best: dict[object, NearCandidate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.space.size > MAX_CANDIDATES:
            raise InvalidInput(
                f"the space has {exact(self.space.size)} candidates, and the page evaluates up to "
                f"{exact(MAX_CANDIDATES)}: draw some at random, or use the command line."
            )
        self.found = FrontCollector(self.objectives)

    @property
    def nearest(self) -> NearCandidate | None:
        """The nearest network to the targets so far."""
        return self.best.get(None)

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to evaluate, or no more time."""
        return self.done >= self.space.size or self.stopped or self.seconds > self.limit

    @property
    def whole(self) -> bool:
        """Whether every candidate was evaluated."""
        return self.done >= self.space.size

    @property
    def _ask(self) -> list[str]:
        named = [name for name, _ in self.objectives] + [target.name for target in self.targets]
        return [name for name in named if name == "memory_bytes" or name.startswith("latency_ms:")]

    def stop(self) -> None:
        """Let what was found be all, until `go_on`."""
        self.stopped = True

    def resume(self) -> None:
        """Evaluate on, for as long again."""
        self.stopped, self.limit = False, self.seconds + MAX_SECONDS

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
            columns = evaluate(self.space, self.done, stop, ask=self._ask)
            self.found.add(columns)
            if self.targets and len(columns["index"]):
                improve(self.best, None, columns, np.arange(len(columns["index"])), self.targets)
            self.done = stop
            self.seconds += time.monotonic() - start
        return columns
