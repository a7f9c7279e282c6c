"""One CUDA device: a clock of queued events, NVML's facts, and CUDA graphs."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from analyzer.errors import Unavailable, shortened
from analyzer.latency.records.conditions import Facts
from analyzer.live.timing.devices import CpuDevice, Work, usable_cores

_REASONS = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
"""NVML's bits for the reasons why clocks are not higher → its names."""

WARM_BEFORE_CAPTURE = 3
"""Runs on the capturing stream before a capture, in which libraries make their handles and choose kernels."""


class Nvml:
    """One GPU as NVML sees it, found by its UUID; `absent` says why NVML is not available, if so."""

    def __init__(self, uuid: str, library: Any = None) -> None:
        self.absent: str | None = None
        self._uuid = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        self._nvml = library
        if library is None:
            self._nvml, self.absent = _import_nvml()

    def state(self) -> Facts:
        """Clocks in MHz, power in W, temperature in °C, throttle reasons, other processes; None where unknown."""
        with self._open() as handle:
            if handle is None:
                return {"nvml": self.absent}
            return dict(self._state_items(handle))

    def facts(self) -> Facts:
        """Driver, power limit, highest clocks, and whether clocks are set or free."""
        with self._open() as handle:
            if handle is None:
                return {"nvml": self.absent}
            return dict(self._fact_items(handle))

    @contextmanager
    def _open(self) -> Iterator[Any]:
        if self.absent is not None:
            yield None
            return
        nvml = self._nvml
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            self.absent = f"NVML cannot be had: {error}"
            yield None
            return
        try:
            yield self._handle()
        finally:
            nvml.nvmlShutdown()

    def _handle(self) -> Any:
        try:
            return self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)
        except self._nvml.NVMLError as error:
            self.absent = f"NVML does not know this GPU: {error}"
            return None

    def _ask(self, question: str, *arguments: Any) -> Any:
        """NVML's answer, or None where this GPU or driver gives none."""
        try:
            return getattr(self._nvml, question)(*arguments)
        except (self._nvml.NVMLError, AttributeError):
            return None

    def _state_items(self, handle: Any) -> Iterator[tuple[str, Any]]:
        yield "sm_clock_mhz", self._ask("nvmlDeviceGetClockInfo", handle, self._nvml.NVML_CLOCK_SM)
        yield "memory_clock_mhz", self._ask("nvmlDeviceGetClockInfo", handle, self._nvml.NVML_CLOCK_MEM)
        yield "power_w", _scaled(self._ask("nvmlDeviceGetPowerUsage", handle), 1000)
        yield "temperature_c", self._ask("nvmlDeviceGetTemperature", handle, self._nvml.NVML_TEMPERATURE_GPU)
        yield "performance_state", self._ask("nvmlDeviceGetPerformanceState", handle)
        yield "throttle_reasons", self._reasons(handle)
        yield "other_processes", self._other_processes(handle)
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        yield "memory_used_bytes", None if memory is None else int(memory.used)

    def _fact_items(self, handle: Any) -> Iterator[tuple[str, Any]]:
        driver = self._ask("nvmlSystemGetDriverVersion")
        yield "driver", driver.decode() if isinstance(driver, bytes) else driver
        yield "power_limit_w", _scaled(self._ask("nvmlDeviceGetEnforcedPowerLimit", handle), 1000)
        yield "max_sm_clock_mhz", self._ask("nvmlDeviceGetMaxClockInfo", handle, self._nvml.NVML_CLOCK_SM)
        yield "max_memory_clock_mhz", self._ask("nvmlDeviceGetMaxClockInfo", handle, self._nvml.NVML_CLOCK_MEM)
        reasons = self._reasons(handle)
        yield "clocks", None if reasons is None else "set" if "applications_clocks_setting" in reasons else "free"

    def _reasons(self, handle: Any) -> list[str] | None:
        queries = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
        bits = next((answer for name in queries if (answer := self._ask(name, handle)) is not None), None)
        return None if bits is None else [name for bit, name in _REASONS.items() if bits & bit]

    def _other_processes(self, handle: Any) -> int | None:
        running = self._ask("nvmlDeviceGetComputeRunningProcesses", handle)
        return None if running is None else sum(process.pid != os.getpid() for process in running)


def _scaled(value: int | None, divisor: int) -> float | None:
    return None if value is None else round(value / divisor, 1)


def _import_nvml() -> tuple[Any, str | None]:
    try:
        import pynvml
    except ModuleNotFoundError:
        return None, "nvidia-ml-py is not installed"
    return pynvml, None


