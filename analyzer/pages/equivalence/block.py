"""One block in its three forms: drawn, with as many paths as wanted, and compared number by number on request."""

from functools import partial
from typing import Any, NamedTuple

import altair as alt
import pandas as pd
import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.expression import canonical, parse
from analyzer.graph.resnext_forms import grouped_blocks
from analyzer.pages.equivalence.network import ONE_THREAD_ENV
from analyzer.pages.explore.cached import cached_analysis, cached_forms_dot, cached_svg
from analyzer.pages.explore.viewer import show_diagram
from analyzer.pages.jobs import jobs
from analyzer.pages.state.server_values import (
    is_current_widget,
    restore_widget_values,
    save_widget_values,
    set_server_value,
    synced_widget_key,
)
from analyzer.pages.state.style import code_span, show_errors
from analyzer.pages.state.url_parameters import expect_choice, expect_toggle
from analyzer.text.units import exact

MAX_PATHS = 256
"""Most paths that a page draws and computes."""

_BLOCK_KEY, _CARDINALITY_KEY, _DTYPE_KEY, _MODE_KEY, _FAULT_KEY = "block", "cardinality", "dtype", "mode", "wrong_slice"
_JOB_SLOT = "comparing"
_FAULT = "wrong slice"
_COLOURS = {
    "output": "#3b78e7",
    "gradient of input": "#f58518",
    "gradients of weights": "#54a24b",
    "running statistics": "#b279a2",
}
_MODES = {"training": "train", "evaluation": "eval"}


class _BlockComparison(NamedTuple):
    variant: str
    path: str
    dtype: str
    mode: str
    fault: str


def show_block(variant: str, expression_key: str, forms_problem: str, proof_problem: str) -> None:
    """Show the widgets, the drawing and the comparison; the slider writes the text box of `expression_key`.

    Each problem is a sentence why there are no forms or no proof, "" where there are.
    """
    restore_widget_values(_BLOCK_KEY, _DTYPE_KEY, _MODE_KEY, _FAULT_KEY)
    chooser, slider = st.columns([3, 4.4], vertical_alignment="bottom")
    with slider:
        _show_cardinality(variant, expression_key)
    paths = _grouped_block_paths(variant)
    if forms_problem or not paths:
        return
    expect_choice(_BLOCK_KEY, paths)
    path = chooser.selectbox(
        "Block", paths, key=_BLOCK_KEY, bind="query-params", help="Every block with grouped paths."
    )
    save_widget_values(**{_BLOCK_KEY: path})
    with st.container(key="drawing"):
        _show_forms_diagram(variant, path)
    _show_comparison(variant, path, proof_problem)


@st.cache_data(max_entries=64, show_spinner=False)
def _grouped_block_paths(variant: str) -> list[str]:
    return [path for path, _ in grouped_blocks(cached_analysis(variant, None).network.graph)]


