"""The network on one screen, from left to right: stem, stages with first and repeated blocks, transitions, head."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.graph import Graph, Node, leaf_ops
from analyzer.ops import Concat, Conv2d, Op
from analyzer.render.diagram import Arrow, Box, Frame, Picture
from analyzer.render.diagram_costs import Ledger, span_words
from analyzer.render.diagram_fold import Group, Residual, Unit, groups, residual, runs
from analyzer.render.diagram_words import legend, picture_description, picture_title, wrapped
from analyzer.render.units import stage_words
from analyzer.render.words import UNSAID, block_words, op_words


class _Part(NamedTuple):
    """Boxes and arrows of a piece of the drawing, and the box that yields its output."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    output: str


def network_picture(analysis: Analysis) -> Picture:
    """Every stage with its repeats folded: equal blocks are one box, shortcuts arrows past it."""
    ledger = Ledger(analysis)
    frames, arrows = list[Frame](), list[Arrow]()
    outputs: dict[str, str] = {}
    for group in groups(analysis.network.graph):
        entries = tuple(outputs[name] for name in group.nodes[0].inputs if name in outputs)
        frame, inside, output = _section(ledger, group, entries)
        frames.append(frame)
        arrows += inside
        outputs[group.nodes[-1].path] = output
    return Picture(
        title=picture_title(analysis),
        legend=legend(arrows),
        description=picture_description(analysis),
        across=True,
        frames=tuple(frames),
        arrows=tuple(arrows),
    )


def _section(ledger: Ledger, group: Group, entries: tuple[str, ...]) -> tuple[Frame, tuple[Arrow, ...], str]:
    if group.whole:
        return _stage(ledger, group, group.whole, entries)
    box = _record(ledger, group)
    arrows = tuple(Arrow(tail=entry, head=box.name) for entry in entries)
    return Frame(name=f"{box.name}.frame", boxes=(box,)), arrows, box.name


def _record(ledger: Ledger, group: Group) -> Box:
    """A stem, transition or head as one box with its ops in order."""
    paths, words = tuple(node.path for node in group.nodes), stage_words(group.stage)
    return Box(
        name=group.name,
        role="transition" if isinstance(group.nodes[0].op, Graph) else "section",
        paths=paths,
        title=words,
        lines=_said(row.operation for row in ledger.rows(paths)),
        facts=ledger.facts(paths),
        tip=ledger.tip(f"{words}, {span_words(paths)}".removeprefix(", "), paths),
    )


def _said(ops: Iterable[Op]) -> tuple[str, ...]:
    return tuple(line for op in ops if not isinstance(op, UNSAID) for line in wrapped(op_words(op)))


def _stage(
    ledger: Ledger, group: Group, graph: Graph, entries: tuple[str, ...]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    path, words = group.nodes[0].path, stage_words(group.stage)
    fork = Box(name=f"{path}.in", role="fork")
    parts = [_Part((fork,), tuple(Arrow(tail=entry, head=fork.name) for entry in entries), fork.name)]
    for run in runs(graph):
        parts.append(_run(ledger, path, run, parts[-1].output))
    frame = Frame(
        name=group.name,
        boxes=tuple(box for part in parts for box in part.boxes),
        title=words,
        lines=_contents(ledger, group.stage),
        facts=ledger.facts([path]),
        tip=ledger.tip(f"{words}, {path}", [path]),
    )
    return frame, tuple(arrow for part in parts for arrow in part.arrows), parts[-1].output


def _contents(ledger: Ledger, stage: str) -> tuple[str, ...]:
    """What a stage repeats, how often, and what is special: "bottleneck 128 → 256 × 3", "32 groups"."""
    blocks = ledger.blocks(stage)
    words, *special = block_words(blocks[0]).split(", ")
    return (f"{words} × {len(blocks)}", *special)


def _run(ledger: Ledger, prefix: str, run: list[Unit], entry: str) -> _Part:
    """Equal units, drawn once: a residual block, a dense layer with its concat, or one closed box."""
    first = run[0]
    if len(first) == 1 and isinstance(first[0].op, Graph):
        parts = residual(first[0].op)
        if parts:
            return _residual_block(ledger, prefix, run, parts, entry)
    if len(first) == 2 and isinstance(first[1].op, Concat):
        return _dense_layer(ledger, prefix, run, entry)
    paths = tuple(f"{prefix}.{node.name}" for unit in run for node in unit)
    box = _block(ledger, paths, first, len(run))
    return _Part((box,), (Arrow(tail=entry, head=box.name),), box.name)


def _block(ledger: Ledger, paths: tuple[str, ...], nodes: Iterable[Node], times: int) -> Box:
    lines = tuple(_brief(op) for node in nodes for op in _leaves(node) if not isinstance(op, UNSAID))
    return Box(
        name=paths[0],
        role="block",
        paths=paths,
        title=f"× {times}" if times > 1 else "",
        lines=lines,
        tip=ledger.tip(span_words(paths), paths),
    )


def _leaves(node: Node) -> list[Op]:
    return [op for _, op in leaf_ops(node.op)] if isinstance(node.op, Graph) else [node.op]


def _brief(op: Op) -> str:
    """An op in a block, whose frame names its groups: "3×3, 128, /2"."""
    return op_words(replace(op, groups=1)).replace(" conv", "") if isinstance(op, Conv2d) else op_words(op)


def _residual_block(ledger: Ledger, prefix: str, run: list[Unit], parts: Residual, entry: str) -> _Part:
    blocks = tuple(f"{prefix}.{unit[0].name}" for unit in run)
    after = _below(blocks, (parts.add, *parts.after))
    box = _block(ledger, blocks, parts.transform, len(run))
    box = replace(box, paths=_below(blocks, parts.transform))
    add = Box(name=after[0], role="add", paths=after, title="+", tip=f"F(x) added to the {parts.flow} shortcut")
    arrows = (
        Arrow(tail=entry, head=box.name),
        Arrow(tail=box.name, head=add.name),
        Arrow(tail=entry, head=add.name, flow=parts.flow, paths=_below(blocks, parts.shortcut)),
    )
    return _Part((box, add), arrows, add.name)


def _below(blocks: tuple[str, ...], nodes: tuple[Node, ...]) -> tuple[str, ...]:
    return tuple(f"{block}.{node.name}" for block in blocks for node in nodes)


def _dense_layer(ledger: Ledger, prefix: str, run: list[Unit], entry: str) -> _Part:
    layers, concats = (tuple(f"{prefix}.{unit[index].name}" for unit in run) for index in (0, 1))
    box = _block(ledger, layers, run[0][:1], len(run))
    tip = "concatenation: the channels so far, then those of the dense layer"
    concat = Box(name=concats[0], role="concat", paths=concats, facts=("concat",), tip=tip)
    arrows = (
        Arrow(tail=entry, head=box.name),
        Arrow(tail=box.name, head=concat.name),
        Arrow(tail=entry, head=concat.name, flow="reuse"),
    )
    return _Part((box, concat), arrows, concat.name)
