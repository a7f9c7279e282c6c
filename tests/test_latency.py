"""Measured latency: figures from given samples, the order of events on a fake GPU, and whole records of tiny networks.

No test here depends on how long anything takes.
"""

import json
import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from torch import nn

import analyzer
from analyzer.cli import main
from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.network import network
from analyzer.graph import Graph, Node, sequence
from analyzer.latency.record import Conditions, LatencyRecord, Timing
from analyzer.latency.stages import least_bytes, stage_starts
from analyzer.live import timing
from analyzer.live.build import build
from analyzer.live.devices import CpuDevice, CudaDevice, device_named
from analyzer.live.limits import PRECISIONS, Precision, kernels_told, memory_told, precision_named
from analyzer.live.timing import _Run, _Samples
from analyzer.ops import Conv2d, ReLU
from analyzer.render.latency import latency_table, warnings
from tests.names import HEADLINE

RESNET = "resnet:block=basic,depths=1-1,widths=4-8,stem=cifar,stem_width=4,num_classes=2"
DENSENET = "densenet:depths=2-1,growth_rate=4,init_features=4,stem=cifar,num_classes=2"
SCHEMA = json.loads(files("analyzer").joinpath("schemas/latency-1.json").read_text())


def conditions(**changed: Any) -> Conditions:
    given: dict[str, Any] = {
        "device": "cpu",
        "device_name": "a CPU",
        "precision": "float32",
        "autocast": None,
        "layout": "contiguous",
        "clock": "perf_counter",
        "num_warm_iter": 10,
        "torch": "2.9.0",
        "python": "3.11.7",
        "platform": "Linux",
        "date": "2025-01-01T00:00:00+00:00",
        "output_finite": True,
        "machine": {"threads": 2, "governor": None, "onednn": True},
    }
    return Conditions(**{**given, **changed})


def record(whole: tuple[float, ...], stages: Mapping[str, tuple[float, ...]], **changed: Any) -> LatencyRecord:
    return LatencyRecord(
        variant="resnet50",
        fingerprint="0123456789ab",
        input_shape=(3, 224, 224),
        batch_size=2,
        network=Timing(label="network", samples_ms=whole),
        stages=tuple(Timing(label=stage, samples_ms=samples) for stage, samples in stages.items()),
        conditions=conditions(**changed),
    )


@pytest.mark.parametrize("count", [1, 2, 3, 10, 51, 1000])
def test_percentiles_are_numpys(count: int) -> None:
    """Reference output: numpy's linear percentiles of the same samples."""
    samples = np.random.default_rng(count).lognormal(size=count)
    taken = Timing(label="x", samples_ms=tuple(samples.tolist()))
    p10, p25, median, p75, p90, p99 = np.percentile(samples, [10, 25, 50, 75, 90, 99])
    measured = (taken.p10_ms, taken.median_ms, taken.p90_ms, taken.p99_ms, taken.iqr_ms)
    assert measured == pytest.approx((p10, median, p90, p99, p75 - p25))


@pytest.mark.parametrize(("middle", "unsteady"), [(2.4, False), (2.6, True)])
def test_a_spread_over_5_percent_is_flagged(middle: float, unsteady: bool) -> None:
    """Closed form: quartiles at 100 ± middle, that is an interquartile range of 2·middle % of the median."""
    samples = (100 - middle, 100 - middle, 100.0, 100 + middle, 100 + middle)
    assert Timing(label="x", samples_ms=samples).unsteady is unsteady


@pytest.mark.parametrize("samples", [(), (1.0, math.nan), (math.inf,), (-1.0,)])
def test_impossible_samples_are_refused(samples: tuple[float, ...]) -> None:
    """Closed form: no samples, no number, a time below zero."""
    with pytest.raises(InvalidInput, match="timing stage1: samples_ms must be"):
        Timing(label="stage1", samples_ms=samples)


