"""Reports in the formats that are one document each: CSV, HTML and LaTeX."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened

if TYPE_CHECKING:
    from analyzer.latency.predict.target import LatencyTarget

SUFFIXES = {"csv": "csv", "html": "html", "latex": "tex"}
"""Format → suffix of its files."""


def report_document(
    output_format: str, reports: Sequence[tuple[Analysis, Sequence[Analysis]]], target: "LatencyTarget | None" = None
) -> str:
    """One document of all reports, each a network at its first and its other input sizes, with latency if `target`.

    Only the format that is asked for is imported. InvalidInput for another one.
    """
    match output_format:
        case "csv":
            from analyzer.render.report import csv as spreadsheet

            return spreadsheet.csv_document(reports, target)
        case "html":
            from analyzer.render.report import html

            return html.html_document(reports, target=target)
        case "latex":
            from analyzer.render.report import latex

            return latex.latex_document(reports, target)
        case _:
            raise InvalidInput(
                f"format {shortened(output_format)!r} is unknown; documents come as {', '.join(SUFFIXES)}."
            )
