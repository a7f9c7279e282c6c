"""The downloads: tables, reports, the diagram, and the network as a PyTorch file."""

import json
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import streamlit as st

from analyzer.cost.analysis import Analysis
from analyzer.families.expression import slug
from analyzer.families.network import Size
from analyzer.latency.predict.predict import predict_latency
from analyzer.latency.predict.target import LatencyTarget
from analyzer.pages.explore.cached import cached_analysis, cached_dot, cached_svg, render_safely
from analyzer.pages.explore.device import op_times_on


class ExploreView(NamedTuple):
    """What the page shows: a network at an input size, its diagram, whether that is drawn, and of which part.

    None for `part` is the whole network.
    """

    expression: str
    size: Size | None
    level: str
    heat: str | None
    drawn: bool
    part: str | None = None
    target: LatencyTarget | None = None

    @property
    def analysis(self) -> Analysis:
        """The cached analysis."""
        return cached_analysis(self.expression, self.size)

    @property
    def dot(self) -> str:
        """The diagram's DOT text."""
        if self.heat != "latency" or self.target is None:
            return cached_dot(self.expression, self.size, self.level, self.heat, part=self.part)
        times = op_times_on(self.expression, self.size, self.target)
        return cached_dot(
            self.expression, self.size, self.level, self.heat, None, self.part, times, self.target.arguments
        )


def show_downloads(view: ExploreView) -> None:
    """Buttons that make their file when they are pressed; the diagram's files are of what is shown."""
    with st.container(key="downloads"):
        for title, files in DOWNLOADS.items():
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                st.html(f'<span class="label">{title}</span>', width="content")
                for ending, (mime, help_text, make_file) in files.items():
                    st.download_button(
                        ending.upper(),
                        partial(make_file, view),
                        f"{slug(view.expression)}.{ending}",
                        mime,
                        key=f"download-{ending}",
                        help=help_text,
                        disabled=files is _DIAGRAM and not view.drawn,
                        on_click="ignore",
                        type="tertiary",
                    )


def _csv(view: ExploreView) -> str:
    from analyzer.render.report import csv as spreadsheet

    return spreadsheet.csv_document([(view.analysis, ())], view.target)


def _json(view: ExploreView) -> str:
    latency = {"latency": predict_latency(view.analysis, view.target).to_dict()} if view.target else {}
    return json.dumps(view.analysis.to_dict() | latency, indent=2) + "\n"


def _markdown(view: ExploreView) -> str:
    from analyzer.render.report.bundle import report_source
    from analyzer.render.report.report import markdown_report

    command = report_source(view.analysis, (), view.target).command
    return markdown_report(view.analysis, command, None, (), view.target)


def _html(view: ExploreView) -> str:
    from analyzer.render.report import html

    return html.html_document([(view.analysis, ())], render_safely, view.target)


def _latex(view: ExploreView) -> str:
    from analyzer.render.report import latex

    return latex.latex_document([(view.analysis, ())], view.target)


def _pytorch(view: ExploreView) -> str:
    from analyzer.render.pytorch.source import pytorch_source

    return pytorch_source(view.analysis)


def _svg(view: ExploreView) -> str:
    return cached_svg(view.dot)


def _pdf(view: ExploreView) -> bytes:
    return render_safely(view.dot, "pdf")


def _dot(view: ExploreView) -> str:
    return view.dot


_Downloads = dict[str, tuple[str, str, Callable[[ExploreView], str | bytes]]]

_REPORT: _Downloads = {
    "html": ("text/html", "The report as one page with its diagrams, nothing to fetch", _html),
    "md": ("text/markdown", "The report", _markdown),
    "tex": ("application/x-tex", "The stage table for a paper: LaTeX with booktabs", _latex),
    "csv": ("text/csv", "One row an op", _csv),
    "json": ("application/json", "Everything, as `report --format json` writes it", _json),
}
_DIAGRAM: _Downloads = {
    "svg": ("image/svg+xml", "The diagram, drawn", _svg),
    "pdf": ("application/pdf", "The diagram, for print", _pdf),
    "dot": ("text/vnd.graphviz", "The diagram, for Graphviz", _dot),
}
_NETWORK: _Downloads = {
    "py": ("text/x-python", "The network as one PyTorch file that needs nothing but torch", _pytorch)
}
DOWNLOADS = {"Report": _REPORT, "Diagram": _DIAGRAM, "Network": _NETWORK}
"""Heading → ending → its media type, its help text, and the function that makes the file."""
