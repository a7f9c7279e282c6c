"""Equivalence: why ResNeXt's three forms of a block are one function, and the proof by numbers, run on request."""

import json
from functools import cache
from importlib.util import find_spec

import streamlit as st

from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.aggregated import nothing_to_prove
from analyzer.families.expression import canonical, parse, slug
from analyzer.families.network import network
from analyzer.families.registry import find, variant_names
from analyzer.live import live_imports
from analyzer.pages.choose import EXPRESSION, expression_box
from analyzer.pages.look import literal, show_problem
from analyzer.pages.proving import Proving
from analyzer.render.equivalence import BOUND, WHY

_FIRST = "resnext50_32x4d"
_PICKED = "picked_grouped"
_PROVING = "proving"

_FORMS = r"""
\begin{array}{lll}
\textsf{(a)} & y = x + \sum_{i=1}^{C} W_3^{(i)} z_i & \textsf{split, transform, merge: one sum over the paths} \\[4pt]
\textsf{(b)} & y = x + W_3\,[z_1; \dots; z_C] & \textsf{the paths joined before one last 1×1} \\[4pt]
\textsf{(c)} & z = \sigma(W_2 \ast_C \sigma(W_1 x)),\quad y = x + W_3 z & \textsf{one convolution in } C \textsf{ groups}
\end{array}
"""
_PATHS = r"z_i = \sigma\big(W_2^{(i)} \ast \sigma(W_1^{(i)} x)\big), \qquad i = 1 \dots C"


def show() -> None:
    """The whole page."""
    _explain()
    variant = _choose()
    if variant is not None:
        _show_proof(variant)


def _explain() -> None:
    st.html('<h1 class="page-title">Grouped convolution is split, transform, merge</h1>')
    st.markdown(
        "A ResNeXt block (Xie et al. 2017, Figure 3) sends its input down C equal paths and sums what they make of it. "
        "The same function can be written in three ways; libraries ship the third, because it is one fast operation."
    )
    st.latex(_PATHS)
    st.latex(_FORMS)
    st.markdown(WHY)


def _choose() -> str | None:
    """The widgets; the canonical expression, or None with the reason in place."""
    picker, box = st.columns([3, 5])
    expression = expression_box(box, _FIRST)
    try:
        variant, problem = canonical(parse(expression)), ""
    except InvalidInput as error:
        variant, problem = None, str(error)
    st.session_state[_PICKED] = variant if variant in _grouped_names() else None
    picker.selectbox(
        "Variant",
        _grouped_names(),
        index=None,
        key=_PICKED,
        format_func=lambda name: f"{find(name)[1].title} · {name}",
        placeholder="a network of your own",
        on_change=_take_picked,
        help="The named variants with grouped bottlenecks.",
    )
    if problem:
        show_problem(problem)
    return variant


@cache
def _grouped_names() -> tuple[str, ...]:
    return tuple(name for name in variant_names() if not nothing_to_prove(network(name).graph))


def _take_picked() -> None:
    if st.session_state[_PICKED]:
        st.session_state[EXPRESSION] = st.session_state[_PICKED]


def _show_proof(variant: str) -> None:
    proving: Proving | None = st.session_state.get(_PROVING)
    if proving is not None and proving.variant != variant:
        proving.stop()
        proving = st.session_state.pop(_PROVING) and None
    reason = _reason(variant)
    if reason:
        st.info(literal(reason))
        return
    running = proving is not None and proving.running
    st.button("Prove it with numbers", type="primary", disabled=running, on_click=_start, args=(variant,))
    if proving is None:
        return
    if running:
        st.fragment(_show_progress, run_every=0.4)(proving)
    else:
        _show_result(proving)


def _reason(variant: str) -> str:
    """Why there is nothing to run: the sentence about the network or about this machine; "" where there is."""
    try:
        reason = nothing_to_prove(network(variant).graph)
        if not reason:
            _require_torch()
    except (InvalidInput, Unavailable) as error:
        return str(error)
    return reason


def _require_torch() -> None:
    with live_imports():
        if find_spec("torch") is None:
            raise ModuleNotFoundError(name="torch")


def _start(variant: str) -> None:
    try:
        st.session_state[_PROVING] = Proving(variant)
    except Unavailable as error:
        st.session_state[_PROVING] = None
        st.toast(literal(str(error)))


def _show_progress(proving: Proving) -> None:
    if not proving.running:
        st.rerun()
    share, words = proving.progress
    bar, button = st.columns([6, 1], vertical_alignment="center")
    bar.progress(share, words)
    button.button("Cancel", on_click=proving.stop, width="stretch")


def _show_result(proving: Proving) -> None:
    result = proving.result
    if "problem" in result:
        show_problem(result["problem"])
        return
    (st.success if result["proof"]["passed"] else st.error)(result["verdict"])
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html('<h2 class="section">Worst errors over all blocks, against their tolerance</h2>')
        _show_downloads(proving.variant, result)
    _show_table(result["errors"])
    st.caption(BOUND)
    st.html('<h2 class="section">Negative controls: planted faults must be seen</h2>')
    _show_table(result["faults"])
    st.html('<h2 class="section">The three forms cost the same</h2>')
    _show_table(result["costs"])
    with st.expander("Every block"):
        _show_table(result["blocks"])


def _show_table(markdown: str) -> None:
    with st.container(key=f"table-{hash(markdown)}"):
        st.markdown(markdown)


def _show_downloads(variant: str, result: dict[str, object]) -> None:
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
