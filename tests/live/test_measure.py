"""The closed form against what the live network shows: hooks, weights, torch's and fvcore's counters (measured)."""

from collections import Counter
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from torch import nn

import analyzer
from analyzer.families.registry import variant_names
from analyzer.families.spec import Spec
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    Multiply,
    Sigmoid,
    ZeroPadShortcut,
)
from analyzer.literature.counting_rules import fvcore_by_operator
from analyzer.live.verify import meters as measure
from analyzer.live.verify.meters import NormByShapes
from analyzer.live.verify.verify import described_params, described_shapes
from tests.support.names import EVERY_KIND
from tests.support.strategies import sized


@pytest.mark.parametrize("name", EVERY_KIND)
def test_measured_equals_closed_form(name: str) -> None:
    """Measured: hooks, parameters(), buffers() and FlopCounterMode against the closed form, at two input sizes.

    One is odd one way and wider than high, so that no rounding and no mixed-up side stays unseen.
    """
    live = analyzer.build(name, device="meta")
    analysis = analyzer.analyze(name, (225, 320))
    assert measure.output_shapes(live, analysis.input_shape) == described_shapes(analysis)
    analysis = analyzer.analyze(name, 224)
    assert measure.output_shapes(live, analysis.input_shape) == described_shapes(analysis)
    assert measure.num_params(live) == described_params(analysis)
    assert measure.num_buffers(live)[""] == analysis.totals.buffers
    assert measure.torch_flops(live, analysis.input_shape) == analysis.flops


DEEPEST = ("resnet1202_cifar", "preact_resnet1001_cifar")
"""Hundreds of times the blocks of ResNet-110 and pre-activation ResNet-164, each of which would be run again."""


@pytest.mark.parametrize("name", DEEPEST)
def test_the_deepest_have_as_many_parameters_and_buffers(name: str) -> None:
    """Measured: parameters() and buffers() of every part against the closed form."""
    analysis, live = analyzer.analyze(name), analyzer.build(name, device="meta")
    assert measure.num_params(live) == described_params(analysis)
    assert measure.num_buffers(live)[""] == analysis.totals.buffers


@pytest.mark.parametrize("name", [name for name in variant_names() if name not in (*EVERY_KIND, *DEEPEST)])
def test_every_other_name_is_measured_as_described(name: str) -> None:
    """Measured: hooks, parameters() and buffers() against the closed form, at the variant's own input size."""
    analysis, live = analyzer.analyze(name), analyzer.build(name, device="meta")
    assert measure.output_shapes(live, analysis.input_shape) == described_shapes(analysis)
    assert measure.num_params(live) == described_params(analysis)
    assert measure.num_buffers(live)[""] == analysis.totals.buffers
    assert measure.torch_flops(live, analysis.input_shape) == analysis.flops


@settings(max_examples=40)
@given(sized)
def test_measured_equals_closed_form_for_any_spec(case: tuple[Spec, tuple[int, int] | None]) -> None:
    """Measured: hooks, parameters(), buffers() and FlopCounterMode over the families' fields and odd input sizes."""
    spec, size = case
    analysis, live = analyzer.analyze(spec, size), analyzer.build(spec, device="meta")
    assert measure.output_shapes(live, analysis.input_shape) == described_shapes(analysis)
    assert measure.num_params(live) == described_params(analysis)
    assert measure.num_buffers(live)[""] == analysis.totals.buffers
    assert measure.torch_flops(live, analysis.input_shape) == analysis.flops


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d:depths=1-1", "densenet:depths=2-2-2"])
def test_fvcore_counts_as_its_rule_says(name: str) -> None:
    """Measured: fvcore's flops and activations by operator against its counting rule on our rows."""
    live, analysis = analyzer.build(name), analyzer.analyze(name, 65)
    assert measure.fvcore_flops(live, analysis.input_shape) == fvcore_by_operator(analysis)
    assert measure.fvcore_activations(live, analysis.input_shape).total() == analysis.activations


