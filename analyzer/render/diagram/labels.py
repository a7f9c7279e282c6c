"""What a drawing says of a part of a network: shape, parameters and MACs, on the box and, to the unit, in its tip."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from math import fsum

from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BlockCost
from analyzer.cost.walk import OpCost
from analyzer.render.diagram.picture import Arrow, Box, BoxDiagram, Flow
from analyzer.render.diagram.style import DEFAULT_STYLE, THEMES, DiagramStyle
from analyzer.text.units import duration, exact, percent, shape, short, size_bytes

ADDITIVE_COSTS: dict[str, tuple[Callable[[OpCost], int], str]] = {
    "params": (lambda row: row.params, " params"),
    "macs": (lambda row: row.macs, " MACs"),
    "activations": (lambda row: row.activations, " activations"),
}
"""Costs that add up, with their units."""


class CostsByPath:
    """An analysis, looked up by weight path. Of equal parts that differ in their costs it gives ranges."""

    def __init__(self, analysis: Analysis, style: DiagramStyle = DEFAULT_STYLE) -> None:
        self.analysis, self.style = analysis, style
        self._rows = analysis.rows
        self._blocks = analysis.blocks
        self._extents = {span.path: (span.start, span.stop) for span in analysis.spans}
        self._extents |= {row.path: (index, index + 1) for index, row in enumerate(analysis.rows)}

    def row_ranges(self, paths: Iterable[str]) -> list[tuple[int, int]]:
        """First and last row, the latter excluded, of what is at each path."""
        return [self._extents[path] for path in paths]

    def rows(self, paths: Iterable[str]) -> list[OpCost]:
        """The ops at or below the paths, in the paths' order."""
        return [row for path in paths for row in self._rows[slice(*self._extents[path])]]

    def blocks(self, stage: str) -> list[BlockCost]:
        """The blocks of a stage, in order."""
        return [block for block in self._blocks if block.stage == stage]

    def block(self, path: str) -> BlockCost | None:
        """The block at a path."""
        return next((block for block in self._blocks if block.path == path), None)

    @cached_property
    def alive_bytes(self) -> list[int]:
        """Bytes of activations that live during each op: inference, one image, float32."""
        from analyzer.cost.memory import ITEM_BYTES, inference_bytes_by_op  # only drawings that show memory need them

        return inference_bytes_by_op(self.analysis, ITEM_BYTES["float32"])

    def peak_bytes(self, paths: Iterable[str]) -> int:
        """Most bytes of activations alive during any op at or below the paths."""
        return max(max(self.alive_bytes[slice(*extent)]) for extent in self.row_ranges(paths))

    def facts(self, paths: Sequence[str]) -> tuple[str, ...]:
        """The last output shape, then the costs of all paths together, where there are any, and the rest."""
        rows = self.rows(paths)
        first = (shape(rows[-1].output_shape),) if "shape" in self.style.show else ()
        return (*first, *self._cost_facts([rows]), *self._rest(paths, rows))

    def each(self, parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """Costs of one of several equal parts, each given by the paths that it consists of."""
        return self._cost_facts([self.rows(part) for part in parts])

    def part_facts(self, parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """Output shape, costs and the rest of one of several equal parts, each given by its paths."""
        first = (self.shapes([part[-1] for part in parts]),) if "shape" in self.style.show else ()
        costs = self.each(parts)
        cost_facts = tuple(f"each {text}" for text in costs) if len(parts) > 1 else costs
        return (*first, *cost_facts, *self._rest(parts[-1], self.rows(parts[-1])))

    def op_facts(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Output shape, costs and the rest of one of several equal ops; parameters and MACs alone share a line."""
        parts = [self.rows([path]) for path in paths]
        first = (self.shapes(paths),) if "shape" in self.style.show else ()
        pair = [name for name in self.style.show if name in ADDITIVE_COSTS] == ["params", "macs"]
        if pair and len({(part[0].params, part[0].macs) for part in parts}) == 1:
            cost_facts = self._cost_facts(parts, units=False)
            return (*first, *([" · ".join(cost_facts)] if cost_facts else []), *self._rest(paths, parts[-1]))
        return (*first, *self._cost_facts(parts), *self._rest(paths, parts[-1]))

    def _cost_facts(self, parts: Sequence[list[OpCost]], units: bool = True) -> tuple[str, ...]:
        """The costs to show, each from the first part's to the last's; zeros are left out."""
        texts = []
        for name in (name for name in ADDITIVE_COSTS if name in self.style.show):
            cost, unit = ADDITIVE_COSTS[name]
            texts.append(_range_text([sum(map(cost, rows)) for rows in parts], unit if units else ""))
        return tuple(text for text in (*texts, self._time_fact(parts)) if text)

    def _time_fact(self, parts: Sequence[list[OpCost]]) -> str:
        """Predicted time, where it is to be shown, from the first part's to the last's: "≈ 1.23 ms"."""
        if "latency" not in self.style.show:
            return ""
        first, last = self.ms(parts[0]), self.ms(parts[-1])
        ends = dict.fromkeys((duration(first), duration(last)))
        return f"≈ {' … '.join(ends)}" if first or last else ""

    def ms(self, rows: Iterable[OpCost]) -> float:
        """Predicted milliseconds of these ops together, for one batch; 0 where no device is named."""
        times = self.style.times.ms if self.style.times else {}
        return fsum(times.get(row.path, 0.0) for row in rows)

    def _rest(self, paths: Sequence[str], rows: list[OpCost]) -> tuple[str, ...]:
        """Memory, receptive field, stride and path, as far as they are to be shown."""
        last = rows[-1]
        texts: dict[str, Callable[[], str]] = {
            "memory": lambda: f"{size_bytes(self.peak_bytes(paths))} alive",
            "receptive-field": lambda: f"RF {exact(last.receptive_field)} px",
            "total-stride": lambda: f"total stride {last.total_stride}",
            "path": lambda: path_range(paths),
        }
        return tuple(text() for name, text in texts.items() if name in self.style.show)

    def elementwise_facts(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Parameters of one of several equal ops, nothing where there are none; and where memory is to be shown, it."""
        params = (
            _range_text([self.rows([path])[0].params for path in paths], " params")
            if "params" in self.style.show
            else ""
        )
        time_fact = self._time_fact([self.rows([path]) for path in paths])
        memory = f"{size_bytes(self.peak_bytes(paths))} alive" if "memory" in self.style.show else ""
        return tuple(text for text in (params, time_fact, memory) if text)

    def shapes(self, paths: Sequence[str]) -> str:
        """Output shape of one of several equal ops; where it changes, channels from first to last: "96 … 256×56×56"."""
        first, last = (self.rows([path])[-1].output_shape for path in (paths[0], paths[-1]))
        return shape(last) if first == last else f"{first[0]} … {shape(last)}"

    def tip(self, words: str, paths: Sequence[str]) -> str:
        """One sentence with the exact numbers."""
        rows = self.rows(paths)
        params, macs = (exact(sum(map(ADDITIVE_COSTS[name][0], rows))) for name in ("params", "macs"))
        time_note = f", predicted {duration(self.ms(rows))}" if self.style.times else ""
        together = " together" if len(paths) > 1 else ""
        return f"{words}: output {shape(rows[-1].output_shape)}, {params} parameters, {macs} MACs{time_note}{together}"


def _range_text(numbers: Sequence[int], unit: str) -> str:
    if not any(numbers):
        return ""
    first, last = short(numbers[0]), short(numbers[-1])
    return f"{first}{unit}" if first == last else f"{first} … {last}{unit}"


def path_range(paths: Sequence[str]) -> str:
    """The first path, or first to last: "layer1.1 to layer1.5"."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"


_FLOW_MEANINGS: dict[Flow, str] = {
    "identity": "solid arc: identity shortcut",
    "projection": "dashed: projection shortcut",
    "zero-pad": "dashed: zero-padded shortcut",
    "reuse": "arc: the channels so far are kept, dense layer l reads k₀ + k(l − 1) and adds k",
}


_FACT_NAMES = {
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


def facts_legend(style: DiagramStyle) -> str:
    """What the small print on the boxes is."""
    names = ", ".join(_FACT_NAMES[name] for name in _FACT_NAMES if name in style.show)
    return f"on the boxes: {names.replace('parameters, MACs', 'parameters · MACs')}" if names else ""


def times_legend(style: DiagramStyle) -> str:
    """Where and how the network would run, in a drawing that shows latency."""
    if style.times is None or not ("latency" in style.show or style.heat == "latency"):
        return ""
    return f"latency: predicted, not measured, of one batch on {style.times.words}; an op's own has no interval"


def arrow_legend(arrows: Iterable[Arrow]) -> str:
    """What the lines of these arrows mean, as far as they need saying."""
    flows = {arrow.flow for arrow in arrows}
    meanings = " · ".join(words for flow, words in _FLOW_MEANINGS.items() if flow in flows)
    return meanings.replace("projection shortcut · dashed: zero-padded", "projection or zero-padded")


def wrapped_lines(text: str, limit: int = 18) -> tuple[str, ...]:
    """A text as one line, or as two of about equal length where it is longer than `limit`; a "/2" starts no line."""
    breaks = [index for index, character in enumerate(text) if character == " " and text[index + 1] != "/"]
    if len(text) <= limit or not breaks:
        return (text,)
    best = min(reversed(breaks), key=lambda index: max(index, len(text) - index - 1))
    return text[:best], text[best + 1 :]


_SHADES = len(THEMES["light"].heats)
_ROLES = ("section", "transition", "block", "conv", "pool", "slim", "concat")
HEAT_LABELS = {"params": "parameters", "macs": "MACs", "activations": "activations"} | {
    "latency": "predicted latency",
    "memory": "memory",
}


def with_heat(diagram: BoxDiagram, costs: CostsByPath) -> BoxDiagram:
    """The picture with each box shaded by its share of the whole network, all repeats together, and the share on it."""
    share, caption = _share_of_network(costs)
    shares = {box.name: share(box) for box in diagram.boxes if box.paths and box.role in _ROLES}
    largest = max(shares.values(), default=0.0) or 1.0
    frames = tuple(
        replace(frame, boxes=tuple(_shaded_box(box, shares.get(box.name), largest) for box in frame.boxes))
        for frame in diagram.frames
    )
    return replace(diagram, frames=frames, scale=(caption, *_ranges(largest)))


def _share_of_network(costs: CostsByPath) -> tuple[Callable[[Box], float], str]:
    """Share of a box, from 0 to 1, and the words for it."""
    heat = str(costs.style.heat)
    if heat == "memory":
        peak = max(costs.alive_bytes)
        words = f"shade: activation memory alive, as a share of the peak, {size_bytes(peak)}:"
        return lambda box: costs.peak_bytes(box.paths) / peak, words
    if heat == "latency":
        ms = costs.ms(costs.analysis.rows)
        words = f"shade: share of the network's predicted latency, {duration(ms)}, repeats together:"
        return lambda box: costs.ms(costs.rows(box.paths)) / (ms or 1.0), words
    cost, _ = ADDITIVE_COSTS[heat]
    total = sum(map(cost, costs.analysis.rows)) or 1
    words = f"shade: share of the network's {HEAT_LABELS[heat]}, repeats together:"
    return lambda box: sum(map(cost, costs.rows(box.paths))) / total, words


def _shaded_box(box: Box, share: float | None, largest: float) -> Box:
    if share is None:
        return box
    share_fact = (f"{percent(share, 1)} %",) if share else ()
    return replace(box, heat=min(int(share / largest * _SHADES), _SHADES - 1), facts=(*box.facts, *share_fact))


def _ranges(largest: float) -> list[str]:
    """What each shade stands for: "0–4 %"."""
    bounds = [percent(largest * step / _SHADES, 1) for step in range(_SHADES + 1)]
    return [f"{low}–{high} %" for low, high in pairwise(bounds)]
