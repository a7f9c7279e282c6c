"""The kernel lists: counts, MACs and bytes by closed form, and against what profilers and published tables show."""

from collections import Counter
from math import prod

import pytest

from analyzer.cost.analysis import Analysis, analyze
from analyzer.latency.predict.breakdown import kernel_list, stage_kernels
from analyzer.latency.predict.devices import device_named, rates
from analyzer.latency.predict.kernels import (
    Kernel,
    compiled_kernels,
    compiles_to_channels_last,
    eager_kernels,
    kind_of,
    training_kernels,
)
from analyzer.latency.predict.roofline import kernel_bytes
from analyzer.latency.run_settings import RunSettings
from tests.support.names import EVERY_KIND
from tools.latency_fit.tables import inference_expressions

GPU = rates(device_named("RTX 4090"), "amp")


def kinds(analysis: Analysis, run: RunSettings) -> Counter[str]:
    return Counter(kernel.kind for kernel in kernel_list(analysis, run, GPU).kernels)


@pytest.mark.parametrize("name", EVERY_KIND)
def test_eager_runs_one_kernel_an_op_and_one_a_bias(name: str) -> None:
    analysis = analyze(name)
    ops = [row for row in analysis.rows if kind_of(row.operation)]
    biases = sum(getattr(row.operation, "bias", False) for row in ops)
    assert len(eager_kernels(analysis)) == len(ops) + biases


@pytest.mark.parametrize("name", EVERY_KIND)
@pytest.mark.parametrize(
    "run",
    [RunSettings(), RunSettings(compiled=True), RunSettings(2, "amp"), RunSettings(2, "amp", channels_last=True)],
    ids=str,
)
def test_kernels_multiply_exactly_what_the_analysis_counts(name: str, run: RunSettings) -> None:
    analysis = analyze(name)
    found = kernel_list(analysis, run, GPU)
    assert sum(kernel.macs for kernel in found.kernels) == analysis.macs
    assert sum(each.times * each.kernel.macs for each in stage_kernels(analysis, found)) == analysis.macs


def test_a_training_step_multiplies_three_times_but_for_the_images_gradient() -> None:
    analysis = analyze("resnet18")
    stem = next(row.macs for row in analysis.rows if row.path == "conv1")
    assert sum(kernel.macs for kernel in training_kernels(analysis)) == 3 * analysis.macs - stem


def test_bytes_of_the_stems_kernels_by_hand() -> None:
    conv, norm, relu, pool, *_ = eager_kernels(analyze("resnet18"))
    run, wide, small = RunSettings(10, "float16"), 64 * 112 * 112, 64 * 56 * 56
    assert kernel_bytes(conv, run) == 2 * (10 * (3 * 224 * 224 + wide) + 64 * 3 * 49)
    assert kernel_bytes(norm, run) == kernel_bytes(relu, run) == 2 * 10 * 2 * wide
    assert kernel_bytes(pool, run) == 2 * 10 * (wide + small) + 10 * 8 * small  # and an int64 index each


def test_fused_kernels_are_those_of_a_profiled_run() -> None:
    """Oracle: profiles of compiled runs on an H100 under torch 2.11: 49 and 121 Triton kernels between convolutions."""
    assert kinds(analyze("resnet50"), RunSettings(256, "amp", True))["fused pointwise"] == 49
    assert kinds(analyze("densenet121"), RunSettings(256, "amp", True))["fused pointwise"] == 121


def test_a_profiled_eager_run_has_as_many_kernels_of_each_kind() -> None:
    """Oracle: profiles of eager runs on an H100 under torch 2.11, batch 256, autocast."""
    found = kinds(analyze("resnet50"), RunSettings(256, "amp", channels_last=True))
    assert [found[kind] for kind in ("batch norm", "relu", "add", "convolution")] == [53, 49, 16, 53]
    assert kinds(analyze("resnext50_32x4d"), RunSettings(256, "amp"))["layout"] == 2 * (16 + 1)


def test_a_residual_branch_s_batch_norms_go_into_the_addition() -> None:
    analysis = analyze("resnet18")
    by_path = {analysis.rows[kernel.row].path: kernel for kernel in compiled_kernels(analysis)}
    fused = by_path["layer2.0.relu2"]  # both branches' convolutions in, one sum out
    assert (fused.read, fused.written) == (2 * 128 * 28 * 28, 128 * 28 * 28)


def test_up_to_eight_tensors_are_joined_where_they_are_read() -> None:
    analysis = analyze("densenet121")
    copies = [kernel for kernel in compiled_kernels(analysis) if kernel.kind == "concat"]
    inputs = {kernel.row: prod(analysis.rows[kernel.row].output_shape) for kernel in copies}
    assert len(copies) == sum(max(0, depth - 7) for depth in (6, 12, 24, 16))
    assert all(kernel.read == kernel.written == inputs[kernel.row] for kernel in copies)
    on_cpu = [kernel for kernel in compiled_kernels(analysis, on_cpu=True) if kernel.kind == "concat"]
    assert len(on_cpu) == 58


def test_a_network_keeps_nchw_when_compiled_only_where_grouped_convolutions_dominate() -> None:
    """Oracle: in timm's table the one network whose compiled run is no faster than eager in NHWC."""
    kept = [name for name in inference_expressions() if not compiles_to_channels_last(analyze(name))]
    assert kept == ["resnext101_32x8d:base_width=32"]


def test_autocast_casts_the_image_and_every_weight_each_time() -> None:
    analysis = analyze("resnet18")
    found = kernel_list(analysis, RunSettings(2, "amp"), GPU).kernels
    casts = [kernel for kernel in found if kernel.kind == "cast"]
    assert len(casts) == 1 + 21
    weights = sum(row.params for row in analysis.rows if row.macs)
    run = RunSettings(2, "amp")
    assert sum(kernel_bytes(kernel, run) for kernel in casts) == 6 * (weights + 2 * 3 * 224 * 224)
    assert not any(kernel.kind == "cast" for kernel in kernel_list(analysis, RunSettings(2, "float16"), GPU).kernels)


def test_changes_of_layout_belong_to_wide_windows_in_nchw_on_tensor_cores() -> None:
    analysis = analyze("resnet50")
    changes = [each for each in kernel_list(analysis, RunSettings(2, "amp"), GPU).kernels if each.kind == "layout"]
    assert {analysis.rows[kernel.row].path.split(".")[-1] for kernel in changes} == {"conv1", "conv2"}
    old = rates(device_named("V100"), "float32")
    assert not any(each.kind == "layout" for each in kernel_list(analysis, RunSettings(2), old).kernels)
    assert isinstance(changes[0], Kernel)
