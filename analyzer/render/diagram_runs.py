"""Runs of equal units, each drawn once: a residual block, a dense layer with its concat, or one closed box."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from analyzer.graph import Graph, Node, leaf_ops
from analyzer.ops import Concat, Conv2d, Op
from analyzer.render.diagram import Arrow, Box
from analyzer.render.diagram_costs import Ledger, span_words
from analyzer.render.diagram_fold import Residual, Unit, residual
from analyzer.render.diagram_words import wrapped
from analyzer.render.words import goes_without_saying, op_words, short_words


class Piece(NamedTuple):
    """Boxes and arrows of a piece of the drawing, and the box that yields its output."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    output: str


class Runs:
    """Draws a stage's runs; `detailed` boxes say which units they stand for and what those cost."""

    def __init__(self, ledger: Ledger, prefix: str, detailed: bool) -> None:
        self._ledger, self._prefix, self._detailed = ledger, prefix, detailed

    def piece(self, run: list[Unit], number: int, entry: str) -> Piece:
        """The run that starts with unit `number` and reads the box `entry`."""
        first = run[0]
        if len(first) == 1 and isinstance(first[0].op, Graph):
            parts = residual(first[0].op)
            if parts:
                return self._residual_block(run, number, parts, entry)
        if is_dense(first):
            return self._dense_layer(run, number, entry)
        box = self._box(self._paths(run), first, number, len(run))
        return Piece((box,), (Arrow(tail=entry, head=box.name),), box.name)

    def _paths(self, run: list[Unit]) -> tuple[str, ...]:
        return tuple(f"{self._prefix}.{node.name}" for unit in run for node in unit)

    def _box(self, paths: tuple[str, ...], nodes: Iterable[Node], number: int, times: int, unit: str = "block") -> Box:
        box = Box(name=paths[0], role="block", paths=paths, tip=self._ledger.tip(span_words(paths), paths))
        if not self._detailed:
            return replace(box, title=f"× {times}" if times > 1 else "", lines=said(nodes, brief))
        lines = tuple(line for text in said(nodes, op_words) for line in wrapped(text, 24))
        return replace(box, title=which(unit, number, times), lines=lines, facts=self._costs(paths, times))

    def _costs(self, paths: tuple[str, ...], times: int) -> tuple[str, ...]:
        """Output shape and costs of each of the equal parts."""
        size = len(paths) // times
        return self._ledger.part_facts([paths[place : place + size] for place in range(0, len(paths), size)])

    def _residual_block(self, run: list[Unit], number: int, parts: Residual, entry: str) -> Piece:
        blocks = self._paths(run)
        before = self._before(blocks, parts.before, entry)
        entry = before.output
        after = below(blocks, (parts.add, *parts.after))
        box = self._box(blocks, parts.transform, number, len(run))
        box = replace(box, paths=below(blocks, parts.transform))
        add = Box(name=after[0], role="add", paths=after, title="+", tip=f"F(x) added to the {parts.flow} shortcut")
        label = " ".join(said(parts.shortcut, brief))
        arrows = (
            Arrow(tail=entry, head=box.name),
            Arrow(tail=box.name, head=add.name),
            Arrow(tail=entry, head=add.name, flow=parts.flow, label=label, paths=below(blocks, parts.shortcut)),
        )
        return Piece((*before.boxes, box, add), (*before.arrows, *arrows), add.name)

    def _before(self, blocks: tuple[str, ...], nodes: tuple[Node, ...], entry: str) -> Piece:
        """What transform and shortcut both read, where it is more than the block's input."""
        if not nodes:
            return Piece((), (), entry)
        paths = below(blocks, nodes)
        words = ", ".join(brief(op) for node in nodes for op in _leaves(node))
        tip = self._ledger.tip(span_words(paths), paths)
        box = Box(name=paths[0], role="section", paths=paths, lines=(words,), tip=tip)
        return Piece((box,), (Arrow(tail=entry, head=box.name),), box.name)

    def _dense_layer(self, run: list[Unit], number: int, entry: str) -> Piece:
        layers, concats = (tuple(f"{self._prefix}.{unit[index].name}" for unit in run) for index in (0, 1))
        box = self._box(layers, run[0][:1], number, len(run), "layer")
        if self._detailed and len(run) > 1:
            box = replace(box, lines=(*box.lines, reading(self._ledger, layers)))
        tip = "concatenation: the channels so far, then those of the dense layer"
        facts = ("concat", self._ledger.shapes(concats)) if self._detailed else ("concat",)
        concat = Box(name=concats[0], role="concat", paths=concats, facts=facts, tip=tip)
        arrows = (
            Arrow(tail=entry, head=box.name),
            Arrow(tail=box.name, head=concat.name),
            Arrow(tail=entry, head=concat.name, flow="reuse"),
        )
        return Piece((box, concat), arrows, concat.name)


def is_dense(unit: Unit) -> bool:
    """Whether a unit is a dense layer with its concatenation."""
    return len(unit) == 2 and isinstance(unit[1].op, Concat)


def which(unit: str, number: int, times: int) -> str:
    """Which units of a stage a box stands for: "block 1", "blocks 2–6 · × 5"."""
    return f"{unit} {number}" if times == 1 else f"{unit}s {number}–{number + times - 1} · × {times}"


def reading(ledger: Ledger, layers: Sequence[str]) -> str:
    """Channels that dense layer l reads: "reads 64 + 32(l − 1)"."""
    first, second = (ledger.rows([path])[0].input_shapes[0][0] for path in layers[:2])
    return f"reads {first} + {second - first}(l − 1)"


def below(blocks: tuple[str, ...], nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """Weight paths of a block's nodes in each of several equal blocks."""
    return tuple(f"{block}.{node.name}" for block in blocks for node in nodes)


def brief(op: Op) -> str:
    """An op in a block, whose frame names its groups: "3×3, 128, /2"."""
    return op_words(replace(op, groups=1)).replace(" conv", "") if isinstance(op, Conv2d) else short_words(op)


def _leaves(node: Node) -> list[Op]:
    return [op for _, op in leaf_ops(node.op)] if isinstance(node.op, Graph) else [node.op]


def said(nodes: Iterable[Node], words: Callable[[Op], str]) -> tuple[str, ...]:
    """The ops of nodes in words, without those that a one-line account leaves out; a gate is one word."""
    texts = list[str]()
    for node in nodes:
        if isinstance(node.op, Graph) and node.op.kind == "squeeze_excitation":
            texts.append(f"SE, {next(op.out_channels for _, op in leaf_ops(node.op) if isinstance(op, Conv2d))} hidden")
        elif isinstance(node.op, Graph):
            texts += said(node.op.nodes, words)
        elif not goes_without_saying(node.op):
            texts.append(words(node.op))
    return tuple(texts)
