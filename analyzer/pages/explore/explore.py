"""Explore: what a network is, how big, how costly, and what it looks like."""

from functools import partial
from typing import Any

import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.latency.predict.prediction import Prediction
from analyzer.latency.predict.target import LatencyTarget
from analyzer.pages.explore import tables as figures
from analyzer.pages.explore.cached import (
    begin_drawing,
    explained_html,
    inside_of,
    memory_of,
    ops_of,
    places_of,
    remarks_of,
    stages_of,
    svg_of,
)
from analyzer.pages.explore.device import choose_target, latency_html, predicted
from analyzer.pages.explore.downloads import Shown, show_downloads
from analyzer.pages.explore.measuring import show_measuring
from analyzer.pages.explore.spec_form import show_form
from analyzer.pages.explore.variant_picker import Chosen, choose
from analyzer.pages.explore.viewer import picked, show_drawing
from analyzer.pages.state.server_values import keep, restore
from analyzer.pages.state.style import literal, show_problem
from analyzer.pages.state.url_parameters import expect_choice, expect_switch
from analyzer.render.diagram.dot import COARSER, LEVELS
from analyzer.render.diagram.labels import HEAT_WORDS
from analyzer.render.diagram.style import HEATS

_LEVEL = "level"
_HEAT = "heat"
_PART = "part"
_ONLY = "only"
_EXACT = "exact"
_STAGES = "stage_table"


def show() -> None:
    """The whole page."""
    chosen, form = choose()
    if chosen:
        _show_network(chosen, form)
    else:
        _show_form(form)


def _show_form(form: Any) -> None:
    """The form's button; its many fields take a while, in which a drawing can be laid out."""
    with form:
        show_form()


def _show_network(chosen: Chosen, form: Any) -> None:
    options = places_of(chosen.expression, chosen.size)
    head, diagram, stages, timed = st.container(), st.container(), st.container(), st.container()
    with timed:
        target, problem = _choose_target(chosen)
    part = _part_box(options)
    with diagram:
        shown = _show_controls(chosen, options, part, target)
        drawing = st.container(key="drawing")
    unable = _begin(shown)
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


def _choose_target(chosen: Chosen) -> tuple[LatencyTarget | None, str]:
    """The device and the run, or what is wrong with them."""
    st.html('<h2 class="section">Latency by stage, predicted</h2>')
    return choose_target(chosen.batch)


def _show_latency(chosen: Chosen, target: LatencyTarget | None, problem: str) -> None:
    """What is predicted for the device and the run, or what is wrong with them, and what is measured here."""
    if problem:
        show_problem(problem)
    if target:
        st.html(latency_html(chosen.expression, chosen.size, target))
    show_measuring(chosen)


def _prediction(chosen: Chosen, target: LatencyTarget | None) -> Prediction | None:
    return predicted(chosen.expression, chosen.size, target) if target else None


def _show_controls(chosen: Chosen, options: dict[str, str], part: str | None, target: LatencyTarget | None) -> Shown:
    """The diagram's heading and widgets; what they ask for."""
    restore(_LEVEL, _HEAT, _ONLY)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Diagram</h2>')
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            only = _only_control(chosen, options, part)
            heat = _heat_box([heat for heat in HEATS if heat != "latency" or target])
            level = _level_control()
    keep(**{_LEVEL: level, _HEAT: heat, _ONLY: only})
    return Shown(chosen.expression, chosen.size, level, heat, True, part if only else None, target)


def _only_control(chosen: Chosen, options: dict[str, str], part: str | None) -> bool:
    """Whether to draw nothing but the chosen stage or block; idle while none is chosen."""
    stages = {stage.stage for stage in chosen.analysis.stages}
    expect_switch(_ONLY)
    wanted: bool = st.toggle(
        f"Only {options[part] if part else 'one part'}",
        key=_ONLY,
        bind="query-params",
        disabled=part is None,
        on_change=_take_only,
        args=("stage" if part in stages else "op",),
        help="Draw the stage or block alone that is chosen under “Look inside”, in the table or in the diagram.",
    )
    return wanted and part is not None


def _take_only(level: str) -> None:
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
    expect_choice(_HEAT, map(HEAT_WORDS.__getitem__, heats))
    heat: str | None = st.selectbox(
        "Colour of the diagram",
        heats,
        index=None,
        key=_HEAT,
        bind="query-params",
        format_func=HEAT_WORDS.__getitem__,
        placeholder="shade by …",
        label_visibility="collapsed",
        width=190,
    )
    return heat


def _begin(shown: Shown) -> str:
    """Let the diagram be laid out while the rest of the page is made; why there is none to lay out, else nothing."""
    try:
        begin_drawing(shown.dot)
    except InvalidInput as error:
        return str(error)
    return ""


def _offer_coarser(shown: Shown, unable: str) -> bool:
    """Why there is no diagram, and a coarser one."""
    show_problem(unable)
    if shown.level in COARSER:
        coarser = COARSER[shown.level]
        st.button(f"Show the {coarser} level", on_click=_take_level, args=(coarser,))
    return False


def _draw(chosen: Chosen, shown: Shown, part: str | None) -> bool:
    """Show the diagram, or its text and why it is not drawn."""
    try:
        svg = svg_of(shown.dot)
    except Unavailable as error:
        st.graphviz_chart(shown.dot)
        st.caption(literal(str(error)))
        return True
    what = f"{chosen.analysis.network.title}{f', {shown.part}' if shown.part else ''}"
    inside = inside_of(chosen.expression, chosen.size, svg)
    show_drawing(svg, f"Diagram of {what}, {shown.level} level", inside, part, partial(_take_picked, inside))
    return True


def _take_level(level: str) -> None:
    st.session_state[_LEVEL] = level


def _take_picked(inside: dict[str, str]) -> None:
    if (name := picked()) in inside:
        st.session_state[_PART] = inside[name]


def _show_stages(chosen: Chosen) -> Any:
    """The table and what stands out; a container between them for the downloads."""
    restore(_EXACT)
    expect_switch(_EXACT)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Stages</h2>', width="content")
        precise = st.toggle("Exact numbers", key=_EXACT, bind="query-params")
    keep(**{_EXACT: precise})
    st.dataframe(
        stages_of(chosen.expression, chosen.size, precise),
        key=_STAGES,
        hide_index=True,
        column_config=figures.stage_columns(precise),
        on_select=partial(_take_cell, [stage.stage for stage in chosen.analysis.stages]),
        selection_mode="single-cell",
        row_height=32,
        alt="Costs by stage",
    )
    st.caption(f"{figures.CAPTION} {memory_of(chosen.expression, chosen.size, chosen.batch)}")
    downloads = st.container()
    sentences = remarks_of(chosen.expression, chosen.size)
    if sentences:
        st.html(figures.listed("What stands out", sentences))
    return downloads


def _take_cell(stages: list[str]) -> None:
    cells = st.session_state[_STAGES]["selection"]["cells"]
    if cells:
        st.session_state[_PART] = stages[cells[0][0]]


def _part_box(options: dict[str, str]) -> str | None:
    """Which stage or block to look inside; Streamlit forgets one that this network has not."""
    restore(_PART)
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
    keep(**{_PART: part})
    return part


def _show_part(chosen: Chosen, part: str) -> None:
    ops = ops_of(chosen.expression, chosen.size, part)
    st.dataframe(ops, hide_index=True, column_config=figures.op_columns(), alt=f"Ops of {part}")
    st.html(explained_html(chosen.expression, chosen.size, part))
