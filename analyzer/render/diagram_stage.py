"""Each stage from top to bottom: its distinct blocks, equal repeats folded, with what each makes and costs."""

from dataclasses import replace

from analyzer.graph import Graph
from analyzer.render.diagram import Arrow, Box, Frame, Picture
from analyzer.render.diagram_costs import Ledger
from analyzer.render.diagram_dense import every_connection, rail
from analyzer.render.diagram_fold import Group, runs, units
from analyzer.render.diagram_grid import Cell, in_grid
from analyzer.render.diagram_network import section_box, stage_frame
from analyzer.render.diagram_open import port
from analyzer.render.diagram_runs import Piece, Runs, is_dense
from analyzer.render.diagram_view import View
from analyzer.render.diagram_words import facts_legend, legend


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
    frame, piece = _stage(ledger, group, ins[0].name) if group.whole else _plain(ledger, group, ins)
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


def _stage(ledger: Ledger, group: Group, entry: str) -> tuple[Frame, Piece]:
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
