"""What each level draws: the network on one screen, stages with distinct blocks, these drawn open, and every op."""

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


def network_diagram(selection: DiagramSelection) -> BoxDiagram:
    """Every stage with its repeats folded: equal blocks are one box, shortcuts arrows past it."""
    frames, arrows = list[Frame](), list[Arrow]()
    aligned: list[tuple[str, ...]] = []
    outputs: dict[str, str] = {}
    for section in selection.sections:
        entries = tuple(outputs[name] for name in section.nodes[0].inputs if name in outputs)
        frame, section_arrows, output = _network_section(selection.costs, section, entries)
        if frame.title and not selection.style.across(True):
            frame, guide = _heading_beside(frame)
            aligned.append((guide.tail, guide.head))
            arrows.append(guide)
        frames.append(frame)
        arrows += section_arrows
        outputs[section.nodes[-1].path] = output
    return BoxDiagram(
        title=selection.title,
        legend=arrow_legend(arrows),
        description=selection.description,
        across=selection.style.across(True),
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
    costs: CostsByPath, section: DiagramSection, entries: tuple[str, ...]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    if section.whole:
        return _network_stage(costs, section, section.whole, entries)
    box = section_box(costs, section)
    arrows = tuple(Arrow(tail=entry, head=box.name) for entry in entries)
    return Frame(name=f"{box.name}.frame", boxes=(box,)), arrows, box.name


def section_box(costs: CostsByPath, section: DiagramSection) -> Box:
    """A stem, transition or head as one box with its ops in order."""
    paths, label = tuple(node.path for node in section.nodes), stage_label(section.stage)
    return Box(
        name=section.name,
        role="transition" if isinstance(section.nodes[0].op, Graph) else "section",
        paths=paths,
        title=label,
        lines=_op_lines(row.operation for row in costs.rows(paths)),
        facts=costs.facts(paths),
        tip=costs.tip(f"{label}, {path_range(paths)}".removeprefix(", "), paths),
    )


def _op_lines(ops: Iterable[Op]) -> tuple[str, ...]:
    """The notable ops, one or two lines each; all of them where none is notable."""
    all_ops = tuple(ops)
    named = tuple(op for op in all_ops if not goes_without_saying(op)) or all_ops
    return tuple(line for op in named for line in wrapped_lines(op_notation(op)))


def _network_stage(
    costs: CostsByPath, section: DiagramSection, graph: Graph, entries: tuple[str, ...]
) -> tuple[Frame, tuple[Arrow, ...], str]:
    path, drawer = section.nodes[0].path, RunDrawer(costs, section.nodes[0].path, detailed=False)
    fork = Box(name=f"{path}.in", role="fork")
    fragments = [Fragment((fork,), tuple(Arrow(tail=entry, head=fork.name) for entry in entries), fork.name)]
    number = 1
    for run in equal_runs(graph):
        fragments.append(drawer.fragment(run, number, fragments[-1].output))
        number += len(run)
    frame = stage_frame(costs, section, tuple(box for fragment in fragments for box in fragment.boxes))
    return frame, tuple(arrow for fragment in fragments for arrow in fragment.arrows), fragments[-1].output


def stage_frame(costs: CostsByPath, section: DiagramSection, boxes: tuple[Box, ...]) -> Frame:
    """A stage's frame with its words and costs."""
    path, label = section.nodes[0].path, stage_label(section.stage)
    return Frame(
        name=section.name,
        boxes=boxes,
        title=label,
        lines=_contents(costs, section.stage),
        facts=costs.facts([path]),
        tip=costs.tip(f"{label}, {path}", [path]),
    )


def _contents(costs: CostsByPath, stage: str) -> tuple[str, ...]:
    """What a stage repeats, how often, and what is special: "bottleneck 128 → 256 × 3", "32 groups"."""
    blocks = costs.blocks(stage)
    label, *special = block_notation(blocks[0]).split(", ")
    return (f"{label} × {len(blocks)}", *special)


MAX_CONNECTED = 12
"""Dense layers of a stage of which every connection can still be made out."""


def dense_rail(costs: CostsByPath, prefix: str, layers: Sequence[Segment], entry: str) -> Fragment:
    """Each layer beside the rail, each join with its channels: "96 = 64 + 1·32"."""
    drawer = RunDrawer(costs, prefix, detailed=True)
    fragments = list[Fragment]()
    for number, unit in enumerate(layers, 1):
        fragment = drawer.fragment([unit], number, fragments[-1].output if fragments else entry)
        box, concat = fragment.boxes
        facts = ("concat", channel_growth(costs, prefix, layers, number))
        arrows = tuple(replace(arrow, weight=50 if arrow.flow == "reuse" else 1) for arrow in fragment.arrows)
        fragments.append(Fragment((_layer_box(box, number), replace(concat, facts=facts)), arrows, fragment.output))
    boxes = tuple(box for fragment in fragments for box in fragment.boxes)
    return Fragment(boxes, tuple(arrow for fragment in fragments for arrow in fragment.arrows), fragments[-1].output)


def dense_connections(costs: CostsByPath, prefix: str, layers: Sequence[Segment], entry: str) -> Fragment:
    """Each layer with an arrow from the input and from every layer before it; the last join gathers them all."""
    if len(layers) > MAX_CONNECTED:
        raise InvalidInput(
            f"dense all: {shortened(prefix)} has {len(layers)} dense layers, over the bound of {MAX_CONNECTED} of "
            "which every connection can be told apart; take dense rail."
        )
    drawer = RunDrawer(costs, prefix, detailed=True)
    boxes, arrows, sources = list[Box](), list[Arrow](), [entry]
    for number, unit in enumerate(layers, 1):
        box = _layer_box(drawer.fragment([unit], number, entry).boxes[0], number)
        joined = (f"{prefix}.{layers[number - 2][1].name}",) if number > 1 else ()
        boxes.append(replace(box, paths=(*joined, *box.paths)))
        arrows += _fan(sources, box.name)
        sources.append(box.name)
    last = f"{prefix}.{layers[-1][1].name}"
    facts = ("concat", channel_growth(costs, prefix, layers, len(layers)))
    boxes.append(Box(name=last, role="concat", paths=(last,), facts=facts, tip=costs.tip(last, [last])))
    return Fragment((*boxes,), (*arrows, *_fan(sources, last)), last)


def _fan(sources: Sequence[str], head: str) -> list[Arrow]:
    """An arrow from each source: the last one leads straight on, the others pass left and right by turns."""
    arrows: list[Arrow] = [
        Arrow(tail=tail, head=head, flow="reuse", weight=1, side="right" if number % 2 else "left")
        for number, tail in enumerate(sources[:-1])
    ]
    return [*arrows, Arrow(tail=sources[-1], head=head, weight=100)]


def _layer_box(box: Box, number: int) -> Box:
    return replace(box, title=f"layer {number}")


def channel_growth(costs: CostsByPath, prefix: str, layers: Sequence[Segment], number: int) -> str:
    """Channels after that many layers: "128 = 64 + 2·32"."""
    start = costs.rows([f"{prefix}.{layers[0][0].name}"])[0].input_shapes[0][0]
    added = costs.rows([f"{prefix}.{layers[0][0].name}"])[-1].output_shape[0]
    total = costs.rows([f"{prefix}.{layers[number - 1][1].name}"])[0].output_shape[0]
    uniform = total == start + number * added
    return f"{total} = {start} + {number}·{added}" if uniform else f"{total} channels"


def stage_diagram(selection: DiagramSelection) -> BoxDiagram:
    """Every section in a frame of its own, in reading order; a port shows the shape that enters and leaves it."""
    cells: list[FrameCell] = []
    outputs: dict[str, str] = {}
    for section in selection.sections:
        entries = tuple(outputs.get(name, "") for name in dict.fromkeys(section.nodes[0].inputs))
        cells.append(section_cell(selection.costs, section, entries))
        outputs[section.nodes[-1].path] = cells[-1].output
    arrows = tuple(arrow for cell in cells for arrow in cell.arrows)
    frames, columns = arrange_in_grid([[cell] for cell in cells])
    return BoxDiagram(
        title=selection.title,
        legend=" · ".join(text for text in (facts_legend(selection.style), arrow_legend(arrows)) if text),
        description=selection.description,
        across=selection.style.across(selection.style.dense == "all"),
        frames=frames,
        arrows=arrows,
        columns=columns,
        gap=0.35 if selection.style.dense == "all" else 0.12,
    )


def section_cell(costs: CostsByPath, section: DiagramSection, entries: tuple[str, ...]) -> FrameCell:
    """A section in its frame, between a port for each tensor that it reads and one for its output."""
    first, last = section.nodes[0].path, section.nodes[-1].path
    read = dict(zip(section.nodes[0].inputs, costs.rows([first])[0].input_shapes, strict=False))
    input_ports = [port_box(f"{first}.in{index or ''}", shape) for index, shape in enumerate(read.values())]
    jumps = _jumps(entries, [box.name for box in input_ports])
    frame, fragment = (
        _open_stage(costs, section, input_ports[0].name)
        if section.whole
        else _closed_section(costs, section, input_ports)
    )
    output_port = port_box(f"{last}.out", costs.rows([last])[-1].output_shape)
    frame = replace(frame, boxes=(*input_ports, *fragment.boxes, output_port))
    return FrameCell(
        frame, (*jumps, *fragment.arrows, Arrow(tail=fragment.output, head=output_port.name)), output_port.name
    )


def _jumps(entries: Sequence[str], ports: Sequence[str]) -> list[Arrow]:
    """An arrow from each box outside the frame to the port that its tensor enters by; "" is no box."""
    return [Arrow(tail=entry, head=port, flow="jump") for entry, port in zip(entries, ports, strict=True) if entry]


def _closed_section(costs: CostsByPath, section: DiagramSection, input_ports: list[Box]) -> tuple[Frame, Fragment]:
    """A stem, transition or head: its ops in one box, its costs in the heading."""
    box, first = section_box(costs, section), section.nodes[0].path
    frame = Frame(name=box.name, boxes=(), title=box.title or box.name, facts=costs.facts(box.paths), tip=box.tip)
    inner = replace(box, name=first if first != box.name else f"{first}.ops", title="", facts=())
    arrows = tuple(Arrow(tail=entry.name, head=inner.name) for entry in input_ports)
    return frame, Fragment((inner,), arrows, inner.name)


def _open_stage(costs: CostsByPath, section: DiagramSection, entry: str) -> tuple[Frame, Fragment]:
    graph, prefix = section.nodes[0].op, section.nodes[0].path
    assert isinstance(graph, Graph)
    units = segments(graph)
    if costs.style.dense != "folded" and all(is_dense_layer(unit) for unit in units):
        if costs.style.dense == "rail":
            return stage_frame(costs, section, ()), dense_rail(costs, prefix, units, entry)
        return Frame(name=section.name, boxes=()), dense_connections(costs, prefix, units, entry)
    drawer, fragments, number = RunDrawer(costs, prefix, detailed=True), list[Fragment](), 1
    for run in equal_runs(graph):
        fragments.append(drawer.fragment(run, number, fragments[-1].output if fragments else entry))
        number += len(run)
    boxes = tuple(box for fragment in fragments for box in fragment.boxes)
    arrows = tuple(arrow for fragment in fragments for arrow in fragment.arrows)
    return stage_frame(costs, section, ()), Fragment(boxes, arrows, fragments[-1].output)


def block_diagram(selection: DiagramSelection) -> BoxDiagram:
    """Every distinct block with all its ops; the frames follow each other as the network's blocks do."""
    return _opened_diagram(selection, folded=True)


def op_diagram(selection: DiagramSelection) -> BoxDiagram:
    """Every op: as at block level, with each block drawn."""
    return _opened_diagram(selection, folded=False)


def _opened_diagram(selection: DiagramSelection, folded: bool) -> BoxDiagram:
    sections: list[list[FrameCell]] = []
    outputs: dict[str, str] = {}
    for section in selection.sections:
        entries = tuple(outputs.get(name, "") for name in dict.fromkeys(section.nodes[0].inputs))
        if section.whole:
            sections.append(_block_stage(selection.costs, section, _runs(section.whole, folded), entries))
        else:
            sections.append([_block_section(selection.costs, section, entries)])
        outputs[section.nodes[-1].path] = sections[-1][-1].output
    arrows = tuple(arrow for cells in sections for cell in cells for arrow in cell.arrows)
    frames, columns = arrange_in_grid(sections if folded else [[cell] for cells in sections for cell in cells])
    return BoxDiagram(
        title=selection.title,
        legend=" · ".join(text for text in (facts_legend(selection.style), arrow_legend(arrows)) if text),
        description=selection.description,
        across=selection.style.across(False),
        frames=frames,
        arrows=arrows,
        columns=columns,
    )


def _runs(graph: Graph, folded: bool) -> Iterator[list[Segment]]:
    return equal_runs(graph) if folded else ([unit] for unit in segments(graph))


def _block_section(costs: CostsByPath, section: DiagramSection, entries: tuple[str, ...]) -> FrameCell:
    parts = [FoldedNode(Node(node.path, node.op, node.inputs), (node.path,)) for node in section.nodes]
    paths = [node.path for node in section.nodes]
    label = stage_label(section.stage) if section.name == section.stage else section.name
    frame = Frame(
        name=section.name
        if section.name != paths[0] or isinstance(section.nodes[0].op, Graph)
        else f"{section.name}.frame",
        boxes=(),
        title=label or section.name,
        facts=costs.facts(paths)["shape" in costs.style.show :],
        tip=costs.tip(label, paths),
    )
    return opened_cell(costs, frame, parts, entries)


def _block_stage(
    costs: CostsByPath, section: DiagramSection, stage: Iterator[list[Segment]], entries: tuple[str, ...]
) -> list[FrameCell]:
    cells: list[FrameCell] = []
    number = 1
    for run in stage:
        parts = _folded_nodes(section.nodes[0].path, run)
        frame = _heading(costs, section, number, parts)
        cells.append(opened_cell(costs, frame, parts, (cells[-1].output,) if cells else entries))
        number += len(run)
    return cells


def _folded_nodes(prefix: str, run: Sequence[Segment]) -> list[FoldedNode]:
    names = zip(*([node.name for node in unit] for unit in run), strict=True)
    return [
        FoldedNode(node, tuple(f"{prefix}.{name}" for name in same)) for node, same in zip(run[0], names, strict=True)
    ]


def _heading(costs: CostsByPath, section: DiagramSection, number: int, parts: list[FoldedNode]) -> Frame:
    """A run's frame, still without boxes: "stage 2 · blocks 2–4", "bottleneck 128 → 512 × 3"."""
    first, times = parts[0].paths[0], len(parts[0].paths)
    unit = "dense layer" if isinstance(parts[-1].node.op, Concat) else "block"
    which = f"{unit} {number}" if times == 1 else f"{unit}s {number}–{number + times - 1}"
    block = costs.block(first)
    label, *special = block_notation(block).split(", ") if block else ("",)
    repeated = f"{label} × {times}" if times > 1 else label
    if unit == "dense layer" and times > 1:
        special.append(channels_read_label(costs, parts[0].paths))
    same = list(zip(*(part.paths for part in parts), strict=True))
    return Frame(
        name=first,
        boxes=(),
        title=f"{stage_label(section.stage)} · {which}",
        lines=tuple(line for line in (repeated, *special) if line),
        facts=tuple(f"each {text}" if times > 1 else text for text in costs.each(same)),
        tip=costs.tip(f"{stage_label(section.stage)}, {which}", [path for part in parts for path in part.paths]),
    )


def opened_cell(costs: CostsByPath, frame: Frame, parts: list[FoldedNode], entries: tuple[str, ...]) -> FrameCell:
    """The frame with its ops between a port for each tensor that it reads and one for the output."""
    builder = FrameBuilder(costs)
    first = parts[0]
    read = dict(zip(first.node.inputs, costs.rows(first.paths[:1])[0].input_shapes, strict=False))
    input_ports = [builder.port(f"{frame.name}.in{index or ''}", shape) for index, shape in enumerate(read.values())]
    jumps = _jumps(entries, [port.box for port in input_ports])
    ends = builder.add(parts, dict(zip(read, input_ports, strict=True)))
    output_port = builder.port(f"{frame.name}.out", costs.rows([parts[-1].paths[-1]])[-1].output_shape)
    builder.join(ends, output_port.box)
    return FrameCell(replace(frame, boxes=tuple(builder.boxes)), (*jumps, *builder.arrows), output_port.box)
