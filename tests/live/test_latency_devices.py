"""The devices that latencies are measured on: the order of events on a fake GPU, NVML's answers, the CPU's clock.

No test here depends on how long anything takes.
"""

import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.latency.run_settings import Effort, RunSettings
from analyzer.live.timing.cuda import CapturedGraphs, Nvml
from analyzer.live.timing.devices import CpuDevice
from analyzer.live.timing.limits import explain_compiler_errors, explain_kernel_errors, explain_memory_errors
from analyzer.live.timing.session import Samples, host_check, run_warm_up
from analyzer.live.timing.timed_run import TimedRun, prepare_timed_run
from analyzer.live.timing.timed_run import master_network as built_master
from analyzer.live.timing.timing import timing_device
from tests.support.latency_fakes import RESNET, FakeCuda, fake_device


@pytest.fixture
def fake() -> FakeCuda:
    return FakeCuda()


def job_on(cuda: FakeCuda, **chosen: Any) -> TimedRun:
    """The tiny network's job on the fake GPU, its tensors on the CPU."""
    analysis, settings = analyze(RESNET, 8), RunSettings.from_words(**chosen)
    job = prepare_timed_run(
        built_master(analysis, CpuDevice()), analysis, settings, CpuDevice(), torch.randn(2, 3, 8, 8)
    )
    job.device = fake_device(cuda)
    return job


def test_cuda_waits_once_and_pairs_neighbours(fake: FakeCuda) -> None:
    """Closed form: events are read in pairs after one synchronise, and forgotten; work takes 1, 2, … ms."""
    device = fake_device(fake)
    for _ in range(4):
        device.mark()
    assert device.spans_ms() == [1.0, 2.0, 3.0]
    assert fake.log == [*["record"] * 4, "synchronize cuda:1", *["read"] * 3]
    assert device.spans_ms() == []


def test_whole_network_is_one_pair_of_events(fake: FakeCuda) -> None:
    """Closed form: two events around the forward, one wait."""
    assert job_on(fake).whole_ms() == 1.0
    assert fake.log == ["record", "record", "synchronize cuda:1", "read"]


def test_a_flush_is_waited_for_before_the_first_event(fake: FakeCuda) -> None:
    """Closed form: launches cannot hide behind the writing of the cache."""
    job_on(fake).whole_ms(flushed=True)
    assert fake.log == ["synchronize cuda:1", "record", "record", "synchronize cuda:1", "read"]


def test_queued_batches_are_waited_for_once(fake: FakeCuda) -> None:
    """Closed form: 4 batches between two events 1 ms apart are 0.25 ms each."""
    job = job_on(fake)
    job.run = lambda: fake.log.append("run")  # type: ignore[assignment, return-value]
    assert job.queued_ms(4) == 0.25
    assert fake.log == ["record", *["run"] * 4, "record", "synchronize cuda:1", "read"]


def test_stages_are_marked_at_their_borders_only_while_measured(fake: FakeCuda) -> None:
    """Closed form: an event before each of the stem, 2 stages and head, and one at the end; no hook stays behind."""
    analysis = analyze(RESNET, 8)
    device, net = fake_device(fake), built_master(analysis, CpuDevice())
    job = prepare_timed_run(net, analysis, RunSettings(), CpuDevice(), torch.randn(2, 3, 8, 8))
    cpu_spans = job.parts_ms()
    assert len(cpu_spans) == 4
    assert job.parts == ("stem", "stage1", "stage2", "head")
    assert not any(module._forward_pre_hooks for module in net.modules())
    job.device = device


