"""One CUDA device: events are queued with the work, and read after the queue has drained."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from analyzer.errors import Unavailable, shortened
from analyzer.latency.conditions import Facts
from analyzer.live.clocks import Nvml
from analyzer.live.devices import CpuDevice, Work, usable_cores

WARM_BEFORE_CAPTURE = 3
"""Runs on the capturing stream before a capture, in which libraries make their handles and choose kernels."""


class CudaDevice:
    """One CUDA device; `cuda` is torch.cuda, or what stands for it in a test."""

    kind = "cuda"
    clock = "cuda events"
    queues = True

    def __init__(self, place: str, cuda: Any = torch.cuda, nvml: Nvml | None = None) -> None:
        self.place = place
        self._cuda = cuda
        self._nvml = nvml or Nvml(str(getattr(cuda.get_device_properties(place), "uuid", "")))
        self._events: list[Any] = []
        self._flusher: Tensor | None = None
        self._pool: Any = None
        self._first: CapturedGraphs | None = None  # keeps the pool alive, which ends with the last graph in it
        self._held = 0

    def mark(self) -> None:
        """Queue an event behind the work given so far."""
        event = self._cuda.Event(enable_timing=True)
        event.record(self._cuda.current_stream(self.place))
        self._events.append(event)

    def spans_ms(self) -> list[float]:
        """Wait for the queue; times between the events since the last call, in milliseconds."""
        self.wait()
        spans = [before.elapsed_time(after) for before, after in pairwise(self._events)]
        self._events.clear()
        return spans

    def wait(self) -> None:
        """Wait for the queue."""
        self._cuda.synchronize(self.place)

    def name(self) -> str:
        """The GPU's model name."""
        return str(self._cuda.get_device_name(self.place))

    def facts(self) -> Facts:
        """Versions and settings that decide which kernels run, the host, and NVML's own facts."""
        properties = self._cuda.get_device_properties(self.place)
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
        """Size of the L2 cache, where torch tells it."""
        told = getattr(self._cuda.get_device_properties(self.place), "L2_cache_size", None)
        return int(told) if told else None

    def flush(self) -> None:
        """Write over twice the L2 cache, and wait, so that no launch hides behind the writing."""
        if self._flusher is None:
            self._flusher = torch.empty(2 * (self.cache_bytes() or 2**26), dtype=torch.int8, device=self.place)
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
        self._first = self._first or captured
        return captured

    def _recover(self) -> None:
        """After a capture that failed: a new pool, and a random generator that does not think it is being captured."""
        self._pool = self._first = None
        with suppress(AttributeError, RuntimeError):
            generator = self._cuda.default_generators[torch.device(self.place).index]
            generator.graphsafe_set_state(generator.clone_state())

    def peak_bytes(self, reset: bool = False) -> int | None:
        """Most memory that tensors took since the last reset, beyond what they held then."""
        if reset:
            self._cuda.reset_peak_memory_stats(self.place)
            self._held = int(self._cuda.memory_allocated(self.place))
        return int(self._cuda.max_memory_allocated(self.place)) - self._held

    def release(self) -> None:
        """Give cached memory back, the graphs' pool with it."""
        self._pool = self._first = None
        self._cuda.empty_cache()

    @contextmanager
    def tuned(self, *, cudnn_benchmark: bool, tf32: bool) -> Iterator[None]:
        """Set and put back: cuDNN's choice of kernels by trial, and TF32 in float32 convolutions and products."""
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        before = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = cudnn_benchmark, tf32, tf32
        try:
            yield
        finally:
            cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = before


class CapturedGraphs:
    """Work as CUDA graphs: the whole in one, and each part in one of its own, run one after the other."""

    def __init__(
        self, device: CudaDevice, cuda: Any, pool: Any, work: Callable[[Work], Tensor], num_parts: int
    ) -> None:
        self._device, self._cuda, self._pool = device, cuda, pool
        self._work = work  # holds the weights and the input that the graphs read
        stream = cuda.Stream(device.place)
        stream.wait_stream(cuda.current_stream(device.place))
        with cuda.stream(stream):
            for _ in range(WARM_BEFORE_CAPTURE):
                work(lambda: None)
            gc.collect()  # what Python drops during a capture would break it
            device.wait()
            self._whole, self.output = self._recorded(work)
            self._parts, self.parts_output = self._recorded_parts(work) if num_parts else ([], self.output)
        cuda.current_stream(device.place).wait_stream(stream)
        device.wait()

    def _recorded(self, work: Callable[[Work], Tensor]) -> tuple[Any, Tensor]:
        with self._open() as graphs:
            output = work(lambda: None)
        return graphs[0], output

    def _recorded_parts(self, work: Callable[[Work], Tensor]) -> tuple[list[Any], Tensor]:
        """A new graph begins at each border but the first, which is where the first has begun."""
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
        """Give the whole graph to the device."""
        self._whole.replay()
        return self.output

    def run_parts(self) -> None:
        """Give the parts' graphs to the device, a mark before each."""
        for graph in self._parts:
            self._device.mark()
            graph.replay()
