"""Equivalence: why ResNeXt's three forms of a block are one function, and the proofs by numbers, run on request."""

import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.expression import canonical, parse
from analyzer.graph.resnext_forms import reason_without_forms
from analyzer.pages.equivalence.block import show_block
from analyzer.pages.equivalence.network import show_forms_proof, show_identities
from analyzer.pages.explore.cached import cached_analysis, grouped_variants
from analyzer.pages.explore.variant_picker import expression_box, show_picker
from analyzer.pages.jobs import jobs
from analyzer.pages.state.style import show_errors
from analyzer.pages.state.url_parameters import bounded_text, expect_choice
from analyzer.text.units import exact

_DEFAULT_VARIANT = "resnext50_32x4d"
_EXPRESSION_KEY = "grouped"
_TAB_KEY = "identities"
_TABS = ("Three forms of a block", "Other identities")
MAX_PARAMS = 500_000_000
"""Largest network that a page proves, since a proof holds several copies of a block's weights."""

_PROSE_WIDTH = 960
"""Longest line of running text, in pixels."""

_INTRO = (
    "A ResNeXt block (Xie et al. 2017, Figure 3) sends its input down $C$ equal paths and sums what they make of it. "
    "Libraries ship one grouped convolution instead. Both are one function, which can be written in three ways; "
    r"path $i$ computes ${z_i = \sigma(W_2^{(i)} * \sigma(W_1^{(i)} x))}$."
)
_FORMULAS = (
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
_PROOFS = (
    r"**(a) = (b).** Cut the last 1×1 along its input channels, $W_3 = [W_3^{(1)} \dots W_3^{(C)}]$. "
    "A product with a stack is the sum of the products with its parts: "
    r"$W_3 [z_1; \dots; z_C] = \sum_i W_3^{(i)} z_i$.",
    "**(b) = (c).** The first 1×1 is only cut along its output channels, and $C$ convolutions side by side, "
    "each on its own channels, are by definition one convolution in $C$ groups. "
    r"Batch norm and ReLU, the $\sigma$, act on each channel alone, so it does not matter which path holds it.",
)


def show() -> None:
    """Show the whole page."""
    st.html('<h1 class="page-title">Grouped convolution is split, transform, merge</h1>')
    st.markdown(_INTRO, width=_PROSE_WIDTH)
    variant, problem = _choose_variant()
    if problem:
        show_errors(problem)
    expect_choice(_TAB_KEY, _TABS)
    forms, others = st.tabs(_TABS, key=_TAB_KEY, bind="query-params")
    proof_problem = problem or _proof_problem(variant)
    with forms:
        if forms.open:
            _show_forms(variant, proof_problem)
    with others:
        if others.open:
            show_identities(variant, proof_problem)


def _choose_variant() -> tuple[str, str]:
    """Show the widgets; the canonical expression, or "" and what is wrong with the one that was typed."""
    picker, box = st.columns([3, 4.4], vertical_alignment="bottom")
    expression = expression_box(box, _EXPRESSION_KEY, _DEFAULT_VARIANT)
    try:
        variant, problem = canonical(parse(bounded_text("variant", expression))), ""
    except InvalidInput as error:
        variant, problem = "", str(error)
    show_picker(picker, _EXPRESSION_KEY, grouped_variants(), variant)
    return variant, problem


def _proof_problem(variant: str) -> str:
    """Why no proof can run on this server, in one sentence; "" where one can."""
    try:
        analysis = cached_analysis(variant, None)
        if analysis.params > MAX_PARAMS:
            return f"{exact(analysis.params)} parameters are more than a page proves; use the command line."
        jobs.require_torch()
    except (InvalidInput, Unavailable) as error:
        return str(error)
    return ""


def _show_forms(variant: str, proof_problem: str) -> None:
    forms_problem = reason_without_forms(cached_analysis(variant, None).network.graph) if variant else ""
    if forms_problem:
        show_errors(forms_problem)
    if variant:
        show_block(variant, _EXPRESSION_KEY, forms_problem, proof_problem)
    _show_formulas()
    if variant and not forms_problem:
        show_forms_proof(variant, proof_problem)


def _show_formulas() -> None:
    st.html('<h2 class="section">What is computed</h2>')
    for column, (title, formula, meaning) in zip(st.columns(len(_FORMULAS)), _FORMULAS, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            st.latex(formula)
            st.markdown(meaning)
    for sentence in _PROOFS:
        st.markdown(sentence, width=_PROSE_WIDTH)