def test_the_stages_sum_stands_against_the_whole() -> None:
    """Closed form: medians 2 + 3 + 4 against 10 are 90 %, which is more than 5 % off; against 9.2 they are not."""
    stages = {"stem": (2.0, 1.0, 3.0), "stage1": (3.0, 3.0, 3.0), "head": (4.0, 9.0, 4.0)}
    far, near = record((10.0, 10.0, 10.0), stages), record((9.2, 9.2, 9.2), stages)
    assert far.stage_sum_ms == 9.0
    assert far.stage_sum_ratio == pytest.approx(0.9)
    assert far.split_differs
    assert not near.split_differs


def test_the_table_shows_medians_shares_and_the_whole() -> None:
    """Golden: 2, 3 and 4 ms of 9, and the whole of 9.2 ms, with conditions; unknown facts are left out."""
    text = latency_table(record((9.2,), {"stem": (2.0,), "stage1": (3.0,), "head": (4.0,)}, autocast="bfloat16"))
    lines = [line.split() for line in text.splitlines()]
    assert ["stage", "1", "3.000", "3.000–3.000", "33.3", "%"] in lines
    assert ["sum", "of", "stages", "9.000", "100.0", "%"] in lines
    assert ["whole", "network", "9.200", "9.200–9.200", "102.2", "%"] in lines
    assert "one batch of 2 × 3×224×224" in text
    assert "float32 (autocast bfloat16), contiguous layout" in text
    assert "threads 2, onednn on;" in text
    assert "governor" not in text


def test_doubtful_figures_are_told() -> None:
    """Closed form: a steady record has no warnings; spread, split and overflow have one each."""
    assert warnings(record((10.0, 10.0), {"stem": (10.0, 10.0)})) == []
    told = warnings(record((10.0, 12.0), {"stem": (5.0, 5.0)}, output_finite=False, precision="float16"))
    assert ["Unsteady" in told[0], "45.5 % of the whole" in told[1], "float16" in told[2]] == [True, True, True]


def test_the_schema_is_a_schema_and_a_record_is_valid() -> None:
    """Reference: JSON Schema, read by another library; a record with a missing or unknown field is not valid."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    document = record((1.0, 2.0), {"stem": (1.0, 2.0)}).to_dict()
    jsonschema.validate(document, SCHEMA)
    for broken in ({**document, "more": 1}, {key: document[key] for key in document if key != "conditions"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_a_record_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Measured: the file is the JSON; where it cannot be written, one sentence."""
    taken = record((1.0,), {"stem": (1.0,)})
    taken.save(tmp_path / "new" / "record.json")
    assert json.loads((tmp_path / "new" / "record.json").read_text()) == taken.to_dict()
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        taken.save(tmp_path / "file" / "record.json")


@pytest.mark.parametrize("name", HEADLINE)
def test_stage_starts_are_the_stages_of_the_analysis(name: str) -> None:
    """Closed form: the same stages in the same order as the cost fold's rows, each at a module's path."""
    starts = stage_starts(network(name).graph)
    assert [stage for stage, _ in starts] == [row.stage for row in analyzer.analyze(name).stages]
    modules = dict(build(name, device="meta").named_modules())
    assert all(path in modules for _, path in starts)


def test_densenet_stages_lie_inside_features() -> None:
    """Closed form: the split descends, and the head begins with the final norm."""
    starts = dict(stage_starts(network("densenet121").graph))
    assert starts["stem"] == "features.conv0"
    assert starts["stage3"] == "features.denseblock3"
    assert starts["transition2"] == "features.transition2"
    assert starts["head"] == "features.norm5"


def test_a_graph_without_stages_is_one() -> None:
    """Closed form: its first node begins the only stage."""
    assert stage_starts(Graph("plain", tuple(sequence(("conv", Conv2d(3, 4, 3)), ("relu", ReLU()))))) == (
        ("network", "conv"),
    )


def test_least_bytes_are_parameters_and_the_largest_op() -> None:
    """Closed form: 3·3·3·4 weights, and for 2 images the convolution's 3·8·8 in and 4·8·8 out, 4 bytes each."""
    rows = analyzer.analyze(Graph("one", (Node("conv", Conv2d(3, 4, 3, padding=1), ("input",)),)), input_size=8).rows
    assert least_bytes(rows, 2, 4) == 4 * (3 * 3 * 3 * 4 + 2 * (3 * 64 + 4 * 64))


