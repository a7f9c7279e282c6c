"""Design space: up to a million networks evaluated at once, their Pareto front and distributions; a click opens one."""

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from analyzer.errors import InvalidInput
from analyzer.families.network import Size
from analyzer.pages.explore.tables import figure_html
from analyzer.pages.space.form import SearchRequest, choose_space
from analyzer.pages.space.incremental_sweep import MAX_SECONDS, IncrementalSweep
from analyzer.pages.state.navigation import page_named
from analyzer.pages.state.style import show_errors
from analyzer.render.sweep.charts import (
    DARK_PALETTE,
    LIGHT_PALETTE,
    SELECTION_FIELDS,
    ChartData,
    ChartPalette,
    chart_document,
    distribution_chart,
    front_chart,
    points_caption,
    summary_chart,
)
from analyzer.render.sweep.tables import column_title
from analyzer.sweep.results.named_variants import nearby_variants
from analyzer.sweep.results.nearest import NearCandidate, Target
from analyzer.sweep.results.pareto import Columns, rows_of
from analyzer.sweep.results.summary import reason_without_networks
from analyzer.sweep.space.space import to_toml
from analyzer.text.units import exact, short

_SWEEP_KEY = "sweeping"
_MAX_POINTS = 1500
_MAX_LISTED = 200
"""Networks of the front that the table lists, and that the chart draws."""
_FIGURES = {"params": "parameters", "macs": "MACs", "activations": "activations", "depth": "depth"}
_HEIGHT, _REDUCED_HEIGHT = 500, 390
"""Pixels of the chart, alone and below the nearest network: both fit the first screen."""
_NAME, _NEAREST = "name", "nearest"


def show() -> None:
    """Show the whole page."""
    st.html('<h1 class="page-title">Design space</h1>')
    form, answer = st.columns([1, 2.1], gap="medium")
    with form:
        request, problem = choose_space()
    with answer:
        try:
            sweep = _evaluated_sweep(request, problem)
        except InvalidInput as error:
            show_errors(str(error))
            return
        chart_data = _chart_data(sweep)
        _show_answer(sweep, chart_data)
    _show_table(sweep, chart_data.front)
    _show_distributions(sweep, _chart_palette())
    _show_downloads(sweep, chart_data)


def _evaluated_sweep(request: SearchRequest | None, problem: str) -> IncrementalSweep:
    """The evaluation of a request; InvalidInput with the reason where it has no networks."""
    if request is None:
        raise InvalidInput(problem)
    sweep = _current_sweep(request)
    _evaluate_rest(sweep)
    if not sweep.complete:
        _show_remaining(sweep)
    if not sweep.collector.networks:
        raise InvalidInput(_reason_without_networks(sweep))
    return sweep


def _reason_without_networks(sweep: IncrementalSweep) -> str:
    """What the command line says of the whole space; of a part of it, that it has none."""
    if sweep.complete:
        return reason_without_networks(sweep.space).removeprefix(f"space {sweep.space.title}: ")
    return f"none of the first {exact(sweep.done)} candidates is a network within the limits."


def _current_sweep(request: SearchRequest) -> IncrementalSweep:
    """The session's evaluation of this request, to go on where it was left; a new one for another request."""
    sweep: IncrementalSweep | None = st.session_state.get(_SWEEP_KEY)
    subject = (request.space.fingerprint, request.objectives, request.targets)
    if sweep is None or (sweep.space.fingerprint, sweep.objectives, sweep.targets) != subject:
        st.session_state[_SWEEP_KEY] = sweep = IncrementalSweep(request.space, request.objectives, request.targets)
    return sweep


def _evaluate_rest(sweep: IncrementalSweep) -> None:
    """Evaluate what is left; a change of any widget, or the button, interrupts this between two chunks."""
    if sweep.finished:
        return
    placeholder = st.empty()
    with placeholder.container():
        bar_column, button = st.columns([6, 1], vertical_alignment="center")
        bar = bar_column.progress(0.0)
        button.button("Stop", on_click=sweep.stop, width="stretch")
    for done in sweep.steps():
        bar.progress(done / sweep.space.size, f"{exact(done)} of {exact(sweep.space.size)} candidates")
    placeholder.empty()


