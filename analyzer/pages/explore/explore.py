"""Explore: what a network is, how big, how costly, and what it looks like."""

from functools import partial
from typing import Any

import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.latency.predict.prediction import Prediction
from analyzer.latency.predict.target import LatencyTarget
from analyzer.pages.explore import tables as figures
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

_LEVEL = "level"
_HEAT = "heat"
_PART = "part"
_ONLY = "only"
_EXACT = "exact"
_STAGES = "stage_table"


def show() -> None:
    """The whole page."""
    chosen, form = choose_network()
    if chosen:
        _show_network(chosen, form)
    else:
        _show_form(form)


def _show_form(form: Any) -> None:
    """The form's button; its many fields take a while, in which a drawing can be laid out."""
    with form:
        show_form()


def _show_network(chosen: ChosenNetwork, form: Any) -> None:
    options = cached_part_labels(chosen.expression, chosen.size)
    head, diagram, stages, timed = st.container(), st.container(), st.container(), st.container()
    with timed:
        target, problem = _choose_target(chosen)
    part = _part_box(options)
    with diagram:
        shown = _show_controls(chosen, options, part, target)
        drawing = st.container(key="drawing")
    unable = _start_layout(shown)
    _show_form(form)
    with head:
        st.html(figures.headline(chosen.analysis, _prediction(chosen, target), problem))
    with timed:
        _show_latency(chosen, target, problem)
    with stages:
        downloads = _show_stages(chosen)
    if part:
        _show_part(chosen, part)
    with drawing:
        drawn = _draw(chosen, shown, part) if not unable else _offer_coarser(shown, unable)
    with downloads:
        show_downloads(shown._replace(drawn=drawn))


def _choose_target(chosen: ChosenNetwork) -> tuple[LatencyTarget | None, str]:
    """The device and the run, or what is wrong with them."""
    st.html('<h2 class="section">Latency by stage, predicted</h2>')
    return choose_target(chosen.batch)


def _show_latency(chosen: ChosenNetwork, target: LatencyTarget | None, problem: str) -> None:
    """What is predicted for the device and the run, or what is wrong with them, and what is measured here."""
    if problem:
        show_errors(problem)
    if target:
        st.html(cached_latency_html(chosen.expression, chosen.size, target))
    show_measuring(chosen)


def _prediction(chosen: ChosenNetwork, target: LatencyTarget | None) -> Prediction | None:
    return cached_prediction(chosen.expression, chosen.size, target) if target else None


def _show_controls(
    chosen: ChosenNetwork, options: dict[str, str], part: str | None, target: LatencyTarget | None
) -> ExploreView:
    """The diagram's heading and widgets; what they ask for."""
    restore_widget_values(_LEVEL, _HEAT, _ONLY)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Diagram</h2>')
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            only = _only_control(chosen, options, part)
            heat = _heat_box([heat for heat in HEAT_QUANTITIES if heat != "latency" or target])
            level = _level_control()
    save_widget_values(**{_LEVEL: level, _HEAT: heat, _ONLY: only})
    return ExploreView(chosen.expression, chosen.size, level, heat, True, part if only else None, target)


def _only_control(chosen: ChosenNetwork, options: dict[str, str], part: str | None) -> bool:
    """Whether to draw nothing but the chosen stage or block; idle while none is chosen."""
    stages = {stage.stage for stage in chosen.analysis.stages}
    expect_toggle(_ONLY)
    wanted: bool = st.toggle(
        f"Only {options[part] if part else 'one part'}",
        key=_ONLY,
        bind="query-params",
        disabled=part is None,
        on_change=_on_only_change,
        args=("stage" if part in stages else "op",),
        help="Draw the stage or block alone that is chosen under “Look inside”, in the table or in the diagram.",
    )
    return wanted and part is not None


def _on_only_change(level: str) -> None:
    """A part alone is drawn with its blocks or ops at first, a network as a whole."""
    st.session_state[_LEVEL] = level if st.session_state[_ONLY] else "network"


