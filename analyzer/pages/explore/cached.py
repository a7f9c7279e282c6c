"""What the pages compute from a network, cached between reruns: analysis, tables, DOT text and the laid out SVG."""

import re
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from html import unescape
from typing import TYPE_CHECKING

import streamlit as st

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.walk import CostCache, OpCost
from analyzer.families.network import Size, network
from analyzer.families.registry import variant_names
from analyzer.graph.resnext_forms import cardinality, grouped_blocks, reason_without_forms
from analyzer.pages.explore.tables import memory_text, op_table, stage_table
from analyzer.pages.jobs.renderer import start_spare_renderer, take_renderer
from analyzer.render.diagram.dot import dot_source
from analyzer.render.diagram.graphviz import layout_safely
from analyzer.render.diagram.style import DiagramStyle, OpTimes
from analyzer.render.explain.explain import explanation
from analyzer.render.lessons.block_drawings import forms_dot
from analyzer.render.report.html import markdown_to_html
from analyzer.render.report.remarks import remarks
from analyzer.text.units import stage_label

if TYPE_CHECKING:
    from pandas import DataFrame
    from pandas.io.formats.style import Styler


def part_labels(analysis: Analysis) -> dict[str, str]:
    """Stage keys and block paths, each stage before its blocks → their labels: "stage 1", "stage 1 · layer1.0"."""
    blocks: dict[str, list[str]] = {stage.stage: [] for stage in analysis.stages}
    for block in analysis.blocks:
        blocks[block.stage].append(block.path)
    labels: dict[str, str] = {}
    for stage, paths in blocks.items():
        labels[stage] = stage_label(stage)
        labels |= {path: f"{stage_label(stage)} · {path}" for path in paths}
    return labels


def rows_of_part(analysis: Analysis, part: str) -> list[OpCost]:
    """The ops of a stage (by its key) or at and below a weight path."""
    return [row for row in analysis.rows if part in (row.stage, row.path) or row.path.startswith(f"{part}.")]


def parts_by_svg_id(analysis: Analysis, svg: str) -> dict[str, str]:
    """Each id in a drawing that stands for a part of the network → the block or stage that it lies in."""
    labels = part_labels(analysis)
    stage_of = {row.path: row.stage for row in analysis.rows}
    stage_of |= {span.path: span.stage for span in analysis.spans}
    parts: dict[str, str] = {}
    for svg_id in map(unescape, re.findall(r'<g id="([^"]*)" class="(?:node|cluster)\b', svg)):
        block = next((path for path in _ancestors(svg_id) if path in labels), None)
        part = block or stage_of.get(svg_id)
        if part:
            parts[svg_id] = part
    return parts


def _ancestors(path: str) -> list[str]:
    """A path and the paths above it, nearest first: "a.b.c", "a.b", "a"."""
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


LAYOUT_SECONDS = 10
"""Longest layout that a server computes for one visitor."""

MAX_BLOCKS = 4000
"""Blocks in the cost cache, each of a few kB, which make the analysis of a network with one changed field quick."""

_COST_CACHE: list[CostCache] = [{}]
_LAYOUT_POOL = ThreadPoolExecutor(2, "drawing")


@st.cache_resource(max_entries=128, show_spinner=False)
def cached_analysis(expression: str, size: Size | None) -> Analysis:
    """The analysis of an expression at an input size, shared between sessions, as it is immutable; or InvalidInput."""
    if len(_COST_CACHE[0]) > MAX_BLOCKS:
        _COST_CACHE[0] = {}
    return analyze(expression, size, _COST_CACHE[0])


@cache
def grouped_variants() -> tuple[str, ...]:
    """The named variants with blocks whose forms can be compared."""
    return tuple(name for name in variant_names() if not reason_without_forms(network(name).graph))


@st.cache_data(max_entries=128, show_spinner=False)
def cached_dot(
    expression: str,
    size: Size | None,
    level: str,
    heat: str | None = None,
    direction: str | None = None,
    part: str | None = None,
    _times: OpTimes | None = None,
    target_arguments: str = "",
) -> str:
    """DOT text of a network's diagram, or of one stage's or block's; InvalidInput where it is too large to draw.

    `_times` is no part of the cache's key; `target_arguments` says which device and settings the times are of.
    """
    style = DiagramStyle(heat=heat, direction=direction, times=_times)
    return dot_source(cached_analysis(expression, size), level, style, path=part)


