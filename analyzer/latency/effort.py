"""How thoroughly latency is measured, checked before anything heavy is loaded."""

from dataclasses import dataclass

from analyzer.errors import InvalidInput, shortened
from analyzer.latency.run_settings import check_whole, check_word

CACHES = ("auto", "warm", "flushed")

MAX_ITER = 1_000_000
MAX_SECONDS = 86_400.0
MAX_ATTEMPTS = 100
MIN_SAMPLES = 50
MIN_SECONDS = 1.0
FEW_SAMPLES = 10
"""Fewest samples of a cell that a bound of seconds cuts short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How thoroughly: runs, samples, bounds in seconds, caches, and what is done besides the whole network's time.

    Without `num_bench_iter` a cell gets at least 50 samples and one second of them; with `cell_seconds` 50 and so many
    seconds will do, and so will 10 that took so long, but no less than one second. `max_seconds` bounds the whole. The
    reference network, measured before and after each cell, guards against drift (None leaves it out), and what
    drifted is measured again while there are `attempts`.
    """

    num_warm_iter: int = 10
    num_bench_iter: int | None = None
    cell_seconds: float | None = None
    max_seconds: float | None = None
    caches: str = "auto"
    stages: bool = True
    reference: str | None = "resnet18"
    attempts: int = 1
    cudnn_benchmark: bool = True
    tf32: bool = True

    def __post_init__(self) -> None:
        check_whole("num_warm_iter", self.num_warm_iter, 1, MAX_ITER)
        if self.num_bench_iter is not None:
            check_whole("num_bench_iter", self.num_bench_iter, 1, MAX_ITER)
        check_whole("attempts", self.attempts, 1, MAX_ATTEMPTS)
        for name in ("cell_seconds", "max_seconds"):
            _check_seconds(name, getattr(self, name))
        check_word("caches", self.caches, CACHES)

    def enough(self, num_samples: int, sampled_ms: float) -> bool:
        """Whether so many samples, of so long in all, will do."""
        if self.num_bench_iter is not None:
            return num_samples >= self.num_bench_iter
        bound = self.cell_seconds
        if bound is not None and num_samples >= FEW_SAMPLES and sampled_ms >= 1000 * max(MIN_SECONDS, bound):
            return True
        return num_samples >= MIN_SAMPLES and sampled_ms >= 1000 * min(MIN_SECONDS, bound or MIN_SECONDS)

    def num_samples(self, each_ms: float) -> int:
        """How many samples of about that length will be enough."""
        if self.num_bench_iter is not None:
            return self.num_bench_iter
        seconds = min(MIN_SECONDS, self.cell_seconds or MIN_SECONDS)
        wanted = max(MIN_SAMPLES, _at_least(1000 * seconds, each_ms))
        if self.cell_seconds is None:
            return min(wanted, MAX_ITER)
        most = 1000 * max(MIN_SECONDS, self.cell_seconds)
        return min(wanted, max(FEW_SAMPLES, _at_least(most, each_ms)), MAX_ITER)


def _at_least(total_ms: float, each_ms: float) -> int:
    return min(int(total_ms / each_ms) + 1, MAX_ITER) if each_ms > 0 else MAX_ITER


def _check_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_SECONDS:
        raise InvalidInput(f"{name} {shortened(value)}: must be a number of seconds over 0, at most {MAX_SECONDS:.0f}.")
