"""Planted faults: a form made slightly wrong, in one path or two, to see that the comparison notices."""

from collections.abc import Callable
from dataclasses import replace

from analyzer.families.aggregated import Form, Part
from analyzer.graph import Graph, Node
from analyzer.ops import BatchNorm2d, Conv2d

Fault = Callable[[Form], Form]


def wrong_slice(form: Form) -> Form:
    """Path 0 has the 3×3 weights of path 1."""
    conv = _convs(form)[1]
    return _with_parts(form, {f"path0.{conv}": form.parts[f"path1.{conv}"]})


def swapped_paths(form: Form) -> Form:
    """Paths 0 and 1 change places up to the 3×3, and the last convolution reads them in the old order."""
    moved = [node.name for node in _path0(form).nodes if node.name not in _convs(form)[2:]]
    exchanged = {f"path{index}.{name}": form.parts[f"path{1 - index}.{name}"] for name in moved for index in (0, 1)}
    return _with_parts(form, exchanged)


def missing_batch_norm(form: Form) -> Form:
    """Path 0 lacks the batch norm after its 3×3."""
    nodes = _path0(form).nodes
    norm = [node for node in nodes if isinstance(node.op, BatchNorm2d)][-1]
    path = Graph("path", tuple(_past(node, norm) for node in nodes if node is not norm))
    kept = tuple(replace(node, op=path) if node.name == "path0" else node for node in form.graph.nodes)
    return replace(form, graph=Graph(form.graph.kind, kept))


FAULTS: dict[str, Fault] = {
    "wrong slice": wrong_slice,
    "swapped paths": swapped_paths,
    "missing batch norm": missing_batch_norm,
}
"""Name of each planted fault → what makes it."""


def _path0(form: Form) -> Graph:
    path = next(node.op for node in form.graph.nodes if node.name == "path0")
    if not isinstance(path, Graph):
        raise TypeError("path0 is no sub-graph")
    return path


def _convs(form: Form) -> list[str]:
    return [node.name for node in _path0(form).nodes if isinstance(node.op, Conv2d)]


def _past(node: Node, removed: Node) -> Node:
    return replace(node, inputs=removed.inputs) if node.inputs == (removed.name,) else node


def _with_parts(form: Form, changed: dict[str, Part]) -> Form:
    return replace(form, parts={**form.parts, **changed})
