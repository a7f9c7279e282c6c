"""The network on one screen, from left to right: stem, stages with first and repeated blocks, transitions, head."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.graph import INPUT, Graph, Node, leaf_ops
from analyzer.ops import Add, BatchNorm2d, Concat, Conv2d, Dropout, Flatten, Op, ReLU
from analyzer.render.diagram import Arrow, Box, Frame, Picture
from analyzer.render.diagram_costs import Ledger, span_words
from analyzer.render.diagram_fold import Placed, Residual, Unit, residual, runs, sections
from analyzer.render.units import shape, short, stage_words
from analyzer.render.words import op_words, stage_contents

_UNSAID = (BatchNorm2d, ReLU, Flatten, Dropout, Add, Concat)


class _Part(NamedTuple):
    """Boxes and arrows of a piece of the drawing, and the box that yields its output."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    output: str


def network_picture(analysis: Analysis) -> Picture:
    """Every stage with its repeats folded: equal blocks are one box, shortcuts arrows past it."""
    ledger = Ledger(analysis)
    contents = {row.stage: stage_contents(analysis, row, analysis.blocks) for row in analysis.stages}
    image = Box(name=INPUT, role="end", title="input", facts=(shape(analysis.input_shape),))
    frames, arrows = [Frame(name="image", boxes=(image,))], list[Arrow]()
    outputs = {INPUT: INPUT}
    for stage, nodes in sections(analysis.network.graph):
        for group in _chains(nodes):
            entries = tuple(outputs[name] for name in group[0].inputs)
            frame, inside, output = _section(ledger, stage, group, entries, contents)
            frames.append(frame)
            arrows += inside
            outputs[group[-1].path] = output
    return Picture(
        title=f"{analysis.network.title} · {short(analysis.params)} params · {short(analysis.macs)} MACs",
        description="; ".join(f"{stage_words(stage)}: {words}" for stage, words in contents.items()),
        across=True,
        frames=tuple(frames),
        arrows=tuple(arrows),
    )


def _chains(nodes: list[Placed]) -> Iterator[list[Placed]]:
    """Runs of nodes of which each reads only the one before and is read by nothing else; a stage stands alone."""
    readers = [name for node in nodes for name in node.inputs]
    chain: list[Placed] = []
    for node in nodes:
        follows = chain and node.inputs == (chain[-1].path,) and readers.count(chain[-1].path) == 1
        if chain and (not follows or _is_stage(node.op) or _is_stage(chain[-1].op)):
            yield chain
            chain = []
        chain.append(node)
    yield chain


def _is_stage(op: Op | Graph) -> bool:
    return isinstance(op, Graph) and op.kind == "stage"


def _section(
    ledger: Ledger, stage: str, group: list[Placed], entries: tuple[str, ...], contents: dict[str, str]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    first = group[0]
    if isinstance(first.op, Graph) and first.op.kind == "stage":
        return _stage(ledger, first, first.op, entries[0], contents[stage])
    box = _record(ledger, stage, group)
    arrows = tuple(Arrow(tail=entry, head=box.name) for entry in entries)
    return Frame(name=f"{box.name}.frame", boxes=(box,)), arrows, box.name


def _record(ledger: Ledger, stage: str, group: list[Placed]) -> Box:
    """A stem, transition or head as one box with its ops in order."""
    paths = tuple(node.path for node in group)
    ops = [row.operation for row in ledger.rows(paths)]
    return Box(
        name=stage or paths[0],
        role="transition" if isinstance(group[0].op, Graph) else "section",
        paths=paths,
        title=stage_words(stage),
        lines=_said(ops),
        facts=ledger.facts(paths),
        tip=ledger.tip(f"{stage_words(stage)} ({span_words(paths)})", paths),
    )


def _said(ops: Iterable[Op]) -> tuple[str, ...]:
    return tuple(op_words(op) for op in ops if not isinstance(op, _UNSAID))


def _stage(
    ledger: Ledger, placed: Placed, graph: Graph, entry: str, contents: str
) -> tuple[Frame, tuple[Arrow, ...], str]:
    fork = Box(name=f"{placed.path}.in", role="fork")
    parts = [_Part((fork,), (Arrow(tail=entry, head=fork.name),), fork.name)]
    for run in runs(graph):
        parts.append(_run(ledger, placed.path, run, parts[-1].output))
    frame = Frame(
        name=placed.path,
        boxes=tuple(box for part in parts for box in part.boxes),
        title=stage_words(placed.stage),
        lines=(contents,),
        facts=ledger.facts([placed.path]),
        tip=ledger.tip(stage_words(placed.stage), [placed.path]),
    )
    return frame, tuple(arrow for part in parts for arrow in part.arrows), parts[-1].output


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
    box = _block(ledger, paths, tuple(op for node in first for op in _leaves(node)), len(run))
    return _Part((box,), (Arrow(tail=entry, head=box.name),), box.name)


def _leaves(node: Node) -> list[Op]:
    return [op for _, op in leaf_ops(node.op)] if isinstance(node.op, Graph) else [node.op]


def _block(ledger: Ledger, paths: tuple[str, ...], ops: tuple[Op, ...], times: int) -> Box:
    lines = tuple(_brief(op) for op in ops if not isinstance(op, _UNSAID))
    return Box(
        name=paths[0],
        role="block",
        paths=paths,
        title=f"× {times}" if times > 1 else "",
        lines=lines,
        tip=ledger.tip(span_words(paths), paths),
    )


def _brief(op: Op) -> str:
    """An op in a block, whose frame names its groups: "3×3, 128, /2"."""
    return op_words(replace(op, groups=1)).replace(" conv", "") if isinstance(op, Conv2d) else op_words(op)


def _residual_block(ledger: Ledger, prefix: str, run: list[Unit], parts: Residual, entry: str) -> _Part:
    blocks = [f"{prefix}.{unit[0].name}" for unit in run]
    transform, after = (
        tuple(f"{block}.{node.name}" for block in blocks for node in nodes)
        for nodes in (parts.transform, (parts.add, *parts.after))
    )
    passed = tuple(f"{block}.{parts.shortcut.name}" for block in blocks) if parts.shortcut else ()
    box = replace(
        _block(ledger, tuple(blocks), tuple(op for node in parts.transform for op in _leaves(node)), len(run)),
        paths=transform,
    )
    add = Box(name=after[0], role="merge", paths=after, title="+", tip=f"add F(x) and the {parts.flow} shortcut")
    arrows = (
        Arrow(tail=entry, head=box.name),
        Arrow(tail=box.name, head=add.name),
        Arrow(tail=entry, head=add.name, flow=parts.flow, paths=passed),
    )
    return _Part((box, add), arrows, add.name)


def _dense_layer(ledger: Ledger, prefix: str, run: list[Unit], entry: str) -> _Part:
    layers, concats = (tuple(f"{prefix}.{unit[index].name}" for unit in run) for index in (0, 1))
    box = _block(ledger, layers, tuple(_leaves(run[0][0])), len(run))
    concat = Box(
        name=concats[0], role="merge", paths=concats, title="concat", tip="concatenate: the input's channels stay"
    )
    arrows = (
        Arrow(tail=entry, head=box.name),
        Arrow(tail=box.name, head=concat.name),
        Arrow(tail=entry, head=concat.name, flow="identity"),
    )
    return _Part((box, concat), arrows, concat.name)
