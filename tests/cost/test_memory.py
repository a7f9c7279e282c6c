"""Memory in inference: parameters' and buffers' bytes, and the peak of activations.

Oracles: the built network's storages as torch's dispatcher hands them out (measured), hand arithmetic (closed form),
and what must hold of any network (properties).
"""

from math import prod

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

import analyzer
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory import ITEM_BYTES, buffers_bytes, memory, params_bytes
from analyzer.cost.memory_budget import deepest, largest_batch, needed_bytes
from analyzer.cost.tensor_lifetimes import in_place_nodes, tensor_lifetimes
from analyzer.errors import InvalidInput
from analyzer.families.expression import parse
from analyzer.families.spec import Spec
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import Add, Concat, Conv2d, Flatten, GlobalAvgPool2d, Linear, MaxPool2d, Op, ReLU
from tests.support.strategies import sizable

VARIANTS = {
    "resnet18": 32,
    "resnet50": 32,
    "resnext50_32x4d": 32,
    "densenet121": 32,
    "resnet50d": 32,
    "seresnet50": 32,
    "resnetv2_50": 32,
    "resnet20_cifar": 32,
    "vgg11": 32,
    "alexnet": 64,
    "densenet40_k12_cifar": 16,
    "plain18": 32,
    "resnet18:output_stride=8": 32,
    "resnet50:shortcut=C,stem=deep,stem_pool=none": 32,
    "tutorial_resnet101": 64,
}


def conv_net() -> Graph:
    """A convolution with ReLU, a max pool, a global pool and a classifier."""
    ops: tuple[Op, ...] = (
        Conv2d(3, 8, 3, padding=1),
        ReLU(),
        MaxPool2d(2, stride=2),
        GlobalAvgPool2d(),
        Flatten(),
        Linear(8, 10),
    )
    return Graph("small", tuple(sequence(*((f"op{index}", op) for index, op in enumerate(ops)))))


@pytest.mark.parametrize(("name", "side"), VARIANTS.items(), ids=VARIANTS)
def test_peak_equals_what_torch_holds_to_the_byte(name: str, side: int) -> None:
    """Measured: on the CPU in float32 at batch 2, from the storages that torch's ops return and free."""
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import peak_activation_bytes

    analysis = analyze(name, side)
    assert analysis.memory(2).peak_bytes == peak_activation_bytes(build(name), analysis.input_shape, 2)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet50",
        "resnext50_32x4d",
        "densenet121",
        "resnet50d",
        "seresnet50",
        "plain18",
        "densenet_bc100_k12_cifar",
    ],
)
def test_peak_is_within_five_per_cent_of_torchs_cpu_allocator(name: str) -> None:
    """Measured: every byte that the allocator hands out at batch 8, kernels' scratch space included.

    Where weights outgrow activations (wide nets, small images) oneDNN's reordered weights stand above our figure.
    """
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import allocator_peak_bytes

    analysis = analyze(name, 32 if "cifar" in name else 112)
    measured = allocator_peak_bytes(build(name), analysis.input_shape, 8)
    assert analysis.memory(8).peak_bytes <= measured
    assert analysis.memory(8).peak_bytes == pytest.approx(measured, rel=0.05)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", ["resnet18", "vgg11", "densenet40_k12_cifar"])
def test_bytes_of_every_floating_dtype_are_torchs(name: str, dtype: str) -> None:
    """Measured: the built network in that dtype; `meta` gives batch norm's unused statistics, under 1 %."""
    import torch

    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import peak_activation_bytes

    net, analysis = build(name, device="meta", dtype=getattr(torch, dtype)), analyze(name, 64)
    assert params_bytes(analysis, dtype) == sum(weight.nbytes for weight in net.parameters())
    assert buffers_bytes(analysis, dtype) == sum(buffer.nbytes for buffer in net.buffers())
    measured = peak_activation_bytes(net, analysis.input_shape, 2)
    assert analysis.memory(2, dtype).peak_bytes == pytest.approx(measured, rel=0.01)


