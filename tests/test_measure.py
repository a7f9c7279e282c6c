"""The closed form against what the live network shows: hooks, weights, torch's and fvcore's counters (measured)."""

from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import analyzer
from analyzer.cost.conventions import fvcore_by_operator
from analyzer.families.densenet import DenseNetSpec
from analyzer.families.registry import variant_names
from analyzer.families.resnet import ResNetSpec
from analyzer.families.spec import Spec
from analyzer.graph import INPUT, Graph, Node, sequence
from analyzer.live import measure
from analyzer.live.verify import described_params, described_shapes
from analyzer.ops import (
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


@pytest.mark.parametrize("name", variant_names())
def test_measured_equals_closed_form(name: str) -> None:
    """Measured: hooks, parameters(), buffers() and FlopCounterMode against the closed form, at three input sizes."""
    live = analyzer.build(name, device="meta")
    for analysis in (analyzer.analyze(name, 225), analyzer.analyze(name, (320, 256))):
        assert measure.output_shapes(live, analysis.input_shape) == described_shapes(analysis)
    analysis = analyzer.analyze(name, 224)
    assert measure.output_shapes(live, analysis.input_shape) == described_shapes(analysis)
    assert measure.num_params(live) == described_params(analysis)
    assert measure.num_buffers(live)[""] == analysis.totals.buffers
    assert measure.torch_flops(live, analysis.input_shape) == analysis.flops


@st.composite
def resnet_specs(draw: st.DrawFn) -> Spec:
    """Small residual networks over every field of the family."""
    depths = tuple(draw(st.lists(st.integers(1, 2), min_size=1, max_size=3)))
    block = draw(st.sampled_from(("basic", "bottleneck")))
    grouped = block == "bottleneck"
    return ResNetSpec(
        block=block,
        depths=depths,
        widths=tuple(draw(st.integers(4, 24)) for _ in depths),
        expansion=draw(st.none() | st.integers(1, 5)),
        cardinality=draw(st.integers(1, 4)) if grouped else 1,
        base_width=draw(st.integers(16, 128)) if grouped else 64,
        stem=draw(st.sampled_from(("imagenet", "cifar"))),
        stem_width=draw(st.integers(1, 24)),
        stride_on=draw(st.sampled_from(("3x3", "1x1"))),
        in_channels=draw(st.integers(1, 4)),
        num_classes=draw(st.integers(1, 12)),
    )


@st.composite
def densenet_specs(draw: st.DrawFn) -> Spec:
    """Small densely connected networks over every field of the family."""
    return DenseNetSpec(
        depths=tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))),
        growth_rate=draw(st.integers(1, 8)),
        init_features=draw(st.integers(2, 24)),
        bottleneck_ratio=draw(st.none() | st.integers(1, 4)),
        compression=draw(st.sampled_from((0.5, 0.75, 1.0))),
        stem=draw(st.sampled_from(("imagenet", "cifar"))),
        in_channels=draw(st.integers(1, 4)),
        num_classes=draw(st.integers(1, 12)),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=resnet_specs() | densenet_specs(), height=st.integers(29, 70), width=st.integers(29, 70))
def test_measured_equals_closed_form_for_any_spec(spec: Spec, height: int, width: int) -> None:
    """Measured: hooks, parameters(), buffers() and FlopCounterMode over the families' fields and odd input sizes."""
    analysis, live = analyzer.analyze(spec, (height, width)), analyzer.build(spec, device="meta")
    assert measure.output_shapes(live, analysis.input_shape) == described_shapes(analysis)
    assert measure.num_params(live) == described_params(analysis)
    assert measure.num_buffers(live)[""] == analysis.totals.buffers
    assert measure.torch_flops(live, analysis.input_shape) == analysis.flops


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "densenet121"])
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
