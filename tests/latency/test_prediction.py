"""Predictions: against published times, by their sums, and by what must hold of any device."""

import json
from dataclasses import replace
from math import exp, log
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import analyzer
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.latency.predict.breakdown import device_ms, kernel_list
from analyzer.latency.predict.devices import Device, device_named, devices, rates, sm_clocks, sustained_clock_share
from analyzer.latency.predict.predict import largest_batch, predict_latency, predict_op_times, predict_total
from analyzer.latency.predict.prediction import BOUNDS, EVIDENCE
from analyzer.latency.predict.roofline import coefficients
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import RunSettings
from tests.support.names import EVERY_KIND
from tools.latency_fit.tables import PublishedLatency, read_cases, training_cases

RUNS = (
    RunSettings(64, "amp"),
    RunSettings(64, "amp", channels_last=True),
    RunSettings(64, "amp", compiled=True),
    RunSettings(8, training=True),
)


def error(case: PublishedLatency, host_us: float | None = 0.0) -> float:
    """(Predicted − published) / published."""
    return predict_total(case.analysis, LatencyTarget(case.device, case.run, host_us)).ms / case.batch_ms - 1


def test_published_times_are_met() -> None:
    """Oracle: timm's tables, which the numbers were fitted to; bounds: the cross-validated means, rounded up."""
    newest = [case for case in read_cases("timm_inference") if "2.9" in case.table and case.image_size == 224]
    assert mean(abs(error(case)) for case in newest) < 0.03
    assert all(abs(error(case)) < 0.1 for case in newest if case.family != "densenet")
    assert mean(abs(error(case)) for case in training_cases()) < 0.045


def test_small_batches_are_the_hosts() -> None:
    """Oracle: NVIDIA's ResNet-50 tables up to batch 32, the host's cost as shipped; the T4's were not fitted."""
    small = [case for case in read_cases("nvidia_resnet50") if case.run.batch_size <= 32]
    for name in ("Tesla V100 SXM2", "Tesla T4"):
        assert mean(abs(error(case, None)) for case in small if case.device.name == name) < 0.1
    first = analyzer.predict_latency("resnet50", device="T4", precision="amp", channels_last=True)
    assert first.host_bound
    assert {stage.bound for stage in first.stages} == {"launch"}


def test_v1_is_about_five_per_cent_faster_than_v15() -> None:
    """Oracle: NVIDIA's README of ResNet-50 v1.5: about 5 % in throughput."""
    both = [
        analyzer.predict_latency(name, device="V100", batch_size=256, precision="amp", channels_last=True)
        for name in ("resnet50_v1", "resnet50")
    ]
    assert 1.03 < both[0].images_per_second / both[1].images_per_second < 1.07


@pytest.mark.parametrize("run", RUNS, ids=str)
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "seresnet50", "vgg11", "wrn16_8_cifar"])
def test_stages_kernels_and_ops_add_up_to_the_whole(name: str, run: RunSettings) -> None:
    analysis = analyze(name)
    found = predict_latency(analysis, LatencyTarget(device_named("RTX 3090"), run))
    ops = predict_op_times(analysis, LatencyTarget(device_named("RTX 3090"), run))
    for parts in (found.stages, found.kernels, ops):
        assert sum(part.ms for part in parts) == pytest.approx(found.ms)
    for stage in found.stages:
        assert sum(op.ms for op in ops if op.stage == stage.stage) == pytest.approx(stage.ms)
        assert stage.low_ms / stage.ms < found.low_ms / found.ms < 1  # a stage is always less certain than the whole
        assert stage.high_ms / stage.ms > found.high_ms / found.ms > 1
        assert stage.bound in BOUNDS
        assert 0 <= stage.achieved <= 1.1
    assert sum(stage.num_kernels for stage in found.stages) == found.num_kernels
    assert sum(op.num_kernels for op in ops) == found.num_kernels
    assert [op.path for op in ops] == [row.path for row in analysis.rows]
    if not run.training:
        assert sum(stage.macs for stage in found.stages) == run.batch_size * analysis.macs


@pytest.mark.parametrize("name", EVERY_KIND)
def test_every_kind_of_network_has_a_prediction_within_its_interval(name: str) -> None:
    for run in RUNS:
        found = predict_latency(analyze(name), LatencyTarget(device_named("RTX 5090"), run), with_memory=False)
        assert 0 < found.low_ms <= found.ms <= found.high_ms
        assert found.ms == max(found.device_ms, found.host_ms)


