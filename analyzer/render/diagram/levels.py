"""The network on one screen, from left to right: stem, stages with first and repeated blocks, transitions, head."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from analyzer.errors import InvalidInput, shortened
from analyzer.graph.graph import Graph, Node
from analyzer.graph.ops import Concat, Op
from analyzer.render.diagram.grouping import DiagramSection, DiagramSelection, Segment, equal_runs, segments
from analyzer.render.diagram.labels import CostsByPath, arrow_legend, facts_legend, path_range, wrapped_lines
from analyzer.render.diagram.picture import Arrow, Box, BoxDiagram, Frame, FrameCell, arrange_in_grid
from analyzer.render.diagram.units import (
    FoldedNode,
    Fragment,
    FrameBuilder,
    RunDrawer,
    channels_read_label,
    is_dense_layer,
    port_box,
)
from analyzer.render.notation import block_notation, goes_without_saying, op_notation
from analyzer.text.units import stage_label


def network_diagram(view: DiagramSelection) -> BoxDiagram:
    """Every stage with its repeats folded: equal blocks are one box, shortcuts arrows past it."""
    frames, arrows = list[Frame](), list[Arrow]()
    aligned: list[tuple[str, ...]] = []
    outputs: dict[str, str] = {}
    for group in view.groups:
        entries = tuple(outputs[name] for name in group.nodes[0].inputs if name in outputs)
        frame, inside, output = _network_section(view.ledger, group, entries)
        if frame.title and not view.look.across(True):
            frame, guide = _heading_beside(frame)
            aligned.append((guide.tail, guide.head))
            arrows.append(guide)
        frames.append(frame)
        arrows += inside
        outputs[group.nodes[-1].path] = output
    return BoxDiagram(
        title=view.title,
        legend=arrow_legend(arrows),
        description=view.description,
        across=view.look.across(True),
        frames=tuple(frames),
        arrows=tuple(arrows),
        aligned=tuple(aligned),
    )


def _heading_beside(frame: Frame) -> tuple[Frame, Arrow]:
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


def _network_section(
    ledger: CostsByPath, group: DiagramSection, entries: tuple[str, ...]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    if group.whole:
        return _network_stage(ledger, group, group.whole, entries)
    box = section_box(ledger, group)
    arrows = tuple(Arrow(tail=entry, head=box.name) for entry in entries)
    return Frame(name=f"{box.name}.frame", boxes=(box,)), arrows, box.name


def section_box(ledger: CostsByPath, group: DiagramSection) -> Box:
    """A stem, transition or head as one box with its ops in order."""
    paths, words = tuple(node.path for node in group.nodes), stage_label(group.stage)
    return Box(
        name=group.name,
        role="transition" if isinstance(group.nodes[0].op, Graph) else "section",
        paths=paths,
        title=words,
        lines=_op_lines(row.operation for row in ledger.rows(paths)),
        facts=ledger.facts(paths),
        tip=ledger.tip(f"{words}, {path_range(paths)}".removeprefix(", "), paths),
    )


def _op_lines(ops: Iterable[Op]) -> tuple[str, ...]:
    """What goes without saying beside other ops is said where it stands alone."""
    every = tuple(ops)
    told = tuple(op for op in every if not goes_without_saying(op)) or every
    return tuple(line for op in told for line in wrapped_lines(op_notation(op)))


def _network_stage(
    ledger: CostsByPath, group: DiagramSection, graph: Graph, entries: tuple[str, ...]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    path, drawing = group.nodes[0].path, RunDrawer(ledger, group.nodes[0].path, detailed=False)
    fork = Box(name=f"{path}.in", role="fork")
    pieces = [Fragment((fork,), tuple(Arrow(tail=entry, head=fork.name) for entry in entries), fork.name)]
    number = 1
    for run in equal_runs(graph):
        pieces.append(drawing.piece(run, number, pieces[-1].output))
        number += len(run)
    frame = stage_frame(ledger, group, tuple(box for piece in pieces for box in piece.boxes))
    return frame, tuple(arrow for piece in pieces for arrow in piece.arrows), pieces[-1].output


def stage_frame(ledger: CostsByPath, group: DiagramSection, boxes: tuple[Box, ...]) -> Frame:
    """A stage's frame with its words and costs."""
    path, words = group.nodes[0].path, stage_label(group.stage)
    return Frame(
        name=group.name,
        boxes=boxes,
        title=words,
        lines=_contents(ledger, group.stage),
        facts=ledger.facts([path]),
        tip=ledger.tip(f"{words}, {path}", [path]),
    )


