"""Training: stored memory, MACs of the three passes, transfer learning's modes.

Oracles: autograd's saved tensors and torch's FlopCounterMode on the built network (measured), and hand arithmetic.
"""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.cost.memory import memory
from analyzer.cost.memory_budget import needed_bytes
from analyzer.cost.training import training, transfer
from analyzer.errors import InvalidInput
from analyzer.families.spec import Spec
from analyzer.graph.ops import Conv2d
from tests.cost.test_memory import VARIANTS, conv_net
from tests.render.test_report import SCHEMA
from tests.support.strategies import sizable


@pytest.mark.parametrize(("name", "side"), VARIANTS.items(), ids=VARIANTS)
def test_stored_bytes_are_what_autograd_saves(name: str, side: int) -> None:
    """Measured: unique storages of `saved_tensors_hooks` in float32, batch 2, to the byte."""
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import stored_bytes

    analysis = analyze(name, max(side, 64))
    measured = stored_bytes(build(name, device="meta"), analysis.input_shape, 2)
    assert training(analysis, batch_size=2).stored_bytes == measured


@pytest.mark.parametrize("frozen_norm", [False, True], ids=["norm learns", "norm frozen"])
@pytest.mark.parametrize("name", ["resnet18", "densenet40_k12_cifar", "seresnet50", "alexnet"])
def test_stored_bytes_with_batch_norm_frozen_or_not(name: str, frozen_norm: bool) -> None:
    """Measured: on the CPU, to the byte; frozen, batch norm keeps its input all the same, but no statistics."""
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import stored_bytes

    analysis = analyze(name, 64 if "cifar" not in name else 16)
    measured = stored_bytes(build(name), analysis.input_shape, 2, frozen_norm=frozen_norm)
    assert training(analysis, batch_size=2, frozen_norm=frozen_norm).stored_bytes == measured


@pytest.mark.parametrize("name", ["resnet18", "densenet40_k12_cifar", "seresnet50", "resnetv2_50", "alexnet"])
def test_forward_peak_in_training_equals_what_torch_holds(name: str) -> None:
    """Measured: to the byte on the CPU; with the weights' gradients it bounds the backward pass from above."""
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import training_peak_bytes

    analysis = analyze(name, 64 if "cifar" not in name else 16)
    found = training(analysis, batch_size=2)
    forward, both = training_peak_bytes(build(name), analysis.input_shape, 2)
    assert found.peak_bytes == forward
    assert forward <= both <= found.peak_bytes + 4 * analysis.params


@pytest.mark.parametrize(("name", "side"), VARIANTS.items(), ids=VARIANTS)
def test_training_macs_are_half_of_torchs_flops(name: str, side: int) -> None:
    """Measured: torch multiplies the weight gradient of a grouped convolution by its groups, we do not."""
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import training_flops

    analysis = analyze(name, side)
    found = training(analysis)
    overcount = sum((row.operation.groups - 1) * row.macs for row in analysis.rows if isinstance(row.operation, Conv2d))
    assert (overcount > 0) == (name == "resnext50_32x4d")
    assert training_flops(build(name, device="meta"), analysis.input_shape) == 2 * (found.macs + overcount)


def test_resnext50s_overcount_is_the_published_ratio() -> None:
    """Published (torch's counter against three exact passes): × 1.57 on ResNeXt-50, forward and backward."""
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import training_flops

    analysis = analyze("resnext50_32x4d")
    counted = training_flops(build("resnext50_32x4d", device="meta"), analysis.input_shape)
    assert counted / (2 * training(analysis).macs) == pytest.approx(1.57, abs=0.005)


@pytest.mark.parametrize("mode", ["all", "head", "stage4,head", "stage3", "stem", "stage2,stage4"])
@pytest.mark.parametrize(
    "name", ["resnet18", "resnext50_32x4d", "resnet:block=basic,depths=1-2-1-2,preactivation=true,se_reduction=4"]
)
def test_transfer_is_what_torch_keeps_and_computes(name: str, mode: str) -> None:
    """Measured: parameters with gradients, saved storages and FLOPs with `requires_grad` set stage by stage."""
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import stored_bytes, train_only, training_flops

    analysis = analyze(name, 64)
    found = transfer(analysis, mode, batch_size=2)
    stages = [stage.stage for stage in analysis.stages] if mode == "all" else mode.split(",")
    learned = {row.path for row in analysis.rows if row.stage in stages}
    net = build(name, device="meta")
    train_only(net, learned.__contains__)
    assert found.trainable_params == sum(weight.numel() for weight in net.parameters() if weight.requires_grad)
    assert found.stored_bytes == stored_bytes(net, analysis.input_shape, 2)
    rows = [row for row in analysis.rows if row.path in learned and isinstance(row.operation, Conv2d)]
    overcount = sum((row.operation.groups - 1) * row.macs for row in rows if isinstance(row.operation, Conv2d))
    assert training_flops(net, analysis.input_shape) == 2 * (found.macs + overcount)


def test_new_head_replaces_the_classifier_and_trains_it_alone() -> None:
    """Closed form: 2048 · 256 + 256 parameters; its input, one vector an image, is all that is stored."""
    found = transfer(analyze("resnet50"), "new-head=256", batch_size=4)
    assert found.trainable_params == 2048 * 256 + 256
    assert found.backward_macs == found.weight_gradient_macs == 2048 * 256
    assert found.forward_macs == analyze("resnet50:num_classes=256").macs
    assert found.stored_bytes == 4 * 4 * 2048


def test_head_trains_without_any_gradient_below_it() -> None:
    """Closed form: ResNet-50's head is its classifier, 2,049,000 parameters and 2,048,000 MACs of weight gradient."""
    found = transfer(analyze("resnet50"), "head")
    assert (found.trainable_params, found.input_gradient_macs, found.weight_gradient_macs) == (2_049_000, 0, 2_048_000)
    assert [stage.stage for stage in found.stages if stage.stored_bytes or stage.backward_macs] == ["head"]


