"""Labels beside points of a log–log picture, so that none lies on another, on a point or on a line."""

from collections.abc import Iterator, Sequence
from functools import partial
from math import cos, dist, exp, log, pi, sin
from typing import NamedTuple

from analyzer.render.dot_label import ems

WIDTH, HEIGHT = 680, 420
"""Pixels of the picture within its axes."""

_HALF = 8
"""Pixels that a label or a point keeps free above and below its middle."""


class Scale(NamedTuple):
    """The ranges of two logarithmic axes."""

    left: float
    right: float
    bottom: float
    top: float

    def pixels(self, x: float, y: float) -> tuple[float, float]:
        """Where a value stands, from the upper left corner."""
        across = log(x / self.left) / log(self.right / self.left)
        return WIDTH * across, HEIGHT * (1 - log(y / self.bottom) / log(self.top / self.bottom))

    def values(self, across: float, down: float) -> tuple[float, float]:
        """What stands at a pixel."""
        x = self.left * exp(across / WIDTH * log(self.right / self.left))
        return x, self.bottom * exp((1 - down / HEIGHT) * log(self.top / self.bottom))


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether they share any room."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


class Label(NamedTuple):
    """A text with its middle in pixels and its box; `led` where it is so far from its point that a line leads there.

    `edge` is where on the box that line ends.
    """

    text: str
    across: float
    down: float
    box: Box
    led: bool
    edge: tuple[float, float]


def placed(
    labels: Sequence[tuple[str, float, float]],
    lines: Sequence[tuple[float, float]],
    size: float,
    reserved: Sequence[Box] = (),
) -> list[Label]:
    """Each (text, across, down) in pixels with its text set near by, clear of all points, labels, lines and leaders.

    `lines` are points along lines to keep clear of, `reserved` is room that is taken. Where nothing near by is free
    the text stands further off, led by a line.
    """
    points = [_around(across, down, _HALF) for _, across, down in labels]
    taken = [*reserved, *points, *(_around(*point, 3) for point in lines)]
    texts, leaders = list(reserved), list[Box]()
    found: list[Label] = []
    for text, across, down in labels:
        room = _Room([*taken, *texts], texts, leaders, points)
        label = min(_candidates(text, across, down, size), key=partial(_trouble, (across, down), room))
        found.append(label)
        texts.append(label.box)
        leaders += _leader(label, (across, down))
    return found


class _Room(NamedTuple):
    """What a label should not lie on, and what its leader should not pass."""

    taken: Sequence[Box]
    texts: Sequence[Box]
    leaders: Sequence[Box]
    points: Sequence[Box]


def _trouble(point: tuple[float, float], room: _Room, label: Label) -> float:
    """How bad a place is: on something taken, on a leader, a leader across a text or a point; then how far away."""
    leader = _leader(label, point)
    return (
        1000 * _any_overlap([label.box], room.taken)
        + 300 * _any_overlap([label.box], room.leaders)
        + 300 * _any_overlap(leader, room.texts)
        + 2 * _num_overlaps(leader, room.points)
        + dist(label.edge, point)
    )


def _candidates(text: str, across: float, down: float, size: float) -> Iterator[Label]:
    """Where a text may stand within the picture, the best first."""
    half = ems(text) * size / 2 + 4
    for ring, x, y in _spots(across, down, half):
        box = Box(x - half, y - _HALF, x + half, y + _HALF)
        edge = min(max(across, box.left), box.right), min(max(down, box.top), box.bottom)
        if box.left >= 0 and box.right <= WIDTH and box.top >= 0 and box.bottom <= HEIGHT:
            yield Label(text, x, y, box, ring > 0, edge)


def _any_overlap(some: Sequence[Box], others: Sequence[Box]) -> bool:
    return any(each.overlaps(other) for each in some for other in others)


def _num_overlaps(some: Sequence[Box], others: Sequence[Box]) -> int:
    return sum(each.overlaps(other) for each in some for other in others)


def _leader(label: Label, point: tuple[float, float]) -> list[Box]:
    """Small boxes along the line from a point to its text; none where none is drawn."""
    if not label.led:
        return []
    (x0, y0), (x1, y1) = point, label.edge
    steps = max(int(max(abs(x1 - x0), abs(y1 - y0)) / 4), 1)
    return [_around(x0 + (x1 - x0) * at / steps, y0 + (y1 - y0) * at / steps, 1) for at in range(steps + 1)]


def _around(across: float, down: float, half: float) -> Box:
    return Box(across - half, down - half, across + half, down + half)


def _spots(across: float, down: float, half: float) -> Iterator[tuple[int, float, float]]:
    """Middles to try, the nearest first: right, below, left, above; then around in wider and wider rings."""
    beside = _HALF + half + 2
    for x, y in ((beside, 0), (0, 18), (-beside, 0), (0, -18), (beside, 12), (beside, -12), (-beside, 12)):
        yield 0, across + x, down + y
    for ring in range(1, 12):
        for step in range(16):
            angle = 2 * pi * step / 16
            yield ring, across + cos(angle) * (beside + 14 * ring), down + sin(angle) * 22 * ring
