"""How units are drawn: an open frame of ops, or runs of equal units, each one closed box or block with its shortcut."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, assert_never

from analyzer.graph import ops
from analyzer.graph.graph import INPUT, Graph, Node, leaf_ops
from analyzer.graph.ops import Op, Shape
from analyzer.render.diagram.grouping import ResidualParts, Segment, residual_parts, shortcut_flow
from analyzer.render.diagram.labels import CostsByPath, path_range, wrapped_lines
from analyzer.render.diagram.picture import Arrow, Box, Flow, Role
from analyzer.render.notation import goes_without_saying, op_notation, short_words
from analyzer.text.units import shape


class FoldedNode(NamedTuple):
    """A node, and the weight paths of all the equal nodes that it stands for."""

    node: Node
    paths: tuple[str, ...]


class TensorSource(NamedTuple):
    """Where a tensor comes from: its box, and what its arrows carry ("data" but behind a shortcut's own ops)."""

    box: str
    flow: Flow


class FrameBuilder:
    """The boxes and arrows of one frame, gathered while its parts are opened."""

    def __init__(self, costs: CostsByPath) -> None:
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self._costs = costs
        self._entries: set[str] = set()

    def port(self, name: str, dimensions: Shape) -> TensorSource:
        """Where the frame is entered or left."""
        self.boxes.append(port_box(name, dimensions))
        self._entries.add(name)
        return TensorSource(name, "data")

    def join(self, end: TensorSource, head: str) -> None:
        """An arrow from an open end."""
        self.arrows.append(Arrow(tail=end.box, head=head, flow=end.flow))

    def add(self, parts: list[FoldedNode], ends: dict[str, TensorSource], flow: Flow = "data") -> TensorSource:
        """Draw parts that read the ends by name, and return the end of the last one."""
        for node, paths in parts:
            around = shortcut_flow(node) or flow
            if isinstance(node.op, Graph):
                inner = [FoldedNode(child, tuple(f"{path}.{child.name}" for path in paths)) for child in node.op.nodes]
                start = len(self.boxes)
                last = self.add(inner, {INPUT: ends[node.inputs[0]]}, around)
                if around == "projection":
                    self.boxes[start] = replace(self.boxes[start], facts=("projection", *self.boxes[start].facts))
            else:
                last = self._op(node.op, paths, [ends[name] for name in node.inputs], around)
            ends[node.name] = TensorSource(last.box, around)
        return ends[parts[-1].node.name]

    def _op(self, op: Op, paths: tuple[str, ...], tails: list[TensorSource], flow: Flow) -> TensorSource:
        box = self._box(op, paths)
        self.boxes.append(box)
        for tail in tails:
            self.arrows.append(Arrow(tail=tail.box, head=box.name, flow=self._flow(op, tail, flow)))
        return TensorSource(box.name, flow)

    def _flow(self, op: Op, tail: TensorSource, flow: Flow) -> Flow:
        if flow != "data" or tail.flow != "data":
            return flow if flow != "data" else tail.flow
        if tail.box not in self._entries:
            return "data"
        if isinstance(op, ops.Add):
            return "identity"
        return "reuse" if isinstance(op, ops.Concat) else "data"

    def _box(self, op: Op, paths: tuple[str, ...]) -> Box:
        box = Box(name=paths[0], role=box_role(op), paths=paths, tip=self._costs.tip(path_range(paths), paths))
        match box.role:
            case "add":
                return replace(box, title="×" if isinstance(op, ops.Multiply) else "+")
            case "slim":
                return replace(box, lines=(short_words(op),), facts=self._costs.elementwise_facts(paths))
            case "concat":
                return replace(box, facts=("concat", self._costs.shapes(paths)))
            case _:
                return replace(box, lines=wrapped_lines(op_notation(op)), facts=self._costs.op_facts(paths))


def port_box(name: str, dimensions: Shape) -> Box:
    """Where a frame is entered or left, as the tensor's shape."""
    return Box(name=name, role="port", facts=(shape(dimensions),))


def box_role(op: Op) -> Role:
    """How an op is drawn: what has weights and what pools as boxes, what acts on each element as slim ones."""
    match op:
        case ops.Weighted() | ops.ZeroPadShortcut():
            return "conv"
        case ops.Pool():
            return "pool"
        case ops.Norm() | ops.Activation() | ops.Dropout() | ops.Flatten():
            return "slim"
        case ops.Add() | ops.Multiply():
            return "add"
        case ops.Concat():
            return "concat"
        case _:
            assert_never(op)


class Fragment(NamedTuple):
    """Boxes and arrows of a piece of the drawing, and the box that yields its output."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    output: str


class RunDrawer:
    """Draws a stage's runs; `detailed` boxes say which units they stand for and what those cost."""

    def __init__(self, costs: CostsByPath, prefix: str, detailed: bool) -> None:
        self._costs, self._prefix, self._detailed = costs, prefix, detailed

    def fragment(self, run: list[Segment], number: int, entry: str) -> Fragment:
        """The run that starts with unit `number` and reads the box `entry`."""
        first = run[0]
        if len(first) == 1 and isinstance(first[0].op, Graph):
            parts = residual_parts(first[0].op)
            if parts:
                return self._residual_block(run, number, parts, entry)
        if is_dense_layer(first):
            return self._dense_layer(run, number, entry)
        box = self._box(self._paths(run), first, number, len(run))
        return Fragment((box,), (Arrow(tail=entry, head=box.name),), box.name)

    def _paths(self, run: list[Segment]) -> tuple[str, ...]:
        return tuple(f"{self._prefix}.{node.name}" for unit in run for node in unit)

    def _box(self, paths: tuple[str, ...], nodes: Iterable[Node], number: int, times: int, unit: str = "block") -> Box:
        box = Box(name=paths[0], role="block", paths=paths, tip=self._costs.tip(path_range(paths), paths))
        if not self._detailed:
            return replace(box, title=f"× {times}" if times > 1 else "", lines=ops_notation(nodes, short_op_notation))
        lines = tuple(line for text in ops_notation(nodes, op_notation) for line in wrapped_lines(text, 24))
        return replace(box, title=range_title(unit, number, times), lines=lines, facts=self._part_facts(paths, times))

    def _part_facts(self, paths: tuple[str, ...], times: int) -> tuple[str, ...]:
        """Output shape and costs of each of the equal parts."""
        size = len(paths) // times
        return self._costs.part_facts([paths[start : start + size] for start in range(0, len(paths), size)])

    def _residual_block(self, run: list[Segment], number: int, parts: ResidualParts, entry: str) -> Fragment:
        blocks = self._paths(run)
        before = self._before(blocks, parts.before, entry)
        entry = before.output
        after = paths_below(blocks, (parts.add, *parts.after))
        box = self._box(blocks, parts.transform, number, len(run))
        box = replace(box, paths=paths_below(blocks, parts.transform))
        add = Box(name=after[0], role="add", paths=after, title="+", tip=f"F(x) added to the {parts.flow} shortcut")
        label = " ".join(ops_notation(parts.shortcut, short_op_notation))
        arrows = (
            Arrow(tail=entry, head=box.name),
            Arrow(tail=box.name, head=add.name),
            Arrow(tail=entry, head=add.name, flow=parts.flow, label=label, paths=paths_below(blocks, parts.shortcut)),
        )
        return Fragment((*before.boxes, box, add), (*before.arrows, *arrows), add.name)

    def _before(self, blocks: tuple[str, ...], nodes: tuple[Node, ...], entry: str) -> Fragment:
        """What transform and shortcut both read, where it is more than the block's input."""
        if not nodes:
            return Fragment((), (), entry)
        paths = paths_below(blocks, nodes)
        words = ", ".join(short_op_notation(op) for node in nodes for op in _leaves(node))
        tip = self._costs.tip(path_range(paths), paths)
        box = Box(name=paths[0], role="section", paths=paths, lines=(words,), tip=tip)
        return Fragment((box,), (Arrow(tail=entry, head=box.name),), box.name)

    def _dense_layer(self, run: list[Segment], number: int, entry: str) -> Fragment:
        layers, concats = (tuple(f"{self._prefix}.{unit[index].name}" for unit in run) for index in (0, 1))
        box = self._box(layers, run[0][:1], number, len(run), "layer")
        if self._detailed and len(run) > 1:
            box = replace(box, lines=(*box.lines, channels_read_label(self._costs, layers)))
        tip = "concatenation: the channels so far, then those of the dense layer"
        facts = ("concat", self._costs.shapes(concats)) if self._detailed else ("concat",)
        concat = Box(name=concats[0], role="concat", paths=concats, facts=facts, tip=tip)
        arrows = (
            Arrow(tail=entry, head=box.name),
            Arrow(tail=box.name, head=concat.name),
            Arrow(tail=entry, head=concat.name, flow="reuse"),
        )
        return Fragment((box, concat), arrows, concat.name)


def is_dense_layer(unit: Segment) -> bool:
    """Whether a unit is a dense layer with its concatenation."""
    return len(unit) == 2 and isinstance(unit[1].op, ops.Concat)


def range_title(unit: str, number: int, times: int) -> str:
    """Which units of a stage a box stands for: "block 1", "blocks 2–6 · × 5"."""
    return f"{unit} {number}" if times == 1 else f"{unit}s {number}–{number + times - 1} · × {times}"


def channels_read_label(costs: CostsByPath, layers: Sequence[str]) -> str:
    """Channels that dense layer l reads: "reads 64 + 32(l − 1)"."""
    first, second = (costs.rows([path])[0].input_shapes[0][0] for path in layers[:2])
    return f"reads {first} + {second - first}(l − 1)"


def paths_below(blocks: tuple[str, ...], nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """Weight paths of a block's nodes in each of several equal blocks."""
    return tuple(f"{block}.{node.name}" for block in blocks for node in nodes)


def short_op_notation(op: Op) -> str:
    """An op in a block, whose frame names its groups: "3×3, 128, /2"."""
    return op_notation(replace(op, groups=1)).replace(" conv", "") if isinstance(op, ops.Conv2d) else short_words(op)


def _leaves(node: Node) -> list[Op]:
    return [op for _, op in leaf_ops(node.op)] if isinstance(node.op, Graph) else [node.op]


def ops_notation(nodes: Iterable[Node], words: Callable[[Op], str]) -> tuple[str, ...]:
    """The ops of nodes in words, without those that a one-line account leaves out; a gate is one word."""
    texts = list[str]()
    for node in nodes:
        if isinstance(node.op, Graph) and node.op.kind == "squeeze_excitation":
            texts.append(
                f"SE, {next(op.out_channels for _, op in leaf_ops(node.op) if isinstance(op, ops.Conv2d))} hidden"
            )
        elif isinstance(node.op, Graph):
            texts += ops_notation(node.op.nodes, words)
        elif not goes_without_saying(node.op):
            texts.append(words(node.op))
    return tuple(texts)
