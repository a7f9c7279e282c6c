"""A run of equal parts of a network drawn open: a box an op, an arrow an edge of the Graph."""

from dataclasses import replace
from typing import NamedTuple, assert_never

from analyzer.graph import INPUT, Graph, Node
from analyzer.ops import (
    Activation,
    Add,
    Concat,
    Dropout,
    Flatten,
    Multiply,
    Norm,
    Op,
    Pool,
    Shape,
    Weighted,
    ZeroPadShortcut,
)
from analyzer.render.diagram import Arrow, Box, Flow, Role
from analyzer.render.diagram_costs import Ledger, span_words
from analyzer.render.diagram_fold import shortcut_flow
from analyzer.render.diagram_words import wrapped
from analyzer.render.units import shape
from analyzer.render.words import op_words, short_words


class Part(NamedTuple):
    """A node, and the weight paths of all the equal nodes that it stands for."""

    node: Node
    paths: tuple[str, ...]


class End(NamedTuple):
    """Where a tensor comes from: its box, and what its arrows carry ("data" but behind a shortcut's own ops)."""

    box: str
    flow: Flow


class Opening:
    """The boxes and arrows of one frame, gathered while its parts are opened."""

    def __init__(self, ledger: Ledger) -> None:
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self._ledger = ledger
        self._entries: set[str] = set()

    def port(self, name: str, dimensions: Shape) -> End:
        """Where the frame is entered or left."""
        self.boxes.append(port(name, dimensions))
        self._entries.add(name)
        return End(name, "data")

    def join(self, end: End, head: str) -> None:
        """An arrow from an open end."""
        self.arrows.append(Arrow(tail=end.box, head=head, flow=end.flow))

    def add(self, parts: list[Part], ends: dict[str, End], flow: Flow = "data") -> End:
        """Draw parts that read the ends by name, and return the end of the last one."""
        for node, paths in parts:
            around = shortcut_flow(node) or flow
            if isinstance(node.op, Graph):
                inner = [Part(child, tuple(f"{path}.{child.name}" for path in paths)) for child in node.op.nodes]
                start = len(self.boxes)
                last = self.add(inner, {INPUT: ends[node.inputs[0]]}, around)
                if around == "projection":
                    self.boxes[start] = replace(self.boxes[start], facts=("projection", *self.boxes[start].facts))
            else:
                last = self._op(node.op, paths, [ends[name] for name in node.inputs], around)
            ends[node.name] = End(last.box, around)
        return ends[parts[-1].node.name]

    def _op(self, op: Op, paths: tuple[str, ...], tails: list[End], flow: Flow) -> End:
        box = self._box(op, paths)
        self.boxes.append(box)
        for tail in tails:
            self.arrows.append(Arrow(tail=tail.box, head=box.name, flow=self._flow(op, tail, flow)))
        return End(box.name, flow)

    def _flow(self, op: Op, tail: End, flow: Flow) -> Flow:
        if flow != "data" or tail.flow != "data":
            return flow if flow != "data" else tail.flow
        if tail.box not in self._entries:
            return "data"
        if isinstance(op, Add):
            return "identity"
        return "reuse" if isinstance(op, Concat) else "data"

    def _box(self, op: Op, paths: tuple[str, ...]) -> Box:
        box = Box(name=paths[0], role=role(op), paths=paths, tip=self._ledger.tip(span_words(paths), paths))
        match box.role:
            case "add":
                return replace(box, title="×" if isinstance(op, Multiply) else "+")
            case "slim":
                return replace(box, lines=(short_words(op),), facts=self._ledger.slim_facts(paths))
            case "concat":
                return replace(box, facts=("concat", self._ledger.shapes(paths)))
            case _:
                return replace(box, lines=wrapped(op_words(op)), facts=self._ledger.op_facts(paths))


def port(name: str, dimensions: Shape) -> Box:
    """Where a frame is entered or left, as the tensor's shape."""
    return Box(name=name, role="port", facts=(shape(dimensions),))


def role(op: Op) -> Role:
    """How an op is drawn: what has weights and what pools as boxes, what acts on each element as slim ones."""
    match op:
        case Weighted() | ZeroPadShortcut():
            return "conv"
        case Pool():
            return "pool"
        case Norm() | Activation() | Dropout() | Flatten():
            return "slim"
        case Add() | Multiply():
            return "add"
        case Concat():
            return "concat"
        case _:
            assert_never(op)
