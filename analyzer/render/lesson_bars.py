"""Bars side by side: one row a stage, layer or choice, one column a quantity with a scale of its own."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyzer.render.svg import drawing, rect, text
from analyzer.render.units import exact, short

_BAR, _WORDS, _ROW, _TOP, _THICK = 130, 70, 26, 26, 14


class Column(NamedTuple):
    """A quantity: its heading and its value in each row; the bars' full length stands for the largest of them."""

    heading: str
    values: Sequence[int]


def bars(labels: Sequence[str], columns: Sequence[Column], title: str) -> str:
    """The rows' labels and a bar with its number for each quantity."""
    left = 14 + max(7 * len(label) for label in labels)
    width = left + (_BAR + _WORDS) * len(columns)
    parts = [text(0, _place(row) + 12, label) for row, label in enumerate(labels)]
    for number, column in enumerate(columns):
        parts += _column(column, left + (_BAR + _WORDS) * number)
    return drawing(parts, width, _TOP + _ROW * len(labels), title)


def _place(row: int) -> int:
    return _TOP + _ROW * row + 4


def _column(column: Column, x: int) -> Iterator[str]:
    largest = max(column.values) or 1
    yield text(x, 14, column.heading, "head")
    for row, value in enumerate(column.values):
        length = max(_BAR * value / largest, 1.0)
        yield f"<g><title>{exact(value)}</title>{rect(x, _place(row), length, _THICK, 'bar', 2)}</g>"
        yield text(x + length + 6, _place(row) + 12, short(value), "quiet")
