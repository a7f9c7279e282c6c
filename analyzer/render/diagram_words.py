"""What a drawing says as a whole: title, legend, description, and lines that fit narrow boxes."""

from collections.abc import Iterable

from analyzer.cost.analysis import Analysis
from analyzer.render.diagram import Arrow, Flow
from analyzer.render.units import shape, short, stage_words
from analyzer.render.words import stage_contents

_MEANINGS: dict[Flow, str] = {
    "identity": "solid arc: identity shortcut",
    "projection": "dashed: projection shortcut",
    "zero-pad": "dashed: zero-padded shortcut",
    "reuse": "arc: the channels so far are kept, dense layer l reads k₀ + k(l − 1) and adds k",
}


def picture_title(analysis: Analysis) -> str:
    """The network's name with its input and totals."""
    size, params, macs = shape(analysis.input_shape), short(analysis.params), short(analysis.macs)
    return f"{analysis.network.title} · input {size} · {params} params · {macs} MACs"


def picture_description(analysis: Analysis) -> str:
    """The drawing in words, for those who hear it."""
    blocks = analysis.blocks
    return "; ".join(f"{stage_words(row.stage)}: {stage_contents(analysis, row, blocks)}" for row in analysis.stages)


def legend(arrows: Iterable[Arrow]) -> str:
    """What the lines of these arrows mean, as far as they need saying."""
    drawn = {arrow.flow for arrow in arrows}
    return " · ".join(words for flow, words in _MEANINGS.items() if flow in drawn)


def wrapped(text: str, limit: int = 18) -> tuple[str, ...]:
    """A text as one line, or as two of about equal length where it is longer than `limit`; a "/2" starts no line."""
    breaks = [index for index, character in enumerate(text) if character == " " and text[index + 1] != "/"]
    if len(text) <= limit or not breaks:
        return (text,)
    best = min(reversed(breaks), key=lambda index: max(index, len(text) - index - 1))
    return text[:best], text[best + 1 :]
