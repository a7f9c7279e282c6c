"""Agreements and differences with published figures, in sentences."""

from itertools import groupby

from analyzer.cost.analysis import Analysis
from analyzer.cost.conventions import CONVENTIONS
from analyzer.cost.published import Comparison, Figure, comparisons
from analyzer.render.units import exact

_UNITS = {1: "", 10**6: " M", 10**9: " G"}


def agreement_lines(analysis: Analysis) -> list[str]:
    """One paragraph of agreements and one of differences, each with its reason; none where nothing is published."""
    compared = list(comparisons(analysis))
    agreeing = [item for item in compared if item.agrees]
    differing = [item for item in compared if not item.agrees]
    lines = []
    if agreeing:
        sources = [
            _source_words(source, list(items)) for source, items in groupby(agreeing, lambda item: item.figure.source)
        ]
        lines.append(f"**Agrees with** {', '.join(sources)}.")
    lines += [_difference(item) for item in differing]
    return lines


def _source_words(source: str, items: list[Comparison]) -> str:
    return f"{source} ({'; '.join(_printed(item.figure) for item in items)})"


def _printed(figure: Figure) -> str:
    value = f"{int(figure.published):,}" if figure.unit == 1 else f"{figure.published}{_UNITS[figure.unit]}"
    aside = CONVENTIONS[figure.convention].aside
    return f"{value} {aside}" if aside else value


def _difference(item: Comparison) -> str:
    figure = item.figure
    return (
        f"**Differs from** {figure.source} ({_printed(figure)}): that is `{figure.describes}`, {figure.reason}, "
        f"{exact(item.described)} against {exact(item.ours)} here."
    )
