"""The cost fold: one walk over a Graph, each distinct sub-graph costed once per input shape."""

from typing import NamedTuple

from analyzer.cost import formulas
from analyzer.errors import InvalidInput
from analyzer.graph import INPUT, Graph, Node
from analyzer.ops import Conv2d, Linear, Multiply, Op, Shape


class Reach(NamedTuple):
    """How far a tensor looks back: its receptive field is 1 + `reach`, both in pixels of the sub-graph's input."""

    reach: int
    stride: int
    depth: int


class Row(NamedTuple):
    """One op's costs at batch 1; inside a walk, path and reach are relative to the sub-graph that holds it.

    Shapes are (C, H, W) or (features,); params and buffers are numbers, not bytes; `activations` are output elements.
    """

    path: str
    stage: str
    operation: Op
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    params: int
    buffers: int
    macs: int
    activations: int
    seen: Reach

    @property
    def op(self) -> str:
        """The op's name, as in torch.nn where torch has one."""
        return type(self.operation).__name__

    @property
    def flops(self) -> int:
        """2 × MACs."""
        return 2 * self.macs

    @property
    def receptive_field(self) -> int:
        """Side in input pixels that an output element sees, along the longest path."""
        return 1 + self.seen.reach

    @property
    def total_stride(self) -> int:
        """Input pixels between neighbouring output elements."""
        return self.seen.stride


class Span(NamedTuple):
    """A sub-graph as the run of rows `start` to `stop` that it holds; `block` where it is a unit of a stage."""

    path: str
    stage: str
    kind: str
    block: bool
    start: int
    stop: int


class Walked(NamedTuple):
    """Every op of a network with its costs, and its sub-graphs as runs of them, in execution order."""

    rows: tuple[Row, ...]
    spans: tuple[Span, ...]


class _Part(NamedTuple):
    """A node of a costed sub-graph: what it holds, and how far its input looks back."""

    node: Node
    held: "Row | _Costed"
    before: Reach


class _Costed(NamedTuple):
    """A sub-graph costed at one input shape, paths and reaches relative to itself, so that equal blocks share it."""

    graph: Graph
    parts: list[_Part]
    output_shape: Shape
    seen: Reach


_START = Reach(0, 1, 0)
_COUNTED = (Conv2d, Linear)
"""Ops that add to the depth."""


def walk(graph: Graph, input_shape: Shape) -> Walked:
    """Costs of every op of a Graph for one input; InvalidInput names the op that the input does not fit."""
    rows: list[Row] = []
    spans: list[Span] = []
    _unroll(_costed(graph, input_shape, {}), "", "", _START, rows, spans)
    return Walked(tuple(rows), tuple(spans))


def _costed(graph: Graph, input_shape: Shape, memo: dict[tuple[int, Shape], _Costed]) -> _Costed:
    key = id(graph), input_shape
    if key in memo:
        return memo[key]
    parts: list[_Part] = []
    shapes: dict[str, Shape] = {INPUT: input_shape}
    seen: dict[str, Reach] = {INPUT: _START}
    for node in graph.nodes:
        before = _longest(node, seen)
        held: Row | _Costed
        try:
            if isinstance(node.op, Graph):
                held = _costed(node.op, shapes[node.inputs[0]], memo)
                seen[node.name] = after(before, held.seen)
            else:
                held = _row(node, node.op, tuple([shapes[name] for name in node.inputs]), before)
                seen[node.name] = held.seen
        except InvalidInput as error:
            raise InvalidInput(f"{node.name}{'.' if isinstance(node.op, Graph) else ': '}{error}") from None
        shapes[node.name] = held.output_shape
        parts.append(_Part(node, held, before))
    last = graph.nodes[-1].name
    memo[key] = _Costed(graph, parts, shapes[last], seen[last])
    return memo[key]


def _row(node: Node, op: Op, inputs: tuple[Shape, ...], before: Reach) -> Row:
    output = formulas.out_shape(op, *inputs)
    return Row(
        node.name,
        node.stage,
        op,
        inputs,
        output,
        formulas.params(op),
        formulas.buffers(op),
        formulas.macs(op, output),
        formulas.activations(op, output),
        after(before, own_reach(op)),
    )


def own_reach(op: Op) -> Reach:
    """How far an op alone looks back."""
    extent, stride = formulas.window(op)
    return Reach(extent - 1, stride, isinstance(op, _COUNTED))


def _longest(node: Node, seen: dict[str, Reach]) -> Reach:
    """The longest path into a node; a gate's own path (squeeze-and-excitation) does not count."""
    if len(node.inputs) == 1 or isinstance(node.op, Multiply):
        return seen[node.inputs[0]]
    paths = [seen[name] for name in node.inputs]
    return Reach(max(path.reach for path in paths), paths[0].stride, max(path.depth for path in paths))


def after(before: Reach, inner: Reach) -> Reach:
    """How far a tensor looks back whose op or sub-graph looks back `inner` and reads one that looks back `before`."""
    return Reach(before.reach + before.stride * inner.reach, before.stride * inner.stride, before.depth + inner.depth)


def _unroll(costed: _Costed, prefix: str, stage: str, start: Reach, rows: list[Row], spans: list[Span]) -> None:
    """Append the sub-graph's rows and spans with the paths, stages and reaches that they have in the whole network."""
    in_stage = costed.graph.kind == "stage"
    for node, held, before in costed.parts:
        path, label = prefix + node.name, node.stage or stage
        if isinstance(held, _Costed):
            first, place = len(rows), len(spans)
            _unroll(held, f"{path}.", label, after(start, before), rows, spans)
            spans.insert(place, Span(path, label, held.graph.kind, in_stage, first, len(rows)))
        else:
            _, _, op, inputs, output, params, buffers, macs, activations, seen = held
            rows.append(Row(path, label, op, inputs, output, params, buffers, macs, activations, after(start, seen)))
