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
from analyzer.pages.navigation import page_named
from analyzer.pages.space.background import MAX_SECONDS, IncrementalSweep
from analyzer.pages.space.form import SearchRequest, choose_space
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
_POINTS = 1500
_LISTED = 200
"""Networks of the front that the table lists, and that the chart draws."""
_FIGURES = {"params": "parameters", "macs": "MACs", "activations": "activations", "depth": "depth"}
_HEIGHT, _LOWER = 500, 390
"""Pixels of the chart, alone and below the nearest network: both fit the first screen."""
_NAME, _NEAREST = "name", "nearest"


def show() -> None:
    """The whole page."""
    st.html('<h1 class="page-title">Design space</h1>')
    form, answer = st.columns([1, 2.1], gap="medium")
    with form:
        asked, problem = choose_space()
    with answer:
        try:
            sweeping = _answer(asked, problem)
        except InvalidInput as error:
            show_errors(str(error))
            return
        picture = _chart_data(sweeping)
        _show_answer(sweeping, picture)
    _show_table(sweeping, picture.front)
    _show_distributions(sweeping, _chart_palette())
    _show_downloads(sweeping, picture)


def _answer(asked: SearchRequest | None, problem: str) -> IncrementalSweep:
    """The networks that are asked for; InvalidInput with the reason where there are none."""
    if asked is None:
        raise InvalidInput(problem)
    sweeping = _current_sweep(asked)
    _finish(sweeping)
    if not sweeping.whole:
        _show_remaining(sweeping)
    if not sweeping.found.networks:
        raise InvalidInput(_why_no_networks(sweeping))
    return sweeping


def _why_no_networks(sweeping: IncrementalSweep) -> str:
    """What the command line says of the whole space; of a part of it, that it has none."""
    if sweeping.whole:
        return reason_without_networks(sweeping.space).removeprefix(f"space {sweeping.space.title}: ")
    return f"none of the first {exact(sweeping.done)} candidates is a network within the limits."


def _current_sweep(asked: SearchRequest) -> IncrementalSweep:
    """The evaluation of what is asked for, gone on with where it was left."""
    kept: IncrementalSweep | None = st.session_state.get(_SWEEP_KEY)
    wanted = (asked.space.fingerprint, asked.objectives, asked.targets)
    if kept is None or (kept.space.fingerprint, kept.objectives, kept.targets) != wanted:
        st.session_state[_SWEEP_KEY] = kept = IncrementalSweep(asked.space, asked.objectives, asked.targets)
    return kept


def _finish(sweeping: IncrementalSweep) -> None:
    """Evaluate what is left; a change of any widget, or the button, interrupts this between two chunks."""
    if sweeping.finished:
        return
    place = st.empty()
    with place.container():
        beside, button = st.columns([6, 1], vertical_alignment="center")
        bar = beside.progress(0.0)
        button.button("Stop", on_click=sweeping.stop, width="stretch")
    for done in sweeping.steps():
        bar.progress(done / sweeping.space.size, f"{exact(done)} of {exact(sweeping.space.size)} candidates")
    place.empty()


def _chart_palette() -> ChartPalette:
    return DARK_PALETTE if st.context.theme.type == "dark" else LIGHT_PALETTE


def _show_answer(sweeping: IncrementalSweep, picture: ChartData) -> None:
    """The figures, the nearest network where one is sought, and the front: the first screen."""
    st.html(_headline(sweeping))
    if sweeping.nearest:
        _show_nearest(sweeping, sweeping.nearest)
    _show_front(sweeping, picture, _chart_palette())


def _show_nearest(sweeping: IncrementalSweep, near: NearCandidate) -> None:
    """The network that comes nearest to what is asked for, and by how much it misses each figure."""
    expression = escape(sweeping.space.expression(near.candidate))
    cells = "".join(_figure_against_target(target, near) for target in sweeping.targets)
    with st.container(key="nearest", border=True, horizontal=True, vertical_alignment="center"):
        st.html(
            f'<section class="nearest"><h2 class="section">Nearest</h2><code>{expression}</code>'
            f'<dl class="figures">{cells}</dl></section>',
            width="stretch",
        )
        if st.button("Open in Explore"):
            _open(sweeping, near.candidate)


def _figure_against_target(target: Target, near: NearCandidate) -> str:
    figure = near.figures[target.name]
    whole = isinstance(figure, int)
    change = f"{100 * (figure / target.value - 1):+.2f} %".replace("-", "−")
    precise = f"{exact(int(figure))} (target {change})" if whole else f"target {change}"
    meaning = "beside what is asked for"
    return figure_html(column_title(target.name), short(int(figure)) if whole else f"{figure:.4g}", precise, meaning)


def _show_remaining(sweeping: IncrementalSweep) -> None:
    why = "Stopped" if sweeping.stopped else f"A page evaluates for {MAX_SECONDS} seconds"
    beside, button = st.columns([6, 1], vertical_alignment="center")
    beside.info(f"{why}: {exact(sweeping.done)} of {exact(sweeping.space.size)} candidates are in what follows.")
    button.button("Go on", on_click=sweeping.resume, width="stretch")


