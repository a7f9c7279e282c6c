"""The network on one screen, from left to right: stem, stages with first and repeated blocks, transitions, head."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.graph import Graph, Node, leaf_ops
from analyzer.ops import Add, BatchNorm2d, Concat, Conv2d, Dropout, Flatten, Op, ReLU
from analyzer.render.diagram import Arrow, Box, Frame, Picture
from analyzer.render.diagram_costs import Ledger, span_words
from analyzer.render.diagram_fold import Placed, Residual, Unit, residual, runs, sections
from analyzer.render.units import shape, short, stage_words
from analyzer.render.words import block_words, op_words, stage_contents

_UNSAID = (BatchNorm2d, ReLU, Flatten, Dropout, Add, Concat)

_MEANINGS = {
    "identity": "solid arc: identity shortcut",
    "projection": "dashed arc: projection shortcut (1×1 conv, batch norm)",
    "zero-pad": "dashed arc: zero-padded shortcut",
    "reuse": "arc: the channels so far are kept, each dense layer adds k",
}


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
    for stage, nodes in sections(analysis.network.graph):
        for group in _chains(nodes):
            name = stage if stage and len(group) == len(nodes) else group[0].path
            entries = tuple(outputs[name] for name in group[0].inputs if name in outputs)
            frame, inside, output = _section(ledger, name, group, entries)
            frames.append(frame)
            arrows += inside
            outputs[group[-1].path] = output
    return Picture(
        title=picture_title(analysis),
        legend=legend(arrows),
        description=picture_description(analysis),
        across=True,
        frames=tuple(frames),
        arrows=tuple(arrows),
    )


def picture_title(analysis: Analysis) -> str:
    """The network's name with its input and totals."""
    size, params, macs = shape(analysis.input_shape), short(analysis.params), short(analysis.macs)
    return f"{analysis.network.title} · input {size} · {params} params · {macs} MACs"


def picture_description(analysis: Analysis) -> str:
    """The drawing in words, for those who hear it."""
    blocks = analysis.blocks
    return "; ".join(f"{stage_words(row.stage)}: {stage_contents(analysis, row, blocks)}" for row in analysis.stages)


def legend(arrows: Iterable[Arrow]) -> str:
    """What the lines of these arrows mean, as far as they need saying."""
    drawn = {arrow.flow for arrow in arrows}
    return " · ".join(words for flow, words in _MEANINGS.items() if flow in drawn)


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
    ledger: Ledger, name: str, group: list[Placed], entries: tuple[str, ...]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    first = group[0]
    if isinstance(first.op, Graph) and first.op.kind == "stage":
        return _stage(ledger, name, first, first.op, entries)
    box = _record(ledger, name, group)
    arrows = tuple(Arrow(tail=entry, head=box.name) for entry in entries)
    return Frame(name=f"{box.name}.frame", boxes=(box,)), arrows, box.name


def _record(ledger: Ledger, name: str, group: list[Placed]) -> Box:
    """A stem, transition or head as one box with its ops in order."""
    paths, words = tuple(node.path for node in group), stage_words(group[0].stage)
    return Box(
        name=name,
        role="transition" if isinstance(group[0].op, Graph) else "section",
        paths=paths,
        title=words,
        lines=_said(row.operation for row in ledger.rows(paths)),
        facts=ledger.facts(paths),
        tip=ledger.tip(f"{words}, {span_words(paths)}".removeprefix(", "), paths),
    )


def _said(ops: Iterable[Op]) -> tuple[str, ...]:
    return tuple(line for op in ops if not isinstance(op, _UNSAID) for line in wrapped(op_words(op)))


def wrapped(text: str, limit: int = 17) -> tuple[str, ...]:
    """A text as one line, or as two of about equal length where it is longer than `limit`."""
    spaces = [index for index, character in enumerate(text) if character == " "]
    if len(text) <= limit or not spaces:
        return (text,)
    middle = min(spaces, key=lambda index: abs(2 * index - len(text)))
    return text[:middle], text[middle + 1 :]


def _stage(
    ledger: Ledger, name: str, placed: Placed, graph: Graph, entries: tuple[str, ...]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    fork = Box(name=f"{placed.path}.in", role="fork")
    parts = [_Part((fork,), tuple(Arrow(tail=entry, head=fork.name) for entry in entries), fork.name)]
    for run in runs(graph):
        parts.append(_run(ledger, placed.path, run, parts[-1].output))
    output_shape, *costs = ledger.facts([placed.path])
    frame = Frame(
        name=name,
        boxes=tuple(box for part in parts for box in part.boxes),
        title=stage_words(placed.stage),
        lines=_contents(ledger, placed),
        facts=(output_shape, " · ".join(costs)),
        tip=ledger.tip(f"{stage_words(placed.stage)}, {placed.path}", [placed.path]),
    )
    return frame, tuple(arrow for part in parts for arrow in part.arrows), parts[-1].output


def _contents(ledger: Ledger, placed: Placed) -> tuple[str, ...]:
    """What a stage repeats, how often, and what is special: "bottleneck 128 → 256 × 3", "32 groups"."""
    blocks = ledger.blocks(placed.stage)
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
    lines = tuple(_brief(op) for node in nodes for op in _leaves(node) if not isinstance(op, _UNSAID))
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
