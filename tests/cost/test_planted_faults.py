"""Faults planted on purpose, and which oracle sees each: the table below is asserted cell by cell.

Closed form = built: the cost fold against hooks, `parameters()` and FlopCounterMode of the live network.
Published counts: against torchvision's parameters and 10⁹ MACs, as tests/published has them.
Reference output: against torchvision's own network with the same weights.
A second table has faults in the figures of memory and training, and the oracle of `verify` that sees each.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import pytest
import torch
import torchvision
from torch import nn

import analyzer
from analyzer.cost import formulas, tensor_lifetimes
from analyzer.cost import memory as costed_memory
from analyzer.cost import training as costed_training
from analyzer.cost.training import BatchBytes, OpTraining
from analyzer.cost.walk import OpCost
from analyzer.families import residual_block as residual
from analyzer.families.densenet import DenseNetSpec
from analyzer.families.residual_block import ResidualBlockSpec
from analyzer.families.resnet import ResNetSpec
from analyzer.families.spec import Spec
from analyzer.graph.graph import INPUT, Graph, Node
from analyzer.graph.ops import Add, BatchNorm2d, Concat, Conv2d, MaxPool2d, Op, ReLU, Shape
from analyzer.live.network import build as building
from analyzer.live.verify import meters as measure
from analyzer.live.verify.verify import described_params, described_shapes, verify
from tests.support.oracles import agrees, published_entries
from tests.support.planting import forget_blocks

BLIND, CAUGHT = False, True
Plant = Callable[[pytest.MonkeyPatch], None]


class Verdicts(NamedTuple):
    """Whether each oracle sees a fault."""

    built: bool
    published_params: bool
    published_macs: bool
    reference_output: bool


def rewritten(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """A graph with every sub-graph and then itself changed."""
    nodes = (
        replace(node, op=rewritten(node.op, change)) if isinstance(node.op, Graph) else node for node in graph.nodes
    )
    return change(Graph(graph.kind, tuple(nodes)))


def planted_in_graph(spec: type[Spec], change: Callable[[Graph], Graph]) -> Plant:
    """A fault in a family: its graphs come out changed."""
    right = spec.graph

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spec, "graph", lambda self: rewritten(right(self), change))

    return plant


def planted(owner: object, name: str, wrong: Callable[..., object]) -> Plant:
    """A fault in a function: `wrong` gets the right one first, then its arguments."""
    right = getattr(owner, name)

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(owner, name, lambda *arguments: wrong(right, *arguments))
        forget_blocks()

    return plant


def with_nodes(graph: Graph, change: Callable[[Node], Node]) -> Graph:
    return Graph(graph.kind, tuple(map(change, graph.nodes)))


def doubled_transform(graph: Graph) -> Graph:
    """Identity shortcuts replaced by F(x) itself."""

    def change(node: Node) -> Node:
        doubled = isinstance(node.op, Add) and INPUT in node.inputs
        return replace(node, inputs=(node.inputs[0], node.inputs[0])) if doubled else node

    return with_nodes(graph, change)


def reversed_concats(graph: Graph) -> Graph:
    def change(node: Node) -> Node:
        return replace(node, inputs=node.inputs[::-1]) if isinstance(node.op, Concat) else node

    return with_nodes(graph, change)


def relu_before_add(graph: Graph) -> Graph:
    """ReLU(F(x)) + x in place of ReLU(F(x) + x)."""
    if graph.kind != "basic":
        return graph
    *rest, add, relu = graph.nodes
    early = Node(relu.name, ReLU(), add.inputs[:1])
    return Graph(graph.kind, (*rest, early, Node(add.name, Add(), (early.name, *add.inputs[1:]))))


def without_second_norm(graph: Graph) -> Graph:
    """Blocks whose last convolution goes into the add without its batch norm."""
    if graph.kind != "basic":
        return graph
    remaining = tuple(node for node in graph.nodes if node.name != "bn2")
    return Graph(
        graph.kind,
        tuple(
            replace(node, inputs=tuple("conv2" if name == "bn2" else name for name in node.inputs))
            for node in remaining
        ),
    )


def unpadded_max_pool(graph: Graph) -> Graph:
    def change(node: Node) -> Node:
        return replace(node, op=replace(node.op, padding=0)) if isinstance(node.op, MaxPool2d) else node

    return with_nodes(graph, change)


def ungrouped_family(right: Callable[..., Conv2d], block: ResidualBlockSpec, *arguments: int) -> Conv2d:
    return right(block._replace(groups=1), *arguments)


def ungrouped_macs(right: Callable[[Op, Shape], int], op: Op, output: Shape) -> int:
    return right(replace(op, groups=1) if isinstance(op, Conv2d) else op, output)


def early_stride(right: Callable[..., list[Conv2d]], block: ResidualBlockSpec) -> list[Conv2d]:
    return right(block._replace(stride_on="1x1"))


def ungrouped_module(right: Callable[[Conv2d], nn.Conv2d], op: Conv2d) -> nn.Conv2d:
    return right(replace(op, groups=1))


def lax_norm(right: Callable[[Op, bool], nn.Module], op: Op, in_place: bool) -> nn.Module:
    module = right(op, in_place)
    if isinstance(module, nn.BatchNorm2d):
        module.eps = 1e-3  # Keras's default
    return module


def rounded_up(right: Callable[..., int], size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    return right(size + stride - 1, kernel, stride, padding, dilation)


def params_with_statistics(right: Callable[[Op], int], op: Op) -> int:
    return right(op) + (2 * op.channels if isinstance(op, BatchNorm2d) else 0)


FAULTS: dict[str, tuple[str, Plant, Verdicts]] = {
    "family drops groups": (
        "resnext50_32x4d",
        planted(residual, "_conv3x3", ungrouped_family),
        Verdicts(BLIND, CAUGHT, CAUGHT, CAUGHT),
    ),
    "MAC formula ignores groups": (
        "resnext50_32x4d",
        planted(formulas, "macs", ungrouped_macs),
        Verdicts(CAUGHT, BLIND, CAUGHT, BLIND),
    ),
    "identity shortcut adds F(x) to itself": (
        "resnet18",
        planted_in_graph(ResNetSpec, doubled_transform),
        Verdicts(BLIND, BLIND, BLIND, CAUGHT),
    ),
    "DenseNet concatenates in the wrong order": (
        "densenet121",
        planted_in_graph(DenseNetSpec, reversed_concats),
        Verdicts(BLIND, BLIND, BLIND, CAUGHT),
    ),
    "stride on the 1×1 instead of the 3×3": (
        "resnet50",
        planted(residual, "_convs", early_stride),
        Verdicts(BLIND, BLIND, CAUGHT, CAUGHT),
    ),
    "ReLU before the add": (
        "resnet18",
        planted_in_graph(ResNetSpec, relu_before_add),
        Verdicts(BLIND, BLIND, BLIND, CAUGHT),
    ),
    "a batch norm left out": (
        "resnet18",
        planted_in_graph(ResNetSpec, without_second_norm),
        Verdicts(BLIND, CAUGHT, BLIND, CAUGHT),
    ),
    "max pool without padding": (
        "resnet18",
        planted_in_graph(ResNetSpec, unpadded_max_pool),
        Verdicts(BLIND, BLIND, CAUGHT, CAUGHT),
    ),
    "builder ignores groups": (
        "resnext50_32x4d",
        planted(building, "_conv", ungrouped_module),
        Verdicts(CAUGHT, BLIND, BLIND, CAUGHT),
    ),
    "builder's batch norm has another epsilon": (
        "resnet18",
        planted(building, "_leaf", lax_norm),
        Verdicts(BLIND, BLIND, BLIND, CAUGHT),
    ),
    "shape formula rounds up": (
        "resnet18",
        planted(formulas, "window_positions", rounded_up),
        Verdicts(CAUGHT, BLIND, CAUGHT, BLIND),
    ),
    "params include running statistics": (
        "resnet18",
        planted(formulas, "params", params_with_statistics),
        Verdicts(CAUGHT, CAUGHT, BLIND, BLIND),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_oracle_sees_what_the_table_says(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, plant, verdicts = FAULTS[fault]
    plant(monkeypatch)
    assert seen_in(name) == verdicts
    assert any(verdicts), "a fault that no oracle sees"


@pytest.mark.parametrize("name", sorted({name for name, _, _ in FAULTS.values()}))
def test_without_a_fault_no_oracle_speaks(name: str) -> None:
    assert seen_in(name) == Verdicts(BLIND, BLIND, BLIND, BLIND)


def seen_in(name: str) -> Verdicts:
    """What each oracle says of a variant as it is now."""
    analysis = analyzer.analyze(name)
    return Verdicts(
        built=differs_from_built(name),
        published_params=differs_from_published(name, "params", analysis.params),
        published_macs=differs_from_published(name, "macs", analysis.macs),
        reference_output=differs_from_reference(name),
    )


def differs_from_published(name: str, quantity: str, count: int) -> bool:
    """Published: a total that torchvision states with its weights."""
    stated = [entry for entry in published_entries("totals") if entry["source"] == "torchvision-weights"]
    own = [entry for entry in stated if (entry["expression"], entry["quantity"]) == (name, quantity)]
    assert own, f"nothing is published for {name}"
    return not all(agrees(count, entry) for entry in own)


def differs_from_built(name: str) -> bool:
    """Measured: any shape, params or FLOPs of the live network."""
    analysis, live = analyzer.analyze(name), analyzer.build(name, device="meta")
    return (
        measure.output_shapes(live, analysis.input_shape) != described_shapes(analysis)
        or measure.num_params(live) != described_params(analysis)
        or measure.torch_flops(live, analysis.input_shape) != analysis.flops
    )


def differs_from_reference(name: str) -> bool:
    """Reference output: the weights do not fit torchvision's network, or give other outputs there for one image."""
    live = analyzer.build(name).eval()
    weights = live.state_dict()
    with torch.device("meta"):
        reference = torchvision.models.get_model(name).eval()
    if [(key, value.shape) for key, value in weights.items()] != [
        (key, value.shape) for key, value in reference.state_dict().items()
    ]:
        return True
    reference.load_state_dict(weights, assign=True)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        return not torch.equal(live(image), reference(image))