def _contents(ledger: CostsByPath, stage: str) -> tuple[str, ...]:
    """What a stage repeats, how often, and what is special: "bottleneck 128 → 256 × 3", "32 groups"."""
    blocks = ledger.blocks(stage)
    words, *special = block_notation(blocks[0]).split(", ")
    return (f"{words} × {len(blocks)}", *special)


MAX_CONNECTED = 12
"""Dense layers of a stage of which every connection can still be told from the others."""


def dense_rail(ledger: CostsByPath, prefix: str, layers: Sequence[Segment], entry: str) -> Fragment:
    """Each layer beside the rail, each join with its channels: "96 = 64 + 1·32"."""
    drawing = RunDrawer(ledger, prefix, detailed=True)
    pieces = list[Fragment]()
    for number, unit in enumerate(layers, 1):
        piece = drawing.piece([unit], number, pieces[-1].output if pieces else entry)
        box, concat = piece.boxes
        facts = ("concat", channel_growth(ledger, prefix, layers, number))
        arrows = tuple(replace(arrow, weight=50 if arrow.flow == "reuse" else 1) for arrow in piece.arrows)
        pieces.append(Fragment((_layer_box(box, number), replace(concat, facts=facts)), arrows, piece.output))
    boxes = tuple(box for piece in pieces for box in piece.boxes)
    return Fragment(boxes, tuple(arrow for piece in pieces for arrow in piece.arrows), pieces[-1].output)


def dense_connections(ledger: CostsByPath, prefix: str, layers: Sequence[Segment], entry: str) -> Fragment:
    """Each layer with an arrow from the input and from every layer before it; the last join gathers them all."""
    if len(layers) > MAX_CONNECTED:
        raise InvalidInput(
            f"dense all: {shortened(prefix)} has {len(layers)} dense layers, over the bound of {MAX_CONNECTED} of "
            "which every connection can be told apart; take dense rail."
        )
    drawing = RunDrawer(ledger, prefix, detailed=True)
    boxes, arrows, sources = list[Box](), list[Arrow](), [entry]
    for number, unit in enumerate(layers, 1):
        box = _layer_box(drawing.piece([unit], number, entry).boxes[0], number)
        joined = (f"{prefix}.{layers[number - 2][1].name}",) if number > 1 else ()
        boxes.append(replace(box, paths=(*joined, *box.paths)))
        arrows += _fan(sources, box.name)
        sources.append(box.name)
    last = f"{prefix}.{layers[-1][1].name}"
    facts = ("concat", channel_growth(ledger, prefix, layers, len(layers)))
    boxes.append(Box(name=last, role="concat", paths=(last,), facts=facts, tip=ledger.tip(last, [last])))
    return Fragment((*boxes,), (*arrows, *_fan(sources, last)), last)


def _fan(sources: Sequence[str], head: str) -> list[Arrow]:
    """An arrow from each source: the last one leads straight on, the others pass left and right by turns."""
    past: list[Arrow] = [
        Arrow(tail=tail, head=head, flow="reuse", weight=1, side="right" if place % 2 else "left")
        for place, tail in enumerate(sources[:-1])
    ]
    return [*past, Arrow(tail=sources[-1], head=head, weight=100)]


def _layer_box(box: Box, number: int) -> Box:
    return replace(box, title=f"layer {number}")


def channel_growth(ledger: CostsByPath, prefix: str, layers: Sequence[Segment], number: int) -> str:
    """Channels after that many layers: "128 = 64 + 2·32"."""
    start = ledger.rows([f"{prefix}.{layers[0][0].name}"])[0].input_shapes[0][0]
    added = ledger.rows([f"{prefix}.{layers[0][0].name}"])[-1].output_shape[0]
    total = ledger.rows([f"{prefix}.{layers[number - 1][1].name}"])[0].output_shape[0]
    uniform = total == start + number * added
    return f"{total} = {start} + {number}·{added}" if uniform else f"{total} channels"