def _show_cardinality(variant: str, expression_key: str) -> None:
    """A slider over the ways to cut the same inner width into paths, one being ResNet's own bottleneck."""
    options = _cardinalities(variant)
    if len(options) < 2:
        return
    current = getattr(parse(variant), "cardinality", 1)
    slider = synced_widget_key(_CARDINALITY_KEY, current)
    st.select_slider(
        "Cardinality C: into how many paths the same inner width is cut",
        sorted({current, *options}),
        current,
        key=slider,
        on_change=_on_cardinality_change,
        args=(options, expression_key, slider),
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _cardinalities(variant: str) -> dict[int, str]:
    """Number of paths → the network with so many, and paths as narrow as to keep the inner width."""
    spec = parse(variant)
    inner = getattr(spec, "cardinality", 0) * getattr(spec, "base_width", 0)
    expressions = {}
    for count in (count for count in range(1, min(inner, MAX_PATHS) + 1) if inner % count == 0):
        try:
            expressions[count] = canonical(spec.with_fields(cardinality=count, base_width=inner // count))
        except InvalidInput:  # a block without paths, or paths too narrow for a stage
            continue
    return expressions


def _on_cardinality_change(options: dict[int, str], expression_key: str, slider: str) -> None:
    if is_current_widget(slider) and (expression := options.get(st.session_state[slider])):
        set_server_value(expression_key, expression)


def _show_forms_diagram(variant: str, path: str) -> None:
    dot = cached_forms_dot(variant, path)
    try:
        show_diagram(cached_svg(dot), f"The three forms of {path}", key="forms")
    except Unavailable as error:
        st.graphviz_chart(dot)
        st.caption(code_span(str(error)))


def _show_comparison(variant: str, path: str, proof_problem: str) -> None:
    st.html('<h2 class="section">This block, number by number</h2>')
    with st.container(horizontal=True, vertical_alignment="center"):
        dtype = _segmented_control("dtype", ("float64", "float32"), _DTYPE_KEY)
        mode = _segmented_control("mode", tuple(_MODES), _MODE_KEY)
        expect_toggle(_FAULT_KEY)
        fault = st.toggle(
            "Plant a wrong slice",
            key=_FAULT_KEY,
            bind="query-params",
            help="Path 1 gets the 3×3 weights of path 2, in forms (a) and (b): the comparison has to fail.",
        )
        save_widget_values(**{_DTYPE_KEY: dtype, _MODE_KEY: mode, _FAULT_KEY: fault})
        subject = _BlockComparison(variant, path, dtype, _MODES[mode], _FAULT if fault else "")
        job = jobs.current_job(_JOB_SLOT, subject)
        st.button(
            "Compare the forms",
            disabled=bool(proof_problem) or (job is not None and job.running),
            on_click=jobs.start_job,
            args=(_JOB_SLOT, partial(_comparison_job, subject)),
        )
    if job is not None and job.running:
        jobs.show_job_progress(job)
    elif job is not None:
        _show_result(job.result)


def _segmented_control(label: str, options: tuple[str, ...], key: str) -> str:
    expect_choice(key, options)
    option: str = st.segmented_control(
        label, options, default=options[0], key=key, bind="query-params", required=True, label_visibility="collapsed"
    )
    return option


def _comparison_job(subject: _BlockComparison) -> jobs.BackgroundJob:
    return jobs.BackgroundJob(subject, jobs.job_command("prove", "block", *subject), ONE_THREAD_ENV)


def _show_result(result: dict[str, Any]) -> None:
    if "problem" in result:
        show_errors(result["problem"])
        return
    (st.success if result["passed"] else st.error)(result["verdict"])
    with st.container(key="table-block"):
        st.markdown(result["table"])
    for column, identity in zip(st.columns(2), ("(a) = (c)", "(b) = (c)"), strict=True):
        with column:
            _show_histogram(result, identity)
    st.caption(
        "Each number of a tensor against the grouped form's: |a − b| over the tensor's largest. Differences that are "
        "rounding stay left of the dashed bound."
    )


def _show_histogram(result: dict[str, Any], identity: str) -> None:
    spreads = [spread for spread in result["spreads"] if spread["identity"] == identity]
    equal = sum(spread["equal"] for spread in spreads)
    different = sum(count for spread in spreads for _, count in spread["bins"])
    st.html(
        f'<h3 class="section">{identity}: {exact(equal)} numbers equal bit for bit, {exact(different)} different</h3>'
    )
    bars = pd.DataFrame(
        [
            {"what": spread["what"], "from": start, "to": start + result["bin_width"], "count": count}
            for spread in spreads
            for start, count in spread["bins"]
        ],
        columns=["what", "from", "to", "count"],
    )
    bounds = sorted({row["tolerance"] for row in result["rows"] if row["identity"] == identity and row["tolerance"]})
    st.altair_chart(_histogram(bars, bounds), height=230, alt=f"Histogram of the differences of {identity}")


def _histogram(bars: pd.DataFrame, bounds: list[float]) -> Any:
    scale = alt.Scale(domain=[-20, 1], nice=False)
    colour_scale = alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values()))
    axis = alt.Axis(title="difference, as a power of ten", tickCount=8, labelExpr="'1e' + datum.value", grid=False)
    marks = alt.Chart(bars).mark_bar(binSpacing=0)
    histogram = marks.encode(
        x=alt.X("from:Q", bin="binned", scale=scale, axis=axis),
        x2="to:Q",
        y=alt.Y("count:Q", title="numbers", stack=True, axis=alt.Axis(format="~s", tickCount=4)),
        color=alt.Color("what:N", title=None, scale=colour_scale, legend=alt.Legend(orient="bottom", columns=2)),
        tooltip=["what:N", alt.Tooltip("from:Q", title="from 10 to the"), alt.Tooltip("count:Q", format=",d")],
    )
    rules = alt.Chart(pd.DataFrame({"bound": bounds})).transform_calculate(at="log(datum.bound) / LN10")
    return alt.layer(histogram, rules.mark_rule(strokeDash=[4, 3], size=1.5, color="#d33f2f").encode(x="at:Q"))
