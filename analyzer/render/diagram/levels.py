"""The network on one screen, from left to right: stem, stages with first and repeated blocks, transitions, head."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from analyzer.errors import InvalidInput, shortened
from analyzer.graph.graph import Graph, Node
from analyzer.graph.ops import Concat, Op
from analyzer.render.diagram.grouping import Group, Unit, View, runs, units
from analyzer.render.diagram.labels import Ledger, facts_legend, legend, span_words, wrapped
from analyzer.render.diagram.picture import Arrow, Box, Cell, Frame, Picture, in_grid
from analyzer.render.diagram.units import Opening, Part, Piece, Runs, is_dense, port, reading
from analyzer.render.notation import block_words, goes_without_saying, op_words
from analyzer.text.units import stage_words


def network_picture(view: View) -> Picture:
    """Every stage with its repeats folded: equal blocks are one box, shortcuts arrows past it."""
    frames, arrows = list[Frame](), list[Arrow]()
    aligned: list[tuple[str, ...]] = []
    outputs: dict[str, str] = {}
    for group in view.groups:
        entries = tuple(outputs[name] for name in group.nodes[0].inputs if name in outputs)
        frame, inside, output = _network_section(view.ledger, group, entries)
        if frame.title and not view.look.across(True):
            frame, guide = _beside(frame)
            aligned.append((guide.tail, guide.head))
            arrows.append(guide)
        frames.append(frame)
        arrows += inside
        outputs[group.nodes[-1].path] = output
    return Picture(
        title=view.title,
        legend=legend(arrows),
        description=view.description,
        across=view.look.across(True),
        frames=tuple(frames),
        arrows=tuple(arrows),
        aligned=tuple(aligned),
    )


def _beside(frame: Frame) -> tuple[Frame, Arrow]:
    """The frame with its heading beside its first block, since the way down would cross it above."""
    heading = Box(
        name=f"{frame.name}.heading",
        role="port",
        title=frame.title,
        lines=frame.lines,
        facts=frame.facts,
        tip=frame.tip,
    )
    block = next(box for box in frame.boxes if box.role == "block")
    guide = Arrow(tail=heading.name, head=block.name, flow="guide")
    return replace(frame, title=" ", lines=(), facts=(), boxes=(heading, *frame.boxes)), guide


def _network_section(ledger: Ledger, group: Group, entries: tuple[str, ...]) -> tuple[Frame, tuple[Arrow, ...], str]:
    if group.whole:
        return _network_stage(ledger, group, group.whole, entries)
    box = section_box(ledger, group)
    arrows = tuple(Arrow(tail=entry, head=box.name) for entry in entries)
    return Frame(name=f"{box.name}.frame", boxes=(box,)), arrows, box.name


def section_box(ledger: Ledger, group: Group) -> Box:
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
    """What goes without saying beside other ops is said where it stands alone."""
    every = tuple(ops)
    told = tuple(op for op in every if not goes_without_saying(op)) or every
    return tuple(line for op in told for line in wrapped(op_words(op)))


def _network_stage(
    ledger: Ledger, group: Group, graph: Graph, entries: tuple[str, ...]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    path, drawing = group.nodes[0].path, Runs(ledger, group.nodes[0].path, detailed=False)
    fork = Box(name=f"{path}.in", role="fork")
    pieces = [Piece((fork,), tuple(Arrow(tail=entry, head=fork.name) for entry in entries), fork.name)]
    number = 1
    for run in runs(graph):
        pieces.append(drawing.piece(run, number, pieces[-1].output))
        number += len(run)
    frame = stage_frame(ledger, group, tuple(box for piece in pieces for box in piece.boxes))
    return frame, tuple(arrow for piece in pieces for arrow in piece.arrows), pieces[-1].output


def stage_frame(ledger: Ledger, group: Group, boxes: tuple[Box, ...]) -> Frame:
    """A stage's frame with its words and costs."""
    path, words = group.nodes[0].path, stage_words(group.stage)
    return Frame(
        name=group.name,
        boxes=boxes,
        title=words,
        lines=_contents(ledger, group.stage),
        facts=ledger.facts([path]),
        tip=ledger.tip(f"{words}, {path}", [path]),
    )


