"""Latency measured: the whole network and its stages by turns, after a warm-up, every sample kept.

The stages are timed by marks at their borders in one run of the network, so each has its predecessor's output in the
caches as in use; the whole is timed in runs without marks.
"""

import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

import torch
from torch import Tensor, nn

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph import Graph
from analyzer.latency.record import Conditions, LatencyRecord, Timing
from analyzer.latency.stages import stage_starts
from analyzer.live.build import build
from analyzer.live.devices import Device, device_named
from analyzer.live.limits import Precision, kernels_told, memory_told, precision_named, require_memory

NUM_WARM_ITER = 10
MIN_SAMPLES = 50
MIN_SECONDS = 1.0
MAX_BATCH = 65_536
MAX_ITER = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A network on its device with its input, ready to run."""

    net: nn.Module
    images: Tensor
    device: Device
    starts: tuple[tuple[str, str], ...]
    precision: Precision

    def forward(self) -> Tensor:
        """One inference."""
        with torch.inference_mode(), self._autocast():
            output: Tensor = self.net(self.images)
        return output

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.kind, dtype=self.precision.autocast)

    def whole_ms(self) -> float:
        """Latency of one inference."""
        self.device.mark()
        self.forward()
        self.device.mark()
        return self.device.spans_ms()[0]

    def stages_ms(self) -> list[float]:
        """Latency of each stage in one inference, in the order of `starts`."""
        with _marks(self.net, [path for _, path in self.starts], self.device):
            self.forward()
        self.device.mark()
        return self.device.spans_ms()


@dataclass(slots=True)
class _Samples:
    """Times of the whole and of each stage, by turns."""

    whole: list[float] = field(default_factory=list)
    stages: list[list[float]] = field(default_factory=list)

    def take(self, run: _Run) -> None:
        """One sample of each."""
        self.whole.append(run.whole_ms())
        self.stages.append(run.stages_ms())

    def enough(self, wanted: int | None) -> bool:
        """Whether there are as many as wanted; by default at least 50 and one second of them."""
        if wanted is not None:
            return len(self.whole) >= wanted
        return len(self.whole) >= MIN_SAMPLES and sum(self.whole) >= 1000 * MIN_SECONDS


def measure_latency(
    variant: str | Spec | Graph | Network,
    *,
    device: str = "cpu",
    batch_size: int = 1,
    precision: str = "float32",
    input_size: Size | None = None,
    channels_last: bool = False,
    num_warm_iter: int = NUM_WARM_ITER,
    num_bench_iter: int | None = None,
    notice: Callable[[str], None] = lambda _: None,
) -> LatencyRecord:
    """Measure one batch's latency in milliseconds on this machine, whole and by stage, with random weights.

    Without `num_bench_iter` at least 50 samples and one second of them are taken. `notice` is told in a sentence when
    it will take long. Raises InvalidInput for a bad argument, Unavailable where the device or its memory does not do.
    """
    _check("batch_size", batch_size, 1, MAX_BATCH)
    _check("num_warm_iter", num_warm_iter, 1, MAX_ITER)
    place = device_named(device)
    if num_bench_iter is not None:
        _check("num_bench_iter", num_bench_iter, MIN_SAMPLES if place.kind == "cuda" else 1, MAX_ITER)
    chosen = precision_named(precision, place.kind)
    analysis = analyze(variant, input_size)
    what = f"{shortened(analysis.variant)} at batch size {batch_size} and {'×'.join(map(str, analysis.input_shape))}"
    with memory_told(place, what), kernels_told(place, precision):
        require_memory(place, analysis, batch_size, chosen)
        run = _prepared(analysis, place, batch_size, chosen, channels_last)
        finite = _warmed(run, num_warm_iter, num_bench_iter, notice)
        samples = _sampled(run, num_bench_iter)
    return LatencyRecord(
        variant=analysis.variant,
        fingerprint=analysis.fingerprint,
        input_shape=analysis.input_shape,
        batch_size=batch_size,
        network=Timing(label="network", samples_ms=tuple(samples.whole)),
        stages=_stage_timings(run.starts, samples.stages),
        conditions=_conditions(run, precision, channels_last, num_warm_iter, finite),
    )


def _check(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(f"{name} {shortened(value)}: must be a whole number from {low} to {high}.")


def _prepared(analysis: Analysis, device: Device, batch_size: int, precision: Precision, channels_last: bool) -> _Run:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = build(analysis.network, device=device.place, dtype=precision.dtype).eval()
    net.to(memory_format=layout)
    images = torch.randn(batch_size, *analysis.input_shape, device=device.place, dtype=precision.dtype)
    return _Run(
        net=net,
        images=images.contiguous(memory_format=layout),
        device=device,
        starts=stage_starts(analysis.network.graph),
        precision=precision,
    )


def _warmed(run: _Run, num_warm_iter: int, wanted: int | None, notice: Callable[[str], None]) -> bool:
    """Run until warm; whether the output is finite."""
    spent = [run.whole_ms() for _ in range(num_warm_iter)]
    run.stages_ms()
    seconds = 2 * min(spent) / 1000 * (wanted or MIN_SAMPLES)
    if seconds > 10:
        notice(f"{wanted or MIN_SAMPLES} samples will take about {seconds:.0f} s; --num-bench-iter sets their number.")
    return bool(torch.isfinite(run.forward()).all())


def _sampled(run: _Run, wanted: int | None) -> _Samples:
    samples = _Samples()
    while not samples.enough(wanted):
        samples.take(run)
    return samples


@contextmanager
def _marks(net: nn.Module, paths: list[str], device: Device) -> Iterator[None]:
    """A mark before each of these modules runs, while the context is open."""
    handles = [net.get_submodule(path).register_forward_pre_hook(lambda *_: device.mark()) for path in paths]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stage_timings(starts: tuple[tuple[str, str], ...], samples: list[list[float]]) -> tuple[Timing, ...]:
    columns = zip(starts, zip(*samples, strict=True), strict=True)
    return tuple(Timing(label=stage, samples_ms=times) for (stage, _), times in columns)


def _conditions(run: _Run, precision: str, channels_last: bool, num_warm_iter: int, finite: bool) -> Conditions:
    autocast = run.precision.autocast
    return Conditions(
        device=run.device.kind,
        device_name=run.device.name(),
        precision=precision,
        autocast=str(autocast).removeprefix("torch.") if autocast else None,
        layout="channels_last" if channels_last else "contiguous",
        clock=run.device.clock,
        num_warm_iter=num_warm_iter,
        torch=torch.__version__,
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        output_finite=finite,
        machine=run.device.facts(),
    )
