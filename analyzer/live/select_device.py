"""The device that a word names, of those that latencies are measured on."""

import torch

from analyzer.errors import InvalidInput, Unavailable, shortened
from analyzer.live.cuda import CudaDevice
from analyzer.live.devices import CpuDevice, Device


def device_named(name: str) -> Device:
    """The device "cpu", "cuda" or "cuda:1"; InvalidInput for another word, Unavailable where this machine lacks it."""
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdecimal())):
        raise InvalidInput(f"device {shortened(name)!r}: must be cpu, cuda, or cuda:N with N counting from 0.")
    if kind == "cpu":
        return CpuDevice()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= count:
        seen = f"{count} CUDA device{'s' * (count > 1)}" if count else "no CUDA device; --device cpu runs on the CPU"
        raise Unavailable(f"device {shortened(name)}: torch {torch.__version__} sees {seen}.")
    return CudaDevice(f"cuda:{int(index or 0)}")
