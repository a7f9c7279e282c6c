"""What a drawing says as a whole: its legend, and lines that fit narrow boxes."""

from collections.abc import Iterable

from analyzer.render.diagram import Arrow, Flow
from analyzer.render.diagram_look import Look

_MEANINGS: dict[Flow, str] = {
    "identity": "solid arc: identity shortcut",
    "projection": "dashed: projection shortcut",
    "zero-pad": "dashed: zero-padded shortcut",
    "reuse": "arc: the channels so far are kept, dense layer l reads k₀ + k(l − 1) and adds k",
}


_SAID = {
    "shape": "output shape",
    "params": "parameters",
    "macs": "MACs",
    "activations": "activations",
    "latency": "≈: predicted latency",
    "memory": "activation memory alive (inference, one image, float32)",
    "receptive-field": "RF: receptive field",
    "total-stride": "total stride",
    "path": "weight path",
}


def facts_legend(look: Look) -> str:
    """What the small print on the boxes is."""
    said = ", ".join(_SAID[name] for name in _SAID if name in look.show)
    return f"on the boxes: {said.replace('parameters, MACs', 'parameters · MACs')}" if said else ""


def times_legend(look: Look) -> str:
    """Where and how the network would run, in a drawing that tells latency."""
    if look.times is None or not ("latency" in look.show or look.heat == "latency"):
        return ""
    return f"latency: predicted, not measured, of one batch on {look.times.words}; an op's own has no interval"


def legend(arrows: Iterable[Arrow]) -> str:
    """What the lines of these arrows mean, as far as they need saying."""
    drawn = {arrow.flow for arrow in arrows}
    told = " · ".join(words for flow, words in _MEANINGS.items() if flow in drawn)
    return told.replace("projection shortcut · dashed: zero-padded", "projection or zero-padded")


def wrapped(text: str, limit: int = 18) -> tuple[str, ...]:
    """A text as one line, or as two of about equal length where it is longer than `limit`; a "/2" starts no line."""
    breaks = [index for index, character in enumerate(text) if character == " " and text[index + 1] != "/"]
    if len(text) <= limit or not breaks:
        return (text,)
    best = min(reversed(breaks), key=lambda index: max(index, len(text) - index - 1))
    return text[:best], text[best + 1 :]