def _headline(sweeping: IncrementalSweep) -> str:
    found = sweeping.found
    shown = [
        ("candidates", exact(sweeping.done), f"in {sweeping.seconds:.1f} s"),
        ("within the limits", exact(found.networks), f"{100 * found.networks / sweeping.done:.3g} % of them"),
        ("on the front", exact(len(found.front["index"])), "no other beats them"),
    ]
    cells = (
        f"<div><dt>{name}</dt><dd><b>{figure}</b> <small>{small}</small></dd></div>" for name, figure, small in shown
    )
    return f'<section class="headline"><dl class="figures">{"".join(cells)}</dl></section>'


def _chart_data(sweeping: IncrementalSweep) -> ChartData:
    """What is drawn: some of the sample, the front as far as the table lists it, and named variants."""
    found = sweeping.found
    first = found.front[sweeping.objectives[0][0]]
    listed = np.argsort(first, kind="stable")[:: -1 if sweeping.objectives[0][1] else 1][:_LISTED]
    sample = rows_of(found.sample, slice(None, None, -(-len(found.sample["index"]) // _POINTS)))
    return ChartData(sample, rows_of(found.front, listed), _named(sweeping))


def _named(sweeping: IncrementalSweep) -> Columns:
    """Named variants, and the nearest network under that name."""
    named, near = nearby_variants(sweeping.space, sweeping.found.sample, sweeping.found.front), sweeping.nearest
    if near is None or not named:
        return named
    row = {_NAME: _NEAREST} | near.figures
    return {name: np.append(values, row[name]) for name, values in named.items()}


def _show_front(sweeping: IncrementalSweep, picture: ChartData, look: ChartPalette) -> None:
    objectives = [name for name, _ in sweeping.objectives]
    chart = front_chart(picture, objectives, look, clickable=True).properties(
        height=_HEIGHT if sweeping.nearest is None else _LOWER
    )
    event: Any = st.altair_chart(chart, key="space_chart", on_select="rerun")
    st.caption(
        f"{exact(len(picture.sample['index']))} networks drawn evenly from {exact(sweeping.found.networks)} in grey, "
        "the front in colour, named variants as diamonds. A click on any of them opens it in Explore."
    )
    for name, field in SELECTION_FIELDS.items():
        for point in event.selection.get(name, ()):
            _open(sweeping, point.get(field))


def _size(sweeping: IncrementalSweep) -> Size | None:
    """The input size of every candidate; None for each one's own."""
    return sweeping.space.input_sizes[0] if sweeping.space.input_sizes else None


def _open(sweeping: IncrementalSweep, point: Any) -> None:
    """Show a candidate by its number, or a named variant by its name, in Explore."""
    size = _size(sweeping)
    if point == _NEAREST and sweeping.nearest:
        point = sweeping.nearest.candidate
    expression = point if isinstance(point, str) else sweeping.space.expression(int(point))
    parameters = {"variant": expression} | ({"input_size": str(size)} if isinstance(size, int) else {})
    st.switch_page(page_named("explore"), query_params=parameters)


def _show_table(sweeping: IncrementalSweep, front: Columns) -> None:
    event: Any = st.dataframe(
        _table(sweeping, front),
        key="space_front",
        hide_index=True,
        column_config=_columns(),
        on_select="rerun",
        selection_mode="single-row",
        row_height=33,
        height=min(36 + 33 * len(front["index"]), 36 + 33 * 8),
        alt="Networks on the front",
    )
    if event.selection.rows:
        _open(sweeping, front["index"][event.selection.rows[0]])


def _table(sweeping: IncrementalSweep, front: Columns) -> pd.DataFrame:
    networks = [sweeping.space.expression(int(index)) for index in front["index"]]
    return pd.DataFrame({"network": networks} | {figure: front[figure] for figure in _FIGURES})


def _columns() -> dict[str, Any]:
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    return {"network": text("network", width="large", pinned=True)} | {
        figure: number(words, format="localized") for figure, words in _FIGURES.items()
    }


def _show_distributions(sweeping: IncrementalSweep, look: ChartPalette) -> None:
    st.html('<h2 class="section">Distributions</h2>')
    for column, figure in zip(st.columns(len(_FIGURES)), _FIGURES, strict=True):
        chart = distribution_chart({"": sweeping.found.sample}, figure, look).properties(height=190)
        column.altair_chart(chart, key=f"space_{figure}")
    st.caption("The share of networks whose figure is at most so much.")


def _show_downloads(sweeping: IncrementalSweep, picture: ChartData) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<span class="label">Download</span>', width="content")
        for ending, (mime, meaning, make) in _FILES.items():
            st.download_button(
                ending.upper(),
                partial(make, sweeping, picture),
                f"design-space.{ending}",
                mime,
                key=f"space-{ending}",
                help=meaning,
                on_click="ignore",
                type="tertiary",
            )


def _toml(sweeping: IncrementalSweep, picture: ChartData) -> str:
    return to_toml(sweeping.space)


def _csv(sweeping: IncrementalSweep, picture: ChartData) -> str:
    return _table(sweeping, sweeping.found.front).to_csv(index=False)


def _chart_file(ending: str, sweeping: IncrementalSweep, picture: ChartData) -> str:
    objectives = [name for name, _ in sweeping.objectives]
    words = points_caption(sweeping.found.networks, sweeping.done, picture)
    return chart_document(summary_chart(picture, objectives, list(_FIGURES), sweeping.space.title, words), ending)


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