class FakeCuda:
    """torch.cuda with a clock that the test winds: events read it when the queue reaches them, not when recorded."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.queue: list[FakeEvent] = []
        self.now = 0.0

    def Event(self, *, enable_timing: bool) -> "FakeEvent":
        assert enable_timing
        return FakeEvent(self)

    def current_stream(self, place: str) -> str:
        return f"stream of {place}"

    def synchronize(self, place: str) -> None:
        """Each piece of work between two events takes 1 ms longer than the one before."""
        self.log.append(f"synchronize {place}")
        for index, event in enumerate(self.queue):
            self.now += index
            event.at = self.now
        self.queue.clear()


class FakeEvent:
    """torch.cuda.Event, which may be read only after its queue was waited for."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.at: float | None = None

    def record(self, stream: str) -> None:
        assert stream == "stream of cuda:1"
        self.cuda.log.append("record")
        self.cuda.queue.append(self)

    def elapsed_time(self, other: "FakeEvent") -> float:
        assert self.at is not None, "read before the queue was waited for"
        assert other.at is not None, "read before the queue was waited for"
        self.cuda.log.append("read")
        return other.at - self.at


@pytest.fixture
def fake() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def fake_run(fake: FakeCuda) -> _Run:
    net = build(RESNET).eval()
    starts = stage_starts(network(RESNET).graph)
    images = torch.randn(1, 3, 8, 8)
    return _Run(
        net=net, images=images, device=CudaDevice("cuda:1", fake), starts=starts, precision=Precision(torch.float32)
    )


def test_cuda_waits_once_and_pairs_neighbours(fake: FakeCuda) -> None:
    """Closed form: events are read in pairs after one synchronise, and forgotten; work takes 1, 2, … ms."""
    device = CudaDevice("cuda:1", fake)
    for _ in range(4):
        device.mark()
    assert device.spans_ms() == [1.0, 2.0, 3.0]
    assert fake.log == [*["record"] * 4, "synchronize cuda:1", *["read"] * 3]
    assert device.spans_ms() == []


def test_whole_network_is_one_pair_of_events(fake: FakeCuda, fake_run: _Run) -> None:
    """Closed form: two events around the forward, one wait."""
    assert fake_run.whole_ms() == 1.0
    assert fake.log == ["record", "record", "synchronize cuda:1", "read"]


def test_stages_are_marked_at_their_borders_only_while_measured(fake: FakeCuda, fake_run: _Run) -> None:
    """Closed form: an event before each of the stem, 2 stages and head, and one at the end; no hook stays behind."""
    assert fake_run.stages_ms() == [1.0, 2.0, 3.0, 4.0]
    assert fake.log.count("record") == 5
    assert fake.log.count("synchronize cuda:1") == 1
    assert not any(module._forward_pre_hooks for module in fake_run.net.modules())


def test_whole_and_stages_are_taken_by_turns(fake: FakeCuda, fake_run: _Run) -> None:
    """Closed form: each sample records 2 events, waits, records 5, waits."""
    samples = _Samples()
    for _ in range(3):
        samples.take(fake_run)
    waits = [step for step in fake.log if step != "read"]
    assert waits == 3 * [*["record"] * 2, "synchronize cuda:1", *["record"] * 5, "synchronize cuda:1"]
    assert [len(samples.whole), len(samples.stages)] == [3, 3]