def _chart_palette() -> ChartPalette:
    return DARK_PALETTE if st.context.theme.type == "dark" else LIGHT_PALETTE


def _show_answer(sweep: IncrementalSweep, chart_data: ChartData) -> None:
    """The first screen: the figures, the network nearest to the targets, if any, and the front."""
    st.html(_headline(sweep))
    if sweep.nearest:
        _show_nearest(sweep, sweep.nearest)
    _show_front(sweep, chart_data, _chart_palette())


def _show_nearest(sweep: IncrementalSweep, nearest: NearCandidate) -> None:
    """The network that comes nearest to the targets, and by how much it misses each of them."""
    expression = escape(sweep.space.expression(nearest.candidate))
    cells = "".join(_figure_against_target(target, nearest) for target in sweep.targets)
    with st.container(key="nearest", border=True, horizontal=True, vertical_alignment="center"):
        st.html(
            f'<section class="nearest"><h2 class="section">Nearest</h2><code>{expression}</code>'
            f'<dl class="figures">{cells}</dl></section>',
            width="stretch",
        )
        if st.button("Open in Explore"):
            _open_in_explore(sweep, nearest.candidate)


def _figure_against_target(target: Target, nearest: NearCandidate) -> str:
    figure = nearest.figures[target.name]
    whole = isinstance(figure, int)
    change = f"{100 * (figure / target.value - 1):+.2f} %".replace("-", "−")
    precise = f"{exact(int(figure))} (target {change})" if whole else f"target {change}"
    meaning = "beside what is asked for"
    return figure_html(column_title(target.name), short(int(figure)) if whole else f"{figure:.4g}", precise, meaning)


def _show_remaining(sweep: IncrementalSweep) -> None:
    reason = "Stopped" if sweep.stopped else f"A page evaluates for {MAX_SECONDS} seconds"
    message, button = st.columns([6, 1], vertical_alignment="center")
    message.info(f"{reason}: {exact(sweep.done)} of {exact(sweep.space.size)} candidates are in what follows.")
    button.button("Go on", on_click=sweep.resume, width="stretch")


def _headline(sweep: IncrementalSweep) -> str:
    collector = sweep.collector
    figures = [
        ("candidates", exact(sweep.done), f"in {sweep.seconds:.1f} s"),
        ("within the limits", exact(collector.networks), f"{100 * collector.networks / sweep.done:.3g} % of them"),
        ("on the front", exact(len(collector.front["index"])), "no other beats them"),
    ]
    cells = (
        f"<div><dt>{name}</dt><dd><b>{figure}</b> <small>{small}</small></dd></div>" for name, figure, small in figures
    )
    return f'<section class="headline"><dl class="figures">{"".join(cells)}</dl></section>'


