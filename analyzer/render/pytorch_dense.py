"""Dense blocks: layers that each read all before them, recognised so that their code becomes a loop."""

from typing import NamedTuple

from analyzer.graph import INPUT, Graph, Node, in_channels, leaf_ops
from analyzer.ops import Concat
from analyzer.render.pytorch_ops import CHANNELS, fixed_text, variable_fields


class DenseBlock(NamedTuple):
    """Layers named `prefix` and a number from `start` on, each adding `growth` channels to what it reads."""

    prefix: str
    start: int
    growth: int
    layers: tuple[Graph, ...]


def dense_block(graph: Graph) -> DenseBlock | None:
    """The layers of a graph that is nothing but a dense block; None for any other graph."""
    pairs = list(zip(graph.nodes[::2], graph.nodes[1::2], strict=False))
    joined = INPUT
    layers = []
    for layer, concat in pairs:
        reads_all = layer.inputs == (joined,) and concat.inputs == (joined, layer.name)
        if not isinstance(layer.op, Graph) or not isinstance(concat.op, Concat) or not reads_all:
            return None
        layers.append(layer.op)
        joined = concat.name
    growth = _growth(layers)
    numbered = _numbered([layer.name for layer, _ in pairs])
    if len(graph.nodes) % 2 or growth is None or numbered is None:
        return None
    return DenseBlock(*numbered, growth, tuple(layers))


def _numbered(names: list[str]) -> tuple[str, int] | None:
    """("denselayer", 1) of ["denselayer1", "denselayer2", …]; None where the names do not count up."""
    prefix = names[0].rstrip("0123456789") if names else ""
    digits = names[0][len(prefix) :] if names else ""
    if not digits or names != [f"{prefix}{int(digits) + place}" for place in range(len(names))]:
        return None
    return prefix, int(digits)


def _growth(layers: list[Graph]) -> int | None:
    """Channels by which each layer's input is wider than the one's before; None where they differ in anything else."""
    if not layers or any(isinstance(node.op, Graph) for layer in layers for node in layer.nodes):
        return None
    wide = [in_channels(layer) for layer in layers]
    growth = wide[1] - wide[0] if len(wide) > 1 else _last_channels(layers[0])
    alike = all(_alike(layers[0], layer, place * growth) for place, layer in enumerate(layers))
    return growth if alike and growth == _last_channels(layers[0]) else None


def _last_channels(layer: Graph) -> int:
    stated = [value for _, op in leaf_ops(layer) for name, value in variable_fields(op).items() if name in CHANNELS]
    return stated[-1]


def _alike(first: Graph, layer: Graph, wider: int) -> bool:
    """Whether two layers differ only in that channels that the first has are, some of them, so many more."""
    if len(first.nodes) != len(layer.nodes):
        return False
    return all(_node_alike(a, b, wider) for a, b in zip(first.nodes, layer.nodes, strict=True))


def _node_alike(first: Node, node: Node, wider: int) -> bool:
    if (
        isinstance(first.op, Graph)
        or isinstance(node.op, Graph)
        or (first.name, first.inputs) != (node.name, node.inputs)
    ):
        return False
    ours, theirs = variable_fields(first.op), variable_fields(node.op)
    numbers = all(theirs[name] - value in ((0, wider) if name in CHANNELS else (0,)) for name, value in ours.items())
    return fixed_text(first.op) == fixed_text(node.op) and numbers
