"""All named variants in one chart: costs against each other or against published accuracy, with the Pareto front."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import cycle
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from analyzer.latency.predict.parse_target import reference_target
from analyzer.latency.predict.target import LatencyTarget
from analyzer.literature.published import recipes
from analyzer.pages.state.navigation import page_named
from analyzer.pages.state.server_values import restore_widget_values, save_widget_values
from analyzer.pages.state.style import code_span
from analyzer.pages.state.url_parameters import expect_choice
from analyzer.render.latency.predicted import target_words
from analyzer.render.sweep.variants_scatter import (
    AXES,
    LATENCY,
    TOP1,
    VariantPoint,
    network_kinds,
    variant_front,
    variant_points,
)
from analyzer.text.units import short, significant

_X, _Y, _RECIPES, _SIDES = "x", "y", "recipes", "inputs"
_CHART, _TABLE, _CLICK, _CHOSEN = "scatter", "scatter_table", "click", "scatter_chosen"
_INPUTS = {"all": 0, "ImageNet": 224, "CIFAR": 32}
_HEIGHT = 470
_GREY = "#7a8594"
"""Readable on light and on dark."""

_COLOURS = (
    *("#3b78e7", "#f58518", "#54a24b", "#e45756", "#b279a2", "#72b7b2"),
    *("#d6a800", "#ff7f9f", "#9d755d", "#8f8f8f", "#00a5c8", "#7f5fd9", "#c23bd6"),
)
"""One for each kind of network, in the order of `network_kinds`."""

_CAPTION = (
    "Every named variant at its own input size. Costs are computed here; accuracies are published, each by the source "
    "named in the table: weights of different recipes compare trainings as much as networks. The line is the Pareto "
    "front: no network shown is better in both figures."
)


def show_variants_chart(add: Callable[[str], None], target: LatencyTarget | None) -> None:
    """Show the chart and its table; `add` adds a variant to the comparison, latency is predicted for `target`."""
    restore_widget_values(_X, _Y, _RECIPES, _SIDES)
    points, x, y = _choose_points(target)
    st.html('<h2 class="section">All named variants</h2>')
    if not points:
        st.info("No source that is chosen states an accuracy for these networks; choose another one.")
        return
    frame = _frame(points, x, y)
    chart, table = st.columns([1.55, 1])
    with chart:
        st.altair_chart(
            _scatter_chart(frame, x, y),
            height=_HEIGHT,
            key=_CHART,
            on_select=_on_point_click,
            selection_mode=_CLICK,
            alt=f"{AXES[y].title} over {AXES[x].title}; the table beside it has every point",
        )
    with table:
        st.dataframe(
            _table(frame, x, y),
            key=_TABLE,
            hide_index=True,
            height=_HEIGHT,
            row_height=32,
            column_config=_column_config(x, y),
            on_select=partial(_on_row_select, frame["variant"].tolist()),
            selection_mode="single-row",
            alt="The chart's points",
        )
    _show_selected_variant(points, add)
    device = target_words(target or reference_target())
    st.caption(
        f"{_CAPTION} Latency is predicted, not measured, for one batch on {device}." if LATENCY in (x, y) else _CAPTION
    )


def _choose_points(target: LatencyTarget | None) -> tuple[list[VariantPoint], str, str]:
    """Show the widgets; the points to be shown, those of the front among them, and the keys of the axes."""
    columns = st.columns([1.2, 1.2, 2.6, 1.6], vertical_alignment="bottom")
    titles = [axis.title for axis in AXES.values()]
    keys = dict(zip(titles, AXES, strict=True))
    for key, options in ((_X, titles), (_Y, titles), (_RECIPES, recipes()), (_SIDES, _INPUTS)):
        expect_choice(key, options)
    x = columns[0].selectbox("Across", titles, 1, key=_X, bind="query-params")
    y = columns[1].selectbox("Up", titles, list(AXES).index(TOP1), key=_Y, bind="query-params")
    sources = columns[2].multiselect(
        "Accuracy published by", recipes(), recipes()[:1], key=_RECIPES, bind="query-params", placeholder="nobody"
    )
    inputs = columns[3].segmented_control(
        "Networks for", list(_INPUTS), default="all", key=_SIDES, bind="query-params", required=True
    )
    save_widget_values(**{_X: x, _Y: y, _RECIPES: sources, _SIDES: inputs})
    across, up = keys[x], keys[y]
    candidates = _points(tuple(sources) if TOP1 in (across, up) else (), target if LATENCY in (across, up) else None)
    points = [point for point in candidates if {across, up} <= point.figures.keys()]
    return [point for point in points if _INPUTS[inputs] in (0, point.side)], across, up


@st.cache_resource(max_entries=16, show_spinner=False)
def _points(sources: tuple[str, ...], target: LatencyTarget | None) -> list[VariantPoint]:
    return variant_points(sources, target)


def _frame(points: Sequence[VariantPoint], x: str, y: str) -> pd.DataFrame:
    front = variant_front(points, x, y)
    rows = [
        {
            "variant": point.variant,
            "title": point.title,
            "kind": point.kind,
            "x": point.figures[x],
            "y": point.figures[y],
            "recipe": point.recipe or "–",
            "source": point.source or "computed",
            "front": point in front,
            "mark": "●" if point in front else "",
        }
        for point in points
    ]
    return pd.DataFrame(rows).sort_values(["x", "y"], ignore_index=True)


def _scatter_chart(frame: pd.DataFrame, x: str, y: str) -> Any:
    base = alt.Chart(frame).encode(x=_axis("x", x), y=_axis("y", y))
    front = base.transform_filter("datum.front")
    clicked = alt.selection_point(name=_CLICK, fields=["variant"], on="click", clear=False)
    line = front.mark_line(strokeDash=[5, 3], size=1.5, opacity=0.7, color=_GREY)
    kinds = set(frame["kind"])
    colours = {kind: colour for kind, colour in zip(network_kinds(), cycle(_COLOURS), strict=False) if kind in kinds}
    return alt.layer(line, _marks(base, x, y, colours).add_params(clicked), *_labels(front))


def _marks(base: Any, x: str, y: str, colours: dict[str, str]) -> Any:
    legend = alt.Legend(orient="bottom", columns=3, symbolLimit=0)
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return base.mark_point(filled=True, size=90, opacity=0.9).encode(
        color=alt.Color("kind:N", title=None, legend=legend, scale=scale),
        shape=alt.Shape("recipe:N", title=None, legend=None),
        tooltip=[
            alt.Tooltip("title:N", title="network"),
            alt.Tooltip("x:Q", title=AXES[x].title, format=_number_format(x)),
            alt.Tooltip("y:Q", title=AXES[y].title, format=_number_format(y)),
            alt.Tooltip("source:N", title="accuracy by" if TOP1 in (x, y) else "figures"),
        ],
    )


def _labels(front: Any) -> list[Any]:
    """Names of the front's points, by turns right of it and left, where neighbours would cover each other.

    The first goes to the right and the last two to the left, so that none leaves the chart.
    """
    ranked = front.transform_window(place="row_number()", sort=[alt.SortField("x")]).transform_joinaggregate(
        last="count()"
    )
    above = "datum.place > 1 && (datum.last - datum.place) % 2 == 0"
    below = "datum.place > 1 && datum.place == datum.last - 1"
    sides = {
        above: {"align": "right", "dx": -9, "dy": -9},
        below: {"align": "right", "dx": -9, "dy": 9},
        f"!({above}) && !({below})": {"align": "left", "dx": 9, "dy": 9},
    }
    return [
        ranked.transform_filter(condition).mark_text(fontSize=11, color=_GREY, **side).encode(text="title:N")
        for condition, side in sides.items()
    ]


def _axis(channel: str, key: str) -> Any:
    make = alt.X if channel == "x" else alt.Y
    scale = (
        alt.Scale(zero=False, nice=False, padding=30) if key == TOP1 else alt.Scale(type="log", nice=False, padding=30)
    )
    format_ = {TOP1: ".0f", LATENCY: "~g"}.get(key, "~s")
    return make(f"{channel}:Q", title=AXES[key].title, scale=scale, axis=alt.Axis(format=format_))


def _number_format(key: str) -> str:
    return {TOP1: ".2f", LATENCY: ",.3r"}.get(key, ",d")


def _table(frame: pd.DataFrame, x: str, y: str) -> Any:
    special = {TOP1: "{:.2f}", LATENCY: significant}
    formats: dict[Hashable, Any] = {name: special.get(key, _short) for name, key in (("x", x), ("y", y))}
    return frame[["title", "x", "y", "mark", "source"]].style.format(formats)


def _short(number: float) -> str:
    return short(int(number))


def _column_config(x: str, y: str) -> dict[str, Any]:
    return {
        "title": st.column_config.TextColumn("network", pinned=True, width=150),
        "x": st.column_config.NumberColumn(_short_title(x), width=86),
        "y": st.column_config.NumberColumn(_short_title(y), width=86),
        "mark": st.column_config.TextColumn("front", width=50, help="on the Pareto front"),
        "source": st.column_config.TextColumn("accuracy by" if TOP1 in (x, y) else "figures", width="large"),
    }


def _short_title(key: str) -> str:
    return {TOP1: "top-1 %", LATENCY: "predicted ms"}.get(key, AXES[key].title)


def _on_point_click() -> None:
    selected = st.session_state[_CHART]["selection"].get(_CLICK)
    if selected:
        st.session_state[_CHOSEN] = selected[0]["variant"]


def _on_row_select(variants: list[str]) -> None:
    rows = st.session_state[_TABLE]["selection"]["rows"]
    if rows:
        st.session_state[_CHOSEN] = variants[rows[0]]


def _show_selected_variant(points: Sequence[VariantPoint], add: Callable[[str], None]) -> None:
    """The point that was clicked and its buttons; its room is there before, too, so that nothing moves."""
    variant = st.session_state.get(_CHOSEN)
    point = next((point for point in points if point.variant == variant), None)
    with st.container(horizontal=True, vertical_alignment="center", key="chosen_point"):
        if point is None:
            st.caption("Choose a point in the chart or a row of the table, to open that network or to compare it.")
            return
        accuracy = f", top-1 {point.figures[TOP1]} % by {point.source}" if point.source else ""
        st.markdown(f"**{point.title}** {code_span(point.variant + accuracy)}")
        st.button("Add to the comparison", on_click=add, args=(point.variant,))
        st.page_link(page_named("explore"), label="Open in Explore", query_params={"variant": point.variant})
