"""Latency predicted without the device: the kernels of a mode, a roofline for each, and a host term over all.

A network's time is max(sum of its kernels' times, calls · host cost). Both are sums over ops, so a design space can
gather them from distinct blocks: `predict_op_times` gives every op's share. Only fusion crosses a block's border,
and a fused kernel's time counts for the last op in it.
"""

from math import exp, fsum, hypot, log
from typing import NamedTuple

from analyzer.cost import memory_budget
from analyzer.cost.analysis import Analysis
from analyzer.latency.predict.breakdown import (
    Scaling,
    device_ms,
    kernel_list,
    kind_times,
    row_times,
    stage_kernel_times,
    stage_times,
)
from analyzer.latency.predict.devices import Device, DevicePeaks, rates, sustained_clock_share
from analyzer.latency.predict.prediction import Prediction
from analyzer.latency.predict.roofline import Coefficients, coefficients
from analyzer.latency.predict.target import LatencyTarget

MARGIN = 0.10
"""Share of a GPU's memory left for its context, workspaces and fragmentation when the largest batch is computed."""

PER_CLOCK = 768.0
"""Most FLOP a clock and multiprocessor of tensor cores in the cards that the model is fitted to (512), with room."""

HOST_SPAN = 8.0
"""How many times faster than the fitted host, of 2021, an unknown host may launch kernels."""

CLOCK_EXPONENT = 1 / 3
"""Relative uncertainty of the exponent, one half, with which a power cap lowers the clock."""


class OpTime(NamedTuple):
    """The milliseconds of an op's own kernels, and their number."""

    path: str
    stage: str
    ms: float
    num_kernels: int


class TotalLatency(NamedTuple):
    """A whole network's time for one batch with its 90 % interval."""

    ms: float
    low_ms: float
    high_ms: float
    device_ms: float
    host_ms: float
    evidence: str

    @property
    def host_bound(self) -> bool:
        """Whether starting the kernels takes longer than computing them."""
        return self.host_ms > self.device_ms


def predict_latency(analysis: Analysis, target: LatencyTarget, *, with_memory: bool = True) -> Prediction:
    """One batch's latency in milliseconds on a device that need not be here: whole, by stage and by kernel.

    Without `with_memory` no largest batch is computed, and it is 0.
    """
    device, run, fitted = target.device, target.run, coefficients()
    times = stage_kernel_times(analysis, device, run, fitted)
    kernels_ms = fsum([time.ms for time in times])
    total = _total_latency(analysis, target, fitted, kernels_ms)
    scaling = Scaling(total.ms / kernels_ms, *_stage_spans(total, fitted.intervals["stage"]), total.host_bound)
    return Prediction(
        variant=analysis.variant,
        fingerprint=analysis.fingerprint,
        input_shape=analysis.input_shape,
        device=device.name,
        **run._asdict(),
        ms=total.ms,
        low_ms=total.low_ms,
        high_ms=total.high_ms,
        device_ms=total.device_ms,
        host_ms=total.host_ms,
        evidence=total.evidence,
        stages=stage_times(analysis, times, run, scaling),
        kernels=kind_times(times, run, scaling),
        max_batch_size=largest_batch(analysis, target) if with_memory else 0,
    )


def _stage_spans(total: TotalLatency, half_width: float) -> tuple[float, float]:
    """A stage's low and high over its time: the whole's, each widened by the uncertainty of a stage's share."""
    below, above = log(total.ms / total.low_ms), log(total.high_ms / total.ms)
    return exp(-hypot(below, half_width)), exp(hypot(above, half_width))


def predict_total(analysis: Analysis, target: LatencyTarget) -> TotalLatency:
    """The whole's time and interval alone, for sweeps: a third of the work of `predict_latency`."""
    fitted = coefficients()
    return _total_latency(analysis, target, fitted, device_ms(analysis, target.device, target.run, fitted))


