"""The time of one kernel: the longer of computing and moving its bytes."""

from typing import NamedTuple

from analyzer.latency.devices import Device
from analyzer.latency.kernels import Kernel


class Run(NamedTuple):
    """How a network is run: batch, timm's word for the precision, and the mode."""

    batch_size: int = 1
    precision: str = "float32"
    compiled: bool = False
    channels_last: bool = False
    cuda_graph: bool = False
    training: bool = False


class KernelCost(NamedTuple):
    """A kernel's time for one batch and what bounds it; at the device's peaks it would compute and move that long."""

    ms: float
    bound: str
    compute_ms: float
    memory_ms: float
    bytes: int


def kernel_cost(kernel: Kernel, device: Device, run: Run) -> KernelCost:
    """A kernel's time at the device's peak rates."""
    size = item_bytes(run) * (run.batch_size * kernel.moved + kernel.weights)
    compute_ms = 2 * run.batch_size * kernel.macs / peak_flops(device, run) * 1e3
    memory_ms = size / (device.mem_bw_gbs * 1e9) * 1e3
    bound = "compute" if compute_ms > memory_ms else "memory"
    return KernelCost(max(compute_ms, memory_ms), bound, compute_ms, memory_ms, size)


def item_bytes(run: Run) -> int:
    """Bytes of an activation."""
    return 4 if run.precision == "float32" else 2


def peak_flops(device: Device, run: Run) -> float:
    """The device's peak in FLOP/s at a precision."""
    if run.precision == "float32":
        tera = max(device.fp32_tflops, device.tensor_tflops / 2) if device.tf32 else device.fp32_tflops
    else:
        tera = device.tensor_tflops or device.fp32_tflops
    return tera * 1e12
