"""The devices that latencies are measured on, behind one small interface."""

import os
import platform
from itertools import pairwise
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Protocol

import torch

from analyzer.errors import InvalidInput, Unavailable, shortened


class Device(Protocol):
    """A clock on a device: marks between pieces of work, and the times between them."""

    kind: str
    place: str
    clock: str

    def mark(self) -> None:
        """Note the moment at which the device has done all work given to it so far."""

    def spans_ms(self) -> list[float]:
        """Wait until all work is done; the times between the marks since the last call, in milliseconds."""

    def name(self) -> str:
        """The device's model."""

    def facts(self) -> dict[str, Any]:
        """What else its latencies depend on, as JSON types."""

    def free_bytes(self) -> int | None:
        """Memory that can be had without swapping; None where the device reports running out by itself."""


class CpuDevice:
    """The CPU, whose work is done when a call returns."""

    kind = "cpu"
    place = "cpu"
    clock = "perf_counter"

    def __init__(self) -> None:
        self._marks: list[int] = []

    def mark(self) -> None:
        """Note the time."""
        self._marks.append(perf_counter_ns())

    def spans_ms(self) -> list[float]:
        """Times between the marks since the last call, in milliseconds."""
        spans = [(after - before) / 1e6 for before, after in pairwise(self._marks)]
        self._marks.clear()
        return spans

    def name(self) -> str:
        """The CPU's model name, or its architecture where the system does not tell."""
        told = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
        return told[0] if told else platform.processor() or platform.machine()

    def facts(self) -> dict[str, Any]:
        """Threads that torch uses, cores, frequency governor, load of the last minute, and oneDNN."""
        return {
            "threads": torch.get_num_threads(),
            "cores": _usable_cores(),
            "governor": next(iter(_lines("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")), None),
            "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            "onednn": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }

    def free_bytes(self) -> int | None:
        """The memory that the system can give, where it tells."""
        told = [line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
        return 1024 * int(told[0]) if told else None


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


class CudaDevice:
    """One CUDA device: events are queued with the work, and read after the queue has drained."""

    kind = "cuda"
    clock = "cuda events"

    def __init__(self, place: str, cuda: Any = torch.cuda) -> None:
        self.place = place
        self._cuda = cuda
        self._events: list[Any] = []

    def mark(self) -> None:
        """Queue an event behind the work given so far."""
        event = self._cuda.Event(enable_timing=True)
        event.record(self._cuda.current_stream(self.place))
        self._events.append(event)

    def spans_ms(self) -> list[float]:
        """Wait for the queue; times between the events since the last call, in milliseconds."""
        self._cuda.synchronize(self.place)
        spans = [before.elapsed_time(after) for before, after in pairwise(self._events)]
        self._events.clear()
        return spans

    def name(self) -> str:
        """The GPU's model name."""
        return str(self._cuda.get_device_name(self.place))

    def facts(self) -> dict[str, Any]:
        """Versions and settings that decide which kernels run."""
        properties = self._cuda.get_device_properties(self.place)
        return {
            "compute_capability": f"{properties.major}.{properties.minor}",
            "memory_bytes": properties.total_memory,
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "tf32_convolutions": torch.backends.cudnn.allow_tf32,
            "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
            "host_cpu": CpuDevice().name(),
            "host_cores": _usable_cores(),
        }

    def free_bytes(self) -> int | None:
        """None: torch reports when the GPU's memory is used up."""
        return None


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
