"""Identities of residual networks: zero transforms, sums of transforms under pre-activation, v1 beside v1.5."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from analyzer.cost.walk import cost_tree
from analyzer.errors import InvalidInput
from analyzer.families.network import Network
from analyzer.families.resnet import ResNetSpec
from analyzer.graph.graph import Graph, Node, in_channels
from analyzer.graph.ops import Norm, ReLU, Weighted
from analyzer.live.equivalence.forms import StateDict, evaluate, run, runnable_graph, set_relu_signs
from analyzer.live.identities.context import (
    SIDE,
    Finding,
    ProofContext,
    Site,
    blocks,
    evenly_chosen,
    has_shortcut,
    nested_graphs,
    shortcut_node,
    stage_blocks,
    upstream_nodes,
)
from analyzer.live.network.build import build


def residual_sites(graph: Graph) -> list[Site]:
    """The distinct blocks with an identity shortcut after whose addition stands nothing but a ReLU."""
    return blocks(graph, lambda block: has_shortcut(block) and not _changes_sum(block))


def _changes_sum(block: Graph) -> bool:
    """Whether something other than a ReLU follows the addition."""
    names = [node.name for node in block.nodes]
    add = shortcut_node(block)
    after = block.nodes[names.index(add.name) + 1 :] if add else ()
    return any(not isinstance(node.op, ReLU) for node in after)


def has_changed_sums(graph: Graph) -> bool:
    """Whether there are blocks with an identity shortcut, and something other than a ReLU follows the addition."""
    return bool(blocks(graph, lambda block: has_shortcut(block) and _changes_sum(block)))


def _last_weights(block: Graph) -> Node:
    """The op with weights that makes the transform: the last convolution, or the norm after it."""
    add = shortcut_node(block)
    if add is None:
        raise TypeError(f"{block.kind}: has no identity shortcut")
    return next(node for node in upstream_nodes(block, add) if isinstance(node.op, Norm | Weighted))


def zero_transform(context: ProofContext, site: Site) -> Iterator[Finding]:
    """A block whose transform ends in zero weights, on an input as a ReLU leaves it: bit for bit the input."""
    generator, last = context.generator(site.path), _last_weights(site.graph)
    state, features = context.state(site.graph, generator), context.batch(site, generator).abs()
    zeroed = _with_zero_weights(state, last.name)
    net = runnable_graph(site.graph)
    for mode in ("eval", "train"):
        evaluation = evaluate(net, zeroed, features, features, training=mode == "train")
        yield context.row(site.path, "output", {"output": (evaluation.output, features)}, 0.0, mode)
        yield context.row(site.path, "gradient of input", {"input": (evaluation.input_gradient, features)}, 0.0, mode)
    unchanged = evaluate(net, state, features, features, training=False, backward=False)
    yield context.control(site.path, "the transform's last weights kept", unchanged.output, features, 0.0)


def _with_zero_weights(state: StateDict, path: str) -> StateDict:
    return state | {name: torch.zeros_like(state[name]) for name in (f"{path}.weight", f"{path}.bias") if name in state}


def preactivated_sites(graph: Graph) -> list[Site]:
    """The distinct stages that end in blocks with an identity shortcut and nothing after the addition."""
    stages = evenly_chosen(
        (f"{prefix}{node.name}", node.op)
        for prefix, part in nested_graphs(graph)
        for node in part.nodes
        if isinstance(node.op, Graph) and node.op.kind == "stage" and _chain(node.op)
    )
    return [Site(path, stage, (in_channels(stage), 2 * SIDE, 2 * SIDE)) for path, stage in stages]


def _chain(stage: Graph) -> list[Node]:
    """The blocks at the end of a stage that end in the addition of their input."""
    blocks: list[Node] = []
    for node in reversed(stage.nodes):
        if not isinstance(node.op, Graph) or shortcut_node(node.op) is not node.op.nodes[-1]:
            break
        blocks.insert(0, node)
    return blocks


@torch.no_grad()
def pre_activation(context: ProofContext, site: Site) -> Iterator[Finding]:
    """A stage's output against the input of its first block with an identity shortcut plus all transforms since."""
    generator, chain = context.generator(site.path), _chain(site.graph)
    net = runnable_graph(site.graph)
    state, features = context.state(site.graph, generator), context.batch(site, generator)
    for training in (False, True):
        recorder = _BlockRecorder()
        handles = [handle for node in chain for handle in recorder.watch(net.module.get_submodule(node.name), node.op)]
        set_relu_signs(net, None)
        output = run(net, dict(state), features, training=training)
        for handle in handles:
            handle.remove()
        bound, mode = context.tolerance(site, training=training), "train" if training else "eval"
        total = torch.stack([recorder.inputs[0], *recorder.transforms]).sum(0)
        yield context.row(site.path, "output", {"output": (total, output)}, bound, mode)
        without_last = total - recorder.transforms[-1]
        yield context.control(site.path, "the last transform left out", without_last, output, bound)


