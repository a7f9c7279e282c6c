"""The evidence behind a prediction, and the width of its 90 % interval."""

from math import exp, hypot
from typing import NamedTuple

from analyzer.latency.coefficients import Coefficients
from analyzer.latency.devices import Device
from analyzer.latency.rates import Rates, rates, sustained
from analyzer.latency.roofline import Run

PER_CLOCK = 768.0
"""FLOP that tensor cores do a clock and multiprocessor at most in the cards that the GPU fit knows (512), with room."""

HOST_SPAN = 8.0
"""How many times faster than the fitted host, of 2021, one may start kernels where nothing is known of it."""

CLOCK_EXPONENT = 1 / 3
"""How far the exponent of the power cap's effect on the clock may lie from its square root, over that root."""


class Interval(NamedTuple):
    """A 90 % interval in milliseconds."""

    low_ms: float
    high_ms: float


def evidence_of(known: Coefficients, device: Device, run: Run, calibrated: bool) -> str:
    """Known, calibrated or specs."""
    return "calibrated" if calibrated else "known" if known.knows(device, run) else "specs"


def spread(known: Coefficients, device: Device, run: Run, evidence: str) -> float:
    """Half width of the interval of the device's time, as a logarithm."""
    mode = "cpu" if device.kind == "cpu" else "training" if run.training else "gpu"
    own = known.intervals[mode]
    if evidence == "known":
        return own
    if evidence == "calibrated":
        return max(own, known.intervals["calibrated"])
    peaks = rates(device, run.precision)
    unseen = known.intervals["alike" if _like_the_fitted(device, peaks) else "unlike"]
    # log of the clock's share over its root's exponent: 0 for a card that is not held back
    capped = CLOCK_EXPONENT * (1 - sustained(device))
    return hypot(own, unseen, capped) if mode != "gpu" else hypot(unseen, capped)


def _like_the_fitted(device: Device, peaks: Rates) -> bool:
    if not (peaks.gpu and peaks.tensor) or peaks.old:
        return False
    return sustained(device) == 1.0 and peaks.flops <= PER_CLOCK * peaks.clocks


def interval(known: Coefficients, device_ms: float, host_ms: float, half_width: float, host_known: bool) -> Interval:
    """The interval of the longer of device and host; an unknown host may be far faster than the fitted one."""
    low, high = device_ms / exp(half_width), device_ms * exp(half_width)
    if not host_ms:
        return Interval(low, high)
    span = exp(known.intervals["host"])
    least = host_ms / span if host_known else host_ms / HOST_SPAN
    return Interval(max(low, least), max(high, host_ms * span))
