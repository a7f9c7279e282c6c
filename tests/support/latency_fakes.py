"""Latency records of chosen samples, and a fake GPU whose clock the test sets."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch

from analyzer.latency.records.conditions import Conditions, OutputCheck, ReferenceCheck, WarmUp
from analyzer.latency.records.record import LatencyRecord, Timing
from analyzer.latency.run_settings import RunSettings
from analyzer.live.timing.cuda import CudaDevice, Nvml

RESNET = "resnet:block=basic,depths=1-1,widths=4-8,stem=cifar,stem_width=4,num_classes=2"
DENSENET = "densenet:depths=2-1,growth_rate=4,init_features=4,stem=cifar,num_classes=2"

CONDITIONS = Conditions(
    device="cpu",
    device_name="a CPU",
    clock="perf_counter",
    torch="2.9.0",
    python="3.11.7",
    platform="Linux 6",
    date="2025-01-01T00:00:00+00:00",
    machine={"threads": 2, "governor": None, "onednn": True},
    num_warm_iter=10,
    cudnn_benchmark=None,
    tf32=None,
)


def latency_record(
    whole: tuple[float, ...], stages: Mapping[str, tuple[float, ...]] | None = None, **changed: Any
) -> LatencyRecord:
    """ResNet-50's at batch size 2, with nothing to be warned of but what `changed` holds."""
    plain = LatencyRecord(
        variant="resnet50",
        fingerprint="0123456789ab",
        input_shape=(3, 224, 224),
        settings=RunSettings(batch_size=2),
        autocast=None,
        network=Timing(label="network", samples_ms=whole),
        queued=None,
        stages=tuple(Timing(label=stage, samples_ms=samples) for stage, samples in (stages or {}).items()),
        caches="warm",
        warm_up=WarmUp(num_runs=10, seconds=0.2, settled=True, first_run_s=0.5),
        output=OutputCheck(error=1e-6, bound=1e-4),
        host=None,
        run_memory_bytes=None,
        reference=ReferenceCheck(variant="resnet18", batch_size=1, before_ms=10.0, after_ms=10.1),
        before={},
        after={},
        conditions=CONDITIONS,
    )
    return replace(plain, **changed)


class FakeCuda:
    """torch.cuda with a clock that the test winds: events read it when the queue reaches them, not when recorded."""

    def __init__(self, capture_error: str = "") -> None:
        self.log: list[str] = []
        self.queue: list[FakeEvent] = []
        self.now = 0.0
        self.capturing = 0
        self.capture_error = capture_error

    def Event(self, *, enable_timing: bool) -> "FakeEvent":
        """An event with times."""
        assert enable_timing
        return FakeEvent(self)

    def CUDAGraph(self) -> "FakeGraph":
        """A graph that holds nothing yet."""
        return FakeGraph(self)

    def Stream(self, device: str) -> SimpleNamespace:
        """A stream that notes whom it waits for."""
        return SimpleNamespace(wait_stream=lambda other: self.log.append(f"side waits for {other.name}"), name="side")

    def current_stream(self, device: str) -> SimpleNamespace:
        """The device's own stream."""
        return SimpleNamespace(
            wait_stream=lambda other: self.log.append(f"main waits for {other.name}"), name="main", place=device
        )

    @contextmanager
    def stream(self, stream: SimpleNamespace) -> Iterator[None]:
        """Work given in it goes to that stream."""
        self.log.append(f"on {stream.name}")
        yield
        self.log.append("on main")

    def graph_pool_handle(self) -> str:
        """The memory that graphs share."""
        return "pool"

    def get_device_properties(self, device: str) -> SimpleNamespace:
        """What torch tells of a GPU."""
        return SimpleNamespace(
            uuid="1234",
            major=9,
            minor=0,
            total_memory=2**34,
            multi_processor_count=132,
            L2_cache_size=2**10,
        )

    def get_device_name(self, device: str) -> str:
        """Its model."""
        return "Fake GPU"

    def synchronize(self, device: str) -> None:
        """Each piece of work between two events takes 1 ms longer than the one before."""
        assert not self.capturing, "a wait breaks a capture"
        self.log.append(f"synchronize {device}")
        for index, event in enumerate(self.queue):
            self.now += index
            event.at = self.now
        self.queue.clear()

    def reset_peak_memory_stats(self, device: str) -> None:
        """Nothing is kept."""

    def memory_allocated(self, device: str) -> int:
        """Held now."""
        return 100

    def max_memory_allocated(self, device: str) -> int:
        """Held at most."""
        return 350

    def empty_cache(self) -> None:
        """Noted."""
        self.log.append("empty cache")


class FakeEvent:
    """torch.cuda.Event, which may be read only after its queue was waited for."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.at: float | None = None

    def record(self, stream: SimpleNamespace) -> None:
        """Queue it behind the work of the device's own stream."""
        assert stream.place == "cuda:1"
        assert not self.cuda.capturing, "an event recorded in a capture has no time"
        self.cuda.log.append("record")
        self.cuda.queue.append(self)

    def elapsed_time(self, other: "FakeEvent") -> float:
        """Milliseconds to another event."""
        assert self.at is not None, "read before the queue was waited for"
        assert other.at is not None, "read before the queue was waited for"
        self.cuda.log.append("read")
        return other.at - self.at


class FakeGraph:
    """torch.cuda.CUDAGraph, of which one captures at a time."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda

    def capture_begin(self, pool: str) -> None:
        """From now on work is recorded."""
        assert pool == "pool"
        assert not self.cuda.capturing, "one capture at a time"
        self.cuda.capturing += 1
        self.cuda.log.append("begin")
        if self.cuda.capture_error:
            raise RuntimeError(self.cuda.capture_error)

    def capture_end(self) -> None:
        """Work is done again."""
        assert self.cuda.capturing
        self.cuda.capturing -= 1
        self.cuda.log.append("end")

    def replay(self) -> None:
        """Give all of it to the device."""
        self.cuda.log.append("replay")


def fake_device(cuda: FakeCuda) -> CudaDevice:
    """The second GPU of a machine without NVML, whose tensors lie on the CPU."""
    nvml = Nvml("1234", library=SimpleNamespace(NVMLError=OSError, nvmlInit=_missing))
    device = CudaDevice("cuda:1", cuda, nvml)
    device._flusher = torch.zeros(1, dtype=torch.int8)
    return device


def _missing() -> None:
    raise OSError("no driver")
