"""A Graph as the papers draw it: convolutions, pools and joins; BN and ReLU go with what they follow."""

from typing import NamedTuple, assert_never

from analyzer.graph import INPUT, Graph
from analyzer.ops import (
    Activation,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    Concat,
    Dropout,
    GlobalAvgPool2d,
    MaxPool2d,
    Multiply,
    Norm,
    Op,
    Rearrangement,
    Weighted,
)
from analyzer.render.diagram import Flow
from analyzer.render.diagram_fold import shortcut_flow


class Tie(NamedTuple):
    """What an op reads: another op by its weight path, or INPUT; and what flows, a shortcut's ops left out."""

    tail: str
    flow: Flow


class Short(NamedTuple):
    """An op that is drawn, and what it reads."""

    path: str
    op: Op
    ties: tuple[Tie, ...]


def _is_drawn(op: Op) -> bool:
    match op:
        case Weighted() | MaxPool2d() | AvgPool2d() | GlobalAvgPool2d() | Add() | Concat():
            return True
        case Norm() | Activation() | AdaptiveAvgPool2d() | Multiply() | Rearrangement() | Dropout():
            return False
        case _:
            assert_never(op)


def shortened_graph(graph: Graph) -> list[Short]:
    """The ops to draw, in execution order; an Add that reads its block's input reads it as an identity shortcut."""
    found: list[Short] = []
    _shorten(graph, "", Tie(INPUT, "data"), found)
    return found


def _shorten(graph: Graph, prefix: str, entry: Tie, found: list[Short]) -> Tie:
    ties = {INPUT: entry}
    for node in graph.nodes:
        path, read = f"{prefix}{node.name}", tuple(ties[name] for name in node.inputs)
        flow = shortcut_flow(node)
        if flow:
            ties[node.name] = Tie(read[0].tail, flow)
        elif isinstance(node.op, Graph):
            ties[node.name] = _shorten(node.op, f"{path}.", Tie(read[0].tail, "data"), found)
        elif _is_drawn(node.op):
            if isinstance(node.op, Add):
                read = tuple(
                    Tie(tie.tail, "identity") if name == INPUT else tie
                    for name, tie in zip(node.inputs, read, strict=True)
                )
            found.append(Short(path, node.op, read))
            ties[node.name] = Tie(path, "data")
        else:
            ties[node.name] = read[0]
    return ties[graph.nodes[-1].name]
