"""Where each stage of a network begins, and the least memory that running it takes."""

from collections.abc import Iterator, Sequence
from math import prod

from analyzer.cost.walk import Row
from analyzer.graph import Graph


def stage_starts(graph: Graph) -> tuple[tuple[str, str], ...]:
    """(stage, path of its first node) in execution order; a graph without stage labels is one stage, "network"."""
    starts: list[tuple[str, str]] = []
    for stage, path in _labelled(graph):
        if not starts or starts[-1][0] != stage:
            starts.append((stage, path))
    return tuple(starts) or (("network", graph.nodes[0].name),)


def _labelled(graph: Graph) -> Iterator[tuple[str, str]]:
    for node in graph.nodes:
        if node.stage:
            yield node.stage, node.name
        if isinstance(node.op, Graph):
            yield from ((stage, f"{node.name}.{path}") for stage, path in _labelled(node.op))


def least_bytes(rows: Sequence[Row], batch_size: int, element_bytes: int) -> int:
    """Bytes that no run can do without: the parameters, and the largest op's inputs and output for one batch."""
    largest = max(sum(map(prod, row.input_shapes)) + prod(row.output_shape) for row in rows)
    return element_bytes * (sum(row.params for row in rows) + batch_size * largest)
