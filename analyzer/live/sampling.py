"""Warm-up until the times settle, and samples of several jobs by turns."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from statistics import median
from time import perf_counter

from analyzer.errors import Unavailable
from analyzer.latency.conditions import HostCheck, WarmUp
from analyzer.latency.effort import MIN_SAMPLES, Effort
from analyzer.latency.timings import Timing
from analyzer.live.jobs import Job, graph_of

SETTLED = 0.02
"""Change of the median from one window of warm-up runs to the next under which times have settled."""

WINDOW_SECONDS = 0.05
WINDOW_RUNS = 3
MAX_WARM_SECONDS = 3.0

NUM_TURNS = 5
BURST_SECONDS = 0.05
MIN_BURST = 3
MAX_BURST = 500
GRAPH_SAMPLES = 30


def warmed(job: Job, effort: Effort) -> WarmUp:
    """Run until two windows of runs have medians within 2 %, or for 3 s, and at least `num_warm_iter` times."""
    begun = perf_counter()
    job.run()
    job.device.wait()
    first_run_s = perf_counter() - begun
    count, previous, settled = 1, 0.0, False
    while count < effort.num_warm_iter or not (settled or perf_counter() - begun - first_run_s > MAX_WARM_SECONDS):
        times = _window(job)
        middle = median(times)
        settled = abs(middle - previous) <= SETTLED * previous
        previous, count = middle, count + len(times)
    return WarmUp(
        num_runs=count,
        seconds=round(perf_counter() - begun - first_run_s, 3),
        settled=settled,
        first_run_s=round(first_run_s, 3),
    )


def _window(job: Job) -> list[float]:
    times: list[float] = []
    begun = perf_counter()
    while len(times) < WINDOW_RUNS or perf_counter() - begun < WINDOW_SECONDS:
        times.append(job.whole_ms())
    return times


@dataclass(slots=True)
class Samples:
    """Times of one job: the whole, its parts, and batches queued."""

    job: Job
    warm_up: WarmUp
    flushed: bool
    run_memory_bytes: int | None
    each_ms: float
    wanted: int
    wanted_parts: int
    burst: int
    whole: list[float] = field(default_factory=list)
    parts: list[list[float]] = field(default_factory=list)
    queued: list[float] = field(default_factory=list)

    @property
    def expected_s(self) -> float:
        """About how long taking them will be."""
        runs = self.wanted + self.wanted_parts + NUM_TURNS * (self.burst + 1)
        return 1.2 * runs * self.each_ms / 1000

    def take(self, turn: int) -> None:
        """A turn's share of the samples, after one run that is not counted and brings back the job's caches."""
        self.job.run()
        parts = _share(self.wanted_parts, turn)
        for index in range(max(_share(self.wanted, turn), parts)):
            if index < _share(self.wanted, turn):
                self.whole.append(self.job.whole_ms(self.flushed))
            if index < parts:
                self.parts.append(self.job.parts_ms(self.flushed))
        if self.burst:
            self.queued.append(self.job.queued_ms(self.burst))

    def clear(self) -> None:
        """Forget all samples."""
        for samples in (self.whole, self.parts, self.queued):
            samples.clear()

    def complete(self, effort: Effort) -> None:
        """What is still missing, where the times of the warm-up led to too few samples."""
        while not effort.enough(len(self.whole), sum(self.whole)):
            self.whole.append(self.job.whole_ms(self.flushed))

    def timings(self) -> tuple[Timing, Timing | None, tuple[Timing, ...]]:
        """Whole, queued and parts."""
        columns = zip(self.job.parts, zip(*self.parts, strict=True), strict=True) if self.parts else ()
        return (
            Timing(label="network", samples_ms=_to_nanoseconds(self.whole)),
            Timing(label="queued", samples_ms=_to_nanoseconds(self.queued)) if self.queued else None,
            tuple(Timing(label=part, samples_ms=_to_nanoseconds(times)) for part, times in columns),
        )


def _to_nanoseconds(samples_ms: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(sample, 6) for sample in samples_ms)


def _share(count: int, turn: int) -> int:
    return count * (turn + 1) // NUM_TURNS - count * turn // NUM_TURNS


def ready(job: Job, effort: Effort, flushed: bool) -> Samples:
    """Warm a job up; empty samples of it, with how many of each are wanted and what memory a run takes."""
    warm_up = warmed(job, effort)
    split = effort.stages and job.run_parts is not None
    if split:
        job.parts_ms()
    job.device.peak_bytes(reset=True)
    each_ms = median(_window(job))
    wanted = effort.num_samples(each_ms)
    parts = 0 if not split else wanted if effort.num_bench_iter is not None else min(wanted, MIN_SAMPLES)
    burst = int(min(max(1000 * BURST_SECONDS / each_ms, MIN_BURST), MAX_BURST)) if each_ms else MAX_BURST
    return Samples(
        job=job,
        warm_up=warm_up,
        flushed=flushed,
        run_memory_bytes=None if job.captured else job.device.peak_bytes(),
        each_ms=each_ms,
        wanted=wanted,
        wanted_parts=parts,
        burst=burst if job.device.queues else 0,
    )


def host_check(samples: Samples) -> HostCheck:
    """Eager execution's median against the same forward as one CUDA graph, or why it cannot be made."""
    job, eager_ms = samples.job, round(median(samples.whole), 6)
    try:
        captured = graph_of(job)
    except Unavailable as error:
        return HostCheck(eager_ms=eager_ms, graph_ms=None, reason=str(error))
    graph = replace(job, run=captured.run)
    times = [graph.whole_ms(samples.flushed) for _ in range(GRAPH_SAMPLES)]
    return HostCheck(eager_ms=eager_ms, graph_ms=round(median(times), 6))