def test_cpu_clock_pairs_neighbours_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form: nanoseconds 0, 2 and 5 million are spans of 2 and 3 ms."""
    ticks = iter([0, 2_000_000, 5_000_000])
    monkeypatch.setattr("analyzer.live.devices.perf_counter_ns", lambda: next(ticks))
    device = CpuDevice()
    for _ in range(3):
        device.mark()
    assert device.spans_ms() == [2.0, 3.0]
    assert device.spans_ms() == []


@pytest.mark.parametrize(
    ("count", "each_ms", "wanted", "enough"),
    [
        (49, 100.0, None, False),
        (50, 19.0, None, False),
        (50, 21.0, None, True),
        (1001, 1.0, None, True),
        (2, 1.0, 3, False),
        (3, 1.0, 3, True),
    ],
)
def test_samples_are_enough(count: int, each_ms: float, wanted: int | None, enough: bool) -> None:
    """Closed form: by default at least 50 and one second, else the number wanted."""
    assert _Samples(whole=[each_ms] * count).enough(wanted) is enough


@pytest.mark.parametrize("variant", [RESNET, DENSENET])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_record_of_a_live_network_is_whole(variant: str, channels_last: bool) -> None:
    """Closed form: the samples asked for, p10 ≤ median ≤ p90, every stage of the analysis, a valid document."""
    taken = analyzer.measure_latency(
        variant, batch_size=2, num_bench_iter=7, num_warm_iter=1, channels_last=channels_last
    )
    analysis = analyzer.analyze(variant)
    assert [stage.label for stage in taken.stages] == [row.stage for row in analysis.stages]
    for part in (taken.network, *taken.stages):
        assert len(part.samples_ms) == 7
        assert 0 < part.p10_ms <= part.median_ms <= part.p90_ms <= part.p99_ms
    assert taken.fingerprint == analysis.fingerprint
    assert taken.conditions.layout == ("channels_last" if channels_last else "contiguous")
    assert taken.conditions.machine["threads"] == torch.get_num_threads()
    jsonschema.validate(json.loads(taken.to_json()), SCHEMA)


@pytest.mark.parametrize("word", ["float32", "amp", "amp_bfloat16", "bfloat16"])
def test_precisions_are_recorded(word: str) -> None:
    """Closed form: each of timm's words that every CPU can run, and autocast's type where it is one."""
    taken = analyzer.measure_latency(RESNET, precision=word, num_bench_iter=1, num_warm_iter=1)
    assert taken.conditions.precision == word
    assert taken.conditions.autocast == ("bfloat16" if word.startswith("amp") else None)


def test_amp_is_torchs_own_choice_of_type() -> None:
    """Reference: torch's default autocast types of the two devices."""
    for kind in ("cpu", "cuda"):
        assert precision_named("amp", kind).autocast == torch.get_autocast_dtype(kind)


