"""What the pages read off a network, kept between reruns: the analysis, its DOT text, and the laid out SVG."""

import re
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from html import unescape
from typing import TYPE_CHECKING

import streamlit as st

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.walk import Costed, Row
from analyzer.families.network import Size, network
from analyzer.families.registry import variant_names
from analyzer.graph.resnext_forms import cardinality, grouped_blocks, nothing_to_prove
from analyzer.pages.explore.tables import memory_words, op_table, stage_table
from analyzer.pages.jobs.draw import prepare, ready
from analyzer.render.diagram.dot import dot_source
from analyzer.render.diagram.graphviz import layout_safely
from analyzer.render.diagram.style import Look, OpTimes
from analyzer.render.explain.explain import explanation
from analyzer.render.lessons.block_drawings import forms_dot
from analyzer.render.report.html import rendered
from analyzer.render.report.remarks import remarks
from analyzer.text.units import stage_words

if TYPE_CHECKING:
    from pandas import DataFrame
    from pandas.io.formats.style import Styler


def places(analysis: Analysis) -> dict[str, str]:
    """Stage keys and block paths, each stage before its blocks → their words: "stage 1", "stage 1 · layer1.0"."""
    blocks: dict[str, list[str]] = {stage.stage: [] for stage in analysis.stages}
    for block in analysis.blocks:
        blocks[block.stage].append(block.path)
    words: dict[str, str] = {}
    for stage, paths in blocks.items():
        words[stage] = stage_words(stage)
        words |= {path: f"{stage_words(stage)} · {path}" for path in paths}
    return words


def rows_under(analysis: Analysis, place: str) -> list[Row]:
    """The ops of a stage (by its key) or at and below a weight path."""
    return [row for row in analysis.rows if place in (row.stage, row.path) or row.path.startswith(f"{place}.")]


def resolved(analysis: Analysis, svg: str) -> dict[str, str]:
    """Each id in a drawing that stands for a part of the network → the block or stage that it lies in."""
    known = places(analysis)
    stage_of = {row.path: row.stage for row in analysis.rows}
    stage_of |= {span.path: span.stage for span in analysis.spans}
    found: dict[str, str] = {}
    for name in map(unescape, re.findall(r'<g id="([^"]*)" class="(?:node|cluster)\b', svg)):
        block = next((path for path in _ancestors(name) if path in known), None)
        place = block or stage_of.get(name)
        if place:
            found[name] = place
    return found


def _ancestors(path: str) -> list[str]:
    """A path and the paths above it, nearest first: "a.b.c", "a.b", "a"."""
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


LAYOUT_SECONDS = 10
"""Longest layout that a server does for one visitor."""

MAX_BLOCKS = 4000
"""Costed blocks, each of a few kB, that a server keeps, so that a network with one field changed is costed quickly."""

_BLOCKS: list[Costed] = [{}]
_DRAWERS = ThreadPoolExecutor(2, "drawing")


@st.cache_resource(max_entries=128, show_spinner=False)
def analysis_of(expression: str, size: Size | None) -> Analysis:
    """The analysis of an expression at an input size, shared, since it is immutable; raises InvalidInput."""
    if len(_BLOCKS[0]) > MAX_BLOCKS:
        _BLOCKS[0] = {}
    return analyze(expression, size, _BLOCKS[0])


@cache
def grouped_names() -> tuple[str, ...]:
    """The named variants with blocks whose forms can be compared."""
    return tuple(name for name in variant_names() if not nothing_to_prove(network(name).graph))


@st.cache_data(max_entries=128, show_spinner=False)
def dot_of(
    expression: str,
    size: Size | None,
    level: str,
    heat: str | None = None,
    direction: str | None = None,
    part: str | None = None,
    _times: OpTimes | None = None,
    on: str = "",
) -> str:
    """DOT text of a network's diagram, or of one stage's or block's; InvalidInput where it is too large to draw.

    `on` tells the device and the run that the times are of.
    """
    look = Look(heat=heat, direction=direction, times=_times)
    return dot_source(analysis_of(expression, size), level, look, path=part)