class CudaDevice:
    """One CUDA device; `cuda` is torch.cuda, or what stands for it in a test."""

    kind = "cuda"
    clock = "cuda events"
    queues = True

    def __init__(self, torch_device: str, cuda: Any = torch.cuda, nvml: Nvml | None = None) -> None:
        self.torch_device = torch_device
        self._cuda = cuda
        self._nvml = nvml or Nvml(str(getattr(cuda.get_device_properties(torch_device), "uuid", "")))
        self._events: list[Any] = []
        self._flusher: Tensor | None = None
        self._pool: Any = None
        self._oldest_capture: CapturedGraphs | None = None  # keeps the pool alive, which ends with the last graph in it
        self._bytes_at_reset = 0

    def mark(self) -> None:
        """Queue an event behind the work queued so far."""
        event = self._cuda.Event(enable_timing=True)
        event.record(self._cuda.current_stream(self.torch_device))
        self._events.append(event)

    def spans_ms(self) -> list[float]:
        """Wait for the queue; times between the events since the last call, in milliseconds."""
        self.wait()
        spans = [before.elapsed_time(after) for before, after in pairwise(self._events)]
        self._events.clear()
        return spans

    def wait(self) -> None:
        """Wait for the queue."""
        self._cuda.synchronize(self.torch_device)

    def name(self) -> str:
        """The GPU's model name."""
        return str(self._cuda.get_device_name(self.torch_device))

    def facts(self) -> Facts:
        """Versions and settings that decide which kernels run, the host, and NVML's own facts."""
        properties = self._cuda.get_device_properties(self.torch_device)
        return {
            "compute_capability": f"{properties.major}.{properties.minor}",
            "memory_bytes": properties.total_memory,
            "multiprocessors": properties.multi_processor_count,
            "l2_bytes": self.cache_bytes(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "host_cpu": CpuDevice().name(),
            "host_cores": usable_cores(),
            **self._nvml.facts(),
        }

    def state(self) -> Facts:
        """NVML's clocks, power, temperature, throttle reasons and other processes."""
        return self._nvml.state()

    def free_bytes(self) -> int | None:
        """None: torch reports when the GPU's memory is used up."""
        return None

    def cache_bytes(self) -> int | None:
        """Size of the L2 cache; None where torch does not report it."""
        size = getattr(self._cuda.get_device_properties(self.torch_device), "L2_cache_size", None)
        return int(size) if size else None

    def flush(self) -> None:
        """Write over twice the L2 cache, and wait, so that no launch hides behind the writing."""
        if self._flusher is None:
            self._flusher = torch.empty(2 * (self.cache_bytes() or 2**26), dtype=torch.int8, device=self.torch_device)
        self._flusher.zero_()
        self.wait()

    def capture(self, work: Callable[[Work], Tensor], num_parts: int) -> "CapturedGraphs":
        """Record work as CUDA graphs, one for the whole and one for each part; Unavailable with torch's reason."""
        self._pool = self._pool or self._cuda.graph_pool_handle()
        try:
            captured = CapturedGraphs(self, self._cuda, self._pool, work, num_parts)
        except RuntimeError as error:
            self._recover()
            if "out of memory" in str(error).lower():
                raise
            raise Unavailable(f"a CUDA graph cannot be made: {shortened(str(error).splitlines()[0], 120)}.") from None
        self._oldest_capture = self._oldest_capture or captured
        return captured

    def _recover(self) -> None:
        """After a failed capture: a new pool, and a random generator whose state is no longer that of a capture."""
        self._pool = self._oldest_capture = None
        with suppress(AttributeError, RuntimeError):
            generator = self._cuda.default_generators[torch.device(self.torch_device).index]
            generator.graphsafe_set_state(generator.clone_state())

    def peak_bytes(self, reset: bool = False) -> int | None:
        """Most memory that tensors took since the last reset, beyond those of that moment."""
        if reset:
            self._cuda.reset_peak_memory_stats(self.torch_device)
            self._bytes_at_reset = int(self._cuda.memory_allocated(self.torch_device))
        return int(self._cuda.max_memory_allocated(self.torch_device)) - self._bytes_at_reset

    def release(self) -> None:
        """Free cached memory, the graphs' pool included."""
        self._pool = self._oldest_capture = None
        self._cuda.empty_cache()

    @contextmanager
    def tuning(self, *, cudnn_benchmark: bool, tf32: bool) -> Iterator[None]:
        """Set, and restore: cuDNN's choice of kernels by trial, and TF32 in float32 convolutions and products."""
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        previous = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = cudnn_benchmark, tf32, tf32
        try:
            yield
        finally:
            cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = previous


class CapturedGraphs:
    """Work as CUDA graphs: the whole in one, and each part in one of its own, run one after the other."""

    def __init__(
        self, device: CudaDevice, cuda: Any, pool: Any, work: Callable[[Work], Tensor], num_parts: int
    ) -> None:
        self._device, self._cuda, self._pool = device, cuda, pool
        self._work = work  # holds the weights and the input that the graphs read
        stream = cuda.Stream(device.torch_device)
        stream.wait_stream(cuda.current_stream(device.torch_device))
        with cuda.stream(stream):
            for _ in range(WARM_BEFORE_CAPTURE):
                work(lambda: None)
            gc.collect()  # what Python drops during a capture would break it
            device.wait()
            self._whole, self.output = self._recorded(work)
            self._parts, self.parts_output = self._recorded_parts(work) if num_parts else ([], self.output)
        cuda.current_stream(device.torch_device).wait_stream(stream)
        device.wait()

    def _recorded(self, work: Callable[[Work], Tensor]) -> tuple[Any, Tensor]:
        with self._open() as graphs:
            output = work(lambda: None)
        return graphs[0], output

    def _recorded_parts(self, work: Callable[[Work], Tensor]) -> tuple[list[Any], Tensor]:
        """A new graph begins at each border but the first, where the first graph has begun already."""
        borders = 0

        def border() -> None:
            nonlocal borders
            borders += 1
            if borders > 1:
                graphs[-1].capture_end()
                self._begin(graphs)

        with self._open() as graphs:
            output = work(border)
        return graphs, output

    @contextmanager
    def _open(self) -> Iterator[list[Any]]:
        graphs: list[Any] = []
        self._begin(graphs)
        try:
            yield graphs
        except BaseException:
            with suppress(RuntimeError):
                graphs[-1].capture_end()
            raise
        graphs[-1].capture_end()

    def _begin(self, graphs: list[Any]) -> None:
        graphs.append(self._cuda.CUDAGraph())
        graphs[-1].capture_begin(pool=self._pool)

    def run(self) -> Tensor:
        """Queue the whole graph."""
        self._whole.replay()
        return self.output

    def run_parts(self) -> None:
        """Queue the parts' graphs, a mark before each."""
        for graph in self._parts:
            self._device.mark()
            graph.replay()
