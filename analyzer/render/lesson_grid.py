"""A kernel on a padded map, drawn: what each position reads, what it yields, and what is left over."""

from collections.abc import Iterator

from analyzer.cost.lessons import Slide
from analyzer.render.svg import drawing, group, path, rect, text

_GRID = 330
"""Side of the padded map at most, in pixels."""
_LARGEST, _SMALLEST = 30, 9
_BAR, _GAP, _HEAD, _BETWEEN = 7, 3, 44, 84


def grid(slide: Slide) -> str:
    """The padded map with its kernel on the left, what it makes on the right, the positions along a side below."""
    cell = max(min(_LARGEST, _GRID // slide.padded), _SMALLEST)
    side, out = cell * slide.padded, cell * slide.positions
    below = _HEAD + side + 18
    height = below + max((_BAR + _GAP) * slide.positions + 8, 36)
    left = side + _BETWEEN
    width = left + max(out, 150) + 2
    parts = [
        text(1, 14, f"padded map, {slide.padded} × {slide.padded}", "head"),
        text(1, 32, _padded_words(slide), "quiet"),
        text(left, 14, f"output, {slide.positions} × {slide.positions}", "head"),
        text(left, 32, "point at an element", "quiet"),
        *_map(slide, cell),
        path(f"M{side + 22} {_HEAD + out / 2:.4g}h40m-6 -5l6 5l-6 5", "arrow"),
        *_positions(slide, cell, left),
        *_bars(slide, cell, below),
    ]
    return drawing(parts, width, height, _words(slide))


def _padded_words(slide: Slide) -> str:
    zeros = "zero" if slide.padding == 1 else "zeros"
    return f"{slide.size} + 2·{slide.padding}: {slide.padding} {zeros} at each end" if slide.padding else "no padding"


def _words(slide: Slide) -> str:
    return (
        f"A map of side {slide.size}, padded to {slide.padded}, under a kernel that spans {slide.taps[-1] + 1}: "
        f"{slide.positions} positions along a side, {slide.over} places after the last one."
    )


def _map(slide: Slide, cell: int) -> Iterator[str]:
    """Every place of the padded map: its own or padding, and whether any position reads it."""
    inside = range(slide.padding, slide.padding + slide.size)
    for row in range(slide.padded):
        for column in range(slide.padded):
            kind = "map" if row in inside and column in inside else "pad"
            unread = "" if row in slide.read and column in slide.read else " unread"
            yield rect(column * cell + 1, row * cell + _HEAD, cell - 1, cell - 1, f"{kind}{unread}")


def _positions(slide: Slide, cell: int, left: int) -> Iterator[str]:
    """The output's elements, each with the window that it is made from, which shows when it is pointed at."""
    yield f'<defs><g id="window">{_window(slide, cell)}</g></defs>'
    for row, top in enumerate(slide.starts):
        for column, start in enumerate(slide.starts):
            window = f'<use class="window" href="#window" x="{start * cell + 1}" y="{top * cell + _HEAD}"/>'
            element = rect(left + column * cell + 1, row * cell + _HEAD, cell - 1, cell - 1, "out")
            yield group([window, element], "position first" if row == column == 0 else "position")


def _window(slide: Slide, cell: int) -> str:
    """What the kernel reads, and its outline, for the position at the origin."""
    squares = (f"M{x * cell} {y * cell}h{cell - 1}v{cell - 1}h{1 - cell}z" for y in slide.taps for x in slide.taps)
    span = (slide.taps[-1] + 1) * cell
    return path("".join(squares), "taps") + rect(-0.5, -0.5, span, span, "span", 2)


def _bars(slide: Slide, cell: int, below: int) -> Iterator[str]:
    """Each position along a side as a bar under the places that it spans, darker where it reads."""
    for number, start in enumerate(slide.starts):
        y = below + (_BAR + _GAP) * number
        yield rect(start * cell + 1, y, (slide.taps[-1] + 1) * cell - 1, _BAR, "reach", 2)
        for tap in slide.taps:
            yield rect((start + tap) * cell + 1, y, cell - 1, _BAR, "tap", 2)
    if slide.over:
        end = (slide.padded - slide.over) * cell
        yield rect(end + 1, below, slide.over * cell - 1, (_BAR + _GAP) * slide.positions - _GAP, "over", 2)
    x = slide.padded * cell + 22
    yield text(x, below + 10, f"{slide.positions} position{'s' if slide.positions > 1 else ''} along a side", "head")
    if slide.over:
        yield text(x, below + 28, f"{slide.over} left over after the last", "quiet")
