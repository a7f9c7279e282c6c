"""Latency measured on the CPU: whole records of tiny networks, in every way of running them; what is refused.

No test here depends on how long anything takes.
"""

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import torch

import analyzer
from analyzer.cost.analysis import analyze
from analyzer.cost.network_costs import BYTES_PER_PARAM
from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.network import Network
from analyzer.graph.graph import Graph, Node
from analyzer.graph.ops import Conv2d, ReLU
from analyzer.latency.records.record import Measurement
from analyzer.latency.run_settings import MIN_SAMPLES, PRECISIONS, Effort, RunSettings, grid
from analyzer.live.network.build import build
from analyzer.live.timing import session, timing
from analyzer.live.timing import session as sampling
from analyzer.live.timing.devices import CpuDevice
from analyzer.live.timing.limits import precision_named, stage_starts
from analyzer.live.timing.session import MeasurementCallbacks, groups
from analyzer.live.timing.timed_run import (
    compile_stages,
    master_network,
    prepare_timed_run,
    random_images,
    require_compiler,
)
from analyzer.live.timing.timing import measure_latencies
from tests.support.latency_fakes import DENSENET, RESNET, FakeCuda, fake_device

SCHEMA = json.loads(files("analyzer").joinpath("schemas/latency-1.json").read_text())
SPLIT = ("resnet18", "resnet50d", "densenet121", "resnetv2_50", "seresnet50", "plain34", "vgg11", "resnet56_cifar")
"""One of each kind of stem, block and head that a split must understand."""
QUICK = Effort(num_warm_iter=1, num_bench_iter=7, reference=None)


@pytest.fixture(autouse=True)
def _short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs are a window, and a warm-up has no time: nothing waits for a steady machine."""
    monkeypatch.setattr("analyzer.live.timing.session.WINDOW_SECONDS", 0.0)
    monkeypatch.setattr("analyzer.live.timing.session.MAX_WARM_SECONDS", 0.0)


def taken(*cells: RunSettings, variants: tuple[str, ...] = (RESNET,), **chosen: Any) -> Measurement:
    return measure_latencies(variants, cells, input_size=8, **{"effort": QUICK, **chosen})


@pytest.mark.parametrize("variant", [RESNET, DENSENET])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_a_record_of_a_live_network_is_whole(variant: str, layout: str) -> None:
    """Closed form: the samples asked for, p10 ≤ median ≤ p90, every stage of the analysis, a valid document."""
    (found,) = taken(RunSettings.from_words(batch_size=2, layout=layout), variants=(variant,)).records
    analysis = analyze(variant, 8)
    assert [stage.label for stage in found.stages] == [row.stage for row in analysis.stages]
    for part in (found.network, *found.stages):
        assert len(part.samples_ms) == 7
        assert 0 < part.p10_ms <= part.median_ms <= part.p90_ms <= part.p99_ms
    assert found.fingerprint == analysis.fingerprint
    assert found.settings.layout == layout
    assert found.output is not None
    assert found.output.agrees
    assert found.queued is None
    assert found.host is None
    assert found.conditions.machine["threads"] == torch.get_num_threads()
    jsonschema.validate(json.loads(found.to_json()), SCHEMA)


def test_a_record_tells_nothing_of_whose_machine_it_was() -> None:
    """Closed form: the system and its main version, and no name of the host."""
    import platform

    (found,) = taken(RunSettings()).records
    assert found.conditions.platform.split() == [platform.system(), platform.release().split(".")[0]]
    assert platform.node() not in found.to_json() or len(platform.node()) < 3


def test_every_way_of_a_grid_is_measured_by_turns() -> None:
    """Closed form: each combination once, the networks of one cell beside each other."""
    cells = grid(["inference", "training"], ["contiguous"], ["float32", "amp"], [1, 2, 1], ["eager"])
    assert len(cells) == 8
    found = taken(*cells, variants=(RESNET, DENSENET), effort=Effort(num_warm_iter=1, num_bench_iter=2, reference=None))
    assert [record.settings for record in found.records] == [cell for cell in cells for _ in range(2)]
    assert [record.variant[:6] for record in found.records[:2]] == ["resnet", "densen"]
    assert found.cut_short is None


def test_a_training_step_has_three_parts_and_changes_the_weights() -> None:
    """Measured: forward, backward, optimizer; the weights of the copy move, the master's stay."""
    analysis, device = analyze(RESNET, 8), CpuDevice()
    net = master_network(analysis, device)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    job = prepare_timed_run(
        net, analysis, RunSettings.from_words(task="training", batch_size=2), device, torch.randn(2, 3, 8, 8)
    )
    losses = [float(job.run()) for _ in range(30)]
    assert losses[-1] < losses[0]
    assert len(job.parts_ms()) == 3
    assert job.parts == ("forward", "backward", "optimizer")
    assert all(torch.equal(before[name], weight) for name, weight in net.state_dict().items())


