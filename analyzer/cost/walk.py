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


class Costed(NamedTuple):
    """A sub-graph's rows and spans at one input shape, and what its output looks like."""

    rows: list[Row]
    spans: list[Span]
    output_shape: Shape
    seen: Reach


_START = Reach(0, 1, 0)
_Memo = dict[tuple[int, Shape], Costed]


def walk(graph: Graph, input_shape: Shape) -> Costed:
    """Costs of every op of a Graph for one input; InvalidInput names the op that the input does not fit."""
    return _walk(graph, input_shape, {})


def _walk(graph: Graph, input_shape: Shape, memo: _Memo) -> Costed:
    key = id(graph), input_shape
    if key not in memo:
        memo[key] = _walk_nodes(graph, input_shape, memo)
    return memo[key]


def _walk_nodes(graph: Graph, input_shape: Shape, memo: _Memo) -> Costed:
    rows: list[Row] = []
    spans: list[Span] = []
    shapes: dict[str, Shape] = {INPUT: input_shape}
    seen: dict[str, Reach] = {INPUT: _START}
    for node in graph.nodes:
        before = _longest(node, seen)
        if isinstance(node.op, Graph):
            inner = _inner(node, node.op, shapes[node.inputs[0]], memo)
            start = len(rows)
            rows += [_moved(row, node, before) for row in inner.rows]
            spans.append(Span(node.name, node.stage, node.op.kind, graph.kind == "stage", start, len(rows)))
            spans += [_shifted(span, node, start) for span in inner.spans]
            shapes[node.name], seen[node.name] = inner.output_shape, _after(before, inner.seen)
        else:
            row = _costed_row(node, node.op, tuple([shapes[name] for name in node.inputs]), before)
            rows.append(row)
            shapes[node.name], seen[node.name] = row.output_shape, row.seen
    last = graph.nodes[-1].name
    return Costed(rows, spans, shapes[last], seen[last])


def _inner(node: Node, graph: Graph, shape: Shape, memo: _Memo) -> Costed:
    try:
        return _walk(graph, shape, memo)
    except InvalidInput as error:
        raise InvalidInput(f"{node.name}.{error}") from None


def _costed_row(node: Node, op: Op, inputs: tuple[Shape, ...], before: Reach) -> Row:
    try:
        output = formulas.out_shape(op, *inputs)
    except InvalidInput as error:
        raise InvalidInput(f"{node.name}: {error}") from None
    extent, stride = formulas.window(op)
    counted = isinstance(op, Conv2d | Linear)
    seen = Reach(before.reach + before.stride * (extent - 1), before.stride * stride, before.depth + counted)
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
        seen,
    )


def _longest(node: Node, seen: dict[str, Reach]) -> Reach:
    """The longest path into a node; a gate's own path (squeeze-and-excitation) does not count."""
    if len(node.inputs) == 1 or isinstance(node.op, Multiply):
        return seen[node.inputs[0]]
    paths = [seen[name] for name in node.inputs]
    return Reach(max(path.reach for path in paths), paths[0].stride, max(path.depth for path in paths))


def _after(before: Reach, inner: Reach) -> Reach:
    return Reach(before.reach + before.stride * inner.reach, before.stride * inner.stride, before.depth + inner.depth)


def _moved(row: Row, node: Node, before: Reach) -> Row:
    path, stage, op, inputs, output, params, buffers, macs, activations, seen = row
    return Row(
        f"{node.name}.{path}",
        stage or node.stage,
        op,
        inputs,
        output,
        params,
        buffers,
        macs,
        activations,
        _after(before, seen),
    )


def _shifted(span: Span, node: Node, start: int) -> Span:
    path, stage, kind, block, first, stop = span
    return Span(f"{node.name}.{path}", stage or node.stage, kind, block, first + start, stop + start)
