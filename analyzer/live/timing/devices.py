"""The devices that latencies are measured on, behind one small interface, and the CPU."""

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Protocol

import torch
from torch import Tensor

from analyzer.errors import Unavailable
from analyzer.latency.records.conditions import Facts

Work = Callable[[], Any]


class CapturedWork(Protocol):
    """Work recorded once, to be run again without the host's part."""

    output: Tensor

    def run(self) -> Tensor:
        """Run all of it; the output tensor is always the same."""

    def run_parts(self) -> None:
        """Run it part by part, with a mark before each."""


class TimingDevice(Protocol):
    """A clock on a device: marks between pieces of work, the times between them, and the conditions of latencies."""

    kind: str
    torch_device: str
    clock: str
    queues: bool
    """Whether work is queued without waiting for it to be done."""

    def mark(self) -> None:
        """Record the moment at which the device has done all work so far."""

    def spans_ms(self) -> list[float]:
        """Wait until all work is done; the times between the marks since the last call, in milliseconds."""

    def wait(self) -> None:
        """Wait until all work is done."""

    def name(self) -> str:
        """The device's model."""

    def facts(self) -> Facts:
        """What else its latencies depend on, as JSON types."""

    def state(self) -> Facts:
        """What changes from moment to moment: clocks, temperature, other processes; as JSON types."""

    def free_bytes(self) -> int | None:
        """Memory available without swapping; None where the device reports running out by itself."""

    def cache_bytes(self) -> int | None:
        """Size of the last cache that `flush` writes over; None where it cannot be flushed."""

    def flush(self) -> None:
        """Write over the last cache, and wait until that is done."""

    def capture(self, work: Callable[[Work], Tensor], num_parts: int) -> CapturedWork:
        """Record work once; it calls its argument before each of its parts. Unavailable where it cannot be done."""

    def peak_bytes(self, reset: bool = False) -> int | None:
        """Most memory that tensors took since the last reset, beyond those of that moment; None where unknown."""

    def release(self) -> None:
        """Free unused memory."""

    def tuning(self, *, cudnn_benchmark: bool, tf32: bool) -> Any:
        """A context with these settings for the choice of kernels."""


class CpuDevice:
    """The CPU, whose work is done when a call returns."""

    kind = "cpu"
    torch_device = "cpu"
    clock = "perf_counter"
    queues = False

    def __init__(self) -> None:
        self._marks: list[int] = []

    def mark(self) -> None:
        """Record the time."""
        self._marks.append(perf_counter_ns())

    def spans_ms(self) -> list[float]:
        """Times between the marks since the last call, in milliseconds."""
        spans = [(after - before) / 1e6 for before, after in pairwise(self._marks)]
        self._marks.clear()
        return spans

    def wait(self) -> None:
        """Nothing to wait for."""

    def name(self) -> str:
        """The CPU's model name, or its architecture where the system does not report it."""
        names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
        return names[0] if names else platform.processor() or platform.machine()

    def facts(self) -> Facts:
        """Threads that torch uses, cores, frequency governor, oneDNN and the instructions it may use."""
        return {
            "threads": torch.get_num_threads(),
            "cores": usable_cores(),
            "governor": next(iter(_lines(f"{_FREQUENCY}/scaling_governor")), None),
            "onednn": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }

    def state(self) -> Facts:
        """Load, frequency, and the cores' busy seconds beside this process's own."""
        used = os.times()
        frequency = next(iter(_lines(f"{_FREQUENCY}/scaling_cur_freq")), None)
        return {
            "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            "frequency_mhz": int(frequency) // 1000 if frequency else None,
            "cores": os.cpu_count(),
            "clock_s": round(time.monotonic(), 2),
            "busy_s": _busy_seconds(),
            "own_s": round(used.user + used.system + used.children_user + used.children_system, 2),
        }

    def free_bytes(self) -> int | None:
        """The memory available, in bytes; None where the system does not report it."""
        sizes = [line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
        return 1024 * int(sizes[0]) if sizes else None

    def cache_bytes(self) -> int | None:
        """None: no program can be sure to empty a CPU's caches."""
        return None

    def flush(self) -> None:
        """Nothing."""

    def capture(self, work: Callable[[Work], Tensor], num_parts: int) -> CapturedWork:
        """Raise Unavailable: a CPU has no CUDA graphs."""
        raise Unavailable("a CUDA graph needs --device cuda.")

    def peak_bytes(self, reset: bool = False) -> int | None:
        """None: torch does not count a CPU's memory."""
        return None

    def release(self) -> None:
        """Nothing to free."""

    @contextmanager
    def tuning(self, *, cudnn_benchmark: bool, tf32: bool) -> Iterator[None]:
        """Nothing to choose."""
        yield


_FREQUENCY = "/sys/devices/system/cpu/cpu0/cpufreq"


def usable_cores() -> int | None:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _busy_seconds() -> float | None:
    """Seconds that all cores together were not idle since the system's start; None where unknown."""
    ticks = next((line.split()[1:9] for line in _lines("/proc/stat") if line.startswith("cpu ")), None)
    if ticks is None:
        return None
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = map(int, ticks)
    return round((user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK"), 2)


def _lines(path: str) -> Sequence[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
