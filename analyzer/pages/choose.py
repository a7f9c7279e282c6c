"""Which network at which input: picker, variant expression and input size, kept in step and in the address."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical, parse
from analyzer.families.network import MAX_SIDE
from analyzer.families.registry import find, variant_names
from analyzer.families.spec import Spec
from analyzer.pages.customise import EXPRESSION, follow, show_form
from analyzer.pages.look import show_problem
from analyzer.pages.readings import analysis_of

FIRST = "resnet50"
SIDE = "input_size"
MAX_CHARS = 200_000
"""More than the parser takes, so that too long a text gets its sentence instead of being dropped by the browser."""
_PICKED = "picked"
_KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A network at an input size, and its analysis."""

    expression: str
    side: int | None
    analysis: Analysis


def choose() -> Chosen | None:
    """Show the widgets; None where the expression or the size is wrong, with the reason shown in place."""
    restore(EXPRESSION, SIDE)
    picker, box, form, size = st.columns([3, 4.4, 1.5, 1.5], vertical_alignment="bottom")
    expression = expression_box(box, EXPRESSION, FIRST)
    spec, problem = _parsed(expression)
    side = _side_box(size, spec)
    _show_picker(picker, spec)
    keep(**{EXPRESSION: expression, SIDE: side})
    chosen = None
    if spec is not None:
        follow(spec)
        chosen, problem = _analysed(canonical(spec), side)
    with form:
        show_form()
    if problem:
        show_problem(problem)
    return chosen


def restore(*names: str) -> None:
    """Give widgets the values they had before another page was shown, unless the address states them."""
    kept = st.session_state.get(_KEPT, {})
    for name in names:
        if name in kept and name not in st.session_state and name not in st.query_params:
            st.session_state[name] = kept[name]


def keep(**values: Any) -> None:
    """Remember widgets' values for `restore`."""
    st.session_state[_KEPT] = {**st.session_state.get(_KEPT, {}), **values}


def expression_box(place: Any, key: str, first: str) -> str:
    """The text box for a variant expression, bound to the address under its key, which differs from page to page."""
    text: str = place.text_input(
        "Variant expression",
        first,
        key=key,
        bind="query-params",
        max_chars=MAX_CHARS,
        help="A name, or a name with changes, such as `resnet50:cardinality=32,base_width=4`.",
    )
    return text


def _side_box(place: Any, spec: Spec | None) -> int | None:
    side: int | None = place.number_input(
        "Input size",
        min_value=1,
        max_value=MAX_SIDE,
        value=None,
        step=1,
        key=SIDE,
        bind="query-params",
        placeholder=str(spec.default_input_size if spec else 224),
        help="Height and width in pixels; empty: the variant's own.",
    )
    return side


def _parsed(expression: str) -> tuple[Spec | None, str]:
    try:
        return parse(expression), ""
    except InvalidInput as error:
        return None, str(error)


def _analysed(expression: str, side: int | None) -> tuple[Chosen | None, str]:
    try:
        return Chosen(expression, side, analysis_of(expression, side)), ""
    except InvalidInput as error:
        return None, str(error)


def _show_picker(place: Any, spec: Spec | None) -> None:
    name = canonical(spec) if spec else None
    st.session_state[_PICKED] = name if name in variant_names() else None
    place.selectbox(
        "Variant",
        variant_names(),
        index=None,
        key=_PICKED,
        format_func=variant_words,
        placeholder="a network of your own",
        on_change=_take_picked,
        help="Type to search by name or title; the families stand together.",
    )


def variant_words(name: str) -> str:
    """A named variant as pickers list it: "ResNet-50 · resnet50"."""
    return f"{find(name)[1].title} · {name}"


def _take_picked() -> None:
    if st.session_state[_PICKED]:
        st.session_state[EXPRESSION] = st.session_state[_PICKED]
