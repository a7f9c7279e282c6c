"""What a device can do at best, from its data sheet: arithmetic, operand supply, element rate, and under its power cap.

All rates are a second. Sustained clocks: a card that may draw less power for each multiprocessor and clock than the
strongest card of its architecture runs below its boost clock when it computes. Dynamic power goes with f·V² and V
rises with f, so between f and f³; f² is taken, hence the root. The exponent's range widens the interval (intervals.py).
"""

from functools import cache
from math import sqrt
from typing import NamedTuple

from analyzer.latency.devices import Device, devices

SHARED_BYTES_PER_CLOCK = 128
"""Bytes that a multiprocessor's shared memory supplies a clock, since Volta."""

OPERANDS_PER_MAC = 3 / 64
"""Operands through shared memory for one multiply-accumulate: tiles of 128×128 a block (written once, 2/128) and of
64×64 a warp (read, 2/64)."""

LANES = (128, 64)
"""Float32 lanes of a multiprocessor: 128, or 64 where 128 would mean a clock under 1 GHz (Pascal to Turing, A100)."""


class Rates(NamedTuple):
    """A device's peaks: FLOP/s, operands/s into the tensor cores, multiprocessor clocks/s, bytes/s; its cache in bytes.

    `tensor` says that convolutions run on tensor cores (or, for a CPU, does not matter); `old` those before Ampere.
    `operands` is 0 where operand supply is no bound.
    """

    flops: float
    operands: float
    clocks: float
    memory: float
    cache: float
    sms: int
    tensor: bool
    old: bool
    gpu: bool


@cache
def rates(device: Device, precision: str) -> Rates:
    """Peaks at one of timm's precisions: float32 convolutions run in TF32 where a GPU has it, PyTorch's default."""
    single = precision == "float32"
    tensor = device.tensor_tflops > device.fp32_tflops and (not single or device.tf32)
    tera = device.tensor_tflops / (2 if single else 1) if tensor else device.fp32_tflops
    share, clocks = sustained(device), sm_clocks(device)
    return Rates(
        flops=share * tera * 1e12,
        operands=share * clocks * SHARED_BYTES_PER_CLOCK / (4 if single else 2) if tensor else 0.0,
        clocks=share * clocks,
        memory=device.mem_bw_gbs * 1e9,
        cache=device.l2_mb * 1e6,
        sms=device.sms,
        tensor=tensor,
        old=tensor and not device.tf32,
        gpu=device.kind == "gpu",
    )


def sm_clocks(device: Device) -> float:
    """Multiprocessors × boost clock in Hz, from the float32 peak of two FLOP a lane and clock."""
    many, few = (device.fp32_tflops * 1e12 / (2 * lanes) for lanes in LANES)
    return many if many / device.sms >= 1e9 else few


def sustained(device: Device) -> float:
    """Share of the boost clock that a GPU holds while it computes, at most 1."""
    peers = [other for other in devices().values() if other.architecture == device.architecture]
    if device.kind == "cpu" or not peers:
        return 1.0
    strongest = max(peers, key=lambda other: (other.tdp_w, other.sms))
    return min(1.0, sqrt(_watts(device) / _watts(strongest)))


def _watts(device: Device) -> float:
    return device.tdp_w / sm_clocks(device)
