"""ResNeXt's three equal forms of one block side by side, in the notation of Xie et al. 2017, Figure 3."""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.cost.analysis import analyze
from analyzer.families.aggregated import TITLES, Form, cardinality, forms
from analyzer.graph import INPUT, Graph
from analyzer.ops import Concat, Conv2d
from analyzer.render.diagram import Arrow, Box, Frame
from analyzer.render.diagram_costs import Ledger
from analyzer.render.diagram_grid import Cell
from analyzer.render.diagram_look import Look
from analyzer.render.diagram_open import role
from analyzer.render.diagram_short import Short, Tie, shortened_graph

_MOST = 3
"""So many paths are drawn at most; of more, the first two and the last."""


def form_cells(block: Graph, side: int, look: Look) -> list[Cell]:
    """A frame for each form (a), (b), (c) of a block that reads a map of that side."""
    return [_cell(form, cardinality(block), side, look) for form in forms(block)]


def _cell(form: Form, count: int, side: int, look: Look) -> Cell:
    ledger = Ledger(analyze(form.graph, side), look)
    first, last = ledger.analysis.rows[0], ledger.analysis.rows[-1]
    drawn = [short for short in shortened_graph(form.graph) if _shown(short.path, count)]
    boxes = [_port("in", f"{first.input_shapes[0][0]}-d in")]
    arrows: list[Arrow] = []
    for short in drawn:
        if count > _MOST and _number(short.path) == count - 1 and "elided" not in {box.name for box in boxes}:
            boxes.append(_port("elided", f"… total {count} paths …"))
            arrows.append(Arrow(tail="in", head="elided"))
        boxes.append(_box(short, ledger))
        arrows += _arrows(short, count)
    boxes.append(_port("out", f"{last.output_shape[0]}-d out"))
    arrows.append(Arrow(tail=drawn[-1].path, head="out"))
    frame = Frame(name=form.letter, boxes=tuple(boxes), title=f"({form.letter})", lines=(TITLES[form.letter],))
    return Cell(frame, tuple(arrows), "out")


def _port(name: str, words: str) -> Box:
    return Box(name=name, role="port", lines=(words,))


def _number(path: str) -> int | None:
    """Number of the path that an op lies on."""
    head, _, rest = path.partition(".")
    return int(head.removeprefix("path")) if rest and head.startswith("path") else None


def _shown(path: str, count: int) -> bool:
    return _number(path) in (None, 0, 1, count - 1)


def _joins(short: Short, count: int) -> bool:
    """Whether an op joins all paths, those between the second and the last being told in words."""
    return sum(_number(tie.tail) is not None for tie in short.ties) == count


def _box(short: Short, ledger: Ledger) -> Box:
    box = Box(name=short.path, role=role(short.op), paths=(short.path,), tip=ledger.tip(short.path, [short.path]))
    if not isinstance(short.op, Conv2d):
        return replace(box, facts=("concatenate",)) if isinstance(short.op, Concat) else replace(box, title="+")
    conv = short.op
    grouped = (f"group = {conv.groups}",) if conv.groups > 1 else ()
    return replace(box, lines=(f"{conv.in_channels}, {conv.kernel}×{conv.kernel}, {conv.out_channels}", *grouped))


def _arrows(short: Short, count: int) -> Iterator[Arrow]:
    if count > _MOST and _joins(short, count):
        yield Arrow(tail="elided", head=short.path)
    for tie in short.ties:
        if _shown(tie.tail, count):
            along = _number(tie.tail) is not None and _number(short.path) is not None
            yield Arrow(tail=_end(tie), head=short.path, flow=tie.flow, weight=100 if along else None)


def _end(tie: Tie) -> str:
    return "in" if tie.tail == INPUT else tie.tail
