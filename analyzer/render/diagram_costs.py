"""What a drawing says of a part of a network: shape, parameters and MACs, on the box and, to the unit, in its tip."""

from collections.abc import Iterable

from analyzer.cost.analysis import Analysis, BlockRow
from analyzer.cost.walk import Row
from analyzer.render.units import exact, shape, short


class Ledger:
    """An analysis, looked up by weight path."""

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

    def shape(self, path: str) -> str:
        """Output shape of what stands at the path."""
        return shape(self.rows([path])[-1].output_shape)

    def facts(self, paths: Iterable[str]) -> tuple[str, ...]:
        """The last output shape, then parameters and MACs where there are any."""
        rows = self.rows(paths)
        params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
        counted = (f"{short(params)} params" if params else "", f"{short(macs)} MACs" if macs else "")
        return (shape(rows[-1].output_shape), *(text for text in counted if text))

    def tip(self, words: str, paths: Iterable[str]) -> str:
        """One sentence with the exact numbers."""
        rows = self.rows(paths)
        params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
        return f"{words}: output {shape(rows[-1].output_shape)}, {exact(params)} parameters, {exact(macs)} MACs"


def span_words(paths: tuple[str, ...]) -> str:
    """The first path, or first to last: "layer1.1 to layer1.5"."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"
