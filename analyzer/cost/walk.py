"""The cost fold: one walk over a Graph, each distinct sub-graph costed once per input shape.

A network repeats its blocks, so a sub-graph is costed relative to itself: its paths start in it, and its reaches count
pixels of its own input. Its cost is then the same wherever it stands and however often, and `compose_receptive_fields`
converts a reach to pixels of the network's input: an op that looks back `own`, reading a tensor that looks back
`before`, has

    reach = before.reach + before.stride · own.reach        stride = before.stride · own.stride

in these. ResNet-50 has 24 sub-graphs (stages, blocks, shortcuts) and the network itself, of which 17 differ; blocks 1
to 5 of the third stage are one object, and their 3×3 convolutions differ in their receptive fields alone:

    >>> from analyzer.families.network import network
    >>> tree = cost_tree(network("resnet50").graph, (3, 224, 224))
    >>> len(tree.spans), len(tree.costed)
    (24, 17)
    >>> rows = {row.path: row for row in tree.rows}
    >>> first, last = rows["layer3.1.conv2"], rows["layer3.5.conv2"]
    >>> first.params == last.params, first.receptive_field, last.receptive_field
    (True, 139, 267)

Between them lie four blocks of one 3×3 convolution each, at stride 16: 4 · 16 · 2 = 128 pixels more. A stage's sums
(`stages`) come from the shared sub-graphs too; the list of all ops (`rows`) is unrolled when it is first asked for.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from analyzer.cost import formulas
from analyzer.errors import InvalidInput
from analyzer.graph.graph import INPUT, Graph, Node
from analyzer.graph.ops import Multiply, Op, Shape, Weighted


class ReceptiveField(NamedTuple):
    """How far a tensor looks back: its receptive field is 1 + `reach`, both in pixels of the sub-graph's input."""

    reach: int
    stride: int
    depth: int


class OpCost(NamedTuple):
    """One op's costs at batch 1; inside a walk, path and reach are relative to its sub-graph.

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
    receptive: ReceptiveField

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
        return 1 + self.receptive.reach

    @property
    def total_stride(self) -> int:
        """Input pixels between neighbouring output elements."""
        return self.receptive.stride


class Span(NamedTuple):
    """A sub-graph as the rows `start` to `stop` of its ops; `block` where it is a unit of a stage."""

    path: str
    stage: str
    kind: str
    block: bool
    start: int
    stop: int


class StageTotals(NamedTuple):
    """The sums of a stage's ops; shape and reach are those of its last op. `num_blocks` counts its repeated units."""

    output_shape: Shape
    receptive: ReceptiveField
    params: int = 0
    buffers: int = 0
    macs: int = 0
    activations: int = 0
    num_blocks: int = 0


def total_costs(parts: Sequence[OpCost] | Sequence[StageTotals]) -> StageTotals:
    """The sums of a run of ops or of stages; blocks are not counted."""
    last = parts[-1]
    return StageTotals(
        last.output_shape,
        last.receptive,
        sum([part.params for part in parts]),
        sum([part.buffers for part in parts]),
        sum([part.macs for part in parts]),
        sum([part.activations for part in parts]),
    )


class CostTree:
    """A network's stages with their costs; and, made at first use, every op and the sub-graphs as runs of ops."""

    def __init__(self, root: "_SubgraphCost", costed: "CostCache") -> None:
        self._root = root
        self.costed = costed
        """The sub-graphs that are costed already, for walks over networks that share some of them."""

    @property
    def stages(self) -> dict[str, StageTotals]:
        """Stage → the sums of its ops, in the order in which they start."""
        return self._root.stage_totals

    @property
    def total(self) -> StageTotals:
        """The sums of the whole network."""
        return total_costs(list(self.stages.values()))._replace(
            output_shape=self._root.output_shape, receptive=self._root.receptive
        )

    @property
    def rows(self) -> tuple[OpCost, ...]:
        """Every op with its costs, in execution order."""
        return self._runs[0]

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every sub-graph as a run of rows, outer ones first."""
        return self._runs[1]

    @cached_property
    def _runs(self) -> tuple[tuple[OpCost, ...], tuple[Span, ...]]:
        rows: list[OpCost] = []
        spans: list[Span] = []
        _flatten(self._root, "", "", _IMAGE_FIELD, rows, spans)
        return tuple(rows), tuple(spans)


class _CostedNode(NamedTuple):
    """A node of a costed sub-graph: its op's or sub-graph's cost, and how far its input looks back."""

    node: Node
    cost: "OpCost | _SubgraphCost"
    before: ReceptiveField


class _SubgraphCost(NamedTuple):
    """A sub-graph costed at one input shape, paths and reaches relative to itself, so that equal blocks share it."""

    graph: Graph
    parts: list[_CostedNode]
    output_shape: Shape
    receptive: ReceptiveField
    stage_totals: dict[str, StageTotals]


_IMAGE_FIELD = ReceptiveField(0, 1, 0)


CostCache = dict[tuple[int, Shape], _SubgraphCost]
"""Sub-graphs that are costed already; holding them here keeps their ids from being reused."""


def cost_tree(graph: Graph, input_shape: Shape, costed: CostCache | None = None) -> CostTree:
    """Costs of every op of a Graph for one input; InvalidInput names the op that the input does not fit.

    Walks with the same `costed` share the sub-graphs that they have in common.
    """
    memo = {} if costed is None else costed
    return CostTree(_subgraph_cost(graph, input_shape, memo), memo)


def _subgraph_cost(graph: Graph, input_shape: Shape, memo: CostCache) -> _SubgraphCost:
    key = id(graph), input_shape
    if key in memo and memo[key].graph is graph:  # a copied or pickled memo has ids of other graphs
        return memo[key]
    parts: list[_CostedNode] = []
    shapes: dict[str, Shape] = {INPUT: input_shape}
    fields: dict[str, ReceptiveField] = {INPUT: _IMAGE_FIELD}
    for node in graph.nodes:
        before = _input_receptive_field(node, fields)
        cost: OpCost | _SubgraphCost
        try:
            if isinstance(node.op, Graph):
                cost = _subgraph_cost(node.op, shapes[node.inputs[0]], memo)
                fields[node.name] = compose_receptive_fields(before, cost.receptive)
            else:
                cost = _op_cost(node, node.op, tuple([shapes[name] for name in node.inputs]), before)
                fields[node.name] = cost.receptive
        except InvalidInput as error:
            raise InvalidInput(f"{node.name}{'.' if isinstance(node.op, Graph) else ': '}{error}") from None
        shapes[node.name] = cost.output_shape
        parts.append(_CostedNode(node, cost, before))
    last = graph.nodes[-1].name
    memo[key] = _SubgraphCost(graph, parts, shapes[last], fields[last], _stage_totals(graph, parts))
    return memo[key]


def _stage_totals(graph: Graph, parts: list[_CostedNode]) -> dict[str, StageTotals]:
    """Stage → sums, of a sub-graph's ops; under "" those that have the stage of the node around the sub-graph."""
    totals: dict[str, list[Any]] = {}  # StageTotals as lists while they grow, which is faster than new tuples
    in_stage = graph.kind == "stage"
    for node, cost, before in parts:
        if isinstance(cost, OpCost):
            # for speed, [5:9] fetches params, buffers, macs and activations at once: this runs for every distinct op
            _add(totals, node.stage, cost.output_shape, cost.receptive, cost[5:9], 0)
            continue
        starts = in_stage  # a block counts in the stage in which it starts
        for inner, (shape, field, params, buffers, macs, activations, num_blocks) in cost.stage_totals.items():
            costs = params, buffers, macs, activations
            _add(
                totals, inner or node.stage, shape, compose_receptive_fields(before, field), costs, num_blocks + starts
            )
            starts = False
    return {stage: StageTotals(*sums) for stage, sums in totals.items()}


