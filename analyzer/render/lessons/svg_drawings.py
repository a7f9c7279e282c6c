"""The lessons' SVG drawings: a convolution's windows on its map, a dense block's connections, and columns of bars."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyzer.render.lessons.computations import DenseLayerCost, SlidingWindow
from analyzer.render.lessons.svg import group, path, rect, svg_document, text
from analyzer.text.units import exact, short

_GRID = 330
"""Side of the padded map at most, in pixels."""
_LARGEST, _SMALLEST = 30, 9
_BAR, _GAP, _HEAD, _BETWEEN = 7, 3, 44, 84


def convolution_svg(slide: SlidingWindow) -> str:
    """The padded map with its kernel on the left, what it makes on the right, the positions along a side below."""
    cell = max(min(_LARGEST, _GRID // slide.padded), _SMALLEST)
    side, out = cell * slide.padded, cell * slide.positions
    below = _HEAD + side + 18
    height = below + max((_BAR + _GAP) * slide.positions + 8, 36)
    left = side + _BETWEEN
    width = left + max(out, 150) + 2
    parts = [
        text(1, 14, f"padded map, {slide.padded} × {slide.padded}", "head"),
        text(1, 32, _padding_label(slide), "quiet"),
        text(left, 14, f"output, {slide.positions} × {slide.positions}", "head"),
        text(left, 32, "point at an element", "quiet"),
        *_map(slide, cell),
        path(f"M{side + 22} {_HEAD + out / 2:.4g}h40m-6 -5l6 5l-6 5", "arrow"),
        *_positions(slide, cell, left),
        *_bars(slide, cell, below),
    ]
    return svg_document(parts, width, height, _drawing_title(slide))


def _padding_label(slide: SlidingWindow) -> str:
    zeros = "zero" if slide.padding == 1 else "zeros"
    return f"{slide.size} + 2·{slide.padding}: {slide.padding} {zeros} at each end" if slide.padding else "no padding"


def _drawing_title(slide: SlidingWindow) -> str:
    return (
        f"A map of side {slide.size}, padded to {slide.padded}, under a kernel that spans {slide.taps[-1] + 1}: "
        f"{slide.positions} positions along a side, {slide.over} places after the last one."
    )


def _map(slide: SlidingWindow, cell: int) -> Iterator[str]:
    """Every place of the padded map: its own or padding, and whether any position reads it."""
    inside = range(slide.padding, slide.padding + slide.size)
    for row in range(slide.padded):
        for column in range(slide.padded):
            kind = "map" if row in inside and column in inside else "pad"
            unread = "" if row in slide.read and column in slide.read else " unread"
            yield rect(column * cell + 1, row * cell + _HEAD, cell - 1, cell - 1, f"{kind}{unread}")


def _positions(slide: SlidingWindow, cell: int, left: int) -> Iterator[str]:
    """The output's elements, each with the window that it is made from, which shows when it is pointed at."""
    yield f'<defs><g id="window">{_window(slide, cell)}</g></defs>'
    for row, top in enumerate(slide.starts):
        for column, start in enumerate(slide.starts):
            window = f'<use class="window" href="#window" x="{start * cell + 1}" y="{top * cell + _HEAD}"/>'
            element = rect(left + column * cell + 1, row * cell + _HEAD, cell - 1, cell - 1, "out")
            yield group([window, element], "position first" if row == column == 0 else "position")


def _window(slide: SlidingWindow, cell: int) -> str:
    """What the kernel reads, and its outline, for the position at the origin."""
    squares = (f"M{x * cell} {y * cell}h{cell - 1}v{cell - 1}h{1 - cell}z" for y in slide.taps for x in slide.taps)
    span = (slide.taps[-1] + 1) * cell
    return path("".join(squares), "taps") + rect(-0.5, -0.5, span, span, "span", 2)


def _bars(slide: SlidingWindow, cell: int, below: int) -> Iterator[str]:
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