def test_peak_of_a_small_network_by_hand() -> None:
    """Closed form: the max pool's input, output and int64 indices, and the image, which the caller holds."""
    usage = memory(analyze(conv_net(), 16))
    image, before, after = 3 * 16 * 16, 8 * 16 * 16, 8 * 8 * 8
    assert usage.peak_path == "op2"
    assert usage.peak_bytes == 4 * (image + before + after) + 8 * after
    assert [(alive.path, alive.bytes) for alive in usage.alive] == [
        ("input", 4 * image),
        ("op1", 4 * before),
        ("op2", 4 * after),
        ("op2 (indices)", 8 * after),
    ]


def test_int8_has_a_byte_a_weight_and_statistics_in_float32() -> None:
    """Closed form: torchvision's 25,557,032 parameters; 2 · 26,560 statistics of 4 bytes and 53 counters of 8."""
    analysis = analyze("resnet50")
    assert params_bytes(analysis, "int8") == 25_557_032
    assert buffers_bytes(analysis, "int8") == 2 * 26_560 * 4 + 53 * 8
    assert analysis.memory(dtype="int8").peak_bytes < analysis.memory(dtype="float16").peak_bytes


def test_peak_of_resnet50_by_hand() -> None:
    """Closed form: the image, the stage's input, the transform's output, the projection before and after its norm."""
    usage = analyze("resnet50").memory()
    assert usage.peak_path == "layer1.0.downsample.1"
    assert usage.peak_bytes == 4 * (3 * 224**2 + 64 * 56**2 + 3 * 256 * 56**2) == 11_038_720
    assert analyze("resnet50").peak_activation_bytes == usage.peak_bytes


def test_concats_inputs_live_until_it_is_done() -> None:
    """Closed form: during the concat both its inputs, its output and the image live."""
    nodes = [Node("a", Conv2d(3, 8, 1), (INPUT,)), Node("b", Conv2d(3, 4, 1), (INPUT,))]
    joined = Graph("joined", (*nodes, Node("cat", Concat(), ("a", "b"))))
    usage = memory(analyze(joined, 4))
    assert usage.peak_path == "cat"
    assert usage.peak_bytes == 4 * 16 * (3 + 8 + 4 + 12)


def test_overwriting_spares_what_others_read() -> None:
    """Closed form: a ReLU may overwrite a convolution's output, not one that the addition reads again."""
    nodes = [*sequence(("conv", Conv2d(3, 3, 1)), ("relu", ReLU())), Node("add", Add(), ("relu", "conv"))]
    assert in_place_nodes(Graph("shared", tuple(nodes))) == frozenset()
    assert in_place_nodes(Graph("alone", tuple(nodes[:2]))) == {"relu"}


@hypothesis_settings(max_examples=40)
@given(spec=sizable)
def test_peak_holds_the_largest_op_and_grows_with_the_batch(spec: Spec) -> None:
    """Property: no op fits in less than its own input and output; a batch of b takes b times one image."""
    analysis = analyze(spec, 33)
    usage = memory(analysis)
    lifetimes = tensor_lifetimes(analysis)
    for row, reads, written in zip(analysis.rows, lifetimes.reads, lifetimes.writes, strict=True):
        live = sum(prod(lifetimes.storages[storage].shape) for storage in {*reads, written})
        assert usage.peak_bytes >= 4 * live, row.path
    assert sum(alive.bytes for alive in usage.alive) == usage.peak_bytes
    assert memory(analysis, 7).peak_bytes == 7 * usage.peak_bytes


@hypothesis_settings(max_examples=25)
@given(spec=sizable)
def test_peak_of_random_networks_is_torchs(spec: Spec) -> None:
    """Measured: on `meta`, where batch norm's statistics, 2 of 4 bytes a channel, live during a batch norm."""
    from analyzer.live.network.build import build
    from analyzer.live.verify.meters import peak_activation_bytes

    analysis = analyze(spec, 33)
    measured = peak_activation_bytes(build(spec, device="meta"), analysis.input_shape, 2)
    widest = max(row.output_shape[0] for row in analysis.rows)
    assert 0 <= measured - memory(analysis, 2).peak_bytes <= 8 * widest