class _BlockRecorder:
    """Records the inputs and transforms of a stage's blocks in a forward pass."""

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []
        self.transforms: list[Tensor] = []

    def watch(self, block: nn.Module, graph: "Graph | Any") -> Iterator[Any]:
        """Hooks on a block that record its input and its transform."""
        add = shortcut_node(graph)
        if add is None:
            raise TypeError(f"{graph.kind}: has no identity shortcut")
        yield block.register_forward_pre_hook(_output_recorder(self.inputs))
        yield block.get_submodule(add.name).register_forward_pre_hook(_output_recorder(self.transforms))


def _output_recorder(outputs: list[Tensor]) -> Callable[[nn.Module, Any], None]:
    return lambda _module, inputs: outputs.append(inputs[0].clone())


def versions_of(network: Network) -> tuple[Network, Network] | None:
    """The network with its stride on the 1×1 and on the 3×3; None where it has no bottleneck that strides."""
    spec = network.spec
    if not isinstance(spec, ResNetSpec) or spec.block != "bottleneck":
        return None
    one, other = spec.with_fields(stride_on="1x1"), spec.with_fields(stride_on="3x3")
    return (_network_of(one), _network_of(other)) if one.graph() != other.graph() else None


def _network_of(spec: ResNetSpec) -> Network:
    from analyzer.families.network import network

    return network(spec)


def costs(network: Network) -> tuple[int, int]:
    """Parameters and MACs at the variant's own input size."""
    rows = cost_tree(network.graph, network.input_shape()).rows
    return sum(row.params for row in rows), sum(row.macs for row in rows)


@torch.no_grad()
def versions(context: ProofContext, site: Site) -> Iterator[Finding]:
    """v1 and v1.5: one state_dict; blocks that do not stride equal bit for bit; those that do differ, as do MACs."""
    pair = versions_of(context.network)
    if pair is None:
        raise InvalidInput(f"{context.network.expression}: has no bottleneck that strides.")
    v1, v15 = pair
    (params, macs), (params15, macs15) = costs(v1), costs(v15)
    layouts = [_layout(item.graph) for item in pair]
    differing = sum(layouts[0][name] != layouts[1].get(name) for name in layouts[0]) + abs(
        len(layouts[0]) - len(layouts[1])
    )
    yield context.row("", "names and shapes of weights", {"state_dict": _as_tensors(differing, 0)}, 0.0)
    yield context.row("", "parameters", {"parameters": _as_tensors(params, params15)}, 0.0)
    yield context.control("", "MACs taken for equal", *_as_tensors(macs, macs15), 0.0)
    yield from _blocks_of_both(context, v1.graph, v15.graph)


def _as_tensors(one: int, other: int) -> tuple[Tensor, Tensor]:
    return torch.tensor(one, dtype=torch.float64), torch.tensor(other, dtype=torch.float64)


def _layout(graph: Graph) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in build(graph, device="meta").state_dict().items()}


def _blocks_of_both(context: ProofContext, v1: Graph, v15: Graph) -> Iterator[Finding]:
    """The first block that strides, whose outputs differ with the same weights."""
    for (path, one), (_, other) in zip(stage_blocks(v1), stage_blocks(v15), strict=True):
        if one != other:
            generator = context.generator(path)
            site = Site(path, other, (in_channels(other), 2 * SIDE, 2 * SIDE))
            state, features = context.state(one, generator), context.batch(site, generator)
            outputs = [_output(block, state, features) for block in (one, other)]
            yield context.control(path, "outputs taken for equal", outputs[0], outputs[1], context.tolerance(site))
            return


def _output(block: Graph, state: StateDict, features: Tensor) -> Tensor:
    return run(runnable_graph(block), state, features, training=False)
