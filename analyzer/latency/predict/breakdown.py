"""Times of the kernels of a run on a device, one by one, and summed by stage, by kind and by op."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum
from operator import itemgetter
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.graph.memo import memoized_per_object
from analyzer.latency.predict.devices import Device, DevicePeaks, rates
from analyzer.latency.predict.kernels import (
    Kernel,
    cast_kernels,
    compiled_kernels,
    compiles_to_channels_last,
    eager_kernels,
    layout_kernels,
    optimiser_kernels,
    training_kernels,
)
from analyzer.latency.predict.prediction import KernelTime, StageTime
from analyzer.latency.predict.roofline import (
    Coefficients,
    Efficiencies,
    PeakTimes,
    compute_ms,
    ideal,
    kernel_bytes,
    kernel_ms,
    memory_ms,
)
from analyzer.latency.run_settings import RunSettings


@dataclass(frozen=True, slots=True, eq=False)
class KernelList:
    """A mode's kernels in the rows' order; `nchw` is the layout, `calls` how many torch launches one by one.

    A convolution's changes of layout are launched by the same call as itself; compiled pointwise kernels by generated
    code, at a cost that does not count beside a call through torch.
    """

    kernels: tuple[Kernel, ...]
    nchw: bool
    calls: int


def kernel_list(analysis: Analysis, run: RunSettings, rates: DevicePeaks) -> KernelList:
    """The kernels of one forward pass or training step."""
    return _kernel_list(analysis, run._replace(batch_size=1, cuda_graph=False), rates.gpu, rates.tensor)


@memoized_per_object
def _kernel_list(analysis: Analysis, run: RunSettings, gpu: bool, tensor: bool) -> KernelList:
    kernels = _uncast_kernels(analysis, run, gpu)
    nchw = not run.channels_last
    if run.compiled:
        nchw = gpu and nchw and not compiles_to_channels_last(analysis)
    if run.autocast:
        kernels = [*cast_kernels(analysis, kernels), *kernels]
    calls = sum(1 for kernel in kernels if kernel.macs or not run.compiled)
    if nchw and gpu and tensor:
        kernels = [*kernels, *layout_kernels(kernels)]
    if run.training:
        kernels = [*kernels, *optimiser_kernels(analysis, run.item_bytes)]
    return KernelList(tuple(sorted(kernels, key=itemgetter(0))), nchw, calls)


def _uncast_kernels(analysis: Analysis, run: RunSettings, gpu: bool) -> list[Kernel]:
    if run.training:
        return training_kernels(analysis)
    return compiled_kernels(analysis, on_cpu=not gpu) if run.compiled else eager_kernels(analysis)


class StageKernel(NamedTuple):
    """A kernel that runs `times` times in a stage."""

    kernel: Kernel
    stage: str
    times: int


@memoized_per_object
def stage_kernels(analysis: Analysis, kernels: KernelList) -> tuple[StageKernel, ...]:
    """The distinct kernels of each stage, which are few."""
    rows = analysis.rows
    counts = Counter([(rows[kernel.row].stage, kernel[1:]) for kernel in kernels.kernels])
    return tuple([StageKernel(Kernel(0, *rest), stage, times) for (stage, rest), times in counts.items()])


class StageKernelTime(NamedTuple):
    """The time of all `times` runs of a kernel in a stage for one batch; the last two at peak."""

    kernel: Kernel
    stage: str
    times: int
    ms: float
    bound: str
    arithmetic_ms: float
    bytes_ms: float


class Scaling(NamedTuple):
    """The scaling of kernels' times to the predicted total: a factor, and a stage's low and high over its time."""

    factor: float
    low: float
    high: float
    host_bound: bool

    def bound(self, kernel_bound: str) -> str:
        """What bounds a group of kernels."""
        return "launch" if self.host_bound else kernel_bound


class _KernelGroup(NamedTuple):
    """A group of kernels: milliseconds, what bounds it, and shares of the peaks."""

    num_kernels: int
    ms: float
    bound: str
    arithmetic: float
    bandwidth: float
    macs: int
    bytes: int


def stage_kernel_times(
    analysis: Analysis, device: Device, run: RunSettings, fitted: Coefficients
) -> list[StageKernelTime]:
    """Every distinct kernel of each stage, with its time."""
    peaks = rates(device, run.precision)
    eff, kernels = fitted.efficiencies(peaks, run), kernel_list(analysis, run, peaks)
    return [
        _stage_kernel_time(kernel, stage, times, ideal(kernel, peaks, run, kernels.nchw), eff)
        for kernel, stage, times in stage_kernels(analysis, kernels)
    ]


def device_ms(analysis: Analysis, device: Device, run: RunSettings, fitted: Coefficients) -> float:
    """The sum of the kernels' times alone."""
    peaks = rates(device, run.precision)
    eff, kernels = fitted.efficiencies(peaks, run), kernel_list(analysis, run, peaks)
    distinct = stage_kernels(analysis, kernels)
    return fsum([times * kernel_ms(ideal(kernel, peaks, run, kernels.nchw), eff) for kernel, _, times in distinct])