FIGURES = ("fp32_tflops", "tensor_tflops", "mem_bw_gbs", "tdp_w", "l2_mb")


@given(st.sampled_from(FIGURES), st.sampled_from(RUNS), st.floats(1.0, 4.0))
def test_more_of_anything_is_never_slower(figure: str, run: RunSettings, factor: float) -> None:
    """But for the float32 peak alone, which stands for the clock, and more of it takes more power."""
    known, analysis = coefficients(), analyze("resnet18")
    base = device_named("RTX PRO 6000 Blackwell Max-Q")
    better = replace(base, **{figure: factor * getattr(base, figure)})
    if figure == "fp32_tflops":
        better = replace(better, tdp_w=factor * base.tdp_w)
    assert device_ms(analysis, better, run, known) <= device_ms(analysis, base, run, known) * (1 + 1e-12)


@given(st.sampled_from([name for name, each in devices().items() if each.kind == "gpu"]), st.integers(1, 300))
def test_a_larger_batch_takes_longer_and_less_an_image(name: str, batch: int) -> None:
    known, analysis, device = coefficients(), analyze("resnet18"), device_named(name)
    one, more = (device_ms(analysis, device, RunSettings(size), known) for size in (batch, batch + 1))
    assert one < more <= one * (batch + 1) / batch


def test_twice_the_bandwidth_halves_what_is_bound_by_it() -> None:
    device = device_named("RTX 4090")
    fast = replace(device, mem_bw_gbs=2 * device.mem_bw_gbs)
    times = [
        predict_op_times(analyze("resnet18"), LatencyTarget(each, RunSettings(256, "float16"), host_us=0))
        for each in (device, fast)
    ]
    launch = coefficients().classes["gpu"].launch_us / 1000
    slow, quick = (next(op.ms for op in ops if op.path == "relu") for ops in times)
    assert (slow - launch) / (quick - launch) == pytest.approx(2)


def test_a_cuda_graph_takes_the_host_away() -> None:
    eager, graph = (
        analyzer.predict_latency("resnet50", device="RTX 4090", precision="amp", cuda_graph=graph)
        for graph in (False, True)
    )
    assert (eager.host_bound, graph.host_bound, graph.host_ms) == (True, False, 0.0)
    assert graph.ms == eager.device_ms == pytest.approx(graph.device_ms)


def test_the_hosts_cost_can_be_given() -> None:
    analysis, device, run = analyze("resnet50"), device_named("RTX 4090"), RunSettings(1, "amp")
    calls = kernel_list(analysis, run, rates(device, "amp")).calls
    told = analyzer.predict_latency("resnet50", device="RTX 4090", precision="amp", host_us=20.0)
    assert told.host_ms == pytest.approx(20.0 * calls / 1000)
    open_ended = analyzer.predict_latency("resnet50", device="RTX 4090", precision="amp")
    assert open_ended.ms / open_ended.low_ms > 5 > 1.5 > told.ms / told.low_ms


def test_a_compiled_network_is_called_for_its_convolutions_alone() -> None:
    analysis = analyze("resnet50")
    assert (
        kernel_list(analysis, RunSettings(1, "amp", compiled=True), rates(device_named("RTX 4090"), "amp")).calls == 54
    )
    assert kernel_list(analysis, RunSettings(1, "amp"), rates(device_named("RTX 4090"), "amp")).calls == 174 + 55


def test_evidence_and_width_say_how_much_is_known() -> None:
    def predicted(device: str, *, compiled: bool = False, training: bool = False) -> tuple[str, float]:
        found = analyzer.predict_latency(
            "resnet50", device=device, batch_size=512, precision="amp", compiled=compiled, training=training
        )
        return found.evidence, round(log(found.high_ms / found.ms), 6)

    widths = coefficients().intervals
    assert predicted("RTX 4090", compiled=True) == ("known", widths["gpu"])
    assert predicted("RTX 3090", training=True) == ("known", widths["training"])
    assert predicted("RTX 3090", compiled=True) == ("specs", widths["alike"])
    assert predicted("RTX 5090") == ("specs", widths["alike"])
    assert predicted("H100 SXM") == ("specs", widths["unlike"])
    capped = predicted("RTX PRO 6000 Blackwell Max-Q")
    assert capped[0] == "specs"
    assert capped[1] > widths["unlike"]
    assert set(EVIDENCE) == {"known", "calibrated", "specs"}