def test_deep_networks_walk_is_linear_in_the_ops() -> None:
    """Closed form: one entry an op and at most one storage an op and the image, of ResNet-1202's thousands."""
    analysis = analyze("resnet1202_cifar")
    lifetimes = tensor_lifetimes(analysis)
    assert len(lifetimes.reads) == len(lifetimes.writes) == len(analysis.rows) > 4_000
    assert len(lifetimes.storages) <= len(analysis.rows) + 1


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "resnet20_cifar", "vgg11"])
def test_largest_batch_fits_and_the_next_does_not(name: str, training: bool) -> None:
    """Closed form: the bytes needed at that batch are within the budget, at one more they are not."""
    analysis, budget = analyze(name), 6 * 2**30
    batch = largest_batch(analysis, budget, training=training)
    assert needed_bytes(analysis, training=training, batch_size=batch) <= budget
    assert needed_bytes(analysis, training=training, batch_size=batch + 1) > budget
    assert largest_batch(analysis, 1, training=training) == 0


def test_deepest_network_fits_and_one_more_block_does_not() -> None:
    """Closed form: blocks go to resnet50's third stage, which has the most; the rest stays."""
    budget = 4 * 2**30
    network = deepest("resnet50", budget, training=True, batch_size=32)
    first, second, third, fourth = network.depths
    assert (first, second, fourth) == (3, 4, 3)
    assert network.needed_bytes <= budget
    assert analyze(network.expression).stages[3].num_blocks == third
    more = analyze(f"resnet50:depths=3-4-{third + 1}-3")
    assert needed_bytes(more, training=True, batch_size=32) > budget
    assert deepest("resnet50", budget, training=True, batch_size=32) == network


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda a: a.memory(0), "batch_size 0: must be a whole number from 1"),
        (lambda a: a.memory(2**21), "batch_size 2097152: must be a whole number from 1"),
        (lambda a: a.memory(dtype="float8"), "dtype 'float8': must be one of float32, float16"),
        (lambda a: largest_batch(a, 0), "budget 0: must be a whole number of bytes"),
        (lambda a: deepest(a.network, 1000), "budget of 1000 bytes: resnet18:depths=2-2-2-1 needs"),
        (lambda a: deepest("vgg11", 10**9), "deepest: vgg has no field depths"),
        (lambda a: deepest("resnet18", 10**9, input_size=0), "input size 0: must be a side"),
    ],
)
def test_a_mistake_is_one_sentence(call: object, sentence: str) -> None:
    assert callable(call)
    with pytest.raises(InvalidInput, match=sentence.replace("(", r"\(")) as caught:
        call(analyze("resnet18"))
    assert "\n" not in str(caught.value)


def test_analysis_has_memory_beside_the_documented_totals() -> None:
    """Closed form: JSON's "memory" says what the properties say; the totals keep their documented keys."""
    analysis: Analysis = analyzer.analyze("resnet18")
    document = analysis.to_dict()
    assert document["memory"]["peak_activation_bytes"] == analysis.peak_activation_bytes
    assert document["memory"]["training"]["stored_bytes"] == analysis.stored_for_training_bytes
    assert document["memory"]["params_bytes"] == document["totals"]["params_bytes"]
    assert len(document["totals"]) == 10


def test_every_dtype_and_the_plain_spec_are_accepted() -> None:
    """Closed form: the peak without pooling indices is in proportion to the bytes of one number."""
    analysis = analyze(parse("resnet20_cifar"))
    peaks = {dtype: memory(analysis, dtype=dtype).peak_bytes for dtype in ITEM_BYTES}
    assert {peak // ITEM_BYTES[dtype] for dtype, peak in peaks.items()} == {peaks["int8"]}
