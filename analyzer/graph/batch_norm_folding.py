"""Batch norms that fold into the convolution before them, and the Graph after folding."""

from dataclasses import replace

from analyzer.graph.graph import Graph, Node
from analyzer.graph.ops import BatchNorm2d, Conv2d


def foldable(graph: Graph) -> dict[str, str]:
    """Path of each batch norm that alone reads a convolution's output → path of that convolution, at every level."""
    return _folds(graph, "")


def _folds(graph: Graph, prefix: str) -> dict[str, str]:
    ops = {node.name: node for node in graph.nodes}
    reads = [source for node in graph.nodes for source in node.inputs]
    folds: dict[str, str] = {}
    for node in graph.nodes:
        if isinstance(node.op, Graph):
            folds |= _folds(node.op, f"{prefix}{node.name}.")
        elif isinstance(node.op, BatchNorm2d) and node.inputs[0] in ops and reads.count(node.inputs[0]) == 1:
            conv = _output_convolution(ops[node.inputs[0]], prefix)
            folds |= {f"{prefix}{node.name}": conv} if conv else {}
    return folds


def _output_convolution(node: Node, prefix: str) -> str:
    """Path of the convolution that makes a node's output, "" where another op does."""
    if isinstance(node.op, Graph):
        return _output_convolution(node.op.nodes[-1], f"{prefix}{node.name}.")
    return f"{prefix}{node.name}" if isinstance(node.op, Conv2d) else ""


def fold_batch_norms(graph: Graph, folds: dict[str, str], prefix: str = "") -> Graph:
    """The graph without the batch norms that fold; their convolutions have biases."""
    nodes: list[Node] = []
    replacements: dict[str, str] = {}
    for node in graph.nodes:
        path = f"{prefix}{node.name}"
        inputs = tuple(replacements.get(source, source) for source in node.inputs)
        if path in folds:
            replacements[node.name] = inputs[0]
        elif isinstance(node.op, Graph):
            nodes.append(replace(node, op=fold_batch_norms(node.op, folds, f"{path}."), inputs=inputs))
        elif isinstance(node.op, Conv2d) and path in folds.values():
            nodes.append(replace(node, op=replace(node.op, bias=True), inputs=inputs))
        else:
            nodes.append(replace(node, inputs=inputs))
    return Graph(graph.kind, tuple(nodes))
