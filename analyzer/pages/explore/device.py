"""Predicted latency: the widgets for the device and the run settings, each in the address, and the prediction."""

import streamlit as st

from analyzer.errors import InvalidInput
from analyzer.families.network import Size
from analyzer.latency.predict.devices import devices
from analyzer.latency.predict.parse_target import latency_target
from analyzer.latency.predict.predict import predict_latency
from analyzer.latency.predict.prediction import Prediction
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import PRECISIONS, RunSettings
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.state.server_values import restore_widget_values, save_widget_values
from analyzer.pages.state.url_parameters import bounded_text, expect_choice, expect_toggle
from analyzer.render.diagram.style import OpTimes
from analyzer.render.latency.predicted import latency_section, op_times
from analyzer.render.report.html import markdown_to_html

DEFAULT_DEVICE = "RTX 4090"
_MODES = {
    "compiled": ("torch.compile", "Kernels as torch.compile makes them, instead of PyTorch's own"),
    "nhwc": ("channels last", "Tensors in channels-last (NHWC) layout"),
    "train": ("training step", "Forward, backward and update, instead of inference"),
}
"""Name in the address → the toggle's label, and its help."""


@st.cache_resource(max_entries=256, show_spinner=False)
def cached_prediction(expression: str, size: Size | None, target: LatencyTarget) -> Prediction:
    """The predicted latency, shared between sessions, since it is immutable."""
    return predict_latency(cached_analysis(expression, size), target)


@st.cache_resource(max_entries=64, show_spinner=False)
def op_times_on(expression: str, size: Size | None, target: LatencyTarget) -> OpTimes:
    """Each op's predicted time, for drawings; shared between sessions."""
    return op_times(cached_analysis(expression, size), target)


@st.cache_data(max_entries=256, show_spinner=False)
def cached_latency_html(expression: str, size: Size | None, target: LatencyTarget) -> str:
    """HTML of the predicted latency, of its stages and of its kinds of kernels."""
    html = markdown_to_html(latency_section(cached_prediction(expression, size, target)))
    return f'<section class="told latency">{html}</section>'


def choose_target(
    batch: int, prefix: str = "", default: str | None = DEFAULT_DEVICE
) -> tuple[LatencyTarget | None, str]:
    """Show the widgets side by side; the target, None where no device is picked, and what is wrong with it.

    `prefix` tells their names in the address from another page's; `default` is the device at first.
    """
    keys = {name: f"{prefix}{name}" for name in ("device", "precision", *_MODES)}
    restore_widget_values(*keys.values())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        name = _device_box(keys["device"], default)
        precision = _precision_box(keys["precision"])
        modes = {mode: _toggle(keys[mode], *words) for mode, words in _MODES.items()}
    save_widget_values(**dict(zip(keys.values(), (name, precision, *modes.values()), strict=True)))
    if not name:
        return None, ""
    compiled, channels_last, training = modes.values()
    settings = RunSettings(batch, precision, compiled, channels_last, training=training)
    try:
        return latency_target(bounded_text("device", name), settings), ""
    except InvalidInput as error:
        return None, str(error)


def _device_box(key: str, default: str | None) -> str | None:
    names = list(devices())
    name: str | None = st.selectbox(
        "Device",
        names,
        index=names.index(default) if default else None,
        key=key,
        bind="query-params",
        accept_new_options=True,
        placeholder="latency on … (pick a device)",
        label_visibility="collapsed",
        width=230,
        help="A GPU or CPU by name, such as RTX 4090 or rtx4090; `analyzer latency --list-devices` has their figures.",
    )
    return name


def _precision_box(key: str) -> str:
    expect_choice(key, PRECISIONS)
    precision: str = st.selectbox(
        "Precision", PRECISIONS, index=1, key=key, bind="query-params", label_visibility="collapsed", width=150
    )
    return precision


def _toggle(key: str, label: str, help_text: str) -> bool:
    expect_toggle(key)
    on: bool = st.toggle(label, key=key, bind="query-params", help=help_text)
    return on