@st.cache_data(max_entries=128, show_spinner=False)
def cached_run_bytes(expression: str, size: Size | None, batch: int) -> int:
    """Bytes of weights and of a batch's activations in inference."""
    return cached_analysis(expression, size).memory(batch).total_bytes


@st.cache_data(max_entries=128, show_spinner=False)
def cached_part_labels(expression: str, size: Size | None) -> dict[str, str]:
    """The stages and blocks that one can look inside, with their labels."""
    return part_labels(cached_analysis(expression, size))


@st.cache_data(max_entries=128, show_spinner=False)
def cached_svg_parts(expression: str, size: Size | None, svg: str) -> dict[str, str]:
    """Each id in a drawing that stands for a part of the network → the block or stage that it lies in."""
    return parts_by_svg_id(cached_analysis(expression, size), svg)


@st.cache_data(max_entries=128, show_spinner=False)
def cached_remarks(expression: str, size: Size | None) -> list[str]:
    """What stands out, in sentences."""
    analysis = cached_analysis(expression, size)
    return remarks(analysis, analysis.blocks)


@st.cache_resource(max_entries=128, show_spinner=False)
def cached_stage_table(expression: str, size: Size | None, precise: bool) -> "Styler":
    """The stage table, shared: not to be changed."""
    return stage_table(cached_analysis(expression, size), precise)


@st.cache_resource(max_entries=64, show_spinner=False)
def cached_op_table(expression: str, size: Size | None, part: str) -> "DataFrame":
    """The table of a stage's or block's ops, shared: not to be changed."""
    return op_table(rows_of_part(cached_analysis(expression, size), part))


@st.cache_data(max_entries=128, show_spinner=False)
def cached_forms_dot(expression: str, path: str) -> str:
    """DOT text of the three equal forms of the grouped block at a path; InvalidInput where it has no paths to split."""
    analysis = cached_analysis(expression, None)
    block = dict(grouped_blocks(analysis.network.graph))[path]
    side = next(row.input_shapes[0][1] for row in analysis.rows if row.path.startswith(f"{path}."))
    title = f"{analysis.network.title}, {path}, as {cardinality(block)} paths"
    return forms_dot(block, side, title)


@st.cache_data(max_entries=128, show_spinner=False)
def cached_explanation_html(expression: str, size: Size | None, part: str) -> str:
    """How the numbers of a stage or block come about, each formula filled in, below a heading of the second rank."""
    html = markdown_to_html(explanation(cached_analysis(expression, size), part).markdown)
    lowered = html.replace("h2>", "h3>").replace("h1>", "h2>")
    return f'<section class="told explained">{lowered}</section>'


@st.cache_data(max_entries=128, show_spinner=False)
def cached_memory_text(expression: str, size: Size | None, batch: int) -> str:
    """The memory that a batch takes, in two sentences."""
    return memory_text(cached_analysis(expression, size), batch)


def render_safely(dot: str, output_format: str) -> bytes:
    """A drawing in a format of Graphviz, laid out in a child process; Unavailable without a renderer or after 10 s."""
    try:
        return layout_safely(dot, output_format, LAYOUT_SECONDS, take_renderer)
    finally:
        start_spare_renderer()


def start_layout(dot: str) -> None:
    """Begin to lay a drawing out while the page goes on; `cached_svg` waits for it."""
    _layout_future(dot)


def cached_svg(dot: str) -> str:
    """A drawing as SVG; Unavailable as `render_safely`."""
    drawing = _layout_future(dot)
    if drawing.exception():
        _layout_future.clear(dot)  # the next visitor may have more luck
    return drawing.result()


@st.cache_resource(max_entries=64, show_spinner=False)
def _layout_future(dot: str) -> Future[str]:
    """A drawing that is being laid out or done, shared between sessions."""
    drawing = _LAYOUT_POOL.submit(lambda: layout_safely(dot, "svg", LAYOUT_SECONDS, take_renderer).decode())
    drawing.add_done_callback(lambda _: start_spare_renderer())  # not before the page has it
    return drawing