def _level_control() -> str:
    expect_choice(_LEVEL, LEVELS)
    level: str = st.segmented_control(
        "Level of the diagram",
        list(LEVELS),
        default="network",
        key=_LEVEL,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    return level


def _heat_box(heats: list[str]) -> str | None:
    expect_choice(_HEAT, map(HEAT_LABELS.__getitem__, heats))
    heat: str | None = st.selectbox(
        "Colour of the diagram",
        heats,
        index=None,
        key=_HEAT,
        bind="query-params",
        format_func=HEAT_LABELS.__getitem__,
        placeholder="shade by …",
        label_visibility="collapsed",
        width=190,
    )
    return heat


def _start_layout(shown: ExploreView) -> str:
    """Let the diagram be laid out while the rest of the page is made; why there is none to lay out, else nothing."""
    try:
        start_layout(shown.dot)
    except InvalidInput as error:
        return str(error)
    return ""


def _offer_coarser(shown: ExploreView, unable: str) -> bool:
    """Why there is no diagram, and a coarser one."""
    show_errors(unable)
    if shown.level in COARSER_LEVEL:
        coarser = COARSER_LEVEL[shown.level]
        st.button(f"Show the {coarser} level", on_click=_set_level, args=(coarser,))
    return False


def _draw(chosen: ChosenNetwork, shown: ExploreView, part: str | None) -> bool:
    """Show the diagram, or its text and why it is not drawn."""
    try:
        svg = cached_svg(shown.dot)
    except Unavailable as error:
        st.graphviz_chart(shown.dot)
        st.caption(code_span(str(error)))
        return True
    what = f"{chosen.analysis.network.title}{f', {shown.part}' if shown.part else ''}"
    inside = cached_svg_parts(chosen.expression, chosen.size, svg)
    show_diagram(svg, f"Diagram of {what}, {shown.level} level", inside, part, partial(_on_diagram_click, inside))
    return True


def _set_level(level: str) -> None:
    st.session_state[_LEVEL] = level


def _on_diagram_click(inside: dict[str, str]) -> None:
    if (name := clicked_id()) in inside:
        st.session_state[_PART] = inside[name]


def _show_stages(chosen: ChosenNetwork) -> Any:
    """The table and what stands out; a container between them for the downloads."""
    restore_widget_values(_EXACT)
    expect_toggle(_EXACT)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Stages</h2>', width="content")
        precise = st.toggle("Exact numbers", key=_EXACT, bind="query-params")
    save_widget_values(**{_EXACT: precise})
    st.dataframe(
        cached_stage_table(chosen.expression, chosen.size, precise),
        key=_STAGES,
        hide_index=True,
        column_config=figures.stage_columns(precise),
        on_select=partial(_on_cell_select, [stage.stage for stage in chosen.analysis.stages]),
        selection_mode="single-cell",
        row_height=32,
        alt="Costs by stage",
    )
    st.caption(f"{figures.CAPTION} {cached_memory_text(chosen.expression, chosen.size, chosen.batch)}")
    downloads = st.container()
    sentences = cached_remarks(chosen.expression, chosen.size)
    if sentences:
        st.html(figures.listed("What stands out", sentences))
    return downloads


def _on_cell_select(stages: list[str]) -> None:
    cells = st.session_state[_STAGES]["selection"]["cells"]
    if cells:
        st.session_state[_PART] = stages[cells[0][0]]


def _part_box(options: dict[str, str]) -> str | None:
    """Which stage or block to look inside; Streamlit forgets one that this network has not."""
    restore_widget_values(_PART)
    expect_choice(_PART, options.values())
    part: str | None = st.selectbox(
        "Look inside",
        list(options),
        key=_PART,
        bind="query-params",
        index=None,
        format_func=options.__getitem__,
        placeholder="a stage or block, chosen here, in the table or in the diagram",
    )
    save_widget_values(**{_PART: part})
    return part


def _show_part(chosen: ChosenNetwork, part: str) -> None:
    ops = cached_op_table(chosen.expression, chosen.size, part)
    st.dataframe(ops, hide_index=True, column_config=figures.op_columns(), alt=f"Ops of {part}")
    st.html(cached_explanation_html(chosen.expression, chosen.size, part))
