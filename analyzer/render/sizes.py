"""One network at several input sizes, side by side."""

from collections.abc import Sequence

from analyzer.cost.analysis import Analysis
from analyzer.cost.memory import memory
from analyzer.cost.training import transfer
from analyzer.render.tables import markdown_table
from analyzer.render.units import exact, shape, short, size_bytes

HEADS = ("input", "last stage", "parameters", "MACs", "×", "activations", "peak memory", "stored for training")


def size_table(analyses: Sequence[Analysis]) -> str:
    """Costs by input size as a markdown table; `×` is MACs against the first, memory that of activations in float32."""
    rows = [_cells(analysis, analyses[0]) for analysis in analyses]
    return markdown_table(list(HEADS), rows, "llrrrrrr")


def _cells(analysis: Analysis, first: Analysis) -> list[str]:
    return [
        shape(analysis.input_shape),
        shape(last_map(analysis)),
        exact(analysis.params),
        short(analysis.macs, 4),
        f"{analysis.macs / first.macs:.2f}" if first.macs else "–",
        short(analysis.activations, 4),
        size_bytes(memory(analysis).peak_bytes),
        size_bytes(transfer(analysis).stored_bytes),
    ]


def last_map(analysis: Analysis) -> tuple[int, ...]:
    """The output of the last stage before the head."""
    return [stage for stage in analysis.stages if stage.stage != "head" or len(analysis.stages) == 1][-1].output_shape
