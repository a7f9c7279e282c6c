"""The network on one screen, from left to right: stem, stages with first and repeated blocks, transitions, head."""

from collections.abc import Iterable
from dataclasses import replace

from analyzer.graph import Graph
from analyzer.ops import Op
from analyzer.render.diagram import Arrow, Box, Frame, Picture
from analyzer.render.diagram_costs import Ledger, span_words
from analyzer.render.diagram_fold import Group, runs
from analyzer.render.diagram_runs import Piece, Runs
from analyzer.render.diagram_view import View
from analyzer.render.diagram_words import legend, wrapped
from analyzer.render.units import stage_words
from analyzer.render.words import block_words, goes_without_saying, op_words


def network_picture(view: View) -> Picture:
    """Every stage with its repeats folded: equal blocks are one box, shortcuts arrows past it."""
    frames, arrows = list[Frame](), list[Arrow]()
    aligned: list[tuple[str, ...]] = []
    outputs: dict[str, str] = {}
    for group in view.groups:
        entries = tuple(outputs[name] for name in group.nodes[0].inputs if name in outputs)
        frame, inside, output = _section(view.ledger, group, entries)
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


def _section(ledger: Ledger, group: Group, entries: tuple[str, ...]) -> tuple[Frame, tuple[Arrow, ...], str]:
    if group.whole:
        return _stage(ledger, group, group.whole, entries)
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


def _stage(
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