@pytest.mark.parametrize("word", ["float32", "amp", "amp_bfloat16", "bfloat16"])
def test_precisions_are_recorded(word: str) -> None:
    """Closed form: each of timm's words that every CPU can run, and autocast's type where it is one."""
    (found,) = taken(RunSettings(precision=word)).records
    assert found.precision == word
    assert found.autocast == ("bfloat16" if word.startswith("amp") else None)
    assert found.output is not None
    assert found.output.agrees


@pytest.mark.parametrize("variant", [RESNET, "resnet:preactivation=true,block=basic,depths=1-1,widths=4-8,stem=cifar"])
def test_a_wrong_output_is_seen(variant: str) -> None:
    """Planted: the weights of any one convolution changed after the reference was taken."""
    analysis, device = analyze(variant, 8), CpuDevice()
    net = master_network(analysis, device)
    job = prepare_timed_run(net, analysis, RunSettings(batch_size=2), device, random_images(2, analysis, device))
    for path, module in net.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            kept = module.weight.data.clone()
            module.weight.data = module.weight.data.flip(0)
            wrong = job.output_check()
            module.weight.data = kept
            right = job.output_check()
            assert wrong is not None
            assert right is not None
            assert (wrong.agrees, right.agrees) == (False, True), path


def test_images_are_normal_and_the_same_everywhere() -> None:
    """Reference: torch's CPU generator with seed 2015; closed form: mean 0 and spread 1."""
    images = random_images(4, analyze("resnet18", 64), CpuDevice())
    assert images.mean().item() == pytest.approx(0, abs=0.02)
    assert images.std().item() == pytest.approx(1, abs=0.02)
    again = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(2015))
    assert torch.equal(images, again)


def test_the_host_holds_few_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reference: the generator asked once. A host of 128 GiB ended the process that drew 200 GiB for its GPU."""
    drawn, randn = [], torch.randn

    def watched(*size: Any, **options: Any) -> torch.Tensor:
        drawn.append(randn(*size, **options))
        return drawn[-1]

    monkeypatch.setattr(torch, "randn", watched)
    images = random_images(150, analyze("resnet18", 7), CpuDevice())
    assert [len(some) for some in drawn] == [64, 64, 22]
    assert torch.equal(images, randn(150, 3, 7, 7, generator=torch.Generator().manual_seed(2015)))


def test_a_network_that_magnifies_roundings_is_not_judged() -> None:
    """Published: without shortcuts batch-normalised ReLUs magnify by √(π/(π−1)) = 1.21 a layer (Yang et al. 2019)."""
    device, settings = CpuDevice(), RunSettings(precision="bfloat16", batch_size=2)
    found = {}
    for name in ("plain110", "resnet20"):
        analysis = analyze(name)
        images = random_images(2, analysis, device)
        found[name] = prepare_timed_run(
            master_network(analysis, device), analysis, settings, device, images, stages=False
        ).output_check()
    assert found["plain110"] is not None
    assert found["plain110"].bound is None
    assert found["resnet20"] is not None
    assert found["resnet20"].agrees


@pytest.mark.parametrize("name", ["resnet50", "plain34", "densenet121"])
def test_activations_stay_in_float16s_range(name: str) -> None:
    """Measured at 32×32: with batch norm's statistics taken from images no output is near 65,504."""
    output = master_network(analyze(name, 32), CpuDevice())(torch.randn(2, 3, 32, 32))
    assert torch.isfinite(output).all()
    assert output.abs().max() < 1000


def test_amp_is_torchs_own_choice_of_type() -> None:
    """Reference: torch's default autocast types of the two devices."""
    for kind in ("cpu", "cuda"):
        assert precision_named("amp", kind).autocast == torch.get_autocast_dtype(kind)


def test_the_forward_is_eval_without_gradients() -> None:
    """Measured: the network is in evaluation mode and its output is an inference tensor of the autocast type."""
    analysis, device = analyze(RESNET, 8), CpuDevice()
    net = master_network(analysis, device)
    output = prepare_timed_run(net, analysis, RunSettings(precision="amp"), device, torch.randn(1, 3, 8, 8)).run()
    assert not net.training
    assert output.is_inference()
    assert output.dtype == torch.bfloat16


