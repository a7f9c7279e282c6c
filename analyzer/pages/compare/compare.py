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
_NETWORKS = "networks"
_SIDE = "compared_size"
_BATCH = "compared_batch"
_VIEW = "view"
_ALL = "all named variants"
_VIEWS = ("side by side", _ALL)
_DIAGRAMS_PER_ROW = {2: 2, 3: 3, 4: 2, 5: 3, 6: 3}
"""Number of networks → how many diagrams stand beside each other."""


class ComparisonRequest(NamedTuple):
    """Networks by their canonical expressions, one input size for all, or None for each one's own, and a device."""

    expressions: tuple[str, ...]
    side: Size | None
    target: LatencyTarget | None = None


def show() -> None:
    """The whole page."""
    asked, problems = _choose()
    if _view() == _ALL:
        show_variants_chart(_add_network, asked.target)
        return
    if problems:
        show_errors(*problems)
        return
    try:
        found = cached_comparison(asked)
    except InvalidInput as error:
        show_errors(str(error))
        return
    _show(asked, found)


def _choose() -> tuple[ComparisonRequest, list[str]]:
    """The widgets; what is asked for, and a sentence for each expression or size that is none."""
    restore_widget_values(_NETWORKS, _SIDE)
    expect_at_most(_NETWORKS, MAX_NETWORKS)
    box, size = st.columns([7, 1.5], vertical_alignment="bottom")
    typed: list[str] = box.multiselect(
        "Networks",
        variant_names(),
        default=DEFAULT_NETWORKS,
        key=_NETWORKS,
        bind="query-params",
        max_selections=MAX_NETWORKS,
        accept_new_options=True,
        placeholder="names, or names with changes, such as resnet50:cardinality=32,base_width=4",
        help="Two to six. Pick named variants, or type an expression and press Enter; each is compared with the first.",
    )
    with size:
        side, problem = size_box(_SIDE, "each its own")
    save_widget_values(**{_NETWORKS: typed, _SIDE: st.session_state[_SIDE]})
    expressions, problems = _parse_networks(typed)
    target, no_target = _target()
    return ComparisonRequest(expressions, side, target), [*problems, *filter(None, [problem, no_target])]


def _target() -> tuple[LatencyTarget | None, str]:
    """A device to predict latency on, where one is picked, and its batch."""
    restore_widget_values(_BATCH)
    expect_number(_BATCH, 1, MAX_BATCH)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html('<span class="label">Latency of a batch of</span>', width="content")
        batch: int = st.number_input(
            "Batch",
            1,
            MAX_BATCH,
            256,
            key=_BATCH,
            bind="query-params",
            label_visibility="collapsed",
            width=110,
            help="Images a batch, of the predicted latency",
        )
        found = choose_target(batch, "compared_", None)
    save_widget_values(**{_BATCH: batch})
    return found


def _view() -> str:
    restore_widget_values(_VIEW)
    expect_choice(_VIEW, _VIEWS)
    view: str = st.segmented_control(
        "View", _VIEWS, default=_VIEWS[0], key=_VIEW, bind="query-params", required=True, label_visibility="collapsed"
    )
    save_widget_values(**{_VIEW: view})
    return view


def _add_network(variant: str) -> None:
    """Put a variant into the comparison, where it is not and has room."""
    asked = st.session_state[_NETWORKS]
    if variant in asked:
        st.toast(f"{variant} is being compared already.")
    elif len(asked) >= MAX_NETWORKS:
        st.toast(f"{MAX_NETWORKS} networks are being compared already; take one out first.")
    else:
        st.session_state[_NETWORKS] = [*asked, variant]
        st.toast(f"{variant} is compared now; see side by side.")


def _parse_networks(typed: list[str]) -> tuple[tuple[str, ...], list[str]]:
    expressions, problems = [], []
    for text in typed[:MAX_NETWORKS]:
        try:
            expressions.append(canonical(parse(bounded_text("network", text))))
        except InvalidInput as error:
            problems.append(str(error))
    return tuple(expressions), problems


