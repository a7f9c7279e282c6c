"""Latency by stage, measured on the machine that serves the page, in a process of its own."""

from functools import partial
from typing import NamedTuple

import pandas as pd
import streamlit as st

from analyzer.errors import Unavailable
from analyzer.families.expression import slug
from analyzer.families.network import Size, size_text
from analyzer.pages.explore.cached import cached_run_bytes
from analyzer.pages.explore.variant_picker import ChosenNetwork
from analyzer.pages.jobs import jobs
from analyzer.pages.state.style import code_span, show_errors
from analyzer.text.units import exact, size_bytes

MAX_MACS = 2 * 10**12
"""Most MACs of a batch: about ten seconds a run on a few cores."""

MAX_BYTES = 4 * 2**30
"""Most bytes of weights and activations."""

_JOB_SLOT = "measuring"
_DEVICE_KEY = "measured_on"
_DEVICES = {"cpu": "its CPU", "cuda": "its GPU (CUDA)"}


class _MeasuredRun(NamedTuple):
    expression: str
    size: Size
    batch: int
    device: str


def show_measuring(chosen: ChosenNetwork) -> None:
    """Show the button, the progress, and the last measurement of this network at this size and batch."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<h2 class="section">Latency by stage, measured</h2>')
        device = st.selectbox(
            "Device",
            _DEVICES,
            key=_DEVICE_KEY,
            format_func=_DEVICES.__getitem__,
            width=170,
            label_visibility="collapsed",
        )
        subject = _MeasuredRun(chosen.expression, chosen.analysis.input_shape[1:], chosen.batch, device)
        job, problem = jobs.current_job(_JOB_SLOT, subject), _measuring_problem(chosen)
        st.button(
            "Measure on this machine",
            disabled=bool(problem) or (job is not None and job.running),
            on_click=jobs.start_job,
            args=(_JOB_SLOT, partial(_measuring_job, subject)),
            help="Runs the network with random weights on the machine that serves this page.",
        )
    if problem:
        st.caption(code_span(problem))
    elif job is not None and job.running:
        jobs.show_job_progress(job)
    elif job is not None:
        _show_result(subject, job)


def _measuring_job(subject: _MeasuredRun) -> jobs.BackgroundJob:
    arguments = subject.expression, size_text(subject.size), str(subject.batch), subject.device
    return jobs.BackgroundJob(subject, jobs.job_command("measure", *arguments))


def _measuring_problem(chosen: ChosenNetwork) -> str:
    """Why nothing can be measured here, in one sentence; "" where it can."""
    macs = chosen.batch * chosen.analysis.macs
    num_bytes = cached_run_bytes(chosen.expression, chosen.size, chosen.batch)
    if macs > MAX_MACS:
        return f"{exact(macs)} MACs a batch are more than a page measures ({exact(MAX_MACS)}); use the command line."
    if num_bytes > MAX_BYTES:
        amount = f"{size_bytes(num_bytes)} of weights and activations"
        return f"{amount} are more than a page measures ({size_bytes(MAX_BYTES)}); use the command line."
    try:
        jobs.require_torch()
    except Unavailable as error:
        return str(error)
    return ""


def _show_result(subject: _MeasuredRun, job: jobs.BackgroundJob) -> None:
    result = job.result
    if "problem" in result:
        show_errors(result["problem"])
        return
    for sentence in result["warnings"]:
        st.warning(code_span(sentence))
    frame = pd.DataFrame([*result["stages"], result["network"]])
    st.dataframe(frame, hide_index=True, column_config=_COLUMNS, row_height=32, alt="Measured latency by stage")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Measured: medians of one batch of {subject.batch}, with the tenth and ninetieth percentile.")
        st.download_button(
            "Measurement as JSON",
            result["record"],
            f"{slug(subject.expression)}-latency.json",
            "application/json",
            on_click="ignore",
            type="tertiary",
        )
    with st.expander("Conditions, as the command line tells them"):
        st.code(result["conditions"], language=None, wrap_lines=True)


_COLUMNS = {
    "stage": st.column_config.TextColumn("stage", pinned=True),
    "median": st.column_config.NumberColumn("measured ms, median", format="%.3f"),
    "low": st.column_config.NumberColumn("10 % below", format="%.3f"),
    "high": st.column_config.NumberColumn("90 % below", format="%.3f"),
    "share": st.column_config.ProgressColumn("% of the stages", format="%.1f %%", min_value=0, max_value=110),
}