def test_batch_norms_statistics_are_those_of_one_batch() -> None:
    """Closed form: the stem's running mean is the mean of its convolution's output over the images."""
    torch.manual_seed(0)
    analysis = analyze(RESNET, 8)
    seen: list[torch.Tensor] = []
    net = build(analysis.network)
    net.get_submodule("conv1").register_forward_hook(lambda *given: seen.append(given[2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analyzer.live.timing.timed_run.build", lambda *_, **__: net)
        made = master_network(analysis, CpuDevice())
    assert torch.allclose(made.get_submodule("bn1").running_mean, seen[0].mean((0, 2, 3)), atol=1e-6)  # type: ignore[arg-type]
    assert made.get_submodule("bn1").momentum == 0.1


@pytest.mark.parametrize("name", SPLIT)
def test_stage_borders_are_modules(name: str) -> None:
    """Closed form: every stage begins at a module's path."""
    modules = dict(build(name, device="meta").named_modules())
    assert all(path in modules for _, path in stage_starts(analyze(name).network.graph))


@pytest.mark.parametrize(
    ("effort", "count", "each_ms", "enough"),
    [
        (Effort(), 49, 100.0, False),
        (Effort(), 50, 19.0, False),
        (Effort(), 50, 21.0, True),
        (Effort(), 1001, 1.0, True),
        (Effort(num_bench_iter=3), 2, 1.0, False),
        (Effort(num_bench_iter=3), 3, 1.0, True),
        (Effort(cell_seconds=2), 9, 1000.0, False),
        (Effort(cell_seconds=2), 10, 201.0, True),
        (Effort(cell_seconds=0.1), 50, 2.1, True),
        (Effort(cell_seconds=0.1), 49, 2.0, False),
        (Effort(cell_seconds=0.1), 9, 99.0, False),
        (Effort(cell_seconds=0.1), 10, 99.0, False),
        (Effort(cell_seconds=0.1), 10, 101.0, True),
    ],
)
def test_samples_are_enough(effort: Effort, count: int, each_ms: float, enough: bool) -> None:
    """Closed form: by default at least 50 and one second, else the number wanted, or 10 and the cell's seconds."""
    assert effort.enough(count, count * each_ms) is enough
    assert (effort.num_samples(each_ms) <= count) is enough


def test_a_long_measurement_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form: 50 samples and 50 of the stages of 1 s, and 5 more, a fifth added, are 126 s."""
    monkeypatch.setattr("analyzer.live.timing.timed_run.TimedRun.whole_ms", lambda *_: 1000.0)
    monkeypatch.setattr("analyzer.live.timing.timed_run.TimedRun.parts_ms", lambda *_: [1.0] * 4)
    told: list[str] = []
    effort = Effort(num_warm_iter=1, reference=None)
    taken(RunSettings(), effort=effort, watch=MeasurementCallbacks(notice=told.append))
    assert told == ["50 samples will take about 126 s; --num-bench-iter sets their number."]


def test_progress_tells_what_is_measured() -> None:
    """Closed form: how many are made ready, of how many, and what comes: each network, then the samples of all."""
    seen: list[tuple[int, int, str]] = []
    taken(
        *grid(["inference"], ["contiguous"], ["float32"], [1, 2], ["eager"]),
        watch=MeasurementCallbacks(progress=lambda *each: seen.append(each)),
    )
    assert [(done, total) for done, total, _ in seen] == [(0, 2), (1, 2), (1, 2), (2, 2)]
    assert seen[1][2] == "samples, batch 1, float32, eager"
    assert seen[2][2].endswith(", batch 2, float32, eager")


def test_the_reference_network_stands_around_each_cell() -> None:
    """Measured: its time before and after; one cell's after is the next one's before."""
    effort = Effort(num_warm_iter=1, num_bench_iter=1, reference=DENSENET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "REFERENCE_SECONDS", 0.0)
        first, second = taken(RunSettings(), RunSettings(batch_size=2), effort=effort).records
    assert first.reference is not None
    assert second.reference is not None
    assert first.reference.variant == DENSENET
    assert first.reference.after_ms == second.reference.before_ms


@pytest.mark.parametrize(("attempts", "counts"), [(1, False), (2, True), (3, True)])
def test_what_drifted_is_measured_again(attempts: int, counts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the reference takes 1 ms, then 1.5 ms for good: the first attempt is discarded, the second counts."""
    times = iter([1.0, *[1.5] * 9])
    monkeypatch.setattr(session.Session, "_reference_ms", lambda _: next(times))
    told: list[str] = []
    effort = Effort(num_warm_iter=1, num_bench_iter=7, reference=RESNET, attempts=attempts)
    (found,) = taken(RunSettings(), effort=effort, watch=MeasurementCallbacks(notice=told.append)).records
    assert found.discarded is not counts
    assert len(found.network.samples_ms) == len(found.stages[0].samples_ms) == 7
    assert [sentence.endswith("changed by +50.0 %: once more.") for sentence in told] == [True] * (attempts > 1)


def test_a_stopped_measurement_keeps_what_is_complete() -> None:
    """Planted: Ctrl-C when the second cell begins; what was kept before was marked as unfinished."""
    kept: list[Measurement] = []

    def stop(_done: int, _total: int, what: str) -> None:
        if "batch 2" in what:
            raise KeyboardInterrupt

    found = taken(RunSettings(), RunSettings(batch_size=2), watch=MeasurementCallbacks(progress=stop, keep=kept.append))
    assert found.cut_short == "interrupted"
    assert [record.batch_size for record in found.records] == [1]
    assert [each.cut_short for each in kept] == ["still running"]


def test_a_time_limit_ends_it_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: by the clock of the test each look takes a second, so the second cell no longer fits into 3.5 s."""
    clock = iter(range(100))
    monkeypatch.setattr(timing, "monotonic", lambda: next(clock))
    monkeypatch.setattr(session, "monotonic", lambda: next(clock))
    monkeypatch.setattr("analyzer.live.timing.session.Samples.expected_s", property(lambda _: 2.0))
    effort = Effort(num_warm_iter=1, num_bench_iter=1, reference=None, max_seconds=3.5)
    found = taken(RunSettings(), RunSettings(batch_size=2), RunSettings(batch_size=3), effort=effort)
    assert found.cut_short == "the time limit of 3.5 s"
    assert [record.batch_size for record in found.records] == [1]


def test_too_large_a_batch_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a machine with 1 MiB free; beside other cells it is told, and they are measured."""
    monkeypatch.setattr(CpuDevice, "free_bytes", lambda _: 2**20)
    with pytest.raises(Unavailable, match=r"needs at least 358\.9 GiB, 0\.0 GiB are free"):
        analyzer.measure_latency("resnet18", batch_size=60_000, reference=None)
    told: list[str] = []
    found = taken(RunSettings(), RunSettings(batch_size=60_000), watch=MeasurementCallbacks(notice=told.append))
    assert [record.batch_size for record in found.records] == [1]
    assert [failure.reason for failure in found.failures] == told
    assert "lower the batch size" in told[0]


def test_what_torch_refuses_is_told_and_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: an error of torch's while one network warms up."""
    ready = sampling.prepare_samples

    def refused(job: Any, *more: Any) -> Any:
        if job.settings.batch_size == 1:
            raise RuntimeError("cuDNN error: not supported\nmore")
        return ready(job, *more)

    monkeypatch.setattr(session, "prepare_samples", refused)
    found = taken(RunSettings(), RunSettings(batch_size=2))
    assert [record.batch_size for record in found.records] == [2]
    assert found.failures[0].reason.endswith("at batch size 1 and 3×8×8: cuDNN error: not supported.")


def test_many_networks_are_measured_in_groups() -> None:
    """Closed form: neighbours whose weights are at most 4 GiB together."""
    analyses = [analyze("vgg16")] * 10
    sizes = [BYTES_PER_PARAM * sum(each.params for each in group) for group in groups(analyses)]
    assert [round(size / 2**30, 1) for size in sizes] == [3.6, 1.5]
    assert list(groups([])) == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"batch_size": 0}, "batch_size 0: must be a whole number from 1 to 65536."),
        ({"batch_size": True}, "batch_size True: must be a whole number from 1 to 65536."),
        ({"num_warm_iter": 0}, "num_warm_iter 0: must be a whole number from 1 to 1000000."),
        ({"num_bench_iter": 0}, "num_bench_iter 0: must be a whole number from 1 to 1000000."),
        ({"precision": "int8"}, f"precision 'int8': must be one of {', '.join(PRECISIONS)}."),
        ({"execution": "fast"}, "execution 'fast': must be one of eager, cuda_graph, compiled."),
        ({"task": "both"}, "task 'both': must be one of inference, training."),
        ({"execution": "cuda_graph"}, "execution cuda_graph: needs --device cuda, not cpu."),
    ],
)
def test_bad_arguments_are_told_in_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    """Closed form: field, value, rule."""
    with pytest.raises(InvalidInput) as raised:
        analyzer.measure_latency(RESNET, **changed)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "changed", [{"cell_seconds": 0}, {"max_seconds": -1.0}, {"max_seconds": float("nan")}, {"caches": "hot"}]
)
def test_bad_efforts_are_told(changed: dict[str, Any]) -> None:
    """Closed form: field, value, rule."""
    with pytest.raises(InvalidInput, match=rf"^{next(iter(changed))} .*: must be "):
        Effort(**changed)


