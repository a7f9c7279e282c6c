"""Explore: what a network is, how big, how costly, and what it looks like."""

from functools import partial
from typing import Any

import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.latency.predict.prediction import Prediction
from analyzer.latency.predict.target import LatencyTarget
from analyzer.pages.explore import tables
from analyzer.pages.explore.cached import (
    cached_explanation_html,
    cached_memory_text,
    cached_op_table,
    cached_part_labels,
    cached_remarks,
    cached_stage_table,
    cached_svg,
    cached_svg_parts,
    start_layout,
)
from analyzer.pages.explore.device import cached_latency_html, cached_prediction, choose_target
from analyzer.pages.explore.downloads import ExploreView, show_downloads
from analyzer.pages.explore.measuring import show_measuring
from analyzer.pages.explore.spec_form import show_form
from analyzer.pages.explore.variant_picker import ChosenNetwork, choose_network
from analyzer.pages.explore.viewer import clicked_id, show_diagram
from analyzer.pages.state.server_values import restore_widget_values, save_widget_values
from analyzer.pages.state.style import code_span, show_errors
from analyzer.pages.state.url_parameters import expect_choice, expect_toggle
from analyzer.render.diagram.dot import COARSER_LEVEL, LEVELS
from analyzer.render.diagram.labels import HEAT_LABELS
from analyzer.render.diagram.style import HEAT_QUANTITIES

_LEVEL_KEY = "level"
_HEAT_KEY = "heat"
_PART_KEY = "part"
_ONLY_KEY = "only"
_EXACT_KEY = "exact"
_STAGES_KEY = "stage_table"


def show() -> None:
    """Show the whole page."""
    chosen, form = choose_network()
    if chosen:
        _show_network(chosen, form)
    else:
        _show_form(form)


def _show_form(form: Any) -> None:
    """Show the form's button; its many fields take a while, in which a drawing can be laid out."""
    with form:
        show_form()


def _show_network(chosen: ChosenNetwork, form: Any) -> None:
    labels = cached_part_labels(chosen.expression, chosen.size)
    head, diagram, stages, latency = st.container(), st.container(), st.container(), st.container()
    with latency:
        target, problem = _choose_target(chosen)
    part = _part_box(labels)
    with diagram:
        view = _show_controls(chosen, labels, part, target)
        drawing = st.container(key="drawing")
    layout_problem = _start_layout(view)
    _show_form(form)
    with head:
        st.html(tables.headline(chosen.analysis, _prediction(chosen, target), problem))
    with latency:
        _show_latency(chosen, target, problem)
    with stages:
        downloads = _show_stages(chosen)
    if part:
        _show_part(chosen, part)
    with drawing:
        drawn = _show_drawing(chosen, view, part) if not layout_problem else _offer_coarser(view, layout_problem)
    with downloads:
        show_downloads(view._replace(drawn=drawn))


def _choose_target(chosen: ChosenNetwork) -> tuple[LatencyTarget | None, str]:
    """Show the widgets; the device and the run settings, or what is wrong with them."""
    st.html('<h2 class="section">Latency by stage, predicted</h2>')
    return choose_target(chosen.batch)


def _show_latency(chosen: ChosenNetwork, target: LatencyTarget | None, problem: str) -> None:
    """Show what is predicted for the target, or what is wrong with it, and what is measured here."""
    if problem:
        show_errors(problem)
    if target:
        st.html(cached_latency_html(chosen.expression, chosen.size, target))
    show_measuring(chosen)


def _prediction(chosen: ChosenNetwork, target: LatencyTarget | None) -> Prediction | None:
    return cached_prediction(chosen.expression, chosen.size, target) if target else None


def _show_controls(
    chosen: ChosenNetwork, labels: dict[str, str], part: str | None, target: LatencyTarget | None
) -> ExploreView:
    """Show the diagram's heading and widgets; the view that they ask for."""
    restore_widget_values(_LEVEL_KEY, _HEAT_KEY, _ONLY_KEY)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Diagram</h2>')
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            only = _only_control(chosen, labels, part)
            heat = _heat_box([heat for heat in HEAT_QUANTITIES if heat != "latency" or target])
            level = _level_control()
    save_widget_values(**{_LEVEL_KEY: level, _HEAT_KEY: heat, _ONLY_KEY: only})
    return ExploreView(chosen.expression, chosen.size, level, heat, True, part if only else None, target)


def _only_control(chosen: ChosenNetwork, labels: dict[str, str], part: str | None) -> bool:
    """Whether to draw nothing but the chosen stage or block; idle while none is chosen."""
    stages = {stage.stage for stage in chosen.analysis.stages}
    expect_toggle(_ONLY_KEY)
    on: bool = st.toggle(
        f"Only {labels[part] if part else 'one part'}",
        key=_ONLY_KEY,
        bind="query-params",
        disabled=part is None,
        on_change=_on_only_change,
        args=("stage" if part in stages else "op",),
        help="Draw the stage or block alone that is chosen under “Look inside”, in the table or in the diagram.",
    )
    return on and part is not None