def test_training_all_of_a_small_network_by_hand() -> None:
    """Closed form: image, ReLU's output once, indices and the classifier's input; no gradient of the image."""
    analysis = analyze(conv_net(), 16)
    found = training(analysis, batch_size=2)
    assert found.stored_bytes == 2 * (4 * (3 * 256 + 8 * 256 + 8) + 8 * 8 * 64)
    conv, linear = 9 * 3 * 8 * 256, 80
    assert (found.input_gradient_macs, found.weight_gradient_macs) == (linear, conv + linear)


@hypothesis_settings(max_examples=30)
@given(spec=sizable)
def test_training_never_needs_less_than_inference(spec: Spec) -> None:
    """Property: the peak of the forward pass holds inference's, what is stored, and grows with what learns."""
    analysis = analyze(spec, 33)
    whole, head = transfer(analysis), transfer(analysis, "head")
    assert whole.peak_bytes >= max(memory(analysis).peak_bytes, whole.stored_bytes)
    assert head.stored_bytes <= whole.stored_bytes
    assert head.backward_macs <= whole.backward_macs
    assert whole.backward_macs <= 2 * whole.forward_macs
    assert sum(stage.stored_bytes for stage in whole.stages) == whole.stored_bytes
    assert sum(stage.backward_macs for stage in whole.stages) == whole.backward_macs
    assert sum(stage.trainable_params for stage in whole.stages) == analysis.params


@pytest.mark.parametrize(
    ("variant", "mode", "sentence"),
    [
        ("resnet50", "layer4", "trainable 'layer4': must be all, new-head=CLASSES or stages of resnet50: stem, stage1"),
        ("resnet50", "head,", "trainable '': must be all"),
        ("resnet50", "new-head=0", "trainable new-head=0: must be a number of classes"),
        ("resnet50", "new-head=ten", "trainable new-head=ten: must be a number of classes"),
        ("resnet50", "new-head=99999", "resnet: num_classes='99999' must be a whole number from 0 to 65536"),
        ("resnet50:head=pool", "new-head=5", "trainable new-head: resnet50:head=pool has no classifier"),
    ],
)
def test_an_unknown_mode_is_one_sentence(variant: str, mode: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        transfer(analyze(variant), mode)
    assert str(caught.value).startswith(sentence)


def test_int8_does_not_train(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "resnet18", "--trainable", "all", "--dtype", "int8"]) == 2
    assert "dtype 'int8': has no gradients" in capsys.readouterr().err


def test_report_prints_transfer_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: the printed figures are `transfer`'s, and nothing is written."""
    assert main(["report", "resnet18", "--trainable", "stage4,head", "--batch-size", "8"]) == 0
    printed = capsys.readouterr().out
    found = transfer(analyze("resnet18"), "stage4,head", batch_size=8)
    assert f"{found.trainable_params:,}" in printed
    assert f"{found.backward_macs:,}" in printed
    assert main(["report", "resnet18", "--batch-size", "8", "--dtype", "float16"]) == 0
    assert f"{analyze('resnet18').memory(8, 'float16').peak_bytes:,} B in float16" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_json_with_memory_of_a_batch_is_valid(dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "resnet18", "--format", "json", "--batch-size", "3", "--dtype", dtype, "--output", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, SCHEMA)
    assert document["memory"]["peak_activation_bytes"] == analyze("resnet18").memory(3, dtype).peak_bytes
    assert ("training" in document["memory"]) == (dtype != "int8")


def test_report_prints_what_fits_a_budget(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: the batch and the network printed fit the budget, one image or one block more does not."""
    arguments = ["report", "resnet18", "--budget", "1GiB", "--batch-size", "8"]
    assert main([*arguments, "--format", "json", "--output", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, SCHEMA)
    budget = told["memory"]["budget"]
    assert budget["bytes"] == 2**30
    for way, trains in (("inference", False), ("training", True)):
        batch, found = budget[way]["largest_batch"], budget[way]["deepest"]
        sizes = [needed_bytes(analyze("resnet18"), training=trains, batch_size=batch + more) for more in (0, 1)]
        assert sizes[0] <= 2**30 < sizes[1]
        first, second, third, last = found["depths"]
        assert found["needed_bytes"] <= 2**30
        more = analyze(f"resnet18:depths={first}-{second}-{third}-{last + 1}")
        assert needed_bytes(more, training=trains, batch_size=8) > 2**30
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert f"{budget['training']['largest_batch']:,}" in printed
    assert f"`{budget['training']['deepest']['expression']}`" in printed


def test_report_freezes_batch_norm(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: the JSON's figures are `transfer`'s with batch norm frozen."""
    assert main(["report", "resnet18", "--frozen-norm", "--format", "json", "--output", "-"]) == 0
    told = json.loads(capsys.readouterr().out)["memory"]["training"]
    found = transfer(analyze("resnet18"), frozen_norm=True)
    assert (told["frozen_norm"], told["stored_bytes"]) == (True, found.stored_bytes)
    assert found.stored_bytes < transfer(analyze("resnet18")).stored_bytes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--budget", "24XB"], "--budget=24XB: must be a number such as 26M"),
        (["--budget", "0"], "budget 0: must be a whole number of bytes, at least 1."),
        (["--budget", "1GiB", "--trainable", "head"], "--budget: is about training all parameters"),
        (["--budget", "1GiB", "--format", "csv"], "--format csv: has no form of its own for memory and training"),
    ],
)
def test_a_budget_that_cannot_be_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "resnet18", *arguments]) == 2
    assert capsys.readouterr().err.startswith(sentence)