def test_few_samples_are_refused_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form: on a GPU a sample takes milliseconds, so at least 50 are taken."""
    monkeypatch.setattr(timing, "timing_device", lambda _: fake_device(FakeCuda()))
    with pytest.raises(InvalidInput, match=f"num_bench_iter 49: must be a whole number from {MIN_SAMPLES}"):
        analyzer.measure_latency(RESNET, device="cuda", num_bench_iter=49)


def test_what_a_cpu_has_not_is_refused() -> None:
    """Closed form: caches that can be flushed; a network without classes has no loss."""
    with pytest.raises(InvalidInput, match=r"^caches flushed: needs --device cuda, not cpu\.$"):
        taken(RunSettings(), effort=Effort(caches="flushed"))
    with pytest.raises(InvalidInput, match=r"^task training: .* gives a map, not scores of classes\.$"):
        taken(RunSettings.from_words(task="training"), variants=(f"{RESNET},head=none",))


def test_a_missing_compiler_is_told_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a machine without g++ and clang++."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(session, "master_network", None)
    with pytest.raises(Unavailable, match=r"^execution compiled: torch.compile needs a C\+\+ compiler"):
        taken(RunSettings.from_words(execution="compiled"))


ONE = Graph("one", (Node("conv", Conv2d(3, 4, 3), ("input",)), Node("relu", ReLU(), ("conv",))))


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is compiled, as the names of the modules' calls in each graph; nothing is generated."""
    found: list[list[str]] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> Any:
        found.append([node.name for node in graph.graph.nodes if node.op.startswith("call")])
        return graph.forward

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda own, dynamic: compile_(own, dynamic=dynamic, backend=backend))
    return found