def _on_only_change(level: str) -> None:
    """A part alone is drawn with its blocks or ops at first, a network as a whole."""
    st.session_state[_LEVEL_KEY] = level if st.session_state[_ONLY_KEY] else "network"


def _level_control() -> str:
    expect_choice(_LEVEL_KEY, LEVELS)
    level: str = st.segmented_control(
        "Level of the diagram",
        list(LEVELS),
        default="network",
        key=_LEVEL_KEY,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    return level


def _heat_box(heats: list[str]) -> str | None:
    expect_choice(_HEAT_KEY, map(HEAT_LABELS.__getitem__, heats))
    heat: str | None = st.selectbox(
        "Colour of the diagram",
        heats,
        index=None,
        key=_HEAT_KEY,
        bind="query-params",
        format_func=HEAT_LABELS.__getitem__,
        placeholder="shade by …",
        label_visibility="collapsed",
        width=190,
    )
    return heat


def _start_layout(view: ExploreView) -> str:
    """Begin to lay the diagram out while the rest of the page is made; why it cannot be, or ""."""
    try:
        start_layout(view.dot)
    except InvalidInput as error:
        return str(error)
    return ""


def _offer_coarser(view: ExploreView, layout_problem: str) -> bool:
    """Show why there is no diagram, and a button for a coarser one; False, as nothing is drawn."""
    show_errors(layout_problem)
    if view.level in COARSER_LEVEL:
        coarser = COARSER_LEVEL[view.level]
        st.button(f"Show the {coarser} level", on_click=_set_level, args=(coarser,))
    return False


def _show_drawing(chosen: ChosenNetwork, view: ExploreView, part: str | None) -> bool:
    """Show the diagram, or its text and why it is not drawn; True."""
    try:
        svg = cached_svg(view.dot)
    except Unavailable as error:
        st.graphviz_chart(view.dot)
        st.caption(code_span(str(error)))
        return True
    subject = f"{chosen.analysis.network.title}{f', {view.part}' if view.part else ''}"
    parts = cached_svg_parts(chosen.expression, chosen.size, svg)
    show_diagram(svg, f"Diagram of {subject}, {view.level} level", parts, part, partial(_on_diagram_click, parts))
    return True


def _set_level(level: str) -> None:
    st.session_state[_LEVEL_KEY] = level


def _on_diagram_click(parts: dict[str, str]) -> None:
    if (svg_id := clicked_id()) in parts:
        st.session_state[_PART_KEY] = parts[svg_id]


def _show_stages(chosen: ChosenNetwork) -> Any:
    """Show the table and what stands out; the container between them, for the downloads."""
    restore_widget_values(_EXACT_KEY)
    expect_toggle(_EXACT_KEY)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Stages</h2>', width="content")
        precise = st.toggle("Exact numbers", key=_EXACT_KEY, bind="query-params")
    save_widget_values(**{_EXACT_KEY: precise})
    st.dataframe(
        cached_stage_table(chosen.expression, chosen.size, precise),
        key=_STAGES_KEY,
        hide_index=True,
        column_config=tables.stage_columns(precise),
        on_select=partial(_on_cell_select, [stage.stage for stage in chosen.analysis.stages]),
        selection_mode="single-cell",
        row_height=32,
        alt="Costs by stage",
    )
    st.caption(f"{tables.CAPTION} {cached_memory_text(chosen.expression, chosen.size, chosen.batch)}")
    downloads = st.container()
    sentences = cached_remarks(chosen.expression, chosen.size)
    if sentences:
        st.html(tables.titled_list("What stands out", sentences))
    return downloads


def _on_cell_select(stages: list[str]) -> None:
    cells = st.session_state[_STAGES_KEY]["selection"]["cells"]
    if cells:
        st.session_state[_PART_KEY] = stages[cells[0][0]]


def _part_box(labels: dict[str, str]) -> str | None:
    """Show the choice of a stage or block to look inside; Streamlit forgets one that this network lacks."""
    restore_widget_values(_PART_KEY)
    expect_choice(_PART_KEY, labels.values())
    part: str | None = st.selectbox(
        "Look inside",
        list(labels),
        key=_PART_KEY,
        bind="query-params",
        index=None,
        format_func=labels.__getitem__,
        placeholder="a stage or block, chosen here, in the table or in the diagram",
    )
    save_widget_values(**{_PART_KEY: part})
    return part


def _show_part(chosen: ChosenNetwork, part: str) -> None:
    ops = cached_op_table(chosen.expression, chosen.size, part)
    st.dataframe(ops, hide_index=True, column_config=tables.op_columns(), alt=f"Ops of {part}")
    st.html(cached_explanation_html(chosen.expression, chosen.size, part))
