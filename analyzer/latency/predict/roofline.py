"""The time of one kernel: the longest of computing, moving its bytes and handling its elements; one formula.

`ideal` is a kernel's time on each resource at the device's peaks; `kernel_ms` joins them by the fitted
efficiencies. The fit evaluates the same `kernel_ms` on arrays (tools.latency_fit), so there is one formula.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from analyzer.latency.predict.devices import OPERANDS_PER_MAC, Device, DevicePeaks, rates
from analyzer.latency.predict.kernels import TILE, Kernel
from analyzer.latency.run_settings import RunSettings


class Efficiencies(NamedTuple):
    """The fitted numbers. All are dimensionless but `launch_us`, and those of a device's own class may be 1.

    `tensor`: share of the peak FLOP/s in convolutions. `memory`: share of the bandwidth. `stem`: by how much the first
    convolution's few channels are padded. `nchw`: share that 1×1 convolutions keep in NCHW. `norm`: elements a clock
    and multiprocessor of eager batch norm. `launch_us`: the least that each kernel costs the device. `cached`,
    `reordered`, `copied` (a CPU's): share of the bandwidth within its cache, and for weights that are copied to NHWC,
    and for concatenations.
    """

    tensor: float
    memory: float
    stem: float = 1.0
    nchw: float = 1.0
    norm: float = 1.0
    launch_us: float = 0.0
    cached: float = 1.0
    reordered: float = 1.0
    copied: float = 1.0


class PeakTimes(NamedTuple):
    """Milliseconds at peak on each resource, by the efficiency that applies; most are 0.

    Arithmetic: `plain`, `stem` or `nchw`, or `serial` where moving bytes does not hide it (a CPU's); `supply`: operands
    into the tensor cores; `moved`, `cached`, `copied`: bytes (of a GPU all are `moved`); `elements` of batch norm;
    `reordered`: weights copied; `kernels`: 1.
    """

    plain: Any = 0.0
    stem: Any = 0.0
    nchw: Any = 0.0
    supply: Any = 0.0
    moved: Any = 0.0
    cached: Any = 0.0
    copied: Any = 0.0
    elements: Any = 0.0
    reordered: Any = 0.0
    serial: Any = 0.0
    kernels: Any = 1


def kernel_ms(ideal: PeakTimes, eff: Efficiencies, larger: Callable[[Any, Any], Any] = max) -> Any:
    """A kernel's milliseconds: max(arithmetic + operand supply, bytes, elements) + what overlaps nothing + launch."""
    bytes_ms = memory_ms(ideal, eff)
    overlapped_ms = larger(larger(compute_ms(ideal, eff), bytes_ms), ideal.elements / eff.norm)
    serial_ms = ideal.serial / eff.tensor + ideal.reordered / eff.reordered
    return overlapped_ms + serial_ms + ideal.kernels * eff.launch_us / 1000


def compute_ms(ideal: PeakTimes, eff: Efficiencies) -> Any:
    """Milliseconds of arithmetic."""
    return (ideal.plain + ideal.stem * eff.stem + ideal.nchw / eff.nchw) / eff.tensor + ideal.supply


def memory_ms(ideal: PeakTimes, eff: Efficiencies) -> Any:
    """Milliseconds of moving bytes."""
    return ideal.moved / eff.memory + ideal.cached / eff.cached + ideal.copied / eff.copied


def kernel_bytes(kernel: Kernel, run: RunSettings) -> int:
    """Bytes that a kernel moves for one batch."""
    return run.item_bytes * (run.batch_size * kernel.moved + kernel.weights) + run.batch_size * kernel.extra_bytes


def peak_flops(device: Device, run: RunSettings) -> float:
    """The device's peak in FLOP/s at a precision, under its power cap."""
    return rates(device, run.precision).flops


def ideal(kernel: Kernel, peaks: DevicePeaks, run: RunSettings, nchw: bool) -> PeakTimes:
    """A kernel's times at the device's peaks, for one batch; `nchw`: it reads and writes that layout."""
    moved_bytes = kernel_bytes(kernel, run)
    moving_ms = 1000 * moved_bytes / peaks.memory
    if kernel.kind == "optimiser":
        return PeakTimes(moved=moving_ms, kernels=0)
    if not peaks.gpu:
        return _on_cpu(kernel, peaks, run, moved_bytes, moving_ms)
    elements = 1000 * run.batch_size * kernel.written / peaks.clocks if kernel.is_norm else 0.0
    if not kernel.macs:
        return PeakTimes(moved=moving_ms, elements=elements)
    macs = run.batch_size * kernel.macs * (1.0 if kernel.is_stem else padding(kernel.channels))
    arithmetic_ms = 2000 * macs / peaks.flops
    supply = 1000 * macs * OPERANDS_PER_MAC / peaks.operands if peaks.operands else 0.0
    field = _efficiency_name(kernel, nchw) if peaks.tensor else "plain"
    return PeakTimes(supply=supply, moved=moving_ms, **{field: arithmetic_ms})


def _efficiency_name(kernel: Kernel, nchw: bool) -> str:
    return "stem" if kernel.is_stem else "nchw" if nchw and kernel.side == 1 else "plain"


def padding(channels: int) -> float:
    """Channels computed over channels needed: whole tiles are computed."""
    return -(-channels // TILE) * TILE / channels


def _on_cpu(kernel: Kernel, peaks: DevicePeaks, run: RunSettings, moved_bytes: int, moving_ms: float) -> PeakTimes:
    """A CPU's: activations may stay in its cache, weights may not; those of wide windows are copied to NHWC."""
    if kernel.kind == "concat":
        return PeakTimes(copied=moving_ms)
    weights_ms = 1000 * run.item_bytes * kernel.weights / peaks.memory
    in_cache = moved_bytes < peaks.cache
    return PeakTimes(
        serial=2000 * run.batch_size * kernel.macs / peaks.flops,
        moved=weights_ms if in_cache else moving_ms,
        cached=moving_ms - weights_ms if in_cache else 0.0,
        reordered=weights_ms if kernel.side > 1 and run.compiled else 0.0,
    )


PATH = Path(__file__).with_name("coefficients.json")


class Coefficients(NamedTuple):
    """`classes`: efficiencies by class of device and mode; `host_us`: the host's microseconds a call.

    `intervals`: by kind of evidence the half width of the 90 % interval, as a logarithm. `known`: (device, precision,
    compiled, training) of the published tables that the efficiencies were fitted to.
    """

    classes: dict[str, Efficiencies]
    host_us: float
    intervals: dict[str, float]
    known: frozenset[tuple[str, str, bool, bool]]

    def knows(self, device: Device, run: RunSettings) -> bool:
        """Whether this device was measured in this mode; calls in 16 bits count as autocast's."""
        precision = run.precision if run.precision == "float32" else "amp"
        return (device.name, precision, run.compiled, run.training) in self.known

    def efficiencies(self, rates: DevicePeaks, run: RunSettings) -> Efficiencies:
        """The efficiencies of a device's class in a mode."""
        inference = self.classes[class_of(rates)]
        if not run.training or not rates.gpu:
            return inference
        training, base = self.classes["training"], self.classes["gpu"]
        return training._replace(tensor=training.tensor * inference.tensor / base.tensor)


def class_of(rates: DevicePeaks) -> str:
    """cpu; gpu: tensor cores since Ampere; old_tensor: those of Volta and Turing; float32: without tensor cores."""
    if not rates.gpu:
        return "cpu"
    return "float32" if not rates.tensor else "old_tensor" if rates.old else "gpu"


@cache
def coefficients() -> Coefficients:
    """The shipped coefficients."""
    return coefficients_from(json.loads(PATH.read_text(encoding="utf-8")))


def coefficients_from(document: dict[str, Any]) -> Coefficients:
    """The coefficients of such a file's content."""
    return Coefficients(
        classes={name: Efficiencies(**values) for name, values in document["efficiencies"].items()},
        host_us=document["host_us"],
        intervals=document["intervals"],
        known=frozenset((name, precision, bool(c), bool(t)) for name, precision, c, t in document["known"]),
    )