def test_every_op_outside_torchvisions_nets_matches_its_closed_form() -> None:
    """Measured: zero-pad shortcut, gate, pools that round up or to a fixed size, dropout: shapes, params and flops."""
    gate = Graph(
        "gate",
        tuple(sequence(("pool", GlobalAvgPool2d()), ("fc", Conv2d(6, 6, 1, bias=True)), ("sigmoid", Sigmoid()))),
    )
    nodes = (
        Node("conv", Conv2d(3, 4, 3, padding=2, dilation=2, bias=True), (INPUT,)),
        Node("pad", ZeroPadShortcut(4, 6, stride=2), ("conv",)),
        Node("gate", gate, ("pad",)),
        Node("scale", Multiply(), ("pad", "gate")),
        *sequence(("ceil", AvgPool2d(2, stride=2, ceil_mode=True)), ("fixed", AdaptiveAvgPool2d(3)), after="scale"),
        Node("sum", Add(), ("fixed", "fixed", "fixed")),
        *sequence(("drop", Dropout()), ("flat", Flatten()), ("fc", Linear(54, 5)), after="sum"),
    )
    graph = Graph("odd", nodes)
    analysis, live = analyzer.analyze(graph, (9, 14)), analyzer.build(graph)
    assert measure.output_shapes(live, analysis.input_shape) == described_shapes(analysis)
    assert measure.num_params(live) == described_params(analysis)
    assert measure.torch_flops(live, analysis.input_shape) == analysis.flops
    assert measure.fvcore_flops(live, analysis.input_shape) == fvcore_by_operator(analysis)


@pytest.mark.parametrize("training", [False, True])
def test_norm_by_shapes_hands_out_what_torchs_own_does(training: bool) -> None:
    """Reference output: torch's batch norm on the CPU, in shapes and dtypes, of values and of gradients."""
    found = []
    for device, mode in (("cpu", nullcontext()), ("meta", NormByShapes())):
        net = nn.BatchNorm2d(5, device=device).train(training)
        image = torch.zeros(2, 5, 3, 4, device=device, requires_grad=True)
        with mode:
            output = net(image)
            gradients = torch.autograd.grad(output.sum(), [image, *net.parameters()])
        found.append([(tensor.shape, tensor.dtype) for tensor in (output, *gradients)])
    assert found[0] == found[1]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_norm_of_other_channels_is_refused_wherever_it_is_measured(device: str) -> None:
    """Reference output: torch on the CPU raises the same kind of error."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1, device=device), nn.BatchNorm2d(6, device=device))
    for tool in (measure.output_shapes, measure.torch_flops):
        with pytest.raises(RuntimeError, match="6"):
            tool(net, (3, 8, 8))


def test_measuring_leaves_the_network_as_found() -> None:
    """Measured: modes, hooks, weights, buffers and random state are the same afterwards."""
    live = analyzer.build("resnet:block=basic,depths=1-1,widths=8-16,stem_width=8")
    live.get_submodule("layer1").eval()
    before = _state(live)
    for tool in (measure.output_shapes, measure.torch_flops, measure.fvcore_flops, measure.fvcore_activations):
        tool(live, (3, 32, 32))
    assert _state(live) == before


def _state(net: nn.Module) -> list[object]:
    modes = [(path, module.training, len(module._forward_hooks)) for path, module in net.named_modules()]
    return [modes, *(value.tolist() for value in net.state_dict().values()), torch.get_rng_state().tolist()]


def test_measuring_restores_modes_and_hooks_when_the_run_fails() -> None:
    live = analyzer.build("resnet18", device="meta")
    with pytest.raises(RuntimeError):
        measure.output_shapes(live, (5, 32, 32))
    assert Counter(module.training for module in live.modules()).keys() == {True}
    assert not any(module._forward_hooks for module in live.modules())
