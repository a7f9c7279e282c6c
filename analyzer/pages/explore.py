"""Explore: what a network is, how big, how costly, and what it looks like."""

from functools import partial

import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.pages import figures, places
from analyzer.pages.choose import Chosen, choose, keep, restore
from analyzer.pages.downloads import show_downloads
from analyzer.pages.look import literal, show_problem
from analyzer.pages.readings import dot_of, svg_of
from analyzer.pages.viewer import picked, show_drawing
from analyzer.render.dot import LEVELS
from analyzer.render.remarks import remarks

_LEVEL = "level"
_PART = "part"
_STAGES = "stage_table"


def show() -> None:
    """The whole page."""
    chosen = choose()
    if chosen is None:
        return
    options = places.places(chosen.analysis)
    if st.session_state.get(_PART) not in options:
        st.session_state[_PART] = None
    st.html(figures.headline(chosen.analysis))
    level = _show_diagram(chosen)
    _show_stages(chosen, level)
    _show_part(chosen, options)


def _show_diagram(chosen: Chosen) -> str:
    restore(_LEVEL)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Diagram</h2>')
        level: str = st.segmented_control(
            "Level of the diagram",
            list(LEVELS),
            default="network",
            key=_LEVEL,
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    keep(**{_LEVEL: level})
    with st.container(key="drawing"):
        _draw(chosen, level)
    return level


def _draw(chosen: Chosen, level: str) -> None:
    try:
        dot = dot_of(chosen.expression, chosen.side, level)
    except InvalidInput as error:
        show_problem(str(error))
        return
    try:
        svg = svg_of(dot)
    except Unavailable as error:
        st.graphviz_chart(dot)
        st.caption(literal(str(error)))
        return
    label = f"Diagram of {chosen.analysis.network.title}, {level} level"
    inside = places.resolved(chosen.analysis, svg)
    show_drawing(svg, label, inside, st.session_state.get(_PART), partial(_take_picked, inside))


def _take_picked(inside: dict[str, str]) -> None:
    if (name := picked()) in inside:
        st.session_state[_PART] = inside[name]


def _show_stages(chosen: Chosen, level: str) -> None:
    st.html('<h2 class="section">Stages</h2>')
    st.dataframe(
        figures.stage_table(chosen.analysis),
        key=_STAGES,
        hide_index=True,
        column_config=figures.stage_columns(),
        on_select=partial(_take_cell, [stage.stage for stage in chosen.analysis.stages]),
        selection_mode="single-cell",
        row_height=33,
        alt="Costs by stage",
    )
    st.caption(figures.CAPTION)
    show_downloads(chosen.expression, chosen.side, level)
    sentences = remarks(chosen.analysis, chosen.analysis.blocks)
    if sentences:
        st.html(figures.listed("What stands out", sentences))


def _take_cell(stages: list[str]) -> None:
    cells = st.session_state[_STAGES]["selection"]["cells"]
    if cells:
        st.session_state[_PART] = stages[cells[0][0]]


def _show_part(chosen: Chosen, options: dict[str, str]) -> None:
    part = st.selectbox(
        "Look inside",
        list(options),
        key=_PART,
        index=None,
        format_func=options.__getitem__,
        placeholder="a stage or block, chosen here, in the table or in the diagram",
    )
    if part:
        rows = places.rows_under(chosen.analysis, part)
        st.dataframe(figures.op_table(rows), hide_index=True, column_config=figures.op_columns(), alt=f"Ops of {part}")


if __name__ == "__main__":
    show()