def _contents(ledger: Ledger, stage: str) -> tuple[str, ...]:
    """What a stage repeats, how often, and what is special: "bottleneck 128 → 256 × 3", "32 groups"."""
    blocks = ledger.blocks(stage)
    words, *special = block_words(blocks[0]).split(", ")
    return (f"{words} × {len(blocks)}", *special)


MAX_CONNECTED = 12
"""Dense layers of a stage of which every connection can still be told from the others."""


def rail(ledger: Ledger, prefix: str, layers: Sequence[Unit], entry: str) -> Piece:
    """Each layer beside the rail, each join with its channels: "96 = 64 + 1·32"."""
    drawing = Runs(ledger, prefix, detailed=True)
    pieces = list[Piece]()
    for number, unit in enumerate(layers, 1):
        piece = drawing.piece([unit], number, pieces[-1].output if pieces else entry)
        box, concat = piece.boxes
        facts = ("concat", grown(ledger, prefix, layers, number))
        arrows = tuple(replace(arrow, weight=50 if arrow.flow == "reuse" else 1) for arrow in piece.arrows)
        pieces.append(Piece((_small(box, number), replace(concat, facts=facts)), arrows, piece.output))
    boxes = tuple(box for piece in pieces for box in piece.boxes)
    return Piece(boxes, tuple(arrow for piece in pieces for arrow in piece.arrows), pieces[-1].output)


def every_connection(ledger: Ledger, prefix: str, layers: Sequence[Unit], entry: str) -> Piece:
    """Each layer with an arrow from the input and from every layer before it; the last join gathers them all."""
    if len(layers) > MAX_CONNECTED:
        raise InvalidInput(
            f"dense all: {shortened(prefix)} has {len(layers)} dense layers, over the bound of {MAX_CONNECTED} of "
            "which every connection can be told apart; take dense rail."
        )
    drawing = Runs(ledger, prefix, detailed=True)
    boxes, arrows, sources = list[Box](), list[Arrow](), [entry]
    for number, unit in enumerate(layers, 1):
        box = _small(drawing.piece([unit], number, entry).boxes[0], number)
        joined = (f"{prefix}.{layers[number - 2][1].name}",) if number > 1 else ()
        boxes.append(replace(box, paths=(*joined, *box.paths)))
        arrows += _fan(sources, box.name)
        sources.append(box.name)
    last = f"{prefix}.{layers[-1][1].name}"
    facts = ("concat", grown(ledger, prefix, layers, len(layers)))
    boxes.append(Box(name=last, role="concat", paths=(last,), facts=facts, tip=ledger.tip(last, [last])))
    return Piece((*boxes,), (*arrows, *_fan(sources, last)), last)


def _fan(sources: Sequence[str], head: str) -> list[Arrow]:
    """An arrow from each source: the last one leads straight on, the others pass left and right by turns."""
    past: list[Arrow] = [
        Arrow(tail=tail, head=head, flow="reuse", weight=1, side="right" if place % 2 else "left")
        for place, tail in enumerate(sources[:-1])
    ]
    return [*past, Arrow(tail=sources[-1], head=head, weight=100)]


def _small(box: Box, number: int) -> Box:
    return replace(box, title=f"layer {number}")


def grown(ledger: Ledger, prefix: str, layers: Sequence[Unit], number: int) -> str:
    """Channels after that many layers: "128 = 64 + 2·32"."""
    start = ledger.rows([f"{prefix}.{layers[0][0].name}"])[0].input_shapes[0][0]
    added = ledger.rows([f"{prefix}.{layers[0][0].name}"])[-1].output_shape[0]
    total = ledger.rows([f"{prefix}.{layers[number - 1][1].name}"])[0].output_shape[0]
    uniform = total == start + number * added
    return f"{total} = {start} + {number}·{added}" if uniform else f"{total} channels"


