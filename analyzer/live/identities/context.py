"""What the proofs of the single identities share: random tensors, rows and controls, for one dtype."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple, TypeVar
from zlib import crc32

import torch
from torch import Tensor

from analyzer.cost.walk import cost_tree
from analyzer.families.network import Network
from analyzer.graph.graph import INPUT, Graph, Node, in_channels, leaf_ops, sequence
from analyzer.graph.ops import BatchNorm2d, Conv2d, Op, Shape
from analyzer.graph.resnext_forms import inline_transform
from analyzer.live.equivalence import network as equivalence_network
from analyzer.live.equivalence.comparison import DTYPES, tensor_error, worst_comparison
from analyzer.live.equivalence.forms import Runnable, StateDict, copy_state, random_state, runnable_graph
from analyzer.live.equivalence.proof import FaultControl, TensorComparison
from analyzer.live.equivalence.rounding import tolerance

BATCH_SIZE = 4
SIDE = 5
MAX_SITES = 4
"""Sites at most at which an identity is proved: distinct ones, from first to last."""


Item = TypeVar("Item")


class Site(NamedTuple):
    """A part of the network by itself, at its path, and the shape (C, H, W) of its input.

    `widths` are the channels of the tensors that a concatenated input is made of.
    """

    path: str
    graph: Graph
    shape: Shape
    widths: tuple[int, ...] = ()


def convolutions(graph: Graph, condition: Callable[[Conv2d], bool]) -> list[Site]:
    """The distinct convolutions that satisfy the condition, each as a graph of its own with one node, `conv`."""
    matching = ((path, op) for path, op in leaf_ops(graph) if isinstance(op, Conv2d) and condition(op))
    return [conv_site(path, conv) for path, conv in evenly_chosen(matching)]


def conv_site(path: str, conv: Conv2d) -> Site:
    """A convolution by itself, on an input of at least its window."""
    side = max(SIDE, conv.dilation * (conv.kernel - 1) + 1)
    return Site(path, single_op_graph("conv", conv), (conv.in_channels, side, side))


def single_op_graph(name: str, op: Op) -> Graph:
    """One op as a graph."""
    return Graph("op", tuple(sequence((name, op))))


def blocks(graph: Graph, condition: Callable[[Graph], bool]) -> list[Site]:
    """The distinct blocks that satisfy the condition."""
    matching = evenly_chosen((path, block) for path, block in stage_blocks(graph) if condition(block))
    return [Site(path, block, (in_channels(block), SIDE, SIDE)) for path, block in matching]


def normed_sites(graph: Graph) -> list[Site]:
    """Distinct blocks with a batch norm that alone reads a convolution; in networks without blocks, such pairs."""
    sites = blocks(graph, lambda block: bool(normed_convs(block)))
    if sites or next(stage_blocks(graph), None) is not None:
        return sites
    pairs = evenly_chosen(
        (f"{prefix}{conv.name}", Graph("pair", tuple(sequence(("conv", conv.op), ("norm", norm.op)))))
        for prefix, part in nested_graphs(graph)
        for conv, norm in normed_convs(part)
    )
    return [Site(path, pair, (in_channels(pair), SIDE, SIDE)) for path, pair in pairs]


def nested_graphs(graph: Graph, prefix: str = "") -> Iterator[tuple[str, Graph]]:
    """(prefix of its paths, graph) of the network and every sub-graph."""
    yield prefix, graph
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            yield from nested_graphs(node.op, f"{prefix}{node.name}.")


def stage_blocks(graph: Graph, prefix: str = "", inside: bool = False) -> Iterator[tuple[str, Graph]]:
    """(path, block) of the sub-graphs of stages, in order, with their transform's ops inlined."""
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            if inside:
                yield f"{prefix}{node.name}", inline_transform(node.op)
            else:
                yield from stage_blocks(node.op, f"{prefix}{node.name}.", node.op.kind == "stage")


def evenly_chosen(items: Iterable[tuple[str, Item]]) -> list[tuple[str, Item]]:
    """The first of each distinct kind, and of these at most MAX_SITES, evenly from first to last."""
    distinct: dict[Item, str] = {}
    for path, item in items:
        distinct.setdefault(item, path)
    distinct_items = [(path, item) for item, path in distinct.items()]
    if len(distinct_items) <= MAX_SITES:
        return distinct_items
    return [
        distinct_items[round(position * (len(distinct_items) - 1) / (MAX_SITES - 1))] for position in range(MAX_SITES)
    ]


