"""ResNeXt's three equal forms of a bottleneck with cardinality C (Xie et al. 2017, §3.3 and Figure 3), as three Graphs.

Form (c) is the block as its family builds it, with a grouped convolution. The other two have C paths and the weights of
form (c), sliced: path i has output channels i of the first and of the grouped convolution, and input channels i
of the last. Everything outside the paths (the last batch norm, the shortcut, the last ReLU) is shared whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from analyzer.errors import InvalidInput
from analyzer.graph.graph import INPUT, Graph, Node, leaf_ops, sequence, sub_graphs
from analyzer.graph.ops import Add, BatchNorm2d, Concat, Conv2d, Op, ReLU

FORM_TITLES = {
    "a": "split–transform–merge: one sum over the paths",
    "b": "split–concat: paths joined before the last 1×1",
    "c": "grouped convolution",
}
"""Letter of each form in the paper's Figure 3 → what it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSlice:
    """The weights of an op of a path: slice `index` of `count` equal ones, along `axis`, of the op `source`'s tensors.

    A bias without that axis is divided, 1/`count` for each path; a counter is copied whole.
    """

    source: str
    axis: int
    index: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNeXtForm:
    """A block or network in one form; `parts` maps its paths' ops to the grouped form's, others are equal by name."""

    letter: str
    graph: Graph
    parts: Mapping[str, WeightSlice]


