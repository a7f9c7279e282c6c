"""A chart of networks side by side as SVG: one row a stage, one bar a network, one column a quantity."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from analyzer.cost.analysis import Analysis
from analyzer.explanation.difference import stage_figures, stage_order
from analyzer.render.lessons.svg import rect, svg_document, text
from analyzer.text.units import duration, short, size_bytes, stage_label

if TYPE_CHECKING:
    from analyzer.latency.predict.prediction import Prediction

NETWORK_COLOURS = ("#0b57d0", "#d9730d", "#0f8a5f", "#a3478f", "#8a6d00", "#5b6770")
"""Told apart by people who are colour-blind, too; a seventh network takes the first again."""
Columns = Sequence[tuple[str, str, Callable[[Any], str]]]
"""Head, quantity, and how it is written."""
_LATENCY = ("predicted latency", "ms", duration)
_COLUMNS: Columns = (
    ("parameters", "params", short),
    ("MACs", "macs", short),
    ("activations", "activations", short),
    ("stored for training", "stored_bytes", size_bytes),
)
_LABELS, _COLUMN, _BAR, _THICK = 100, 215, 130, 12
_LINE, _GAP, _TOP = 16, 12, 28
_STYLE = (
    "text{font:12px system-ui,Segoe UI,Helvetica,Arial,sans-serif;fill:#16191d}.quiet{fill:#57606a}"
    ".head{font-weight:600}"
    + "".join(f".network{number}{{fill:{colour}}}" for number, colour in enumerate(NETWORK_COLOURS, 1))
    + "@media(prefers-color-scheme:dark){text{fill:#eef0f3}.quiet{fill:#a3adba}}"
)


def bar_chart_svg(analyses: Sequence[Analysis], names: Sequence[str], predictions: "Sequence[Prediction]" = ()) -> str:
    """Stages by parameters, MACs, activations, stored bytes and predicted latency, each column to its own scale."""
    figures = [_figures(analysis) for analysis in analyses]
    for by_stage, prediction in zip(figures, predictions, strict=False):
        for time in prediction.stages:
            by_stage[time.stage][_LATENCY[1]] = time.ms
    columns = (*_COLUMNS, *([_LATENCY] if predictions else []))
    stages = stage_order(analyses)
    top = _LINE * len(names) + _TOP
    row = _LINE * len(names) + _GAP
    width, height = _LABELS + _COLUMN * len(columns), top + row * len(stages)
    parts = [*_legend(names), *_heads(columns, top)]
    for number, stage in enumerate(stages):
        y = top + row * number
        parts.append(text(0, y + 14 + _LINE * (len(names) - 1) / 2, stage_label(stage)))
        parts += _row_bars(columns, [figures_by_stage.get(stage) for figures_by_stage in figures], figures, y)
    title = f"{', '.join(names)}: {', '.join(words for words, _, _ in columns)}, by stage"
    return svg_document(parts, width, height, title, _STYLE, margin=8)


def _legend(names: Sequence[str]) -> Iterator[str]:
    for number, name in enumerate(names):
        yield _bar(_LABELS, _LINE * number + 2, _THICK, number)
        yield text(_LABELS + _LINE + 4, _LINE * number + 12, name)


def _figures(analysis: Analysis) -> dict[str, dict[str, Any]]:
    return {stage: figures._asdict() for stage, figures in stage_figures(analysis).items()}


def _heads(columns: "Columns", top: int) -> Iterator[str]:
    for column, (words, _, _) in enumerate(columns):
        yield text(_LABELS + _COLUMN * column, top - 6, words, "head")


def _row_bars(
    columns: "Columns",
    stages: Sequence[dict[str, Any] | None],
    all_figures: Sequence[dict[str, dict[str, Any]]],
    y: int,
) -> list[str]:
    parts = []
    for column, (_, name, label) in enumerate(columns):
        x = _LABELS + _COLUMN * column
        largest = max(stage.get(name, 0) for figures in all_figures for stage in figures.values()) or 1
        for number, stage in enumerate(stages):
            count = stage.get(name, 0) if stage else 0
            length = _BAR * count / largest
            parts.append(_bar(x, y + _LINE * number + 4, length, number) if count else "")
            parts.append(text(x + length + 4, y + _LINE * number + 14, label(count) if stage else "–", "quiet"))
    return [part for part in parts if part]


def _bar(x: float, y: float, width: float, number: int) -> str:
    return rect(x, y, max(width, 1), _THICK, f"network{number % len(NETWORK_COLOURS) + 1}", 2)
