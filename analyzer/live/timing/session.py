"""A measurement's cells one after the other: networks by turns, between two timings of a reference network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from statistics import median
from time import monotonic, perf_counter
from typing import NamedTuple

from torch import Tensor, nn

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.network_costs import BYTES_PER_PARAM
from analyzer.errors import Unavailable, shortened
from analyzer.latency.records.conditions import Conditions, Facts, HostCheck, ReferenceCheck, WarmUp
from analyzer.latency.records.record import Failure, LatencyRecord, Measurement, Timing
from analyzer.latency.run_settings import MIN_SAMPLES, Effort, RunSettings
from analyzer.live.timing.devices import TimingDevice
from analyzer.live.timing.limits import (
    explain_compiler_errors,
    explain_kernel_errors,
    explain_memory_errors,
    explain_refusals,
    precision_named,
    require_memory,
)
from analyzer.live.timing.timed_run import TimedRun, capture_forward, master_network, prepare_timed_run, random_images

WARM_UP_TOLERANCE = 0.02
"""Change of the median from one window of warm-up runs to the next under which times have settled."""

WINDOW_SECONDS = 0.05
WINDOW_RUNS = 3
MAX_WARM_SECONDS = 3.0

NUM_TURNS = 5
BURST_SECONDS = 0.05
MIN_BURST = 3
MAX_BURST = 500
GRAPH_SAMPLES = 30

RESIDENT_BYTES = 4 * 2**30
"""Weights kept on the device at once; more networks than that are measured in groups."""
REFERENCE_BATCH = {"cpu": 1, "cuda": 64}
REFERENCE_SAMPLES = 30
REFERENCE_SECONDS = 0.3
LONG_SECONDS = 10.0


def run_warm_up(job: TimedRun, effort: Effort) -> WarmUp:
    """Run until two windows of runs have medians within 2 %, or for 3 s, and at least `num_warm_iter` times."""
    start = perf_counter()
    job.run()
    job.device.wait()
    first_run_s = perf_counter() - start
    count, previous, settled = 1, 0.0, False
    while count < effort.num_warm_iter or not (settled or perf_counter() - start - first_run_s > MAX_WARM_SECONDS):
        times = _window(job)
        window_median = median(times)
        settled = abs(window_median - previous) <= WARM_UP_TOLERANCE * previous
        previous, count = window_median, count + len(times)
    return WarmUp(
        num_runs=count,
        seconds=round(perf_counter() - start - first_run_s, 3),
        settled=settled,
        first_run_s=round(first_run_s, 3),
    )


def _window(job: TimedRun) -> list[float]:
    times: list[float] = []
    start = perf_counter()
    while len(times) < WINDOW_RUNS or perf_counter() - start < WINDOW_SECONDS:
        times.append(job.whole_ms())
    return times


@dataclass(slots=True)
class Samples:
    """Times of one job: the whole, its parts, and batches queued."""

    job: TimedRun
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
        """Estimated time to take them, in seconds."""
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
        """Take the missing samples, where the times of the warm-up led to too few."""
        while not effort.enough(len(self.whole), sum(self.whole)):
            self.whole.append(self.job.whole_ms(self.flushed))

    def timings(self) -> tuple[Timing, Timing | None, tuple[Timing, ...]]:
        """The timings of the whole network, of queued batches, and of the parts."""
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


def prepare_samples(job: TimedRun, effort: Effort, flushed: bool) -> Samples:
    """Warm a job up; its samples, still empty, with the numbers to take and the memory of a run."""
    warm_up = run_warm_up(job, effort)
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
        captured = capture_forward(job)
    except Unavailable as error:
        return HostCheck(eager_ms=eager_ms, graph_ms=None, reason=str(error))
    graph = replace(job, run=captured.run)
    times = [graph.whole_ms(samples.flushed) for _ in range(GRAPH_SAMPLES)]
    return HostCheck(eager_ms=eager_ms, graph_ms=round(median(times), 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementCallbacks:
    """Functions called with each cell before it is prepared, with notices to show, and with all records so far."""

    progress: Callable[[int, int, str], None] = lambda _done, _total, _what: None
    notice: Callable[[str], None] = lambda _sentence: None
    keep: Callable[[Measurement], None] = lambda _measurement: None


class _SurroundingState(NamedTuple):
    """The device's state before and after a cell's samples, and the reference network's time after them."""

    before: Facts
    after: Facts
    after_ms: float | None
    check: ReferenceCheck | None