def grouped_blocks(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """(path, block) of every bottleneck whose inner convolution is grouped, in execution order.

    A block whose transform consists of sub-graphs has their ops as its own here, `f.a.0` as `f_a_0`.
    """
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            block = inline_transform(node.op)
            if _chain(block):
                yield node.name, block
            else:
                yield from ((f"{node.name}.{path}", block) for path, block in grouped_blocks(node.op))


def cardinality(block: Graph) -> int:
    """Number of paths C of a block with a grouped convolution."""
    return max(node.op.groups for node in _required_chain(block) if isinstance(node.op, Conv2d))


def forms(block: Graph) -> tuple[ResNeXtForm, ResNeXtForm, ResNeXtForm]:
    """The forms (a), (b) and (c) of one block; InvalidInput where it has no grouped convolution between two others."""
    return split_transform_merge(block), split_concat(block), _grouped(block)


def _grouped(block: Graph) -> ResNeXtForm:
    return ResNeXtForm(letter="c", graph=block, parts={})


def split_transform_merge(block: Graph) -> ResNeXtForm:
    """Form (a): C paths of 1×1, 3×3, 1×1, one sum over them, then the batch norm, the shortcut and the ReLU."""
    return _split(block, "a", _required_chain(block), Node("sum", Add(), ()))


def split_concat(block: Graph) -> ResNeXtForm:
    """Form (b): C paths of 1×1, 3×3, their concatenation, then the one last 1×1 and all that follows it."""
    return _split(block, "b", _required_chain(block)[:-1], Node("concat", Concat(), ()))


def network_forms(graph: Graph) -> tuple[ResNeXtForm, ResNeXtForm, ResNeXtForm]:
    """The forms (a), (b) and (c) of a whole network: each of its grouped blocks in that form."""
    return _network_form(graph, "a"), _network_form(graph, "b"), _network_form(graph, "c")


def reason_without_forms(graph: Graph) -> str:
    """Why the forms coincide or do not exist for this network, in one sentence; "" where it has grouped bottlenecks."""
    if next(grouped_blocks(graph), None) is not None:
        return ""
    kinds = {part.kind for _, part in sub_graphs(graph)}
    if any(isinstance(op, Conv2d) and op.groups > 1 for _, op in leaf_ops(graph)):
        return _REASON_GATED if "squeeze_excitation" in kinds else _REASON_NO_GROUPS
    return next((reason for kind, reason in _REASONS.items() if kind in kinds), _REASON_NO_GROUPS)


_REASONS = {
    "basic": "Its blocks have depth 2, where splitting leads only to a wide, dense block; "
    "the three forms differ only from depth 3 on (Xie et al. 2017, §3.3 and Figure 4).",
    "bottleneck": "Its bottlenecks have cardinality 1, one path, for which the three forms are one and the same graph.",
    "dense_layer": "Its dense layers are concatenated, not summed, and none has a grouped convolution, "
    "so there are no paths to split.",
}
_REASON_GATED = (
    "Its blocks have a gate (squeeze-and-excitation) between the grouped convolution and the last 1×1, "
    "which reads all paths at once, so they are not apart."
)
_REASON_NO_GROUPS = "It has no bottleneck with a grouped convolution, so there are no paths to split."


INLINED_GRAPHS = ("transform", "convolution")
"""Kinds of sub-graphs that contain ops of a block's transform."""


def inline_transform(graph: Graph) -> Graph:
    """The graph with its transform's sub-graphs replaced by their ops, `f.a.0` as `f_a_0`; itself without such."""
    if not any(isinstance(node.op, Graph) and node.op.kind in INLINED_GRAPHS for node in graph.nodes):
        return graph
    nodes: list[Node] = []
    output_names: dict[str, str] = {}
    for node in graph.nodes:
        inputs = tuple(output_names.get(name, name) for name in node.inputs)
        if isinstance(node.op, Graph) and node.op.kind in INLINED_GRAPHS:
            inner = inline_transform(node.op).nodes
            nodes += [_inlined_node(inner_node, node.name, inputs[0]) for inner_node in inner]
            output_names[node.name] = nodes[-1].name
        else:
            nodes.append(replace(node, inputs=inputs))
    return Graph(graph.kind, tuple(nodes))


def _inlined_node(node: Node, holder: str, source: str) -> Node:
    """A node of a sub-graph that reads `source`, in the graph around it."""
    inputs = tuple(source if name == INPUT else f"{holder}_{name}" for name in node.inputs)
    return replace(node, name=f"{holder}_{node.name}", inputs=inputs)


def _chain(block: Graph) -> tuple[Node, ...]:
    """The nodes from the convolution before the grouped one to the one after it; () where there are none such."""
    convs = [index for index, node in enumerate(block.nodes) if isinstance(node.op, Conv2d)]
    for first, grouped, last in zip(convs, convs[1:], convs[2:], strict=False):
        chain = block.nodes[first : last + 1]
        if _groups(block.nodes[grouped]) > 1 and _groups(chain[0]) == _groups(chain[-1]) == 1 and _is_path(chain):
            return chain
    return ()


def _groups(node: Node) -> int:
    return node.op.groups if isinstance(node.op, Conv2d) else 0


def _is_path(chain: tuple[Node, ...]) -> bool:
    linked = all(node.inputs == (before.name,) for before, node in pairwise(chain))
    return linked and all(isinstance(node.op, Conv2d | BatchNorm2d | ReLU) for node in chain)


def _required_chain(block: Graph) -> tuple[Node, ...]:
    chain = _chain(block)
    if not chain:
        raise InvalidInput(
            f"block {block.kind}: has no grouped convolution between two others, so it has no paths to split."
        )
    return chain


def _split(block: Graph, letter: str, chain: tuple[Node, ...], merge: Node) -> ResNeXtForm:
    """The block with `chain` replaced by C sliced copies of itself, whose outputs `merge` joins."""
    count = cardinality(block)
    names = [f"path{index}" for index in range(count)]
    path = _path(chain, count)
    paths = [Node(name, path, chain[0].inputs) for name in names]
    start = block.nodes.index(chain[0])
    after = [_rewire(node, chain[-1].name, merge.name) for node in block.nodes[start + len(chain) :]]
    nodes = (*block.nodes[:start], *paths, replace(merge, inputs=tuple(names)), *after)
    parts = {
        f"{name}.{node.name}": WeightSlice(source=node.name, axis=_axis(node, chain), index=index, count=count)
        for index, name in enumerate(names)
        for node in chain
    }
    return ResNeXtForm(letter=letter, graph=Graph(block.kind, nodes), parts=parts)


def _rewire(node: Node, old: str, new: str) -> Node:
    return replace(node, inputs=tuple(new if name == old else name for name in node.inputs))


def _path(chain: tuple[Node, ...], count: int) -> Graph:
    return Graph("path", tuple(sequence(*((node.name, _slice_op(node, chain, count)) for node in chain))))


def _slice_op(node: Node, chain: tuple[Node, ...], count: int) -> Op:
    """One path's share of an op of the chain."""
    match node.op:
        case Conv2d() as conv if _axis(node, chain) == 1:
            return replace(conv, in_channels=conv.in_channels // count)
        case Conv2d(groups=1) as conv:
            return replace(conv, out_channels=conv.out_channels // count)
        case Conv2d() as conv:
            return replace(
                conv, in_channels=conv.in_channels // count, out_channels=conv.out_channels // count, groups=1
            )
        case BatchNorm2d() as norm:
            return BatchNorm2d(norm.channels // count)
        case ReLU() as relu:
            return relu
        case op:
            raise TypeError(f"{node.name}: a path has no {type(op).__name__}")


def _axis(node: Node, chain: tuple[Node, ...]) -> int:
    """Axis along which a path's weights are cut: input channels (1) in the last, ungrouped convolution, else 0."""
    return 1 if node is not chain[0] and _groups(node) == 1 else 0


def _network_form(graph: Graph, letter: str) -> ResNeXtForm:
    parts: dict[str, WeightSlice] = {}
    split = {"a": split_transform_merge, "b": split_concat, "c": _grouped}[letter]

    def rebuilt(part: Graph, prefix: str) -> Graph:
        block = inline_transform(part)
        if _chain(block):
            form = split(block)
            parts.update(
                {
                    prefix + path: replace(weight_slice, source=prefix + weight_slice.source)
                    for path, weight_slice in form.parts.items()
                }
            )
            return form.graph
        return Graph(part.kind, tuple(rebuilt_node(node, prefix) for node in part.nodes))

    def rebuilt_node(node: Node, prefix: str) -> Node:
        return replace(node, op=rebuilt(node.op, f"{prefix}{node.name}.")) if isinstance(node.op, Graph) else node

    return ResNeXtForm(letter=letter, graph=rebuilt(graph, ""), parts=parts)