def _chart_data(sweep: IncrementalSweep) -> ChartData:
    """The points to draw: some of the sample, the front as far as the table lists it, and named variants."""
    collector = sweep.collector
    values = collector.front[sweep.objectives[0][0]]
    rows = np.argsort(values, kind="stable")[:: -1 if sweep.objectives[0][1] else 1][:_MAX_LISTED]
    sample = rows_of(collector.sample, slice(None, None, -(-len(collector.sample["index"]) // _MAX_POINTS)))
    return ChartData(sample, rows_of(collector.front, rows), _variants_and_nearest(sweep))


def _variants_and_nearest(sweep: IncrementalSweep) -> Columns:
    """Named variants, and the nearest network under that name."""
    variants, nearest = nearby_variants(sweep.space, sweep.collector.sample, sweep.collector.front), sweep.nearest
    if nearest is None or not variants:
        return variants
    row = {_NAME: _NEAREST} | nearest.figures
    return {name: np.append(values, row[name]) for name, values in variants.items()}


def _show_front(sweep: IncrementalSweep, chart_data: ChartData, palette: ChartPalette) -> None:
    objectives = [name for name, _ in sweep.objectives]
    chart = front_chart(chart_data, objectives, palette, clickable=True).properties(
        height=_HEIGHT if sweep.nearest is None else _REDUCED_HEIGHT
    )
    event: Any = st.altair_chart(chart, key="space_chart", on_select="rerun")
    st.caption(
        f"{exact(len(chart_data.sample['index']))} networks drawn evenly from {exact(sweep.collector.networks)} in "
        "grey, the front in colour, named variants as diamonds. A click on any of them opens it in Explore."
    )
    for name, field in SELECTION_FIELDS.items():
        for point in event.selection.get(name, ()):
            _open_in_explore(sweep, point.get(field))


def _size(sweep: IncrementalSweep) -> Size | None:
    """The input size of every candidate; None for each one's own."""
    return sweep.space.input_sizes[0] if sweep.space.input_sizes else None


def _open_in_explore(sweep: IncrementalSweep, point: Any) -> None:
    """Show a candidate by its number, or a named variant by its name, in Explore."""
    size = _size(sweep)
    if point == _NEAREST and sweep.nearest:
        point = sweep.nearest.candidate
    expression = point if isinstance(point, str) else sweep.space.expression(int(point))
    parameters = {"variant": expression} | ({"input_size": str(size)} if isinstance(size, int) else {})
    st.switch_page(page_named("explore"), query_params=parameters)


def _show_table(sweep: IncrementalSweep, front: Columns) -> None:
    event: Any = st.dataframe(
        _table(sweep, front),
        key="space_front",
        hide_index=True,
        column_config=_column_config(),
        on_select="rerun",
        selection_mode="single-row",
        row_height=33,
        height=min(36 + 33 * len(front["index"]), 36 + 33 * 8),
        alt="Networks on the front",
    )
    if event.selection.rows:
        _open_in_explore(sweep, front["index"][event.selection.rows[0]])


def _table(sweep: IncrementalSweep, front: Columns) -> pd.DataFrame:
    networks = [sweep.space.expression(int(index)) for index in front["index"]]
    return pd.DataFrame({"network": networks} | {figure: front[figure] for figure in _FIGURES})


def _column_config() -> dict[str, Any]:
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    return {"network": text("network", width="large", pinned=True)} | {
        figure: number(words, format="localized") for figure, words in _FIGURES.items()
    }


def _show_distributions(sweep: IncrementalSweep, palette: ChartPalette) -> None:
    st.html('<h2 class="section">Distributions</h2>')
    for column, figure in zip(st.columns(len(_FIGURES)), _FIGURES, strict=True):
        chart = distribution_chart({"": sweep.collector.sample}, figure, palette).properties(height=190)
        column.altair_chart(chart, key=f"space_{figure}")
    st.caption("The share of networks whose figure is at most so much.")


def _show_downloads(sweep: IncrementalSweep, chart_data: ChartData) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<span class="label">Download</span>', width="content")
        for ending, (mime, help_text, make_file) in _FILES.items():
            st.download_button(
                ending.upper(),
                partial(make_file, sweep, chart_data),
                f"design-space.{ending}",
                mime,
                key=f"space-{ending}",
                help=help_text,
                on_click="ignore",
                type="tertiary",
            )


def _toml(sweep: IncrementalSweep, chart_data: ChartData) -> str:
    return to_toml(sweep.space)


def _csv(sweep: IncrementalSweep, chart_data: ChartData) -> str:
    return _table(sweep, sweep.collector.front).to_csv(index=False)


def _chart_file(ending: str, sweep: IncrementalSweep, chart_data: ChartData) -> str:
    objectives = [name for name, _ in sweep.objectives]
    caption = points_caption(sweep.collector.networks, sweep.done, chart_data)
    return chart_document(summary_chart(chart_data, objectives, list(_FIGURES), sweep.space.title, caption), ending)


_FILES: dict[str, tuple[str, str, Callable[[IncrementalSweep, ChartData], str]]] = {
    "toml": ("application/toml", "The space, for `analyzer sweep` on the command line", _toml),
    "csv": ("text/csv", "The networks on the front", _csv),
    "svg": ("image/svg+xml", "Front and distributions, drawn", partial(_chart_file, "svg")),
    "html": (
        "text/html",
        "Front and distributions, one page with tooltips, nothing to fetch",
        partial(_chart_file, "html"),
    ),
}