@dataclass(slots=True, kw_only=True)
class Session:
    """One running measurement."""

    device: TimingDevice
    effort: Effort
    watch: MeasurementCallbacks
    conditions: Conditions
    total: int
    deadline: float | None
    done: int = 0
    records: list[LatencyRecord] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    cut_short: str | None = None
    masters: dict[str, nn.Module] = field(default_factory=dict)
    reference: TimedRun | None = None

    def measure(self, analyses: Sequence[Analysis], cells: Sequence[RunSettings]) -> Measurement:
        """All cells of all networks, or those completed before the time limit or an interrupt."""
        try:
            with self.device.tuning(cudnn_benchmark=self.effort.cudnn_benchmark, tf32=self.effort.tf32):
                self._measure_all(analyses, cells)
        except KeyboardInterrupt:
            self.cut_short = "interrupted"
        return self.so_far()

    def so_far(self, cut_short: str | None = None) -> Measurement:
        """The measurement so far."""
        return Measurement(
            conditions=self.conditions,
            records=tuple(self.records),
            failures=tuple(self.failures),
            cut_short=self.cut_short or cut_short,
        )

    def _measure_all(self, analyses: Sequence[Analysis], cells: Sequence[RunSettings]) -> None:
        before_ms = self._reference_ms()
        for group in groups(analyses):
            self.masters.clear()
            for settings in cells:
                before_ms = self._measure_cell(group, settings, before_ms)
                self.watch.keep(self.so_far("still running"))
                if self.cut_short:
                    return

    def _measure_cell(self, group: Sequence[Analysis], settings: RunSettings, before_ms: float | None) -> float | None:
        """Measure a group of networks in one way; the reference network's time after it."""
        samples_of_cell = self._warm_up_group(group, settings)
        surroundings = self._attempt(samples_of_cell, before_ms)
        for _ in range(self.effort.attempts - 1):
            if surroundings.check is None or not surroundings.check.discarded or self._too_late(samples_of_cell):
                break
            self.watch.notice(
                f"{surroundings.check.variant}'s time changed by {100 * surroundings.check.drift:+.1f} %: once more."
            )
            surroundings = self._attempt(samples_of_cell, surroundings.after_ms)
        self.records += [self._record(samples, surroundings) for samples in samples_of_cell]
        samples_of_cell.clear()
        self.device.release()
        return surroundings.after_ms

    def _attempt(self, samples_of_cell: Sequence[Samples], before_ms: float | None) -> "_SurroundingState":
        """Take all samples anew, the networks by turns; the device's state and the reference's time around them."""
        if samples_of_cell:
            self.watch.progress(self.done, self.total, f"samples{_settings_text(samples_of_cell[0].job.settings)}")
        before = self.device.state()
        for samples in samples_of_cell:
            samples.clear()
        for turn in range(NUM_TURNS):
            for samples in samples_of_cell:
                samples.take(turn)
        for samples in samples_of_cell:
            samples.complete(self.effort)
        after = self.device.state()
        after_ms = self._reference_ms()
        return _SurroundingState(before, after, after_ms, self._reference_check(before_ms, after_ms))

    def _warm_up_group(self, group: Sequence[Analysis], settings: RunSettings) -> list[Samples]:
        """The warmed-up networks that can be run with these settings and in the time left."""
        ready: list[Samples] = []
        batches: dict[tuple[int, ...], Tensor] = {}
        for analysis in group:
            self.watch.progress(self.done, self.total, _cell_text(analysis, settings))
            self.done += 1
            try:
                samples = self._prepare(analysis, settings, batches)
            except Unavailable as error:
                self._record_failure(analysis, settings, str(error))
                continue
            if self._too_late([*ready, samples]):
                self.cut_short = f"the time limit of {self.effort.max_seconds:g} s"
                break
            ready.append(samples)
        return ready

    def _prepare(self, analysis: Analysis, settings: RunSettings, batches: dict[tuple[int, ...], Tensor]) -> Samples:
        what = f"{shortened(analysis.variant)} at batch size {settings.batch_size} and {_shape(analysis)}"
        precision = precision_named(settings.precision, self.device.kind)
        with ExitStack() as stack:
            stack.enter_context(explain_refusals(what))
            stack.enter_context(explain_memory_errors(self.device, what))
            stack.enter_context(explain_kernel_errors(self.device, settings.precision))
            stack.enter_context(explain_compiler_errors())
            require_memory(self.device, analysis, settings.batch_size, precision)
            images = self._images(analysis, settings.batch_size, batches)
            job = prepare_timed_run(
                self._master(analysis), analysis, settings, self.device, images, stages=self.effort.stages
            )
            samples = prepare_samples(job, self.effort, self._flushed(images))
        if samples.expected_s > LONG_SECONDS:
            self.watch.notice(
                f"{samples.wanted} samples will take about {samples.expected_s:.0f} s; "
                "--num-bench-iter sets their number."
            )
        return samples

    def _master(self, analysis: Analysis) -> nn.Module:
        if analysis.variant not in self.masters:
            self.masters[analysis.variant] = master_network(analysis, self.device)
        return self.masters[analysis.variant]

    def _images(self, analysis: Analysis, batch_size: int, batches: dict[tuple[int, ...], Tensor]) -> Tensor:
        if analysis.input_shape not in batches:
            batches[analysis.input_shape] = random_images(batch_size, analysis, self.device)
        return batches[analysis.input_shape]

    def _flushed(self, images: Tensor) -> bool:
        """Whether the last cache is written over before each sample: by default where the input would fit into it."""
        size = self.device.cache_bytes()
        if size is None or self.effort.caches == "warm":
            return False
        return self.effort.caches == "flushed" or images.numel() * images.element_size() < size

    def _too_late(self, all_samples: Sequence[Samples]) -> bool:
        if self.deadline is None:
            return False
        return monotonic() + sum(samples.expected_s for samples in all_samples) > self.deadline

    def _record_failure(self, analysis: Analysis, settings: RunSettings, reason: str) -> None:
        self.failures.append(Failure(variant=analysis.variant, settings=settings, reason=reason))
        self.device.release()
        if self.total == 1:
            raise Unavailable(reason)
        self.watch.notice(reason)

    def _reference_ms(self) -> float | None:
        """The reference network's median now."""
        if self.effort.reference is None:
            return None
        if self.reference is None:
            self.reference = self._reference_job(analyze(self.effort.reference))
        for _ in range(3):
            self.reference.whole_ms()
        times: list[float] = []
        while len(times) < REFERENCE_SAMPLES or sum(times) < 1000 * REFERENCE_SECONDS:
            times.append(self.reference.whole_ms())
        return median(times)

    def _reference_job(self, analysis: Analysis) -> TimedRun:
        settings = RunSettings(batch_size=REFERENCE_BATCH[self.device.kind])
        self.watch.progress(0, self.total, f"{analysis.variant}, the reference")
        images = random_images(settings.batch_size, analysis, self.device)
        job = prepare_timed_run(
            master_network(analysis, self.device), analysis, settings, self.device, images, stages=False
        )
        run_warm_up(job, self.effort)
        return job

    def _reference_check(self, before_ms: float | None, after_ms: float | None) -> ReferenceCheck | None:
        if self.effort.reference is None or before_ms is None or after_ms is None:
            return None
        return ReferenceCheck(
            variant=self.effort.reference,
            batch_size=REFERENCE_BATCH[self.device.kind],
            before_ms=round(before_ms, 6),
            after_ms=round(after_ms, 6),
        )

    def _record(self, samples: Samples, surroundings: "_SurroundingState") -> LatencyRecord:
        job = samples.job
        network, queued, stages = samples.timings()
        eager = (job.settings.task, job.settings.execution) == ("inference", "eager")
        autocast = job.precision.autocast
        return LatencyRecord(
            variant=job.analysis.variant,
            fingerprint=job.analysis.fingerprint,
            input_shape=job.analysis.input_shape,
            settings=job.settings,
            autocast=str(autocast).removeprefix("torch.") if autocast else None,
            network=network,
            queued=queued,
            stages=stages,
            caches="flushed" if samples.flushed else "warm",
            warm_up=samples.warm_up,
            output=job.output_check(),
            host=host_check(samples) if eager and self.device.queues else None,
            run_memory_bytes=samples.run_memory_bytes,
            reference=surroundings.check,
            before=surroundings.before,
            after=surroundings.after,
            conditions=self.conditions,
        )


def groups(analyses: Sequence[Analysis]) -> Iterator[list[Analysis]]:
    """The networks in order, in groups whose weights are on the device at once."""
    group: list[Analysis] = []
    for analysis in analyses:
        if group and sum(BYTES_PER_PARAM * member.params for member in [*group, analysis]) > RESIDENT_BYTES:
            yield group
            group = []
        group.append(analysis)
    if group:
        yield group


def _shape(analysis: Analysis) -> str:
    return "×".join(map(str, analysis.input_shape))


def _settings_text(settings: RunSettings) -> str:
    training = ", training" if settings.task == "training" else ""
    layout = ", channels_last" if settings.layout == "channels_last" else ""
    return f", batch {settings.batch_size}, {settings.precision}{layout}, {settings.execution}{training}"


def _cell_text(analysis: Analysis, settings: RunSettings) -> str:
    return f"{shortened(analysis.variant, 30)}{_settings_text(settings)}"