def has_batch_norm(graph: Graph) -> bool:
    """Whether any op is a batch norm."""
    return any(isinstance(op, BatchNorm2d) for _, op in leaf_ops(graph))


def has_shortcut(block: Graph) -> bool:
    """Whether a block adds its own input to its transform, unchanged."""
    return shortcut_node(block) is not None


def shortcut_node(block: Graph) -> Node | None:
    """The addition of a block's input to its transform; None where there is none."""
    return next((node for node in block.nodes if len(node.inputs) == 2 and node.inputs[1] == INPUT), None)


def upstream_nodes(block: Graph, node: Node) -> Iterator[Node]:
    """The nodes on the way back from a node along first inputs, to the block's input."""
    named = {item.name: item for item in block.nodes}
    while node.inputs[0] in named:
        node = named[node.inputs[0]]
        yield node


def normed_convs(graph: Graph) -> list[tuple[Node, Node]]:
    """(convolution, batch norm) where the batch norm alone reads the convolution, both in this graph itself."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for source in node.inputs:
            readers.setdefault(source, []).append(node)
    return [
        (node, readers[node.name][0])
        for node in graph.nodes
        if isinstance(node.op, Conv2d)
        and len(readers.get(node.name, ())) == 1
        and isinstance(readers[node.name][0].op, BatchNorm2d)
    ]


def has_strided_bottleneck(graph: Graph) -> bool:
    """Whether a bottleneck of the network strides."""
    return any(
        one.kernel != other.kernel and one.stride * other.stride > 1
        for _, block in stage_blocks(graph)
        for one, other in pairwise(node.op for node in block.nodes if isinstance(node.op, Conv2d))
    )


Finding = TensorComparison | FaultControl
Images = tuple[Runnable, equivalence_network.NetworkTensors]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofContext:
    """One identity of one network, in one dtype and from one seed; `images` gives the whole network and its tensors."""

    identity: str
    network: Network
    dtype: str
    seed: int
    images: Callable[[], Images]

    @property
    def type(self) -> torch.dtype:
        """The dtype as torch's own."""
        return DTYPES[self.dtype]

    def generator(self, path: str) -> torch.Generator:
        """The random numbers for one site, the same whatever else was proved."""
        return torch.Generator().manual_seed(self.seed + crc32(f"{self.identity} {path}".encode()))

    def features(self, generator: torch.Generator, *shape: int) -> Tensor:
        """Normally distributed numbers in the dtype."""
        return torch.empty(shape).normal_(generator=generator).to(self.type)

    def batch(self, site: Site, generator: torch.Generator) -> Tensor:
        """A batch of the site's inputs."""
        return self.features(generator, BATCH_SIZE, *site.shape)

    def state(self, graph: Graph, generator: torch.Generator) -> StateDict:
        """Random weights and statistics in the dtype."""
        return copy_state(random_state(graph, generator), self.type)

    def tolerance(self, site: Site, *, training: bool = False, gradient: bool = False) -> float:
        """The bound on rounding for this part of the network."""
        rows = cost_tree(site.graph, site.shape).rows
        return tolerance(rows, self.dtype, batch_size=BATCH_SIZE, training=training, gradient=gradient)

    def row(
        self,
        path: str,
        what: str,
        pairs: dict[str, tuple[Tensor, Tensor]],
        tolerance: float,
        mode: str = "eval",
    ) -> TensorComparison:
        """A row about the worst of some tensors, each beside its reference."""
        return worst_comparison(
            pairs,
            identity=self.identity,
            block=path,
            what=what,
            dtype=self.dtype,
            mode=mode,
            tolerance=tolerance,
        )

    def control(self, path: str, fault: str, one: Tensor, reference: Tensor, tolerance: float) -> FaultControl:
        """A fault whose tensor must differ from the reference."""
        return FaultControl(
            fault=fault,
            identity=self.identity,
            block=path,
            dtype=self.dtype,
            max_rel=tensor_error(one.detach(), reference.detach()).max_rel,
            tolerance=tolerance,
        )


def images_maker(network: Network, seed: int) -> Callable[[], Images]:
    """A function that makes, once, the whole network ready to run, with float64 weights and images that fit it."""

    @cache
    def make() -> Images:
        net = runnable_graph(network.graph)
        return net, equivalence_network.random_network_tensors(net, equivalence_network.small_shape(network), seed)

    return make


def network_tolerance(context: ProofContext, tensors: equivalence_network.NetworkTensors, *, training: bool) -> float:
    """The bound on rounding through all of the network's ops."""
    return tolerance(tensors.rows, context.dtype, batch_size=len(tensors.images), training=training, gradient=False)
