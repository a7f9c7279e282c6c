"""A dense block drawn: every connection from layer to layer, and below each layer what it reads."""

from collections.abc import Iterator, Sequence

from analyzer.cost.lessons import DenseInput
from analyzer.render.svg import drawing, group, path, rect, text

_STEP, _BOX, _HIGH, _LEFT = 62, 34, 26, 24
_BARS = 120
"""Height of the tallest column in pixels."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def dense_block(layers: Sequence[DenseInput]) -> str:
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
        *_end(layers, bottom, tallest),
    ]
    said = f"A dense block of {count} layers that add {layers[0].adds} channels each to {layers[0].reads}."
    return drawing(parts, width, bottom + 26, said)


def _middle(number: int) -> float:
    """Where a layer stands; 0 is the block's input."""
    return _LEFT + _STEP * number + _BOX / 2


def _arcs(layer: DenseInput, trunk: int) -> str:
    """All that a layer reads, so that pointing at the layer brings it out."""
    lines = [path(_arc(source, layer.number, trunk), "arc") for source in range(layer.number)]
    hidden = rect(_middle(layer.number) - _STEP / 2, trunk - 8, _STEP, _HIGH + 16, "hold")
    return group([hidden, *lines], "layer", f"layer {layer.number} reads {layer.reads} channels")


def _arc(source: int, target: int, trunk: int) -> str:
    start, end = _middle(source), _middle(target) - 5 + 10 * source / max(target, 1)
    top = trunk - 10 - 16 * (target - source)
    return f"M{start:.4g} {trunk}C{start:.4g} {top} {end:.4g} {top} {end:.4g} {trunk}"


def _node(number: int, trunk: int) -> str:
    box = rect(_middle(number) - _BOX / 2, trunk, _BOX, _HIGH, "unit" if number else "unit given", 5)
    words = text(_middle(number), trunk + 17, f"x{str(number).translate(_SUBSCRIPTS)}", "", "middle")
    return box + words


def _column(layer: DenseInput, first: int, bottom: int, tallest: int) -> Iterator[str]:
    """What a layer reads: the block's input below, then what each earlier layer added."""
    yield from _stack(layer.number, [first] + [layer.adds] * (layer.number - 1), bottom, tallest)
    yield text(_middle(layer.number), bottom + 16, f"{layer.reads}", "quiet", "middle")


def _stack(number: int, heights: Sequence[int], bottom: int, tallest: int) -> Iterator[str]:
    y = float(bottom)
    for place, channels in enumerate(heights):
        height = _BARS * channels / tallest
        y -= height
        kind = "given" if not place else "grown" if place % 2 else "grown other"
        yield rect(_middle(number) - _BOX / 2, y, _BOX, max(height - 0.75, 0.5), kind)


def _end(layers: Sequence[DenseInput], bottom: int, tallest: int) -> Iterator[str]:
    """The block's output, which the next transition reads."""
    number, last = len(layers) + 1, layers[-1]
    yield from _stack(number, [layers[0].reads] + [last.adds] * len(layers), bottom, tallest)
    yield text(_middle(number), bottom + 16, f"{last.reads + last.adds} out", "quiet", "middle")
