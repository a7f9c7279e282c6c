"""Shades: how much of the network's parameters, MACs, activations or memory is in each box, as colour and in words."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from analyzer.render.diagram import Box, Picture
from analyzer.render.diagram_costs import SUMMED, Ledger
from analyzer.render.diagram_look import THEMES
from analyzer.render.units import duration, percent, size_bytes

_SHADES = len(THEMES["light"].heats)
_ROLES = ("section", "transition", "block", "conv", "pool", "slim", "concat")
HEAT_WORDS = {"params": "parameters", "macs": "MACs", "activations": "activations"} | {
    "latency": "predicted latency",
    "memory": "memory",
}


def heated(picture: Picture, ledger: Ledger) -> Picture:
    """The picture with each box shaded by its share of the whole network, all repeats together, and the share on it."""
    share, words = _measure(ledger)
    shares = {box.name: share(box) for box in picture.boxes if box.paths and box.role in _ROLES}
    most = max(shares.values(), default=0.0) or 1.0
    frames = tuple(
        replace(frame, boxes=tuple(_shaded(box, shares.get(box.name), most) for box in frame.boxes))
        for frame in picture.frames
    )
    return replace(picture, frames=frames, scale=(words, *_ranges(most)))


def _measure(ledger: Ledger) -> tuple[Callable[[Box], float], str]:
    """Share of a box, from 0 to 1, and the words for it."""
    heat = str(ledger.look.heat)
    if heat == "memory":
        peak = max(ledger.alive_bytes)
        words = f"shade: activation memory alive, as a share of the peak, {size_bytes(peak)}:"
        return lambda box: ledger.peak_bytes(box.paths) / peak, words
    if heat == "latency":
        ms = ledger.ms(ledger.analysis.rows)
        words = f"shade: share of the network's predicted latency, {duration(ms)}, repeats together:"
        return lambda box: ledger.ms(ledger.rows(box.paths)) / (ms or 1.0), words
    cost, _ = SUMMED[heat]
    whole = sum(map(cost, ledger.analysis.rows)) or 1
    words = f"shade: share of the network's {HEAT_WORDS[heat]}, repeats together:"
    return lambda box: sum(map(cost, ledger.rows(box.paths))) / whole, words


def _shaded(box: Box, share: float | None, most: float) -> Box:
    if share is None:
        return box
    told = (f"{percent(share, 1)} %",) if share else ()
    return replace(box, heat=min(int(share / most * _SHADES), _SHADES - 1), facts=(*box.facts, *told))


def _ranges(most: float) -> list[str]:
    """What each shade stands for: "0–4 %"."""
    bounds = [percent(most * step / _SHADES, 1) for step in range(_SHADES + 1)]
    return [f"{low}–{high} %" for low, high in pairwise(bounds)]
