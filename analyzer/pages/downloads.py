"""What can be taken away: tables, the JSON of `report --format json`, the report, and the diagram."""

import json
from collections.abc import Callable
from functools import partial

import streamlit as st

from analyzer.families.expression import slug
from analyzer.pages.readings import analysis_of, dot_of, svg_of
from analyzer.render.report import markdown_report
from analyzer.render.units import shape


def show_downloads(expression: str, side: int | None, level: str) -> None:
    """Buttons that make their file when they are pressed; the diagram's files are of the level shown."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<span class="label">Download</span>', width="content")
        for ending, (mime, meaning, make) in _FILES.items():
            st.download_button(
                ending.upper(),
                partial(make, expression, side, level),
                f"{slug(expression)}.{ending}",
                mime,
                key=f"download-{ending}",
                help=meaning,
                on_click="ignore",
                type="tertiary",
            )


def _csv(expression: str, side: int | None, _: str) -> str:
    frame = analysis_of(expression, side).to_frame()
    frame["output_shape"] = [shape(dimensions) for dimensions in frame["output_shape"]]
    return frame.to_csv(index=False)


def _json(expression: str, side: int | None, _: str) -> str:
    return json.dumps(analysis_of(expression, side).to_dict(), indent=2) + "\n"


def _report(expression: str, side: int | None, _: str) -> str:
    size = f" --input-size {side}" if side else ""
    return markdown_report(analysis_of(expression, side), f"python -m analyzer report {expression}{size}", None)


def _svg(expression: str, side: int | None, level: str) -> str:
    return svg_of(dot_of(expression, side, level))


_FILES: dict[str, tuple[str, str, Callable[[str, int | None, str], str]]] = {
    "csv": ("text/csv", "One row an op", _csv),
    "json": ("application/json", "Everything, as `report --format json` writes it", _json),
    "md": ("text/markdown", "The report", _report),
    "svg": ("image/svg+xml", "The diagram, drawn", _svg),
    "dot": ("text/vnd.graphviz", "The diagram, for Graphviz", dot_of),
}