def stage_diagram(view: DiagramSelection) -> BoxDiagram:
    """Every section in a frame of its own, in reading order; a port tells the shape that enters and leaves it."""
    cells: list[FrameCell] = []
    outputs: dict[str, str] = {}
    for group in view.groups:
        entries = tuple(outputs.get(name, "") for name in dict.fromkeys(group.nodes[0].inputs))
        cells.append(section_cell(view.ledger, group, entries))
        outputs[group.nodes[-1].path] = cells[-1].output
    arrows = tuple(arrow for cell in cells for arrow in cell.arrows)
    frames, columns = arrange_in_grid([[cell] for cell in cells])
    return BoxDiagram(
        title=view.title,
        legend=" · ".join(text for text in (facts_legend(view.look), arrow_legend(arrows)) if text),
        description=view.description,
        across=view.look.across(view.look.dense == "all"),
        frames=frames,
        arrows=arrows,
        columns=columns,
        gap=0.35 if view.look.dense == "all" else 0.12,
    )


def section_cell(ledger: CostsByPath, group: DiagramSection, entries: tuple[str, ...]) -> FrameCell:
    """A section in its frame, between a port for each tensor that it reads and one for its output."""
    first, last = group.nodes[0].path, group.nodes[-1].path
    read = dict(zip(group.nodes[0].inputs, ledger.rows([first])[0].input_shapes, strict=False))
    ins = [port_box(f"{first}.in{index or ''}", shape) for index, shape in enumerate(read.values())]
    jumps = [Arrow(tail=entry, head=box.name, flow="jump") for entry, box in zip(entries, ins, strict=True) if entry]
    frame, piece = _open_stage(ledger, group, ins[0].name) if group.whole else _closed_section(ledger, group, ins)
    out = port_box(f"{last}.out", ledger.rows([last])[-1].output_shape)
    frame = replace(frame, boxes=(*ins, *piece.boxes, out))
    return FrameCell(frame, (*jumps, *piece.arrows, Arrow(tail=piece.output, head=out.name)), out.name)


def _closed_section(ledger: CostsByPath, group: DiagramSection, ins: list[Box]) -> tuple[Frame, Fragment]:
    """A stem, transition or head: its ops in one box, its costs in the heading."""
    box, first = section_box(ledger, group), group.nodes[0].path
    frame = Frame(name=box.name, boxes=(), title=box.title or box.name, facts=ledger.facts(box.paths), tip=box.tip)
    inner = replace(box, name=first if first != box.name else f"{first}.ops", title="", facts=())
    arrows = tuple(Arrow(tail=entry.name, head=inner.name) for entry in ins)
    return frame, Fragment((inner,), arrows, inner.name)


def _open_stage(ledger: CostsByPath, group: DiagramSection, entry: str) -> tuple[Frame, Fragment]:
    graph, prefix = group.nodes[0].op, group.nodes[0].path
    assert isinstance(graph, Graph)
    single = segments(graph)
    if ledger.look.dense != "folded" and all(is_dense_layer(unit) for unit in single):
        if ledger.look.dense == "rail":
            return stage_frame(ledger, group, ()), dense_rail(ledger, prefix, single, entry)
        return Frame(name=group.name, boxes=()), dense_connections(ledger, prefix, single, entry)
    drawing, pieces, number = RunDrawer(ledger, prefix, detailed=True), list[Fragment](), 1
    for run in equal_runs(graph):
        pieces.append(drawing.piece(run, number, pieces[-1].output if pieces else entry))
        number += len(run)
    boxes = tuple(box for piece in pieces for box in piece.boxes)
    arrows = tuple(arrow for piece in pieces for arrow in piece.arrows)
    return stage_frame(ledger, group, ()), Fragment(boxes, arrows, pieces[-1].output)


def block_diagram(view: DiagramSelection) -> BoxDiagram:
    """Every distinct block with all its ops; the frames follow each other as the network's blocks do."""
    return _opened_diagram(view, folded=True)


def op_diagram(view: DiagramSelection) -> BoxDiagram:
    """Every op: as at block level, with each block drawn."""
    return _opened_diagram(view, folded=False)


def _opened_diagram(view: DiagramSelection, folded: bool) -> BoxDiagram:
    sections: list[list[FrameCell]] = []
    outputs: dict[str, str] = {}
    for group in view.groups:
        entries = tuple(outputs.get(name, "") for name in dict.fromkeys(group.nodes[0].inputs))
        if group.whole:
            sections.append(_block_stage(view.ledger, group, _runs(group.whole, folded), entries))
        else:
            sections.append([_block_section(view.ledger, group, entries)])
        outputs[group.nodes[-1].path] = sections[-1][-1].output
    arrows = tuple(arrow for cells in sections for cell in cells for arrow in cell.arrows)
    frames, columns = arrange_in_grid(sections if folded else [[cell] for cells in sections for cell in cells])
    return BoxDiagram(
        title=view.title,
        legend=" · ".join(text for text in (facts_legend(view.look), arrow_legend(arrows)) if text),
        description=view.description,
        across=view.look.across(False),
        frames=frames,
        arrows=arrows,
        columns=columns,
    )


