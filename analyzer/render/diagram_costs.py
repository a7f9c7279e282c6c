"""What a drawing says of a part of a network: shape, parameters and MACs, on the box and, to the unit, in its tip."""

from collections.abc import Iterable, Sequence

from analyzer.cost.analysis import Analysis, BlockRow
from analyzer.cost.walk import Row
from analyzer.render.units import exact, shape, short


class Ledger:
    """An analysis, looked up by weight path. Of equal parts that differ in their costs, ranges are told."""

    def __init__(self, analysis: Analysis) -> None:
        self._rows = analysis.rows
        self._blocks = analysis.blocks
        self._extents = {span.path: (span.start, span.stop) for span in analysis.spans}
        self._extents |= {row.path: (index, index + 1) for index, row in enumerate(analysis.rows)}

    def rows(self, paths: Iterable[str]) -> list[Row]:
        """The ops at or below the paths, in the paths' order."""
        return [row for path in paths for row in self._rows[slice(*self._extents[path])]]

    def blocks(self, stage: str) -> list[BlockRow]:
        """The blocks of a stage, in order."""
        return [block for block in self._blocks if block.stage == stage]

    def block(self, path: str) -> BlockRow | None:
        """The block at a path."""
        return next((block for block in self._blocks if block.path == path), None)

    def facts(self, paths: Iterable[str]) -> tuple[str, ...]:
        """The last output shape, then parameters and MACs of all paths together, where there are any."""
        rows = self.rows(paths)
        return (shape(rows[-1].output_shape), *_counted([_sums(rows)], " params", " MACs"))

    def each(self, paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """Parameters and MACs of one of several equal parts, each given by the paths that it consists of."""
        return _counted([_sums(self.rows(part)) for part in paths], " params", " MACs")

    def op_facts(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Output shape, parameters and MACs of one of several equal ops."""
        sums = [_sums(self.rows([path])) for path in paths]
        if len(set(sums)) > 1:
            return (self.shapes(paths), *_counted(sums, " params", " MACs"))
        return tuple(text for text in (self.shapes(paths), " · ".join(_counted(sums, "", ""))) if text)

    def params(self, paths: Sequence[str]) -> str:
        """Parameters of one of several equal ops, empty where there are none."""
        return _from_to([_sums(self.rows([path]))[0] for path in paths], "")

    def shapes(self, paths: Sequence[str]) -> str:
        """Output shape of one of several equal ops; where it changes, channels from first to last: "96 … 256×56×56"."""
        first, last = (self.rows([path])[-1].output_shape for path in (paths[0], paths[-1]))
        return shape(last) if first == last else f"{first[0]} … {shape(last)}"

    def tip(self, words: str, paths: Sequence[str]) -> str:
        """One sentence with the exact numbers."""
        rows = self.rows(paths)
        params, macs = _sums(rows)
        together = " together" if len(paths) > 1 else ""
        return (
            f"{words}: output {shape(rows[-1].output_shape)}, {exact(params)} parameters, {exact(macs)} MACs{together}"
        )


def _sums(rows: Iterable[Row]) -> tuple[int, int]:
    counted = [(row.params, row.macs) for row in rows]
    return sum(params for params, _ in counted), sum(macs for _, macs in counted)


def _counted(sums: Sequence[tuple[int, int]], *units: str) -> tuple[str, ...]:
    """Parameters and MACs with their units, from the first to the last; zeros are left out."""
    texts = (_from_to(numbers, unit) for numbers, unit in zip(zip(*sums, strict=True), units, strict=True))
    return tuple(text for text in texts if text)


def _from_to(numbers: Sequence[int], unit: str) -> str:
    if not any(numbers):
        return ""
    first, last = short(numbers[0]), short(numbers[-1])
    return f"{first}{unit}" if first == last else f"{first} … {last}{unit}"


def span_words(paths: Sequence[str]) -> str:
    """The first path, or first to last: "layer1.1 to layer1.5"."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"