def _add(
    totals: dict[str, list[Any]],
    stage: str,
    shape: Shape,
    field: ReceptiveField,
    costs: tuple[Any, ...],
    num_blocks: int,
) -> None:
    sums = totals.get(stage)
    if sums is None:
        totals[stage] = [shape, field, *costs, num_blocks]
        return
    sums[0], sums[1] = shape, field
    sums[2] += costs[0]
    sums[3] += costs[1]
    sums[4] += costs[2]
    sums[5] += costs[3]
    sums[6] += num_blocks


def _op_cost(node: Node, op: Op, inputs: tuple[Shape, ...], before: ReceptiveField) -> OpCost:
    output = formulas.out_shape(op, *inputs)
    return OpCost(
        node.name,
        node.stage,
        op,
        inputs,
        output,
        formulas.params(op),
        formulas.buffers(op),
        formulas.macs(op, output),
        formulas.activations(op, output),
        compose_receptive_fields(before, op_receptive_field(op)),
    )


def op_receptive_field(op: Op) -> ReceptiveField:
    """How far an op alone looks back."""
    extent, stride = formulas.window(op)
    return ReceptiveField(extent - 1, stride, isinstance(op, Weighted))


def _input_receptive_field(node: Node, fields: dict[str, ReceptiveField]) -> ReceptiveField:
    """The longest path into a node; a gate's own path (squeeze-and-excitation) does not count."""
    if len(node.inputs) == 1 or isinstance(node.op, Multiply):
        return fields[node.inputs[0]]
    paths = [fields[name] for name in node.inputs]
    return ReceptiveField(max(path.reach for path in paths), paths[0].stride, max(path.depth for path in paths))


def compose_receptive_fields(before: ReceptiveField, inner: ReceptiveField) -> ReceptiveField:
    """How far a tensor looks back whose op or sub-graph looks back `inner` and reads one that looks back `before`.

    The result is in pixels of the input that `before` counts in.
    """
    return ReceptiveField(
        before.reach + before.stride * inner.reach, before.stride * inner.stride, before.depth + inner.depth
    )


def _flatten(
    costed: _SubgraphCost, prefix: str, stage: str, start: ReceptiveField, rows: list[OpCost], spans: list[Span]
) -> None:
    """Append the sub-graph's rows and spans with the paths, stages and reaches that they have in the whole network."""
    in_stage = costed.graph.kind == "stage"
    start_reach, stride, depth = start
    for node, cost, before in costed.parts:
        path, label = prefix + node.name, node.stage or stage
        if isinstance(cost, OpCost):
            _, _, op, inputs, output, params, buffers, macs, activations, (op_reach, op_stride, op_depth) = cost
            # `compose_receptive_fields`, written out for speed: this runs for every op
            field = ReceptiveField(start_reach + stride * op_reach, stride * op_stride, depth + op_depth)
            rows.append(OpCost(path, label, op, inputs, output, params, buffers, macs, activations, field))
        else:
            first, span_index = len(rows), len(spans)
            _flatten(cost, f"{path}.", label, compose_receptive_fields(start, before), rows, spans)
            spans.insert(span_index, Span(path, label, cost.graph.kind, in_stage, first, len(rows)))