def stage_picture(view: View) -> Picture:
    """Every section in a frame of its own, in reading order; a port tells the shape that enters and leaves it."""
    cells: list[Cell] = []
    outputs: dict[str, str] = {}
    for group in view.groups:
        entries = tuple(outputs.get(name, "") for name in dict.fromkeys(group.nodes[0].inputs))
        cells.append(section_cell(view.ledger, group, entries))
        outputs[group.nodes[-1].path] = cells[-1].output
    arrows = tuple(arrow for cell in cells for arrow in cell.arrows)
    frames, columns = in_grid([[cell] for cell in cells])
    return Picture(
        title=view.title,
        legend=" · ".join(text for text in (facts_legend(view.look), legend(arrows)) if text),
        description=view.description,
        across=view.look.across(view.look.dense == "all"),
        frames=frames,
        arrows=arrows,
        columns=columns,
        gap=0.35 if view.look.dense == "all" else 0.12,
    )


def section_cell(ledger: Ledger, group: Group, entries: tuple[str, ...]) -> Cell:
    """A section in its frame, between a port for each tensor that it reads and one for its output."""
    first, last = group.nodes[0].path, group.nodes[-1].path
    read = dict(zip(group.nodes[0].inputs, ledger.rows([first])[0].input_shapes, strict=False))
    ins = [port(f"{first}.in{index or ''}", shape) for index, shape in enumerate(read.values())]
    jumps = [Arrow(tail=entry, head=box.name, flow="jump") for entry, box in zip(entries, ins, strict=True) if entry]
    frame, piece = _open_stage(ledger, group, ins[0].name) if group.whole else _plain(ledger, group, ins)
    out = port(f"{last}.out", ledger.rows([last])[-1].output_shape)
    frame = replace(frame, boxes=(*ins, *piece.boxes, out))
    return Cell(frame, (*jumps, *piece.arrows, Arrow(tail=piece.output, head=out.name)), out.name)


def _plain(ledger: Ledger, group: Group, ins: list[Box]) -> tuple[Frame, Piece]:
    """A stem, transition or head: its ops in one box, its costs in the heading."""
    box, first = section_box(ledger, group), group.nodes[0].path
    frame = Frame(name=box.name, boxes=(), title=box.title or box.name, facts=ledger.facts(box.paths), tip=box.tip)
    inner = replace(box, name=first if first != box.name else f"{first}.ops", title="", facts=())
    arrows = tuple(Arrow(tail=entry.name, head=inner.name) for entry in ins)
    return frame, Piece((inner,), arrows, inner.name)


def _open_stage(ledger: Ledger, group: Group, entry: str) -> tuple[Frame, Piece]:
    graph, prefix = group.nodes[0].op, group.nodes[0].path
    assert isinstance(graph, Graph)
    single = units(graph)
    if ledger.look.dense != "folded" and all(is_dense(unit) for unit in single):
        if ledger.look.dense == "rail":
            return stage_frame(ledger, group, ()), rail(ledger, prefix, single, entry)
        return Frame(name=group.name, boxes=()), every_connection(ledger, prefix, single, entry)
    drawing, pieces, number = Runs(ledger, prefix, detailed=True), list[Piece](), 1
    for run in runs(graph):
        pieces.append(drawing.piece(run, number, pieces[-1].output if pieces else entry))
        number += len(run)
    boxes = tuple(box for piece in pieces for box in piece.boxes)
    arrows = tuple(arrow for piece in pieces for arrow in piece.arrows)
    return stage_frame(ledger, group, ()), Piece(boxes, arrows, pieces[-1].output)


def block_picture(view: View) -> Picture:
    """Every distinct block with all its ops; the frames follow each other as the network's blocks do."""
    return _picture(view, folded=True)


def op_picture(view: View) -> Picture:
    """Every op: as at block level, with each block drawn."""
    return _picture(view, folded=False)


def _picture(view: View, folded: bool) -> Picture:
    sections: list[list[Cell]] = []
    outputs: dict[str, str] = {}
    for group in view.groups:
        entries = tuple(outputs.get(name, "") for name in dict.fromkeys(group.nodes[0].inputs))
        if group.whole:
            sections.append(_block_stage(view.ledger, group, _runs(group.whole, folded), entries))
        else:
            sections.append([_block_section(view.ledger, group, entries)])
        outputs[group.nodes[-1].path] = sections[-1][-1].output
    arrows = tuple(arrow for cells in sections for cell in cells for arrow in cell.arrows)
    frames, columns = in_grid(sections if folded else [[cell] for cells in sections for cell in cells])
    return Picture(
        title=view.title,
        legend=" · ".join(text for text in (facts_legend(view.look), legend(arrows)) if text),
        description=view.description,
        across=view.look.across(False),
        frames=frames,
        arrows=arrows,
        columns=columns,
    )


