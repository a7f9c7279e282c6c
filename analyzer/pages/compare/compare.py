"""Compare: two to six networks side by side, and what their differences are due to."""

import json
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from html import escape
from operator import attrgetter
from typing import NamedTuple

import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.expression import canonical, parse, slug
from analyzer.families.network import Size
from analyzer.families.registry import variant_names
from analyzer.latency.predict.target import LatencyTarget
from analyzer.pages.compare.variants_chart import show_variants_chart
from analyzer.pages.explore.cached import cached_analysis, cached_dot, cached_svg, start_layout
from analyzer.pages.explore.device import choose_target
from analyzer.pages.explore.variant_picker import MAX_BATCH, size_box
from analyzer.pages.explore.viewer import show_diagram
from analyzer.pages.state.server_values import restore_widget_values, save_widget_values
from analyzer.pages.state.style import code_span, show_errors
from analyzer.pages.state.url_parameters import bounded_text, expect_at_most, expect_choice, expect_number
from analyzer.render.compare.compare import (
    NetworkComparison,
    detail_parts,
    network_comparison,
    network_names,
    summary_parts,
)
from analyzer.render.report.html import markdown_to_html
from analyzer.text.units import exact

DEFAULT_NETWORKS = ["resnet50", "resnext50_32x4d"]
MAX_NETWORKS = 6
MAX_OPS = 10_000
"""Ops of all networks together; a server compares them in seconds."""
_NETWORKS_KEY = "networks"
_SIZE_KEY = "compared_size"
_BATCH_KEY = "compared_batch"
_VIEW_KEY = "view"
_ALL_VARIANTS = "all named variants"
_VIEWS = ("side by side", _ALL_VARIANTS)
_DIAGRAMS_PER_ROW = {2: 2, 3: 3, 4: 2, 5: 3, 6: 3}
"""Number of networks → diagrams in a row."""


class ComparisonRequest(NamedTuple):
    """Networks by their canonical expressions, one input size for all, or None for each one's own, and a device."""

    expressions: tuple[str, ...]
    side: Size | None
    target: LatencyTarget | None = None


def show() -> None:
    """Show the whole page."""
    request, problems = _choose_request()
    if _choose_view() == _ALL_VARIANTS:
        show_variants_chart(_add_network, request.target)
        return
    if problems:
        show_errors(*problems)
        return
    try:
        comparison = cached_comparison(request)
    except InvalidInput as error:
        show_errors(str(error))
        return
    _show_comparison(request, comparison)


def _choose_request() -> tuple[ComparisonRequest, list[str]]:
    """Show the widgets; the request, and a sentence for each expression, size or device that is none."""
    restore_widget_values(_NETWORKS_KEY, _SIZE_KEY)
    expect_at_most(_NETWORKS_KEY, MAX_NETWORKS)
    box, size = st.columns([7, 1.5], vertical_alignment="bottom")
    entries: list[str] = box.multiselect(
        "Networks",
        variant_names(),
        default=DEFAULT_NETWORKS,
        key=_NETWORKS_KEY,
        bind="query-params",
        max_selections=MAX_NETWORKS,
        accept_new_options=True,
        placeholder="names, or names with changes, such as resnet50:cardinality=32,base_width=4",
        help="Two to six. Pick named variants, or type an expression and press Enter; each is compared with the first.",
    )
    with size:
        side, size_problem = size_box(_SIZE_KEY, "each its own")
    save_widget_values(**{_NETWORKS_KEY: entries, _SIZE_KEY: st.session_state[_SIZE_KEY]})
    expressions, problems = _parse_networks(entries)
    target, target_problem = _choose_target()
    return ComparisonRequest(expressions, side, target), [*problems, *filter(None, [size_problem, target_problem])]


def _choose_target() -> tuple[LatencyTarget | None, str]:
    """Show the widgets of the predicted latency; the device and batch, None where none is picked, and what is wrong."""
    restore_widget_values(_BATCH_KEY)
    expect_number(_BATCH_KEY, 1, MAX_BATCH)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html('<span class="label">Latency of a batch of</span>', width="content")
        batch: int = st.number_input(
            "Batch",
            1,
            MAX_BATCH,
            256,
            key=_BATCH_KEY,
            bind="query-params",
            label_visibility="collapsed",
            width=110,
            help="Images a batch, of the predicted latency",
        )
        target_and_problem = choose_target(batch, "compared_", None)
    save_widget_values(**{_BATCH_KEY: batch})
    return target_and_problem