def test_whole_and_parts_are_taken_by_turns(fake: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form: of 10 samples and 5 of the parts each of 5 turns takes 2 and 1, after one run of its own."""
    order: list[str] = []

    def noted(word: str, value: Any) -> Any:
        order.append(word)
        return value

    monkeypatch.setattr(TimedRun, "whole_ms", lambda *_: noted("whole", 1.0))
    monkeypatch.setattr(TimedRun, "parts_ms", lambda *_: noted("parts", [1.0]))
    monkeypatch.setattr(TimedRun, "queued_ms", lambda _, count: noted(f"{count} queued", 1.0))
    job = job_on(fake)
    job.run = lambda: noted("run", torch.zeros(1))
    samples = samples_for(job, wanted=10, wanted_parts=5, burst=3)
    for turn in range(5):
        samples.take(turn)
    assert order == 5 * ["run", "whole", "parts", "whole", "3 queued"]


def samples_for(job: TimedRun, **chosen: Any) -> Samples:
    given: dict[str, Any] = {"wanted": 1, "wanted_parts": 0, "burst": 0, **chosen}
    warm_up = run_warm_up(job, Effort(num_warm_iter=1)) if not given["wanted_parts"] else None
    return Samples(job=job, warm_up=warm_up, flushed=False, run_memory_bytes=None, each_ms=1.0, **given)  # type: ignore[arg-type]


def test_the_warm_up_ends_when_two_windows_agree(fake: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form: windows of 3 runs whose times are 8, 4, 2, 1, 1 ms settle after the fifth."""
    monkeypatch.setattr("analyzer.live.timing.session.WINDOW_SECONDS", 0.0)
    times = iter([8.0] * 3 + [4.0] * 3 + [2.0] * 3 + [1.0] * 6)
    monkeypatch.setattr(TimedRun, "whole_ms", lambda *_: next(times))
    found = run_warm_up(job_on(fake), Effort(num_warm_iter=2))
    assert (found.num_runs, found.settled) == (16, True)


def test_a_warm_up_that_never_settles_ends_and_says_so(fake: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form: times that double, and no time left."""
    monkeypatch.setattr("analyzer.live.timing.session.WINDOW_SECONDS", 0.0)
    monkeypatch.setattr("analyzer.live.timing.session.MAX_WARM_SECONDS", 0.0)
    times = iter([2.0**power for power in range(99)])
    monkeypatch.setattr(TimedRun, "whole_ms", lambda *_: next(times))
    found = run_warm_up(job_on(fake), Effort(num_warm_iter=7))
    assert (found.num_runs, found.settled) == (7, False)


def test_parts_are_captured_one_after_the_other(fake: FakeCuda) -> None:
    """Closed form: warm-up on the side stream, a wait, the whole captured, then a graph from border to border."""
    device = fake_device(fake)
    output = torch.zeros(1)

    def work(border: Any) -> torch.Tensor:
        for part in "abc":
            border()
            fake.log.append(part)
        return output

    captured = device.capture(work, 3)
    parts = ["begin", "a", "end", "begin", "b", "end", "begin", "c", "end"]
    assert fake.log == [
        "side waits for main",
        "on side",
        *"abcabcabc",
        "synchronize cuda:1",
        *["begin", *"abc", "end"],
        *parts,
        "on main",
        "main waits for side",
        "synchronize cuda:1",
    ]
    fake.log.clear()
    assert captured._work is work, "the weights and the input must outlive the capture"
    assert captured.run() is output
    captured.run_parts()
    assert fake.log == ["replay", *["record", "replay"] * 3]


def test_a_capture_that_fails_is_one_sentence_and_is_ended() -> None:
    """Planted: torch refuses; memory that ran out stays what it is."""
    fake = FakeCuda(capture_error="operation not permitted when stream is capturing\nmore")
    with pytest.raises(Unavailable, match=r"^a CUDA graph cannot be made: operation not permitted .* capturing\.$"):
        fake_device(fake).capture(lambda _: torch.zeros(1), 0)
    full = FakeCuda(capture_error="CUDA out of memory. Tried")
    with pytest.raises(RuntimeError, match="out of memory"):
        fake_device(full).capture(lambda _: torch.zeros(1), 0)


def test_a_graph_that_breaks_off_is_closed(fake: FakeCuda) -> None:
    """Planted: the work itself fails while it is captured."""
    calls = iter(range(9))

    def work(_: Any) -> torch.Tensor:
        if next(calls) == 3:
            raise RuntimeError("not permitted")
        return torch.zeros(1)

    with pytest.raises(Unavailable):
        fake_device(fake).capture(work, 0)
    assert not fake.capturing
    assert "main waits for side" not in fake.log


def test_eager_is_held_against_its_graph(fake: FakeCuda) -> None:
    """Closed form: the fake GPU takes 1 ms for either; where no graph can be made, the reason is kept."""
    samples = samples_for(job_on(fake))
    samples.whole.append(1.0)
    assert host_check(samples).ratio == 1.0
    broken = samples_for(job_on(FakeCuda(capture_error="no")))
    broken.whole.append(1.0)
    assert host_check(broken).reason == "a CUDA graph cannot be made: no."


def test_memory_of_a_run_is_what_it_takes_beyond_what_was_held(fake: FakeCuda) -> None:
    """Closed form: 350 at most, 100 held."""
    device = fake_device(fake)
    device.peak_bytes(reset=True)
    assert device.peak_bytes() == 250


def test_the_pool_lives_as_long_as_the_first_graph_in_it(fake: FakeCuda) -> None:
    """Closed form: it is shared until it is given back, or a capture fails, which asks for a new one."""
    device = fake_device(fake)
    first = device.capture(lambda _: torch.zeros(1), 0)
    device.capture(lambda _: torch.zeros(1), 0)
    assert (device._oldest_capture, device._pool) == (first, "pool")
    fake.capture_error = "no"
    with pytest.raises(Unavailable):
        device.capture(lambda _: torch.zeros(1), 0)
    assert (device._oldest_capture, device._pool) == (None, None)


def test_releasing_gives_the_graphs_memory_back(fake: FakeCuda) -> None:
    """Closed form: the cache is emptied, and the next capture asks for a pool of its own."""
    device = fake_device(fake)
    device.capture(lambda _: torch.zeros(1), 0)
    device.release()
    assert fake.log[-1] == "empty cache"
    assert device._pool is None


class FakeNvml:
    """pynvml of one GPU at 1980 MHz under a power cap, used by us and by two others."""

    NVMLError = OSError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(self, known: str = "GPU-1234") -> None:
        self.known = known
        self.open = 0

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid != self.known:
            raise OSError("Not Found")
        return uuid

    def nvmlDeviceGetClockInfo(self, handle: str, which: int) -> int:
        return {1: 1980, 2: 2619}[which]

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        return 698_512

    def nvmlDeviceGetTemperature(self, handle: str, which: int) -> int:
        return 61

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:
        return 0x4 | 0x40

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid) for pid in (os.getpid(), -1, -2)]

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(used=2**30)

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"580.1"


def test_nvml_tells_clocks_power_heat_and_others() -> None:
    """Closed form: its bits as words, our own process left out, what it does not tell as None; it is closed again."""
    library = FakeNvml()
    nvml = Nvml("1234", library)
    assert nvml.state() == {
        "sm_clock_mhz": 1980,
        "memory_clock_mhz": 2619,
        "power_w": 698.5,
        "temperature_c": 61,
        "performance_state": None,
        "throttle_reasons": ["sw_power_cap", "hw_thermal_slowdown"],
        "other_processes": 2,
        "memory_used_bytes": 2**30,
    }
    assert {name: value for name, value in nvml.facts().items() if value is not None} == {
        "driver": "580.1",
        "clocks": "free",
    }
    assert library.open == 0


def test_nvml_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: no package, no driver, a GPU that it does not know: measuring goes on, and the record says why."""
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    assert Nvml("1234").state() == {"nvml": "nvidia-ml-py is not installed"}
    unknown = FakeNvml(known="GPU-9")
    assert Nvml("1234", unknown).facts() == {"nvml": "NVML does not know this GPU: Not Found"}
    assert unknown.open == 0
    assert fake_device(FakeCuda()).state() == {"nvml": "NVML cannot be had: no driver"}


def test_facts_of_a_gpu_are_torchs_and_nvmls() -> None:
    """Closed form: of the fake GPU."""
    facts = fake_device(FakeCuda()).facts()
    assert (facts["compute_capability"], facts["multiprocessors"], facts["l2_bytes"]) == ("9.0", 132, 2**10)
    assert "uuid" not in str(facts)


def test_cpu_clock_pairs_neighbours_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form: nanoseconds 0, 2 and 5 million are spans of 2 and 3 ms."""
    ticks = iter([0, 2_000_000, 5_000_000])
    monkeypatch.setattr("analyzer.live.timing.devices.perf_counter_ns", lambda: next(ticks))
    device = CpuDevice()
    for _ in range(3):
        device.mark()
    assert device.spans_ms() == [2.0, 3.0]
    assert device.spans_ms() == []


@pytest.mark.parametrize("name", ["tpu", "cpu:0", "cuda:x", "cuda:-1", "", "CUDA"])
def test_unknown_devices_are_refused(name: str) -> None:
    """Closed form: field, value, rule."""
    with pytest.raises(InvalidInput, match=r"^device '.*': must be cpu, cuda, or cuda:N"):
        timing_device(name)


@pytest.mark.parametrize(
    ("count", "name", "seen"),
    [(0, "cuda", "no CUDA device"), (1, "cuda:1", "1 CUDA device."), (2, "cuda:7", "2 CUDA devices.")],
)
def test_an_absent_gpu_is_told(monkeypatch: pytest.MonkeyPatch, count: int, name: str, seen: str) -> None:
    """Closed form: with so many devices, that one is not there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(Unavailable, match=f"device {name}: torch .* sees {seen}"):
        timing_device(name)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried …"),
        RuntimeError("std::bad_alloc"),
        MemoryError("it needs at least 2.0 GiB, 1.0 GiB are free"),
    ],
)
def test_running_out_of_memory_is_one_sentence(error: Exception) -> None:
    """Reference: the texts that torch and the system raise."""
    with (
        pytest.raises(Unavailable, match=r"^cpu .* memory .*; lower the batch size\.$"),
        explain_memory_errors(CpuDevice(), "a network"),
    ):
        raise error


def test_other_errors_are_not_hidden() -> None:
    """Planted: an error of the program stays what it is."""
    with (
        pytest.raises(RuntimeError, match="shape"),
        explain_memory_errors(CpuDevice(), "it"),
        explain_kernel_errors(CpuDevice(), "amp"),
        explain_compiler_errors(),
    ):
        raise RuntimeError("shape mismatch")
    with (
        pytest.raises(Unavailable, match="precision float16: cannot run on cpu"),
        explain_kernel_errors(CpuDevice(), "float16"),
    ):
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")


def test_a_failing_compiler_is_one_sentence() -> None:
    """Reference: the exception that Dynamo wraps a compiler's failure in."""
    from torch._dynamo.exc import TorchDynamoException

    with (
        pytest.raises(Unavailable, match=r"^execution compiled: torch.compile failed: backend\.$"),
        explain_compiler_errors(),
    ):
        raise TorchDynamoException("backend\nmore")


def test_captured_graphs_fulfil_the_protocol() -> None:
    """Closed form: what a device's capture gives can be run whole and by parts."""
    assert {"run", "run_parts"} <= set(dir(CapturedGraphs))
