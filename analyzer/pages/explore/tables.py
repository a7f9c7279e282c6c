"""An analysis as the page shows it: headline, stage table and table of ops."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from analyzer.cost.analysis import Analysis
from analyzer.cost.walk import OpCost
from analyzer.latency.predict.prediction import Prediction
from analyzer.render.latency.predicted import evidence_words, interval_text, milliseconds_text, run_words
from analyzer.render.notation import op_notation, stage_contents
from analyzer.text.units import exact, shape, short, size_bytes, stage_label

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

CAPTION = (
    "Exact, in closed form, for one image. MACs: multiply-accumulates of convolutions and linear layers; "
    "FLOPs = 2 × MACs. Activations: output elements of convolutions and linear layers. Parameters: learned numbers."
)


def headline(analysis: Analysis, prediction: Prediction | None = None, problem: str = "") -> str:
    """Title, origin and headline figures; the exact integer stands below each figure and in its title.

    A predicted latency has its interval there; where a `problem` prevents it, that is in its title.
    """
    network = analysis.network
    about = " · ".join(part for part in (network.paper, network.note) if part)
    cells = _headline_figures(analysis) + ([_latency_figure(prediction)] if prediction else [])
    cells += [("latency", "–", "see below why", problem)] if problem else []
    code = f" <code>{escape(network.expression)}</code>" if network.expression != network.title else ""
    return (
        f'<section class="headline"><header><h1>{escape(network.title)}{code}</h1><p>{escape(about)}</p></header>'
        f'<dl class="figures">{"".join(figure_html(*cell) for cell in cells)}</dl></section>'
    )


def _headline_figures(analysis: Analysis) -> list[tuple[str, str, str, str]]:
    totals = analysis.totals
    height, width = analysis.input_shape[1:]
    return [
        ("parameters", short(totals.params), exact(totals.params), "learned numbers"),
        ("MACs", short(totals.macs), exact(totals.macs), "multiply-accumulates of convolutions and linear layers"),
        ("FLOPs = 2 × MACs", short(totals.flops), exact(totals.flops), "floating point operations"),
        (
            "activations",
            short(totals.activations),
            exact(totals.activations),
            "output elements of convolutions and linear layers",
        ),
        (
            "receptive field",
            f"{exact(totals.receptive_field)} px",
            f"input {height} × {width}",
            "before the global pool",
        ),
        ("depth", str(totals.depth), "weighted layers", "convolutions and linear layers on the longest path"),
    ]


def _latency_figure(prediction: Prediction) -> tuple[str, str, str, str]:
    name = f"{prediction.device}, batch {prediction.batch_size}, {run_words(prediction).replace(', eager', '')}"
    meaning = f"is the 90 % interval of {run_words(prediction)}; {evidence_words(prediction)}; predicted, not measured"
    return escape(name), milliseconds_text(prediction), f"predicted, 90 %: {interval_text(prediction)} ms", meaning


def figure_html(name: str, figure: str, precise: str, meaning: str) -> str:
    """One of a headline's figures, large, over its name and its exact value; both with the meaning are its title."""
    title = escape(f"{precise} {meaning}", quote=True)
    return f'<div title="{title}"><dt>{name}</dt><dd><b>{figure}</b> <small>{precise}</small></dd></div>'


def memory_text(analysis: Analysis, batch: int) -> str:
    """Bytes of weights, of inference and of training at a batch size, and a training step's MACs."""
    running, training = analysis.memory(batch), analysis.transfer(batch_size=batch)
    weights = size_bytes(running.params_bytes + running.buffers_bytes)
    return (
        f"Memory at batch {batch} in float32: weights and buffers {weights}, activations in inference at most "
        f"{size_bytes(running.peak_bytes)}, stored for training {size_bytes(training.stored_bytes)}. "
        f"A training step takes {short(training.macs)} MACs an image, forward and back."
    )


def stage_table(analysis: Analysis, precise: bool = False) -> "Styler":
    """One row a stage with shares in per cent of the whole; numbers stay numbers, so that sorting works.

    They are shown with three digits, or exactly where `precise`.
    """
    totals, blocks = analysis.totals, analysis.blocks
    frame = pd.DataFrame(
        {
            "stage": [stage_label(stage.stage) for stage in analysis.stages],
            "contents": [stage_contents(analysis, stage, blocks) for stage in analysis.stages],
            "output": [shape(stage.output_shape) for stage in analysis.stages],
            **_with_shares("params", [stage.params for stage in analysis.stages], totals.params),
            **_with_shares("macs", [stage.macs for stage in analysis.stages], totals.macs),
            **_with_shares("activations", [stage.activations for stage in analysis.stages], totals.activations),
        }
    )
    return frame.style.format(_exact if precise else _short, subset=["params", "macs", "activations"])


def _short(number: Any) -> str:
    return short(int(number))  # pandas hands NumPy integers over


def _exact(number: Any) -> str:
    return exact(int(number))


def _with_shares(name: str, values: Sequence[int], whole: int) -> dict[str, list[float]]:
    return {name: list(values), f"{name}_share": [100 * value / whole if whole else 0.0 for value in values]}


def stage_columns(precise: bool = False) -> dict[str, Any]:
    """How the stage table's columns are shown; exact numbers take more room."""
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    extra_width = 30 if precise else 0
    return {
        "stage": text("stage", width=86, pinned=True),
        "contents": text("what it is made of", width=350 - 3 * extra_width),
        "output": text("output", width=100, help="channels × height × width"),
        "params": number("params", width=72 + extra_width, help="parameters: learned numbers"),
        "params_share": _share_column("% of params"),
        "macs": number("MACs", width=72 + extra_width, help="multiply-accumulates for one image"),
        "macs_share": _share_column("% of MACs"),
        "activations": number(
            "activations", width=84 + extra_width, help="output elements of convolutions and linear layers"
        ),
        "activations_share": _share_column("% of activations"),
    }


def _share_column(label: str) -> Any:
    return st.column_config.ProgressColumn(label, width=110, format="%.1f %%", min_value=0, max_value=100)


def titled_list(title: str, sentences: Sequence[str]) -> str:
    """A heading and sentences as a list, nothing in them interpreted."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<h2 class="section">{title}</h2><ul class="remarks">{items}</ul>'


def op_table(rows: Sequence[OpCost]) -> pd.DataFrame:
    """One row an op: weight path, what it is, shapes, exact costs."""
    return pd.DataFrame(
        {
            "path": [row.path for row in rows],
            "op": [op_notation(row.operation) for row in rows],
            "input": [" + ".join(shape(item) for item in row.input_shapes) for row in rows],
            "output": [shape(row.output_shape) for row in rows],
            "params": [row.params for row in rows],
            "macs": [row.macs for row in rows],
            "activations": [row.activations for row in rows],
            "field": [row.receptive_field for row in rows],
        }
    )


def op_columns() -> dict[str, Any]:
    """How the table of ops is shown."""
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    return {
        "path": text("weight path", pinned=True),
        "op": text("op"),
        "input": text("input", help="channels × height × width"),
        "output": text("output", help="channels × height × width"),
        "params": number("params", format="localized"),
        "macs": number("MACs", format="localized"),
        "activations": number("activations", format="localized"),
        "field": number("receptive field, px", format="localized"),
    }
