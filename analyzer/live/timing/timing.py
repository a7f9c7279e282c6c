"""Latency measured: networks by turns, whole and by stage, after a warm-up; every sample and condition is recorded."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

import torch

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, Unavailable, shortened
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph
from analyzer.latency.records.conditions import Conditions
from analyzer.latency.records.record import Measurement
from analyzer.latency.run_settings import MAX_ITER, MIN_SAMPLES, Effort, RunSettings, check_whole
from analyzer.live.timing.cuda import CudaDevice
from analyzer.live.timing.devices import CpuDevice, TimingDevice
from analyzer.live.timing.session import MeasurementCallbacks, Session
from analyzer.live.timing.timed_run import require_compiler


def timing_device(name: str) -> TimingDevice:
    """The device "cpu", "cuda" or "cuda:1"; InvalidInput for another word, Unavailable where this machine lacks it."""
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdecimal())):
        raise InvalidInput(f"device {shortened(name)!r}: must be cpu, cuda, or cuda:N with N counting from 0.")
    if kind == "cpu":
        return CpuDevice()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= count:
        available = (
            f"{count} CUDA device{'s' * (count > 1)}" if count else "no CUDA device; --device cpu runs on the CPU"
        )
        raise Unavailable(f"device {shortened(name)}: torch {torch.__version__} sees {available}.")
    return CudaDevice(f"cuda:{int(index or 0)}")


def measure_latencies(
    variants: Sequence[str | Spec | Graph | Network],
    cells: Sequence[RunSettings],
    *,
    device: str = "cpu",
    input_size: Size | None = None,
    effort: Effort | None = None,
    watch: MeasurementCallbacks | None = None,
) -> Measurement:
    """Measure networks on this machine in every way of `cells`, whole and by stage, with random weights.

    Raises InvalidInput for a bad argument, Unavailable where the device is missing, or its memory too small for the
    only cell; of several cells those that cannot be measured are listed in `failures`.
    """
    timing, effort, watch = timing_device(device), effort or Effort(), watch or MeasurementCallbacks()
    analyses = [analyze(variant, input_size) for variant in variants]
    _require(analyses, cells, timing, effort)
    start = monotonic()
    session = Session(
        device=timing,
        effort=effort,
        watch=watch,
        conditions=_conditions(timing, effort),
        total=len(analyses) * len(cells),
        deadline=start + effort.max_seconds if effort.max_seconds else None,
    )
    return session.measure(analyses, cells)


def _require(analyses: Sequence[Analysis], cells: Sequence[RunSettings], device: TimingDevice, effort: Effort) -> None:
    """InvalidInput or Unavailable for whatever is known to fail before anything is measured."""
    if effort.num_bench_iter is not None and device.kind == "cuda":
        check_whole("num_bench_iter", effort.num_bench_iter, MIN_SAMPLES, MAX_ITER)
    if effort.caches == "flushed" and device.cache_bytes() is None:
        raise InvalidInput(f"caches flushed: needs --device cuda, not {device.kind}.")
    for settings in cells:
        settings.require_device(device.kind)
        if settings.execution == "compiled":
            require_compiler(device.kind)
        if settings.task == "training":
            _require_classes(analyses)


def _require_classes(analyses: Sequence[Analysis]) -> None:
    for analysis in analyses:
        if len(analysis.rows[-1].output_shape) != 1:
            raise InvalidInput(f"task training: {shortened(analysis.variant)} gives a map, not scores of classes.")


def _conditions(device: TimingDevice, effort: Effort) -> Conditions:
    on_cuda = device.kind == "cuda"
    return Conditions(
        device=device.kind,
        device_name=device.name(),
        clock=device.clock,
        torch=torch.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release().split('.')[0]}",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=device.facts(),
        num_warm_iter=effort.num_warm_iter,
        cudnn_benchmark=effort.cudnn_benchmark if on_cuda else None,
        tf32=effort.tf32 if on_cuda else None,
    )
