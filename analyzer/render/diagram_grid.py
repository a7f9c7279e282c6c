"""Frames in a grid: each is laid out by itself, so that its boxes are evenly spaced, and the grid reads like text."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

from analyzer.render.diagram import Arrow, Frame

GRID_POINTS = 1_200
"""About how wide a grid may get before it takes one more row."""

_STACKED = 2
"""Most frames of a section that stand one below the other."""


class Cell(NamedTuple):
    """A frame with its arrows, and the box that yields its output."""

    frame: Frame
    arrows: tuple[Arrow, ...]
    output: str


def in_grid(sections: Sequence[Sequence[Cell]]) -> tuple[tuple[Frame, ...], int]:
    """The frames with their cells, and the number of columns.

    A section of at most two frames is a column, first above repeated; where one has more, all stand in reading order.
    """
    if max(map(len, sections)) > _STACKED:
        sections = [[cell] for section in sections for cell in section]
    widths = [max(_points(cell) for cell in section) for section in sections]
    height = max(map(len, sections))
    columns = _columns(widths)
    frames = [
        replace(cell.frame, cell=(height * (place // columns) + row, place % columns))
        for place, section in enumerate(sections)
        for row, cell in enumerate(section)
    ]
    return tuple(sorted(frames, key=lambda frame: frame.cell)), columns


def _columns(widths: list[int]) -> int:
    """As few rows as the width allows, and those about equally long; a column is as wide as its widest frame."""
    for rows in range(1, len(widths) + 1):
        columns = ceil(len(widths) / rows)
        if sum(max(widths[start::columns]) for start in range(columns)) <= GRID_POINTS:
            return columns
    return 1


def _points(cell: Cell) -> int:
    """About how wide a frame gets."""
    widest = max([0, *(len(line) for box in cell.frame.boxes for line in (*box.lines, *box.facts))])
    flows = {arrow.flow for arrow in cell.arrows}
    opened = sum(box.role == "conv" and box.facts[:1] == ("projection",) for box in cell.frame.boxes)
    beside = 95 if opened else 60 if flows & {"projection", "zero-pad"} else 20 if flows & {"identity", "reuse"} else 0
    return max(115, 5 * widest + 30) + beside