def test_each_compiled_network_is_compiled_once_a_shape(compilations: list[list[str]]) -> None:
    """Closed form: 9 networks at one shape, and one at a second; Dynamo would give up at 8 of one code."""
    try:
        require_compiler("cpu")
    except Unavailable as lacking:
        pytest.skip(str(lacking))
    analysis, device = analyze(ONE, 8), CpuDevice()
    for number in range(9):
        for batch in (1, 2) if number == 8 else (1,):
            settings = RunSettings.from_words(execution="compiled", batch_size=batch)
            images = torch.randn(batch, 3, 8, 8)
            job = prepare_timed_run(master_network(analysis, device), analysis, settings, device, images, stages=False)
            for _ in range(2):
                check = job.output_check()
                assert check is not None
                assert check.agrees
    assert len(compilations) == 10


@pytest.mark.parametrize("variant", [RESNET, DENSENET])
def test_a_compiled_network_is_split_at_the_stage_borders(variant: str, compilations: list[list[str]]) -> None:
    """Reference output: the whole; each stage is one graph of its own, and together they have the same calls."""
    analysis, device = analyze(variant, 8), CpuDevice()
    settings = RunSettings.from_words(execution="compiled", batch_size=2)
    job = prepare_timed_run(master_network(analysis, device), analysis, settings, device, torch.randn(2, 3, 8, 8))
    assert job.parts == tuple(row.stage for row in analysis.stages)
    assert len(job.parts_ms()) == len(job.parts) == len(compilations)
    parts = sum(map(len, compilations))
    job.run()
    assert parts == len(compilations[-1])


@pytest.mark.parametrize("name", SPLIT)
def test_every_kind_of_network_can_be_split(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed form: as many parts as stages; on `meta` the chain gives an output of the whole's shape."""
    monkeypatch.setattr("analyzer.live.timing.timed_run.compile_network", lambda net: net)
    analysis = analyze(name, 64 if "cifar" not in name else 32)
    net = build(name, device="meta").eval()
    found = compile_stages(net, tuple(path for _, path in stage_starts(analysis.network.graph)))
    assert found is not None
    assert len(found[1]) == len(analysis.stages)
    assert found[0](torch.randn(1, *analysis.input_shape, device="meta")).shape[1:] == analysis.rows[-1].output_shape


def test_networks_may_be_objects() -> None:
    """Closed form: a Network is measured as its expression."""
    resolved: Network = analyze(RESNET).network
    (found,) = measure_latencies([resolved], [RunSettings()], effort=QUICK).records
    assert found.variant == analyze(RESNET).variant