@st.cache_resource(max_entries=64, show_spinner=False)
def cached_comparison(asked: ComparisonRequest) -> NetworkComparison:
    """The comparison, shared; InvalidInput for a network or size that is none, or for too much work for a server."""
    analyses = [cached_analysis(expression, asked.side) for expression in asked.expressions]
    num_ops = sum(len(analysis.rows) for analysis in analyses)
    if num_ops > MAX_OPS:
        raise InvalidInput(
            f"compare: {exact(num_ops)} ops are over the page's bound of {exact(MAX_OPS)}; use the command line."
        )
    return network_comparison(analyses, asked.target)


@st.cache_data(max_entries=64, show_spinner=False)
def _cached_html(asked: ComparisonRequest) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    """HTML of the totals and of all that follows, the chart's SVG, and (title, HTML) of what is folded."""
    found = cached_comparison(asked)
    totals, *rest = summary_parts(found)
    folded = tuple((title, markdown_to_html(content)) for title, content in detail_parts(found))
    return markdown_to_html(totals), markdown_to_html("\n\n".join(rest)), found.svg, folded


def _show(asked: ComparisonRequest, found: NetworkComparison) -> None:
    titles = (escape(analysis.network.title) for analysis in found.analyses)
    totals, rest, chart, folded = _cached_html(asked)
    st.html(f'<h1 class="page-title">{", ".join(titles)}</h1>')
    st.html(f'<div class="told">{totals}</div>')
    if "×)" in totals:
        st.caption(f"In brackets: times as much as {code_span(found.analyses[0].variant)} has.")
    _show_chart(chart)
    st.html(f'<div class="told">{rest}</div>')
    _show_diagrams(asked, found)
    for title, content in folded:
        with st.expander(code_span(title)):
            st.html(f'<div class="told">{content}</div>')
    _show_downloads(found)


def _show_chart(svg: str) -> None:
    source = b64encode(svg.encode()).decode()
    words = "Bars of the networks' costs by stage; the tables below have them all"
    st.html(
        '<h2 class="section">By stage</h2><figure class="chart" tabindex="0" role="region" aria-label="Chart">'
        f'<img alt="{words}" src="data:image/svg+xml;base64,{source}"></figure>'
    )


def _show_diagrams(asked: ComparisonRequest, found: NetworkComparison) -> None:
    """The network-level diagrams beside each other, each flowing down."""
    st.html('<h2 class="section">Diagrams</h2>')
    dots = [cached_dot(expression, asked.side, "network", direction="down") for expression in asked.expressions]
    for dot in dots:
        start_layout(dot)
    named = list(zip(network_names(found.analyses), dots, strict=True))
    beside = _DIAGRAMS_PER_ROW[len(named)]
    for start in range(0, len(named), beside):
        row = zip(st.columns(beside), named[start : start + beside], strict=False)
        for place, (column, (name, dot)) in enumerate(row, start):
            with column:
                _draw(name, dot, place)


def _draw(name: str, dot: str, place: int) -> None:
    try:
        show_diagram(cached_svg(dot), f"Diagram of {name}", key=f"diagram-{place}")
    except Unavailable as error:
        st.graphviz_chart(dot)
        st.caption(code_span(str(error)))


def _show_downloads(found: NetworkComparison) -> None:
    stem = slug("-".join(analysis.variant for analysis in found.analyses))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<span class="label">Download</span>', width="content")
        for ending, (mime, make) in _FILES.items():
            st.download_button(
                ending.upper(),
                partial(make, found),
                f"{stem}.{ending}",
                mime,
                key=f"compare-{ending}",
                on_click="ignore",
                type="tertiary",
            )


def _json(found: NetworkComparison) -> str:
    return json.dumps(found.to_dict(), ensure_ascii=False, indent=2) + "\n"


_FILES: dict[str, tuple[str, Callable[[NetworkComparison], str]]] = {
    "html": ("text/html", attrgetter("html")),
    "md": ("text/markdown", attrgetter("markdown")),
    "json": ("application/json", _json),
    "svg": ("image/svg+xml", attrgetter("svg")),
}
