"""The distinct blocks of each stage drawn open, op by op, each in a frame of its own, in rows like lines of text."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.graph import Graph, Node
from analyzer.ops import Concat
from analyzer.render.diagram import Arrow, Frame, Picture
from analyzer.render.diagram_costs import Ledger
from analyzer.render.diagram_fold import Group, Unit, groups, runs
from analyzer.render.diagram_open import Opening, Part
from analyzer.render.diagram_words import legend, picture_description, picture_title
from analyzer.render.units import stage_words
from analyzer.render.words import block_words

_ROW_POINTS = 900
"""About how wide a row of frames may get before the drawing takes one more row."""


class _Cell(NamedTuple):
    """A frame with its arrows, and the box that yields its output."""

    frame: Frame
    arrows: tuple[Arrow, ...]
    output: str


def block_picture(analysis: Analysis) -> Picture:
    """Every distinct block with all its ops; the frames follow each other as the network's blocks do."""
    ledger = Ledger(analysis)
    lines: list[list[_Cell]] = []
    outputs: dict[str, str] = {}
    grouped = groups(analysis.network.graph)
    for index, group in enumerate(grouped):
        entries = tuple(outputs.get(name, "") for name in group.nodes[0].inputs)
        cells = _stage(ledger, group, group.whole, entries) if group.whole else [_section(ledger, group, entries)]
        outputs[group.nodes[-1].path] = cells[-1].output
        if lines and (not group.whole or (index == 1 and not grouped[0].whole)):
            lines[-1] += cells
        else:
            lines.append(cells)
    arrows = tuple(arrow for cells in lines for cell in cells for arrow in cell.arrows)
    return Picture(
        title=picture_title(analysis),
        legend=f"on the boxes: output shape, parameters · MACs · {legend(arrows)}".removesuffix(" · "),
        description=picture_description(analysis),
        across=False,
        frames=_in_rows(lines),
        arrows=arrows,
    )


def _in_rows(lines: list[list[_Cell]]) -> tuple[Frame, ...]:
    """The frames with their rows: a stage stays in one row, and rows are about equally wide."""
    widths = [sum(_points(cell) for cell in cells) for cells in lines]
    target = sum(widths) / ceil(sum(widths) / _ROW_POINTS)
    frames: list[Frame] = []
    row, filled = 0, 0.0
    for cells, width in zip(lines, widths, strict=True):
        if filled and filled + width / 2 > target:
            row, filled = row + 1, 0.0
        filled += width
        frames += [replace(cell.frame, row=row) for cell in cells]
    return tuple(frames)


def _points(cell: _Cell) -> int:
    """About how wide a frame gets."""
    flows = {arrow.flow for arrow in cell.arrows}
    if flows & {"projection", "zero-pad"}:
        return 225
    return 140 if flows & {"identity", "reuse"} else 115


def _section(ledger: Ledger, group: Group, entries: tuple[str, ...]) -> _Cell:
    parts = [Part(Node(node.path, node.op, node.inputs), (node.path,)) for node in group.nodes]
    paths = [node.path for node in group.nodes]
    words = stage_words(group.stage)
    frame = Frame(
        name=group.name,
        boxes=(),
        title=words or group.name,
        facts=ledger.facts(paths)[1:],
        tip=ledger.tip(words, paths),
    )
    return _opened(ledger, frame, parts, entries)


def _stage(ledger: Ledger, group: Group, graph: Graph, entries: tuple[str, ...]) -> list[_Cell]:
    cells: list[_Cell] = []
    number = 1
    for run in runs(graph):
        parts = _parts(group.nodes[0].path, run)
        frame = _heading(ledger, group, number, parts)
        cells.append(_opened(ledger, frame, parts, (cells[-1].output,) if cells else entries))
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
        special.append(_reading(ledger, parts[0].paths))
    units = list(zip(*(part.paths for part in parts), strict=True))
    return Frame(
        name=first,
        boxes=(),
        title=f"{stage_words(group.stage)} · {which}",
        lines=tuple(line for line in (repeated, *special) if line),
        facts=tuple(f"each {text}" if times > 1 else text for text in ledger.each(units)),
        tip=ledger.tip(f"{stage_words(group.stage)}, {which}", [path for part in parts for path in part.paths]),
    )


def _reading(ledger: Ledger, layers: Sequence[str]) -> str:
    """Channels that dense layer l reads: "reads 64 + 32(l − 1)"."""
    first, second = (ledger.rows([path])[0].input_shapes[0][0] for path in layers[:2])
    return f"reads {first} + {second - first}(l − 1)"


def _read(parts: list[Part]) -> list[str]:
    """What the parts read from before them."""
    inside = {part.node.name for part in parts}
    return [name for part in parts for name in part.node.inputs if name not in inside]


def _opened(ledger: Ledger, frame: Frame, parts: list[Part], entries: tuple[str, ...]) -> _Cell:
    """The frame with its ops between a port for each input and one for the output."""
    opening = Opening(ledger)
    read = ledger.rows([parts[0].paths[0]])[0].input_shapes
    ins = [opening.port(f"{frame.name}.in{index or ''}", shape) for index, shape in enumerate(read[: len(entries)])]
    jumps = [Arrow(tail=entry, head=port.box, flow="jump") for entry, port in zip(entries, ins, strict=True) if entry]
    ends = opening.add(parts, dict(zip(dict.fromkeys(_read(parts)), ins, strict=True)))
    out = opening.port(f"{frame.name}.out", ledger.rows([parts[-1].paths[-1]])[-1].output_shape)
    opening.join(ends, out.box)
    return _Cell(replace(frame, boxes=tuple(opening.boxes)), (*jumps, *opening.arrows), out.box)