def _runs(graph: Graph, folded: bool) -> Iterator[list[Unit]]:
    return runs(graph) if folded else ([unit] for unit in units(graph))


def _block_section(ledger: Ledger, group: Group, entries: tuple[str, ...]) -> Cell:
    parts = [Part(Node(node.path, node.op, node.inputs), (node.path,)) for node in group.nodes]
    paths = [node.path for node in group.nodes]
    words = stage_words(group.stage) if group.name == group.stage else group.name
    frame = Frame(
        name=group.name if group.name != paths[0] or isinstance(group.nodes[0].op, Graph) else f"{group.name}.frame",
        boxes=(),
        title=words or group.name,
        facts=ledger.facts(paths)["shape" in ledger.look.show :],
        tip=ledger.tip(words, paths),
    )
    return opened(ledger, frame, parts, entries)


def _block_stage(ledger: Ledger, group: Group, stage: Iterator[list[Unit]], entries: tuple[str, ...]) -> list[Cell]:
    cells: list[Cell] = []
    number = 1
    for run in stage:
        parts = _parts(group.nodes[0].path, run)
        frame = _heading(ledger, group, number, parts)
        cells.append(opened(ledger, frame, parts, (cells[-1].output,) if cells else entries))
        number += len(run)
    return cells


def _parts(prefix: str, run: Sequence[Unit]) -> list[Part]:
    names = zip(*([node.name for node in unit] for unit in run), strict=True)
    return [Part(node, tuple(f"{prefix}.{name}" for name in same)) for node, same in zip(run[0], names, strict=True)]


def _heading(ledger: Ledger, group: Group, number: int, parts: list[Part]) -> Frame:
    """A run's frame, still without boxes: "stage 2 · blocks 2–4", "bottleneck 128 → 512 × 3"."""
    first, times = parts[0].paths[0], len(parts[0].paths)
    unit = "dense layer" if isinstance(parts[-1].node.op, Concat) else "block"
    which = f"{unit} {number}" if times == 1 else f"{unit}s {number}–{number + times - 1}"
    block = ledger.block(first)
    words, *special = block_words(block).split(", ") if block else ("",)
    repeated = f"{words} × {times}" if times > 1 else words
    if unit == "dense layer" and times > 1:
        special.append(reading(ledger, parts[0].paths))
    same = list(zip(*(part.paths for part in parts), strict=True))
    return Frame(
        name=first,
        boxes=(),
        title=f"{stage_words(group.stage)} · {which}",
        lines=tuple(line for line in (repeated, *special) if line),
        facts=tuple(f"each {text}" if times > 1 else text for text in ledger.each(same)),
        tip=ledger.tip(f"{stage_words(group.stage)}, {which}", [path for part in parts for path in part.paths]),
    )


def opened(ledger: Ledger, frame: Frame, parts: list[Part], entries: tuple[str, ...]) -> Cell:
    """The frame with its ops between a port for each tensor that it reads and one for the output."""
    opening = Opening(ledger)
    first = parts[0]
    read = dict(zip(first.node.inputs, ledger.rows(first.paths[:1])[0].input_shapes, strict=False))
    ins = [opening.port(f"{frame.name}.in{index or ''}", shape) for index, shape in enumerate(read.values())]
    jumps = [Arrow(tail=entry, head=port.box, flow="jump") for entry, port in zip(entries, ins, strict=True) if entry]
    ends = opening.add(parts, dict(zip(read, ins, strict=True)))
    out = opening.port(f"{frame.name}.out", ledger.rows([parts[-1].paths[-1]])[-1].output_shape)
    opening.join(ends, out.box)
    return Cell(replace(frame, boxes=tuple(opening.boxes)), (*jumps, *opening.arrows), out.box)