def _total_latency(analysis: Analysis, target: LatencyTarget, fitted: Coefficients, kernels_ms: float) -> TotalLatency:
    device_ms = kernels_ms * (1.0 if target.factor is None else target.factor)
    host_ms = _host_ms(analysis, target, fitted.host_us if target.host_us is None else target.host_us)
    evidence = _evidence(fitted, target)
    low, high = _interval(fitted, device_ms, host_ms, _half_width(fitted, target, evidence), target.host_us is not None)
    return TotalLatency(max(device_ms, host_ms), low, high, device_ms, host_ms, evidence)


def _host_ms(analysis: Analysis, target: LatencyTarget, host_us: float) -> float:
    """Milliseconds in which the host launches the kernels one by one; 0 for a CPU, which launches none."""
    device, run = target.device, target.run
    if run.cuda_graph or device.kind == "cpu":
        return 0.0
    return kernel_list(analysis, run, rates(device, run.precision)).calls * host_us / 1000


def predict_op_times(analysis: Analysis, target: LatencyTarget) -> tuple[OpTime, ...]:
    """Each row's time in the order of `analysis.rows`, far less certain than the whole's `ms`, to which they sum.

    By stage they sum to the stages' times.
    """
    times = row_times(analysis, target.device, target.run, coefficients())
    scale = predict_total(analysis, target).ms / fsum([ms for ms, _ in times])
    pairs = zip(analysis.rows, times, strict=True)
    return tuple([OpTime(row.path, row.stage, scale * ms, count) for row, (ms, count) in pairs])


def _evidence(fitted: Coefficients, target: LatencyTarget) -> str:
    """Known, calibrated or specs."""
    if target.factor is not None:
        return "calibrated"
    return "known" if fitted.knows(target.device, target.run) else "specs"


def _half_width(fitted: Coefficients, target: LatencyTarget, evidence: str) -> float:
    """Half the width of the 90 % interval of the device's time, as a logarithm."""
    device, run = target.device, target.run
    mode = "cpu" if device.kind == "cpu" else "training" if run.training else "gpu"
    base_width = fitted.intervals[mode]
    if evidence == "known":
        return base_width
    if evidence == "calibrated":
        return max(base_width, fitted.intervals["calibrated"])
    peaks = rates(device, run.precision)
    device_width = fitted.intervals["alike" if _resembles_fitted_devices(device, peaks) else "unlike"]
    # log of the clock's share over its root's exponent: 0 for a card that keeps its clock
    cap_width = CLOCK_EXPONENT * (1 - sustained_clock_share(device))
    return hypot(base_width, device_width, cap_width) if mode != "gpu" else hypot(device_width, cap_width)


def _resembles_fitted_devices(device: Device, peaks: DevicePeaks) -> bool:
    if not (peaks.gpu and peaks.tensor) or peaks.old:
        return False
    return sustained_clock_share(device) == 1.0 and peaks.flops <= PER_CLOCK * peaks.clocks


def _interval(
    fitted: Coefficients, device_ms: float, host_ms: float, half_width: float, is_host_known: bool
) -> tuple[float, float]:
    """90 % of the longer of device and host; an unknown host may be far faster than the fitted one."""
    low, high = device_ms / exp(half_width), device_ms * exp(half_width)
    if not host_ms:
        return low, high
    span = exp(fitted.intervals["host"])
    min_host_ms = host_ms / span if is_host_known else host_ms / HOST_SPAN
    return max(low, min_host_ms), max(high, host_ms * span)


def largest_batch(analysis: Analysis, target: LatencyTarget) -> int:
    """The largest batch that fits nine tenths of the device's memory; 0 where none does or its size is not known."""
    device, run = target.device, target.run
    dtype = run.precision if run.precision in ("float16", "bfloat16") else "float32"
    budget = int((1 - MARGIN) * device.mem_gb * 1e9)
    return memory_budget.largest_batch(analysis, budget, training=run.training, dtype=dtype) if budget else 0