_STEP, _BOX, _HIGH, _LEFT = 62, 34, 26, 24
_BARS = 120
"""Height of the tallest column in pixels."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def dense_block_svg(layers: Sequence[DenseLayerCost]) -> str:
    """Layers in a row with an arc from each to every later one; below, the channels that each layer reads, stacked."""
    count = len(layers)
    rise = 18 + 12 * count
    trunk = 30 + rise
    bottom = trunk + _HIGH + 44 + _BARS
    end = layers[-1].reads + layers[-1].adds
    tallest = max(end, 1)
    width = _LEFT + _STEP * (count + 1) + 70
    parts = [
        text(0, 14, f"{sum(layer.number for layer in layers)} connections", "head"),
        *(_arcs(layer, trunk) for layer in layers),
        *(_node(number, trunk) for number in range(count + 1)),
        text(0, trunk + _HIGH + 28, "channels read", "head"),
        *(part for layer in layers for part in _column(layer, layers[0].reads, bottom, tallest)),
        *_block_output(layers, bottom, tallest),
    ]
    title = f"A dense block of {count} layers that add {layers[0].adds} channels each to {layers[0].reads}."
    return svg_document(parts, width, bottom + 26, title)


def _layer_x(number: int) -> float:
    """Where a layer stands; 0 is the block's input."""
    return _LEFT + _STEP * number + _BOX / 2


def _arcs(layer: DenseLayerCost, trunk: int) -> str:
    """All that a layer reads, so that pointing at the layer brings it out."""
    lines = [path(_arc(source, layer.number, trunk), "arc") for source in range(layer.number)]
    area = rect(_layer_x(layer.number) - _STEP / 2, trunk - 8, _STEP, _HIGH + 16, "hold")
    return group([area, *lines], "layer", f"layer {layer.number} reads {layer.reads} channels")


def _arc(source: int, target: int, trunk: int) -> str:
    start, end = _layer_x(source), _layer_x(target) - 5 + 10 * source / max(target, 1)
    top = trunk - 10 - 16 * (target - source)
    return f"M{start:.4g} {trunk}C{start:.4g} {top} {end:.4g} {top} {end:.4g} {trunk}"


def _node(number: int, trunk: int) -> str:
    box = rect(_layer_x(number) - _BOX / 2, trunk, _BOX, _HIGH, "unit" if number else "unit given", 5)
    words = text(_layer_x(number), trunk + 17, f"x{str(number).translate(_SUBSCRIPTS)}", "", "middle")
    return box + words


def _column(layer: DenseLayerCost, first: int, bottom: int, tallest: int) -> Iterator[str]:
    """What a layer reads: the block's input below, then what each earlier layer added."""
    yield from _stack(layer.number, [first] + [layer.adds] * (layer.number - 1), bottom, tallest)
    yield text(_layer_x(layer.number), bottom + 16, f"{layer.reads}", "quiet", "middle")


def _stack(number: int, heights: Sequence[int], bottom: int, tallest: int) -> Iterator[str]:
    y = float(bottom)
    for index, channels in enumerate(heights):
        height = _BARS * channels / tallest
        y -= height
        kind = "given" if not index else "grown" if index % 2 else "grown other"
        yield rect(_layer_x(number) - _BOX / 2, y, _BOX, max(height - 0.75, 0.5), kind)


def _block_output(layers: Sequence[DenseLayerCost], bottom: int, tallest: int) -> Iterator[str]:
    """The block's output, which the next transition reads."""
    number, last = len(layers) + 1, layers[-1]
    yield from _stack(number, [layers[0].reads] + [last.adds] * len(layers), bottom, tallest)
    yield text(_layer_x(number), bottom + 16, f"{last.reads + last.adds} out", "quiet", "middle")


_BAR_HEIGHT, _WORDS, _ROW, _TOP, _THICK = 130, 70, 26, 26, 14


class BarColumn(NamedTuple):
    """A quantity: its heading and its value in each row; the bars' full length stands for the largest of them."""

    heading: str
    values: Sequence[int]


def bars_svg(labels: Sequence[str], columns: Sequence[BarColumn], title: str) -> str:
    """The rows' labels and a bar with its number for each quantity."""
    left = 14 + max(7 * len(label) for label in labels)
    width = left + (_BAR_HEIGHT + _WORDS) * len(columns)
    parts = [text(0, _row_y(row) + 12, label) for row, label in enumerate(labels)]
    for number, column in enumerate(columns):
        parts += _bar_column(column, left + (_BAR_HEIGHT + _WORDS) * number)
    return svg_document(parts, width, _TOP + _ROW * len(labels), title)


def _row_y(row: int) -> int:
    return _TOP + _ROW * row + 4


def _bar_column(column: BarColumn, x: int) -> Iterator[str]:
    largest = max(column.values) or 1
    yield text(x, 14, column.heading, "head")
    for row, value in enumerate(column.values):
        length = max(_BAR_HEIGHT * value / largest, 1.0)
        yield f"<g><title>{exact(value)}</title>{rect(x, _row_y(row), length, _THICK, 'bar', 2)}</g>"
        yield text(x + length + 6, _row_y(row) + 12, short(value), "quiet")