def nothing(*_: object) -> int:
    return 0


def no_statistics(right: Callable[..., BatchBytes], row: OpCost, frozen_norm: bool, item: int) -> BatchBytes:
    return BatchBytes(0, 0) if isinstance(row.operation, BatchNorm2d) else right(row, frozen_norm, item)


def norm_activations(right: Callable[[Op, Shape], int], op: Op, output: Shape) -> int:
    return prod(output) if isinstance(op, BatchNorm2d) else right(op, output)


def ungrouped_backward(right: Callable[..., list[OpTraining]], *arguments: Any) -> list[OpTraining]:
    """What torch's own counter does: weight gradients times the groups."""
    rows = arguments[0].rows
    groups = [row.operation.groups if isinstance(row.operation, Conv2d) else 1 for row in rows]
    pairs = zip(right(*arguments), groups, strict=True)
    return [op._replace(weight_gradient=op.weight_gradient * factor) for op, factor in pairs]


GROUPED = "resnet:block=bottleneck,depths=1-1,widths=8-16,stem_width=32,cardinality=2,preactivation=true"
FIGURES: dict[str, tuple[str, Plant, set[str]]] = {
    "a max pool's indices are forgotten": (
        GROUPED,
        planted(costed_memory, "extra_bytes", nothing),
        {"allocation meter"},
    ),
    "no op overwrites its input": (
        "vgg:config=8,head=pool",
        planted(tensor_lifetimes, "in_place_nodes", lambda right, graph: frozenset()),
        {"allocation meter"},
    ),
    "batch norm keeps no statistics": (
        GROUPED,
        planted(costed_training, "_own_bytes", no_statistics),
        {"saved tensors"},
    ),
    "activations include batch norm's": (GROUPED, planted(formulas, "activations", norm_activations), {"fvcore"}),
    "weight gradients ignore groups": (
        GROUPED,
        planted(costed_training, "op_training", ungrouped_backward),
        {"backward counter", "FlopCounterMode"},
    ),
}
"""Faults in the figures of memory, training and activations, and the oracles of `verify` that see them."""


@pytest.mark.parametrize("fault", FIGURES)
def test_verify_names_the_oracle_that_sees_a_wrong_figure(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured: on a small network, and nothing speaks without the fault."""
    name, plant, oracles = FIGURES[fault]
    assert {check.oracle for check in verify(analyzer.analyze(name, 32)).checks if check.passed is False} == set()
    plant(monkeypatch)
    assert {check.oracle for check in verify(analyzer.analyze(name, 32)).checks if check.passed is False} == oracles
