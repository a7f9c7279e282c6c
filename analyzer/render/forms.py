"""Reports in the formats that are one document each: CSV, HTML and LaTeX."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened

if TYPE_CHECKING:
    from analyzer.latency.setting import Setting

SUFFIXES = {"csv": "csv", "html": "html", "latex": "tex"}
"""Format → suffix of its files."""


def document(
    form: str, reports: Sequence[tuple[Analysis, Sequence[Analysis]]], setting: "Setting | None" = None
) -> str:
    """One document of all reports, each a network at its first and its other input sizes, with latency if `setting`.

    Only the format that is asked for is imported. InvalidInput for another one.
    """
    match form:
        case "csv":
            from analyzer.render import spreadsheet

            return spreadsheet.document(reports, setting)
        case "html":
            from analyzer.render import html

            return html.document(reports, setting=setting)
        case "latex":
            from analyzer.render import latex

            return latex.document(reports, setting)
        case _:
            raise InvalidInput(f"format {shortened(form)!r} is unknown; documents come as {', '.join(SUFFIXES)}.")