@st.cache_data(max_entries=128, show_spinner=False)
def bytes_of(expression: str, size: Size | None, batch: int) -> int:
    """Bytes of weights and of a batch's activations in inference."""
    return analysis_of(expression, size).memory(batch).total_bytes


@st.cache_data(max_entries=128, show_spinner=False)
def places_of(expression: str, size: Size | None) -> dict[str, str]:
    """What one can look inside, with its words."""
    return places(analysis_of(expression, size))


@st.cache_data(max_entries=128, show_spinner=False)
def inside_of(expression: str, size: Size | None, svg: str) -> dict[str, str]:
    """Each id in a drawing that stands for a part of the network → the block or stage that it lies in."""
    return resolved(analysis_of(expression, size), svg)


@st.cache_data(max_entries=128, show_spinner=False)
def remarks_of(expression: str, size: Size | None) -> list[str]:
    """What stands out, in sentences."""
    analysis = analysis_of(expression, size)
    return remarks(analysis, analysis.blocks)


@st.cache_resource(max_entries=128, show_spinner=False)
def stages_of(expression: str, size: Size | None, precise: bool) -> "Styler":
    """The stage table, which is not to be changed."""
    return stage_table(analysis_of(expression, size), precise)


@st.cache_resource(max_entries=64, show_spinner=False)
def ops_of(expression: str, size: Size | None, place: str) -> "DataFrame":
    """The table of a stage's or block's ops, which is not to be changed."""
    return op_table(rows_under(analysis_of(expression, size), place))


@st.cache_data(max_entries=128, show_spinner=False)
def forms_of(expression: str, path: str) -> str:
    """DOT text of the three equal forms of the grouped block at a path; InvalidInput where it has no paths to split."""
    analysis = analysis_of(expression, None)
    block = dict(grouped_blocks(analysis.network.graph))[path]
    side = next(row.input_shapes[0][1] for row in analysis.rows if row.path.startswith(f"{path}."))
    title = f"{analysis.network.title}, {path}, as {cardinality(block)} paths"
    return forms_dot(block, side, title)


@st.cache_data(max_entries=128, show_spinner=False)
def explained_html(expression: str, size: Size | None, place: str) -> str:
    """How the numbers of a stage or block come about, each formula filled in, below a heading of the second rank."""
    html = rendered(explanation(analysis_of(expression, size), place).markdown)
    lowered = html.replace("h2>", "h3>").replace("h1>", "h2>")
    return f'<section class="told explained">{lowered}</section>'


@st.cache_data(max_entries=128, show_spinner=False)
def memory_of(expression: str, size: Size | None, batch: int) -> str:
    """What a batch takes of memory, in two sentences."""
    return memory_words(analysis_of(expression, size), batch)


def drawn_safely(dot: str, form: str) -> bytes:
    """A drawing, laid out in a child process; Unavailable without a renderer or after ten seconds."""
    try:
        return layout_safely(dot, form, LAYOUT_SECONDS, ready)
    finally:
        prepare()


def begin_drawing(dot: str) -> None:
    """Lay a drawing out while the page goes on; `svg_of` has it then."""
    _drawing(dot)


def svg_of(dot: str) -> str:
    """A drawing as SVG; Unavailable as `drawn_safely`."""
    drawing = _drawing(dot)
    if drawing.exception():
        _drawing.clear(dot)  # the next visitor may have more luck
    return drawing.result()


@st.cache_resource(max_entries=64, show_spinner=False)
def _drawing(dot: str) -> Future[str]:
    """A drawing that is under way or done, shared."""
    drawing = _DRAWERS.submit(lambda: layout_safely(dot, "svg", LAYOUT_SECONDS, ready).decode())
    drawing.add_done_callback(lambda _: prepare())  # not before the page has it
    return drawing