def _choose_view() -> str:
    restore_widget_values(_VIEW_KEY)
    expect_choice(_VIEW_KEY, _VIEWS)
    view: str = st.segmented_control(
        "View",
        _VIEWS,
        default=_VIEWS[0],
        key=_VIEW_KEY,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    save_widget_values(**{_VIEW_KEY: view})
    return view


def _add_network(variant: str) -> None:
    """Add a variant to the comparison, unless it is there or the comparison is full."""
    networks = st.session_state[_NETWORKS_KEY]
    if variant in networks:
        st.toast(f"{variant} is being compared already.")
    elif len(networks) >= MAX_NETWORKS:
        st.toast(f"{MAX_NETWORKS} networks are being compared already; take one out first.")
    else:
        st.session_state[_NETWORKS_KEY] = [*networks, variant]
        st.toast(f"{variant} is compared now; see side by side.")


def _parse_networks(entries: list[str]) -> tuple[tuple[str, ...], list[str]]:
    expressions, problems = [], []
    for text in entries[:MAX_NETWORKS]:
        try:
            expressions.append(canonical(parse(bounded_text("network", text))))
        except InvalidInput as error:
            problems.append(str(error))
    return tuple(expressions), problems


@st.cache_resource(max_entries=64, show_spinner=False)
def cached_comparison(request: ComparisonRequest) -> NetworkComparison:
    """The comparison, shared between sessions; InvalidInput for a wrong network or size, or for too many ops."""
    analyses = [cached_analysis(expression, request.side) for expression in request.expressions]
    num_ops = sum(len(analysis.rows) for analysis in analyses)
    if num_ops > MAX_OPS:
        raise InvalidInput(
            f"compare: {exact(num_ops)} ops are over the page's bound of {exact(MAX_OPS)}; use the command line."
        )
    return network_comparison(analyses, request.target)


@st.cache_data(max_entries=64, show_spinner=False)
def _cached_html(request: ComparisonRequest) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    """HTML of the totals and of all that follows, the chart's SVG, and (title, HTML) of the folded details."""
    comparison = cached_comparison(request)
    totals, *rest = summary_parts(comparison)
    details = tuple((title, markdown_to_html(content)) for title, content in detail_parts(comparison))
    return markdown_to_html(totals), markdown_to_html("\n\n".join(rest)), comparison.svg, details


def _show_comparison(request: ComparisonRequest, comparison: NetworkComparison) -> None:
    titles = (escape(analysis.network.title) for analysis in comparison.analyses)
    totals, rest, chart, details = _cached_html(request)
    st.html(f'<h1 class="page-title">{", ".join(titles)}</h1>')
    st.html(f'<div class="told">{totals}</div>')
    if "×)" in totals:
        st.caption(f"In brackets: times as much as {code_span(comparison.analyses[0].variant)} has.")
    _show_chart(chart)
    st.html(f'<div class="told">{rest}</div>')
    _show_diagrams(request, comparison)
    for title, content in details:
        with st.expander(code_span(title)):
            st.html(f'<div class="told">{content}</div>')
    _show_downloads(comparison)


def _show_chart(svg: str) -> None:
    source = b64encode(svg.encode()).decode()
    alt_text = "Bars of the networks' costs by stage; the tables below have them all"
    st.html(
        '<h2 class="section">By stage</h2><figure class="chart" tabindex="0" role="region" aria-label="Chart">'
        f'<img alt="{alt_text}" src="data:image/svg+xml;base64,{source}"></figure>'
    )


def _show_diagrams(request: ComparisonRequest, comparison: NetworkComparison) -> None:
    """The network-level diagrams beside each other, each flowing down."""
    st.html('<h2 class="section">Diagrams</h2>')
    dots = [cached_dot(expression, request.side, "network", direction="down") for expression in request.expressions]
    for dot in dots:
        start_layout(dot)
    diagrams = list(zip(network_names(comparison.analyses), dots, strict=True))
    per_row = _DIAGRAMS_PER_ROW[len(diagrams)]
    for start in range(0, len(diagrams), per_row):
        row = zip(st.columns(per_row), diagrams[start : start + per_row], strict=False)
        for index, (column, (name, dot)) in enumerate(row, start):
            with column:
                _show_diagram_of(name, dot, index)


def _show_diagram_of(name: str, dot: str, index: int) -> None:
    try:
        show_diagram(cached_svg(dot), f"Diagram of {name}", key=f"diagram-{index}")
    except Unavailable as error:
        st.graphviz_chart(dot)
        st.caption(code_span(str(error)))


def _show_downloads(comparison: NetworkComparison) -> None:
    stem = slug("-".join(analysis.variant for analysis in comparison.analyses))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<span class="label">Download</span>', width="content")
        for ending, (mime, make_file) in _FILES.items():
            st.download_button(
                ending.upper(),
                partial(make_file, comparison),
                f"{stem}.{ending}",
                mime,
                key=f"compare-{ending}",
                on_click="ignore",
                type="tertiary",
            )


def _json(comparison: NetworkComparison) -> str:
    return json.dumps(comparison.to_dict(), ensure_ascii=False, indent=2) + "\n"


_FILES: dict[str, tuple[str, Callable[[NetworkComparison], str]]] = {
    "html": ("text/html", attrgetter("html")),
    "md": ("text/markdown", attrgetter("markdown")),
    "json": ("application/json", _json),
    "svg": ("image/svg+xml", attrgetter("svg")),
}