def _stage_kernel_time(
    kernel: Kernel, stage: str, times: int, at_peak: PeakTimes, eff: Efficiencies
) -> StageKernelTime:
    arithmetic_ms = at_peak.plain + at_peak.stem + at_peak.nchw + at_peak.serial
    bytes_ms = at_peak.moved + at_peak.cached + at_peak.copied
    ms = kernel_ms(at_peak, eff)
    return StageKernelTime(
        kernel, stage, times, times * ms, _bound(at_peak, eff, ms), times * arithmetic_ms, times * bytes_ms
    )


def _bound(at_peak: PeakTimes, eff: Efficiencies, ms: float) -> str:
    if 2 * at_peak.kernels * eff.launch_us / 1000 > ms:
        return "launch"
    moving_ms = max(memory_ms(at_peak, eff), at_peak.elements / eff.norm)
    return "compute" if compute_ms(at_peak, eff) + at_peak.serial / eff.tensor > moving_ms else "memory"


def _kernel_groups(
    times: Sequence[StageKernelTime], run: RunSettings, key: Callable[[StageKernelTime], str]
) -> dict[str, _KernelGroup]:
    groups: dict[str, list[StageKernelTime]] = {}
    for time in times:
        groups.setdefault(key(time), []).append(time)
    return {name: _kernel_group(group, run) for name, group in groups.items()}


def _kernel_group(group: list[StageKernelTime], run: RunSettings) -> _KernelGroup:
    by_bound: dict[str, float] = {}
    for time in group:
        by_bound[time.bound] = by_bound.get(time.bound, 0.0) + time.ms
    ms = fsum(by_bound.values())
    return _KernelGroup(
        num_kernels=sum([time.times for time in group]),
        ms=ms,
        bound=max(by_bound, key=by_bound.__getitem__),
        arithmetic=fsum([time.arithmetic_ms for time in group]) / ms,
        bandwidth=fsum([time.bytes_ms for time in group]) / ms,
        macs=run.batch_size * sum([time.times * time.kernel.macs for time in group]),
        bytes=sum([time.times * kernel_bytes(time.kernel, run) for time in group]),
    )


def stage_times(
    analysis: Analysis, times: Sequence[StageKernelTime], run: RunSettings, scaling: Scaling
) -> tuple[StageTime, ...]:
    """The stages in the network's order."""
    groups = _kernel_groups(times, run, lambda time: time.stage)
    return tuple([_stage(row.stage, groups[row.stage], scaling) for row in analysis.stages if row.stage in groups])


def _stage(stage: str, group: _KernelGroup, scaling: Scaling) -> StageTime:
    ms = scaling.factor * group.ms
    return StageTime(
        stage=stage,
        ms=ms,
        low_ms=ms * scaling.low,
        high_ms=ms * scaling.high,
        bound=scaling.bound(group.bound),
        achieved=group.arithmetic / scaling.factor,
        macs=group.macs,
        bytes=group.bytes,
        num_kernels=group.num_kernels,
    )


def kind_times(times: Sequence[StageKernelTime], run: RunSettings, scaling: Scaling) -> tuple[KernelTime, ...]:
    """The kinds of kernel, the longest first."""
    groups = _kernel_groups(times, run, lambda time: time.kernel.kind)
    ordered = sorted(groups.items(), key=lambda item: -item[1].ms)
    return tuple([_kind(kind, own, scaling) for kind, own in ordered])


def _kind(kind: str, group: _KernelGroup, scaling: Scaling) -> KernelTime:
    return KernelTime(
        kind=kind,
        num_kernels=group.num_kernels,
        ms=scaling.factor * group.ms,
        bound=scaling.bound(group.bound),
        achieved=(group.arithmetic if group.bound == "compute" else group.bandwidth) / scaling.factor,
        macs=group.macs,
        bytes=group.bytes,
    )


def row_times(analysis: Analysis, device: Device, run: RunSettings, fitted: Coefficients) -> list[tuple[float, int]]:
    """For each row its kernels' milliseconds, and their number."""
    peaks = rates(device, run.precision)
    eff, kernels = fitted.efficiencies(peaks, run), kernel_list(analysis, run, peaks)
    times, counts = [0.0] * len(analysis.rows), [0] * len(analysis.rows)
    for kernel in kernels.kernels:
        times[kernel.row] += kernel_ms(ideal(kernel, peaks, run, kernels.nchw), eff)
        counts[kernel.row] += 1
    return list(zip(times, counts, strict=True))
