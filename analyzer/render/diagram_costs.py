"""What a drawing says of a part of a network: shape, parameters and MACs, on the box and, to the unit, in its tip."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from math import fsum

from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BlockRow
from analyzer.cost.walk import Row
from analyzer.render.diagram_look import DEFAULT, Look
from analyzer.render.units import duration, exact, shape, short, size_bytes

SUMMED: dict[str, tuple[Callable[[Row], int], str]] = {
    "params": (lambda row: row.params, " params"),
    "macs": (lambda row: row.macs, " MACs"),
    "activations": (lambda row: row.activations, " activations"),
}
"""Costs that add up, with their units."""


class Ledger:
    """An analysis, looked up by weight path. Of equal parts that differ in their costs, ranges are told."""

    def __init__(self, analysis: Analysis, look: Look = DEFAULT) -> None:
        self.analysis, self.look = analysis, look
        self._rows = analysis.rows
        self._blocks = analysis.blocks
        self._extents = {span.path: (span.start, span.stop) for span in analysis.spans}
        self._extents |= {row.path: (index, index + 1) for index, row in enumerate(analysis.rows)}

    def extents(self, paths: Iterable[str]) -> list[tuple[int, int]]:
        """First and last row, the latter excluded, of what is at each path."""
        return [self._extents[path] for path in paths]

    def rows(self, paths: Iterable[str]) -> list[Row]:
        """The ops at or below the paths, in the paths' order."""
        return [row for path in paths for row in self._rows[slice(*self._extents[path])]]

    def blocks(self, stage: str) -> list[BlockRow]:
        """The blocks of a stage, in order."""
        return [block for block in self._blocks if block.stage == stage]

    def block(self, path: str) -> BlockRow | None:
        """The block at a path."""
        return next((block for block in self._blocks if block.path == path), None)

    @cached_property
    def alive_bytes(self) -> list[int]:
        """Bytes of activations that live during each op: inference, one image, float32."""
        from analyzer.cost.memory import ITEM_BYTES, inference_levels  # only drawings that tell memory need them

        return inference_levels(self.analysis, ITEM_BYTES["float32"])

    def peak_bytes(self, paths: Iterable[str]) -> int:
        """Most bytes of activations alive during any op at or below the paths."""
        return max(max(self.alive_bytes[slice(*extent)]) for extent in self.extents(paths))

    def facts(self, paths: Sequence[str]) -> tuple[str, ...]:
        """The last output shape, then the costs of all paths together, where there are any, and the rest."""
        rows = self.rows(paths)
        first = (shape(rows[-1].output_shape),) if "shape" in self.look.show else ()
        return (*first, *self._counted([rows]), *self._rest(paths, rows))

    def each(self, parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """Costs of one of several equal parts, each given by the paths that it consists of."""
        return self._counted([self.rows(part) for part in parts])

    def part_facts(self, parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """Output shape, costs and the rest of one of several equal parts, each given by its paths."""
        first = (self.shapes([part[-1] for part in parts]),) if "shape" in self.look.show else ()
        each = self.each(parts)
        counted = tuple(f"each {text}" for text in each) if len(parts) > 1 else each
        return (*first, *counted, *self._rest(parts[-1], self.rows(parts[-1])))

    def op_facts(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Output shape, costs and the rest of one of several equal ops; parameters and MACs alone share a line."""
        parts = [self.rows([path]) for path in paths]
        first = (self.shapes(paths),) if "shape" in self.look.show else ()
        pair = [name for name in self.look.show if name in SUMMED] == ["params", "macs"]
        if pair and len({(part[0].params, part[0].macs) for part in parts}) == 1:
            counted = self._counted(parts, units=False)
            return (*first, *([" · ".join(counted)] if counted else []), *self._rest(paths, parts[-1]))
        return (*first, *self._counted(parts), *self._rest(paths, parts[-1]))

    def _counted(self, parts: Sequence[list[Row]], units: bool = True) -> tuple[str, ...]:
        """The costs to show, each from the first part's to the last's; zeros are left out."""
        texts = []
        for name in (name for name in SUMMED if name in self.look.show):
            cost, unit = SUMMED[name]
            texts.append(_from_to([sum(map(cost, rows)) for rows in parts], unit if units else ""))
        return tuple(text for text in (*texts, self._timed(parts)) if text)

    def _timed(self, parts: Sequence[list[Row]]) -> str:
        """Predicted time, where it is to be shown, from the first part's to the last's: "≈ 1.23 ms"."""
        if "latency" not in self.look.show:
            return ""
        first, last = self.ms(parts[0]), self.ms(parts[-1])
        ends = dict.fromkeys((duration(first), duration(last)))
        return f"≈ {' … '.join(ends)}" if first or last else ""

    def ms(self, rows: Iterable[Row]) -> float:
        """Predicted milliseconds of these ops together, for one batch; 0 where no device is named."""
        times = self.look.times.ms if self.look.times else {}
        return fsum(times.get(row.path, 0.0) for row in rows)

    def _rest(self, paths: Sequence[str], rows: list[Row]) -> tuple[str, ...]:
        """Memory, receptive field, stride and path, as far as they are to be shown."""
        last = rows[-1]
        made: dict[str, Callable[[], str]] = {
            "memory": lambda: f"{size_bytes(self.peak_bytes(paths))} alive",
            "receptive-field": lambda: f"RF {exact(last.receptive_field)} px",
            "total-stride": lambda: f"total stride {last.total_stride}",
            "path": lambda: span_words(paths),
        }
        return tuple(text() for name, text in made.items() if name in self.look.show)

    def slim_facts(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Parameters of one of several equal ops, nothing where there are none; and where memory is to be shown, it."""
        params = (
            _from_to([self.rows([path])[0].params for path in paths], " params") if "params" in self.look.show else ""
        )
        timed = self._timed([self.rows([path]) for path in paths])
        memory = f"{size_bytes(self.peak_bytes(paths))} alive" if "memory" in self.look.show else ""
        return tuple(text for text in (params, timed, memory) if text)

    def shapes(self, paths: Sequence[str]) -> str:
        """Output shape of one of several equal ops; where it changes, channels from first to last: "96 … 256×56×56"."""
        first, last = (self.rows([path])[-1].output_shape for path in (paths[0], paths[-1]))
        return shape(last) if first == last else f"{first[0]} … {shape(last)}"

    def tip(self, words: str, paths: Sequence[str]) -> str:
        """One sentence with the exact numbers."""
        rows = self.rows(paths)
        params, macs = (exact(sum(map(SUMMED[name][0], rows))) for name in ("params", "macs"))
        timed = f", predicted {duration(self.ms(rows))}" if self.look.times else ""
        together = " together" if len(paths) > 1 else ""
        return f"{words}: output {shape(rows[-1].output_shape)}, {params} parameters, {macs} MACs{timed}{together}"


def _from_to(numbers: Sequence[int], unit: str) -> str:
    if not any(numbers):
        return ""
    first, last = short(numbers[0]), short(numbers[-1])
    return f"{first}{unit}" if first == last else f"{first} … {last}{unit}"


def span_words(paths: Sequence[str]) -> str:
    """The first path, or first to last: "layer1.1 to layer1.5"."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"
