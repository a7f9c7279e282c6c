"""A dense stage with each of its layers: on a rail that grows by k at each join, or with every connection drawn."""

from collections.abc import Sequence
from dataclasses import replace

from analyzer.errors import InvalidInput, shortened
from analyzer.render.diagram import Arrow, Box
from analyzer.render.diagram_costs import Ledger
from analyzer.render.diagram_fold import Unit
from analyzer.render.diagram_runs import Piece, Runs

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
