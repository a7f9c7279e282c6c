"""Equivalence: why ResNeXt's three forms of a block are one function, and the proof by numbers, run on request."""

import json
from functools import cache
from typing import Any

import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.aggregated import nothing_to_prove
from analyzer.families.expression import canonical, parse, slug
from analyzer.families.network import network
from analyzer.families.registry import variant_names
from analyzer.pages import jobs
from analyzer.pages.choose import expression_box, variant_words
from analyzer.pages.kept import keep, restore
from analyzer.pages.look import show_problem
from analyzer.pages.readings import analysis_of
from analyzer.render.equivalence import BOUND
from analyzer.render.units import exact

_FIRST = "resnext50_32x4d"
_EXPRESSION = "grouped"
_PICKED = "picked_grouped"
_PROVING = "proving"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""On small tensors, threads wait for each other more than they help."""

MAX_PARAMS = 500_000_000  # a proof holds several copies of a block's weights
_PROSE = 960  # longest line of running text in pixels

_INTRO = (
    "A ResNeXt block (Xie et al. 2017, Figure 3) sends its input down $C$ equal paths and sums what they make of it. "
    "Libraries ship one grouped convolution instead. Both are one function, which can be written in three ways; "
    r"path $i$ computes ${z_i = \sigma(W_2^{(i)} * \sigma(W_1^{(i)} x))}$."
)
_FORMS = (
    (
        "(a) split, transform, merge",
        r"y = x + {\textstyle\sum_{i=1}^{C}} W_3^{(i)} z_i",
        "$C$ paths to the end, then one sum.",
    ),
    ("(b) split, concatenate", r"y = x + W_3 \, [z_1; \dots; z_C]", "The paths' channels side by side, then one 1×1."),
    (
        "(c) grouped convolution",
        r"y = x + W_3 \, \sigma(W_2 *_C \sigma(W_1 x))",
        "One wide 3×3 convolution in $C$ groups.",
    ),
)
_WHY = (
    r"**(a) = (b).** Cut the last 1×1 along its input channels, $W_3 = [W_3^{(1)} \dots W_3^{(C)}]$. "
    "A product with a stack is the sum of the products with its parts: "
    r"$W_3 [z_1; \dots; z_C] = \sum_i W_3^{(i)} z_i$.",
    "**(b) = (c).** The first 1×1 is only cut along its output channels, and $C$ convolutions side by side, "
    "each on its own channels, are by definition one convolution in $C$ groups. "
    r"Batch norm and ReLU, the $\sigma$, act on each channel alone, so it does not matter which path holds it.",
)


def show() -> None:
    """The whole page."""
    _explain()
    st.html('<h2 class="section">The proof by numbers</h2>')
    picker, box, button = st.columns([3, 4.4, 2], vertical_alignment="bottom")
    variant, problem = _choose(picker, box)
    proving = jobs.current(_PROVING, variant)
    running = proving is not None and proving.running
    ready = bool(variant and not problem)
    button.button(
        "Prove it", type="primary", disabled=running or not ready, on_click=_start, args=(variant,), width="stretch"
    )
    if problem:
        show_problem(problem)
    elif proving is not None:
        _show_proof(proving)


def _explain() -> None:
    st.html('<h1 class="page-title">Grouped convolution is split, transform, merge</h1>')
    st.markdown(_INTRO, width=_PROSE)
    for column, (title, formula, meaning) in zip(st.columns(len(_FORMS)), _FORMS, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            st.latex(formula)
            st.markdown(meaning)
    for sentence in _WHY:
        st.markdown(sentence, width=_PROSE)


def _choose(picker: Any, box: Any) -> tuple[str, str]:
    """The widgets; the canonical expression and "", or what can be said of it and why there is nothing to run."""
    restore(_EXPRESSION)
    expression = expression_box(box, _EXPRESSION, _FIRST)
    keep(**{_EXPRESSION: expression})
    try:
        variant, problem = canonical(parse(expression)), ""
    except InvalidInput as error:
        variant, problem = "", str(error)
    st.session_state[_PICKED] = variant if variant in _grouped_names() else None
    picker.selectbox(
        "Variant",
        _grouped_names(),
        index=None,
        key=_PICKED,
        format_func=variant_words,
        placeholder="a network of your own",
        on_change=_take_picked,
        help="The named variants with grouped bottlenecks.",
    )
    return variant, problem or _reason(variant)


@cache
def _grouped_names() -> tuple[str, ...]:
    return tuple(name for name in variant_names() if not nothing_to_prove(network(name).graph))


def _take_picked() -> None:
    if st.session_state[_PICKED]:
        st.session_state[_EXPRESSION] = st.session_state[_PICKED]


def _show_proof(proving: jobs.Job) -> None:
    if proving.running:
        jobs.follow(proving)
    else:
        _show_result(proving)


def _reason(variant: str) -> str:
    """Why there is nothing to run, about the network or this machine, in one sentence; "" where there is."""
    try:
        analysis = analysis_of(variant, None)
        if analysis.params > MAX_PARAMS:
            return f"{exact(analysis.params)} parameters are more than a page proves; use the command line."
        reason = nothing_to_prove(analysis.network.graph)
        if not reason:
            jobs.require_torch()
    except (InvalidInput, Unavailable) as error:
        return str(error)
    return reason


def _start(variant: str) -> None:
    jobs.start(_PROVING, lambda: jobs.Job(variant, jobs.program("prover", variant), ONE_THREAD))


def _show_result(proving: jobs.Job) -> None:
    result = proving.result
    if "problem" in result:
        show_problem(result["problem"])
        return
    (st.success if result["proof"]["passed"] else st.error)(result["verdict"])
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Worst errors over all blocks, against their tolerance</h2>')
        _show_downloads(str(proving.subject), result)
    _show_table("errors", result)
    st.caption(BOUND)
    st.html('<h2 class="section">Negative controls: planted faults must be seen</h2>')
    _show_table("faults", result)
    st.html('<h2 class="section">The three forms cost the same</h2>')
    _show_table("costs", result)
    st.html('<h2 class="section">The other identities of this network</h2>')
    _show_table("identities", result)
    with st.expander("Every block"):
        _show_table("blocks", result)


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


if __name__ == "__main__":
    show()
