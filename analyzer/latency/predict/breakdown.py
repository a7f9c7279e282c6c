"""What the kernels of a run take on a device, one by one, and summed by stage, by kind and by op."""

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
    """A mode's kernels in the rows' order; `nchw` tells the layout, `calls` how many torch starts one by one.

    A convolution's changes of layout are started by the same call as itself; compiled pointwise kernels by generated
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
def stage_kernels(analysis: Analysis, found: KernelList) -> tuple[StageKernel, ...]:
    """The distinct kernels of each stage, which are few."""
    rows = analysis.rows
    counts = Counter([(rows[kernel.row].stage, kernel[1:]) for kernel in found.kernels])
    return tuple([StageKernel(Kernel(0, *rest), stage, times) for (stage, rest), times in counts.items()])


class StageKernelTime(NamedTuple):
    """What `times` runs of a kernel in a stage take together for one batch; the last three at the device's peaks."""

    kernel: Kernel
    stage: str
    times: int
    ms: float
    bound: str
    arithmetic_ms: float
    bytes_ms: float


class Scaling(NamedTuple):
    """How kernels' times make up the predicted whole: a factor, a stage's low and high over its time, host-bound."""

    factor: float
    low: float
    high: float
    host_bound: bool

    def bound(self, own: str) -> str:
        """What bounds a group of kernels."""
        return "launch" if self.host_bound else own


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
    analysis: Analysis, device: Device, run: RunSettings, known: Coefficients
) -> list[StageKernelTime]:
    """Every distinct kernel of each stage, with its time."""
    peaks = rates(device, run.precision)
    eff, found = known.efficiencies(peaks, run), kernel_list(analysis, run, peaks)
    return [
        _stage_kernel_time(kernel, stage, times, ideal(kernel, peaks, run, found.nchw), eff)
        for kernel, stage, times in stage_kernels(analysis, found)
    ]


def device_ms(analysis: Analysis, device: Device, run: RunSettings, known: Coefficients) -> float:
    """The sum of the kernels' times alone."""
    peaks = rates(device, run.precision)
    eff, found = known.efficiencies(peaks, run), kernel_list(analysis, run, peaks)
    distinct = stage_kernels(analysis, found)
    return fsum([times * kernel_ms(ideal(each, peaks, run, found.nchw), eff) for each, _, times in distinct])


def _stage_kernel_time(
    kernel: Kernel, stage: str, times: int, at_peak: PeakTimes, eff: Efficiencies
) -> StageKernelTime:
    arithmetic = at_peak.plain + at_peak.stem + at_peak.nchw + at_peak.serial
    moved = at_peak.moved + at_peak.cached + at_peak.copied
    ms = kernel_ms(at_peak, eff)
    return StageKernelTime(
        kernel, stage, times, times * ms, _bound(at_peak, eff, ms), times * arithmetic, times * moved
    )


def _bound(at_peak: PeakTimes, eff: Efficiencies, ms: float) -> str:
    if 2 * at_peak.kernels * eff.launch_us / 1000 > ms:
        return "launch"
    handling = max(memory_ms(at_peak, eff), at_peak.elements / eff.norm)
    return "compute" if compute_ms(at_peak, eff) + at_peak.serial / eff.tensor > handling else "memory"


def _kernel_groups(
    found: Sequence[StageKernelTime], run: RunSettings, key: Callable[[StageKernelTime], str]
) -> dict[str, _KernelGroup]:
    groups: dict[str, list[StageKernelTime]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return {name: _kernel_group(group, run) for name, group in groups.items()}


def _kernel_group(group: list[StageKernelTime], run: RunSettings) -> _KernelGroup:
    by_bound: dict[str, float] = {}
    for each in group:
        by_bound[each.bound] = by_bound.get(each.bound, 0.0) + each.ms
    ms = fsum(by_bound.values())
    return _KernelGroup(
        num_kernels=sum([each.times for each in group]),
        ms=ms,
        bound=max(by_bound, key=by_bound.__getitem__),
        arithmetic=fsum([each.arithmetic_ms for each in group]) / ms,
        bandwidth=fsum([each.bytes_ms for each in group]) / ms,
        macs=run.batch_size * sum([each.times * each.kernel.macs for each in group]),
        bytes=sum([each.times * kernel_bytes(each.kernel, run) for each in group]),
    )


def stage_times(
    analysis: Analysis, found: Sequence[StageKernelTime], run: RunSettings, scaling: Scaling
) -> tuple[StageTime, ...]:
    """The stages in the network's order."""
    sums = _kernel_groups(found, run, lambda each: each.stage)
    return tuple([_stage(row.stage, sums[row.stage], scaling) for row in analysis.stages if row.stage in sums])


def _stage(stage: str, own: _KernelGroup, scaling: Scaling) -> StageTime:
    ms = scaling.factor * own.ms
    return StageTime(
        stage=stage,
        ms=ms,
        low_ms=ms * scaling.low,
        high_ms=ms * scaling.high,
        bound=scaling.bound(own.bound),
        achieved=own.arithmetic / scaling.factor,
        macs=own.macs,
        bytes=own.bytes,
        num_kernels=own.num_kernels,
    )


def kind_times(found: Sequence[StageKernelTime], run: RunSettings, scaling: Scaling) -> tuple[KernelTime, ...]:
    """The kinds of kernel, the longest first."""
    sums = _kernel_groups(found, run, lambda each: each.kernel.kind)
    ordered = sorted(sums.items(), key=lambda item: -item[1].ms)
    return tuple([_kind(kind, own, scaling) for kind, own in ordered])


def _kind(kind: str, own: _KernelGroup, scaling: Scaling) -> KernelTime:
    return KernelTime(
        kind=kind,
        num_kernels=own.num_kernels,
        ms=scaling.factor * own.ms,
        bound=scaling.bound(own.bound),
        achieved=(own.arithmetic if own.bound == "compute" else own.bandwidth) / scaling.factor,
        macs=own.macs,
        bytes=own.bytes,
    )


def row_times(analysis: Analysis, device: Device, run: RunSettings, known: Coefficients) -> list[tuple[float, int]]:
    """For each row its kernels' milliseconds, and how many those are."""
    peaks = rates(device, run.precision)
    eff, found = known.efficiencies(peaks, run), kernel_list(analysis, run, peaks)
    times, counts = [0.0] * len(analysis.rows), [0] * len(analysis.rows)
    for kernel in found.kernels:
        times[kernel.row] += kernel_ms(ideal(kernel, peaks, run, found.nchw), eff)
        counts[kernel.row] += 1
    return list(zip(times, counts, strict=True))
