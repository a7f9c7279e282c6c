"""A network as one immutable value: a tree of small graphs of ops."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import lru_cache

from analyzer.errors import InvalidInput
from analyzer.graph.ops import Merge, Op, arity, input_channels

INPUT = "input"
"""The name by which nodes refer to their graph's one input."""


@dataclass(frozen=True, slots=True)
class Node:
    """One op or sub-graph; `name` is a segment of the weight path, `stage` the word for people, inherited."""

    name: str
    op: "Op | Graph"
    inputs: tuple[str, ...]
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """A small DAG with one input, nodes in topological order, whose last node is the output.

    `kind` says what it is: a family's name, "stage", a block's name, "projection", ….
    Sub-graphs of a "stage" are the network's blocks.
    Raises InvalidInput where the nodes do not form such a graph.
    """

    kind: str
    nodes: tuple[Node, ...]
    _digest: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unused: dict[str, None] = {}
        known = {INPUT}
        for node in self.nodes:
            _check_node(self.kind, node, known)
            known.add(node.name)
            for name in node.inputs:
                unused.pop(name, None)
            unused[node.name] = None
        if not self.nodes:
            raise InvalidInput(f"graph {self.kind}: has no nodes.")
        if len(unused) != 1 or self.nodes[-1].name not in unused:
            idle = ", ".join(name for name in unused if name != self.nodes[-1].name)
            raise InvalidInput(f"graph {self.kind}: {idle} leads nowhere; only the last node is the output.")


def _check_node(kind: str, node: Node, known: set[str]) -> None:
    if node.name in known or not node.name or "." in node.name:
        raise InvalidInput(f"graph {kind}: node name {node.name!r} must be new, not empty and without a dot.")
    for name in node.inputs:
        if name not in known:
            raise InvalidInput(f"graph {kind}: node {node.name} reads {name!r}, which is not before it.")
    if isinstance(node.op, Merge) or len(node.inputs) != 1:
        _check_merge(kind, node)


def _check_merge(kind: str, node: Node) -> None:
    minimum, more = (1, False) if isinstance(node.op, Graph) else arity(node.op)
    if len(node.inputs) < minimum or (len(node.inputs) > minimum and not more):
        required = f"{minimum} or more" if more else str(minimum)
        raise InvalidInput(f"graph {kind}: node {node.name} has {len(node.inputs)} inputs and needs {required}.")


def sequence(*pairs: tuple[str, Op | Graph], after: str = INPUT, stage: str = "") -> list[Node]:
    """Nodes one after the other, the first reading `after`."""
    nodes = []
    for name, op in pairs:
        nodes.append(Node(name, op, (after,), stage))
        after = name
    return nodes


def leaf_ops(graph: Graph) -> Iterator[tuple[str, Op]]:
    """(path, op) of every leaf in execution order."""
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            yield from ((f"{node.name}.{path}", op) for path, op in leaf_ops(node.op))
        else:
            yield node.name, node.op


def sub_graphs(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """(path, graph) of every sub-graph at every level, outer ones first."""
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            yield node.name, node.op
            yield from ((f"{node.name}.{path}", inner) for path, inner in sub_graphs(node.op))


def nesting(graph: Graph, limit: int) -> int:
    """How many graphs deep the deepest op lies, 1 for a graph of ops alone; at most `limit` + 1 is counted."""
    level, depth = [graph], 0
    while level and depth <= limit:
        depth += 1
        inner = [node.op for part in level for node in part.nodes if isinstance(node.op, Graph)]
        level = list({id(graph): graph for graph in inner}.values())
    return depth


def num_ops(graph: Graph) -> int:
    """Number of leaf ops; linear in the number of distinct sub-graphs."""
    sizes: dict[int, int] = {}

    def size(part: Graph) -> int:
        if id(part) not in sizes:
            sizes[id(part)] = sum(size(node.op) if isinstance(node.op, Graph) else 1 for node in part.nodes)
        return sizes[id(part)]

    return size(graph)


def in_channels(graph: Graph) -> int:
    """Channels of the graph's input, read off the first op that states them."""
    for _, op in leaf_ops(graph):
        channels = input_channels(op)
        if channels is not None:
            return channels
    raise InvalidInput(f"graph {graph.kind}: no convolution, batch norm or linear layer states its input channels.")


def fingerprint(graph: Graph) -> str:
    """12 hexadecimal digits of the SHA-256 of the graph's structure, names and numbers.

    Stable across processes, machines and releases: fields at their defaults are left out of the text,
    so that an op may gain a field without changing the networks that do not use it.
    """
    return _digest(graph)[:12]


def _digest(graph: Graph) -> str:
    """The whole check sum, computed once for each graph object."""
    if not graph._digest:
        ops = (_digest(node.op) if isinstance(node.op, Graph) else op_text(node.op) for node in graph.nodes)
        lines = [_escaped(graph.kind), *map(_node_text, graph.nodes, ops)]
        graph._digest.append(hashlib.sha256("\n".join(lines).encode()).hexdigest())
    return graph._digest[0]


def _node_text(node: Node, op: str) -> str:
    name, stage = _escaped(node.name), _escaped(node.stage)
    return f"{name}|{op}|{','.join(map(_escaped, node.inputs))}|{stage}"


_ESCAPES = str.maketrans({"\\": "\\\\", "|": "\\p", ",": "\\c", "\n": "\\n"})


@lru_cache(maxsize=2**12)
def _escaped(text: str) -> str:
    """A name with the separators of a fingerprint's text escaped; plain names, as ours are, stay as they are."""
    return text if text.isidentifier() or text.isdigit() else text.translate(_ESCAPES)


@lru_cache(maxsize=2**14)
def op_text(op: Op) -> str:
    """An op and its numbers off their defaults: "Conv2d(in_channels=3,kernel=7,…)"; stable over releases."""
    stated = ((item.name, getattr(op, item.name)) for item in fields(op) if getattr(op, item.name) != item.default)
    return f"{type(op).__name__}({','.join(f'{name}={value}' for name, value in sorted(stated))})"