def test_the_forward_is_eval_without_gradients() -> None:
    """Measured: the network is in evaluation mode and its output is an inference tensor of the autocast type."""
    seen: list[tuple[bool, torch.Tensor]] = []

    class Probe(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.conv(images)
            seen.append((self.training, output))
            return output

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

    precision = precision_named("amp", "cpu")
    run = _Run(net=Probe().eval(), images=torch.randn(1, 3, 8, 8), device=CpuDevice(), starts=(), precision=precision)
    run.forward()
    training, output = seen[0]
    assert not training
    assert output.is_inference()
    assert output.dtype == torch.bfloat16


def test_a_long_measurement_is_announced(monkeypatch: pytest.MonkeyPatch, fake_run: _Run) -> None:
    """Closed form: 50 samples of twice 1 s are 100 s; 4 of them are under 10 s and not worth a word."""
    monkeypatch.setattr(_Run, "whole_ms", lambda _: 1000.0)
    told: list[str] = []
    timing._warmed(fake_run, 2, None, told.append)
    timing._warmed(fake_run, 2, 4, told.append)
    assert told == ["50 samples will take about 100 s; --num-bench-iter sets their number."]


@pytest.mark.parametrize("name", ["tpu", "cpu:0", "cuda:x", "cuda:-1", "", "CUDA"])
def test_unknown_devices_are_refused(name: str) -> None:
    """Closed form: field, value, rule."""
    with pytest.raises(InvalidInput, match=r"^device '.*': must be cpu, cuda, or cuda:N"):
        device_named(name)


@pytest.mark.parametrize(
    ("count", "name", "seen"),
    [(0, "cuda", "no CUDA device"), (1, "cuda:1", "1 CUDA device."), (2, "cuda:7", "2 CUDA devices.")],
)
def test_an_absent_gpu_is_told(monkeypatch: pytest.MonkeyPatch, count: int, name: str, seen: str) -> None:
    """Closed form: with so many devices, that one is not there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(Unavailable, match=f"device {name}: torch .* sees {seen}"):
        device_named(name)


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
        memory_told(CpuDevice(), "a network"),
    ):
        raise error


def test_other_errors_are_not_hidden() -> None:
    """Planted: an error of the program stays what it is."""
    with pytest.raises(RuntimeError, match="shape"), memory_told(CpuDevice(), "it"), kernels_told(CpuDevice(), "amp"):
        raise RuntimeError("shape mismatch")
    with pytest.raises(Unavailable, match="precision float16: cannot run on cpu"), kernels_told(CpuDevice(), "float16"):
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")


def test_too_large_a_batch_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a machine with 1 MiB free."""
    monkeypatch.setattr(CpuDevice, "free_bytes", lambda _: 2**20)
    monkeypatch.setattr(timing, "build", None)
    with pytest.raises(Unavailable, match=r"needs at least 358\.9 GiB, 0\.0 GiB are free"):
        analyzer.measure_latency("resnet18", batch_size=60_000)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"batch_size": 0}, "batch_size 0: must be a whole number from 1 to 65536."),
        ({"batch_size": True}, "batch_size True: must be a whole number from 1 to 65536."),
        ({"num_warm_iter": 0}, "num_warm_iter 0: must be a whole number from 1 to 1000000."),
        ({"num_bench_iter": 0}, "num_bench_iter 0: must be a whole number from 1 to 1000000."),
        ({"precision": "int8"}, "precision 'int8': must be one of float32, amp, amp_bfloat16, float16, bfloat16."),
    ],
)
def test_bad_arguments_are_told_in_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    """Closed form: field, value, rule."""
    with pytest.raises(InvalidInput) as raised:
        analyzer.measure_latency(RESNET, **changed)
    assert str(raised.value) == sentence


def test_few_samples_are_refused_on_cuda(monkeypatch: pytest.MonkeyPatch, fake: FakeCuda) -> None:
    """Closed form: on a GPU a sample takes milliseconds, so at least 50 are taken."""
    monkeypatch.setattr(timing, "device_named", lambda _: CudaDevice("cuda:1", fake))
    with pytest.raises(InvalidInput, match="num_bench_iter 49: must be a whole number from 50"):
        analyzer.measure_latency(RESNET, device="cuda", num_bench_iter=49)


def test_the_verb_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: a line for each stage, their sum and the whole."""
    assert main(["latency", RESNET, "--num-bench-iter", "3", "--num-warm-iter", "1", "--batch-size", "2"]) == 0
    printed = capsys.readouterr().out
    for words in ("stem", "stage 1", "stage 2", "head", "sum of stages", "whole network", "Conditions: 3 samples"):
        assert any(line.startswith(words) for line in printed.splitlines())


def test_the_verb_writes_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reference: JSON Schema; an input size that does not fit exits 2 and leaves the file."""
    path = tmp_path / "record.json"
    arguments = [
        "latency",
        DENSENET,
        "--num-bench-iter",
        "2",
        "--num-warm-iter",
        "1",
        "--format",
        "json",
        "--output",
        str(path),
    ]
    assert main([*arguments, "--input-size", "16x24"]) == 0
    document = json.loads(path.read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["input_shape"] == [3, 16, 24]
    assert main([*arguments, "--input-size", "0"]) == 2
    assert json.loads(path.read_text()) == document
    assert "input size 0" in capsys.readouterr().err


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_measured() -> None:
    """Measured: a record of a real GPU, in every precision; too large a batch is one sentence."""
    for precision in PRECISIONS:
        taken = analyzer.measure_latency("resnet18", device="cuda", precision=precision, num_bench_iter=50)
        assert taken.conditions.clock == "cuda events"
        jsonschema.validate(json.loads(taken.to_json()), SCHEMA)
    with pytest.raises(Unavailable, match="out of memory"):
        analyzer.measure_latency("resnet18", device="cuda", batch_size=65_536)