def _runs(graph: Graph, folded: bool) -> Iterator[list[Segment]]:
    return equal_runs(graph) if folded else ([unit] for unit in segments(graph))


def _block_section(ledger: CostsByPath, group: DiagramSection, entries: tuple[str, ...]) -> FrameCell:
    parts = [FoldedNode(Node(node.path, node.op, node.inputs), (node.path,)) for node in group.nodes]
    paths = [node.path for node in group.nodes]
    words = stage_label(group.stage) if group.name == group.stage else group.name
    frame = Frame(
        name=group.name if group.name != paths[0] or isinstance(group.nodes[0].op, Graph) else f"{group.name}.frame",
        boxes=(),
        title=words or group.name,
        facts=ledger.facts(paths)["shape" in ledger.look.show :],
        tip=ledger.tip(words, paths),
    )
    return opened_cell(ledger, frame, parts, entries)


def _block_stage(
    ledger: CostsByPath, group: DiagramSection, stage: Iterator[list[Segment]], entries: tuple[str, ...]
) -> list[FrameCell]:
    cells: list[FrameCell] = []
    number = 1
    for run in stage:
        parts = _folded_nodes(group.nodes[0].path, run)
        frame = _heading(ledger, group, number, parts)
        cells.append(opened_cell(ledger, frame, parts, (cells[-1].output,) if cells else entries))
        number += len(run)
    return cells


def _folded_nodes(prefix: str, run: Sequence[Segment]) -> list[FoldedNode]:
    names = zip(*([node.name for node in unit] for unit in run), strict=True)
    return [
        FoldedNode(node, tuple(f"{prefix}.{name}" for name in same)) for node, same in zip(run[0], names, strict=True)
    ]


def _heading(ledger: CostsByPath, group: DiagramSection, number: int, parts: list[FoldedNode]) -> Frame:
    """A run's frame, still without boxes: "stage 2 · blocks 2–4", "bottleneck 128 → 512 × 3"."""
    first, times = parts[0].paths[0], len(parts[0].paths)
    unit = "dense layer" if isinstance(parts[-1].node.op, Concat) else "block"
    which = f"{unit} {number}" if times == 1 else f"{unit}s {number}–{number + times - 1}"
    block = ledger.block(first)
    words, *special = block_notation(block).split(", ") if block else ("",)
    repeated = f"{words} × {times}" if times > 1 else words
    if unit == "dense layer" and times > 1:
        special.append(channels_read_label(ledger, parts[0].paths))
    same = list(zip(*(part.paths for part in parts), strict=True))
    return Frame(
        name=first,
        boxes=(),
        title=f"{stage_label(group.stage)} · {which}",
        lines=tuple(line for line in (repeated, *special) if line),
        facts=tuple(f"each {text}" if times > 1 else text for text in ledger.each(same)),
        tip=ledger.tip(f"{stage_label(group.stage)}, {which}", [path for part in parts for path in part.paths]),
    )


def opened_cell(ledger: CostsByPath, frame: Frame, parts: list[FoldedNode], entries: tuple[str, ...]) -> FrameCell:
    """The frame with its ops between a port for each tensor that it reads and one for the output."""
    opening = FrameBuilder(ledger)
    first = parts[0]
    read = dict(zip(first.node.inputs, ledger.rows(first.paths[:1])[0].input_shapes, strict=False))
    ins = [opening.port(f"{frame.name}.in{index or ''}", shape) for index, shape in enumerate(read.values())]
    jumps = [Arrow(tail=entry, head=port.box, flow="jump") for entry, port in zip(entries, ins, strict=True) if entry]
    ends = opening.add(parts, dict(zip(read, ins, strict=True)))
    out = opening.port(f"{frame.name}.out", ledger.rows([parts[-1].paths[-1]])[-1].output_shape)
    opening.join(ends, out.box)
    return FrameCell(replace(frame, boxes=tuple(opening.boxes)), (*jumps, *opening.arrows), out.box)
