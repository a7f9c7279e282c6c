"""The proofs of a whole network, run in the background: each grouped block in its three forms, and other identities."""

import json
from typing import Any

import streamlit as st

from analyzer.families.expression import slug
from analyzer.pages.jobs import jobs
from analyzer.pages.state.style import show_errors
from analyzer.render.equivalence.equivalence import BOUND
from analyzer.render.report.html import markdown_to_html

ONE_THREAD_ENV = {"OMP_NUM_THREADS": "1"}
"""On small tensors, threads wait for each other more than they help."""

_JOB_SLOT = "proving"
_IDENTITIES_INTRO = (
    "Twelve other pairs of formulas are one function each: batch norm folds into a convolution, a zero-padded shortcut "
    "is a 1×1 convolution, a dense layer's concatenation is a sum of convolutions, and so on. The proof finds each "
    "place that this network has for them, computes both sides with random weights, forward and back, and plants a "
    "fault that must be seen."
)


def show_forms_proof(variant: str, proof_problem: str) -> None:
    """Show the proof of every grouped block in its three forms: the button, the progress, or the results."""
    st.html('<h2 class="section">The proof for every block</h2>')
    result = _proof_result(variant, proof_problem, "Prove it")
    if not result:
        return
    (st.success if result["proof"]["passed"] else st.error)(result["verdict"])
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Worst errors over all blocks, against their tolerance</h2>')
        _show_downloads(variant, result)
    _show_table("errors", result)
    st.caption(BOUND)
    st.html('<h2 class="section">Negative controls: planted faults must be seen</h2>')
    _show_table("faults", result)
    st.html('<h2 class="section">The three forms cost the same</h2>')
    _show_table("costs", result)
    with st.expander("Every block"):
        _show_table("blocks", result)


def show_identities(variant: str, proof_problem: str) -> None:
    """Show the proof of the identities that need no cardinality, for any network."""
    st.markdown(_IDENTITIES_INTRO, width=960)
    result = _proof_result(variant, proof_problem, "Prove the identities")
    if not result:
        return
    (st.success if result["proof"]["passed"] else st.error)(result["verdict"])
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Worst errors, against their tolerance</h2>')
        _show_downloads(variant, result)
    _show_table("identities", result)
    st.html('<h2 class="section">What each says, and why</h2>')
    st.html(f'<div class="told">{markdown_to_html(result["identity_words"])}</div>')
    if result["elsewhere"]:
        st.html('<h2 class="section">Not in this network</h2>')
        st.html(f'<div class="told">{markdown_to_html(result["elsewhere"])}</div>')


def _proof_result(variant: str, proof_problem: str, label: str) -> dict[str, Any]:
    """Show the button and the progress; the results for this network, empty while there are none."""
    job = jobs.current_job(_JOB_SLOT, variant)
    running = job is not None and job.running
    st.button(label, type="primary", disabled=running or bool(proof_problem), on_click=_start_proof, args=(variant,))
    if proof_problem and variant:
        show_errors(proof_problem)
    elif job is not None and running:
        jobs.show_job_progress(job)
    elif job is not None and "problem" in job.result:
        show_errors(job.result["problem"])
    elif job is not None:
        return job.result
    return {}


def _start_proof(variant: str) -> None:
    jobs.start_job(
        _JOB_SLOT, lambda: jobs.BackgroundJob(variant, jobs.job_command("prove", "network", variant), ONE_THREAD_ENV)
    )


def _show_table(name: str, result: dict[str, Any]) -> None:
    with st.container(key=f"table-{name}"):
        st.markdown(result[name])


def _show_downloads(variant: str, result: dict[str, Any]) -> None:
    with st.container(horizontal=True, width="content"):
        for ending, content in (("md", str(result["report"])), ("json", json.dumps(result["proof"], indent=2) + "\n")):
            st.download_button(
                ending.upper(),
                content,
                f"{slug(variant)}-equivalence.{ending}",
                key=f"proof-{ending}",
                on_click="ignore",
                type="tertiary",
            )
