"""Blocks drawn open, op by op, each in a frame of its own: the distinct ones of each stage, or every single one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyzer.graph import Graph, Node
from analyzer.ops import Concat
from analyzer.render.diagram import Arrow, Frame, Picture
from analyzer.render.diagram_costs import Ledger
from analyzer.render.diagram_fold import Group, Unit, runs, units
from analyzer.render.diagram_grid import Cell, in_grid
from analyzer.render.diagram_open import Opening, Part
from analyzer.render.diagram_runs import reading
from analyzer.render.diagram_view import View
from analyzer.render.diagram_words import facts_legend, legend
from analyzer.render.units import stage_words
from analyzer.render.words import block_words


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
            sections.append(_stage(view.ledger, group, _runs(group.whole, folded), entries))
        else:
            sections.append([_section(view.ledger, group, entries)])
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


def _section(ledger: Ledger, group: Group, entries: tuple[str, ...]) -> Cell:
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


def _stage(ledger: Ledger, group: Group, stage: Iterator[list[Unit]], entries: tuple[str, ...]) -> list[Cell]:
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