def test_the_clock_of_a_card_is_its_peak_over_its_lanes() -> None:
    """Oracle: boost clocks that NVIDIA states."""
    stated = {"RTX 4090": 2.52, "RTX 3090": 1.695, "Tesla V100 SXM2": 1.53, "Tesla T4": 1.59, "A100 40GB PCIe": 1.41}
    for name, clock in stated.items():
        device = device_named(name)
        assert sm_clocks(device) / device.sms / 1e9 == pytest.approx(clock, rel=0.01)


def test_a_card_with_little_power_for_its_clocks_computes_slower() -> None:
    assert sustained_clock_share(device_named("RTX 4090")) == sustained_clock_share(device_named("H100 SXM")) == 1
    assert sustained_clock_share(device_named("T4")) == pytest.approx(0.68, abs=0.01)
    assert (
        sustained_clock_share(device_named("RTX PRO 6000 Blackwell Max-Q"))
        < sustained_clock_share(device_named("RTX 5090"))
        == 1
    )
    lone = Device(name="mine", fp32_tflops=10, mem_bw_gbs=500, l2_mb=4, sms=30, tdp_w=100)
    assert sustained_clock_share(lone) == 1


def test_float32_runs_in_tf32_where_a_gpu_has_it() -> None:
    ampere, volta = rates(device_named("RTX 3090"), "float32"), rates(device_named("V100"), "float32")
    assert ampere.tensor
    assert ampere.flops == pytest.approx(71.2e12 / 2)
    assert not volta.tensor
    assert volta.flops == pytest.approx(15.7e12)


def test_the_largest_batch_leaves_a_tenth_of_the_memory() -> None:
    from analyzer.cost.memory_budget import needed_bytes

    analysis, device = analyze("resnet50"), device_named("RTX 4090")
    batch = largest_batch(analysis, LatencyTarget(device, RunSettings(training=True)))
    assert needed_bytes(analysis, training=True, batch_size=batch) <= 0.9 * 24e9
    assert needed_bytes(analysis, training=True, batch_size=batch + 1) > 0.9 * 24e9
    assert largest_batch(analysis, LatencyTarget(device_named("Core i9-10940X"), RunSettings())) == 0


def test_the_python_interface_and_its_json() -> None:
    found = analyzer.predict_latency(
        "resnet50", device="nvidia geforce rtx-4090", batch_size=256, precision="amp", compiled=True, input_size=224
    )
    facts = json.loads(json.dumps(found.to_dict()))
    assert (facts["kind"], facts["device"], facts["evidence"]) == ("predicted", "RTX 4090", "known")
    assert facts["images_per_second"] == pytest.approx(256000 / found.ms)
    assert [stage["stage"] for stage in facts["stages"]] == [row.stage for row in analyze("resnet50").stages]
    assert list(analyzer.devices()) == list(devices())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"device": "RTX 409"}, "device 'RTX 409' is unknown; did you mean RTX 4090?"),
        ({"device": "T4", "precision": "int4"}, "precision 'int4': must be one of float32"),
        ({"device": "T4", "batch_size": 0}, "batch_size 0"),
        ({"device": "T4", "host_us": -1.0}, "host_us -1.0: must be microseconds from 0"),
        ({"device": "T4", "training": True, "compiled": True}, "a compiled training step is not predicted"),
    ],
)
def test_a_bad_argument_is_one_sentence(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told.replace("?", r"\?")):
        analyzer.predict_latency("resnet18", **wrong)  # type: ignore[arg-type]


def test_coefficients_are_those_of_the_document() -> None:
    text = (Path(__file__).parents[2] / "docs" / "latency-prediction.md").read_text(encoding="utf-8")
    for name, eff in coefficients().classes.items():
        assert f"| `{name}` | " + " | ".join(f"{value:g}" for value in eff) in text
    assert f"{coefficients().host_us:g} µs a call" in text
    assert f"| gpu | ± {100 * (exp(coefficients().intervals['gpu']) - 1):.1f} % |" in text
