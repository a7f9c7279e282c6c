"""Which network at which input: picker, variant expression and sizes, kept in step and in the address."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical, parse
from analyzer.families.network import Size
from analyzer.families.registry import find, variant_names
from analyzer.families.spec import Spec
from analyzer.pages.address import bounded
from analyzer.pages.customise import EXPRESSION, follow
from analyzer.pages.kept import MAX_CHARS, keep, restore
from analyzer.pages.look import show_problem
from analyzer.pages.readings import analysis_of
from analyzer.pages.sizes import BATCH, SIDE, Sizes, show_sizes

FIRST = "resnet50"
_PICKED = "picked"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A network at an input size, its analysis, and how many images a batch has."""

    expression: str
    size: Size | None
    batch: int
    analysis: Analysis


def choose() -> tuple[Chosen | None, Any]:
    """Show the widgets but the form, and where that has its place.

    None for the network where the expression or the size is wrong, with the reason shown in place.
    """
    restore(EXPRESSION, SIDE, BATCH)
    picker, box, form, size = st.columns([3, 4.4, 1.5, 1.9], vertical_alignment="bottom")
    expression = expression_box(box, EXPRESSION, FIRST)
    spec, problem = _parsed(expression)
    with size:
        sizes, no_size = show_sizes(spec)
    _show_picker(picker, spec)
    keep(**{EXPRESSION: expression, SIDE: st.session_state[SIDE], BATCH: sizes.batch})
    chosen = None
    if spec is not None:
        follow(spec)
        chosen, problem = _analysed(canonical(spec), sizes) if not no_size else (None, no_size)
    if problem:
        show_problem(problem)
    return chosen, form


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


def _parsed(expression: str) -> tuple[Spec | None, str]:
    try:
        return parse(bounded("variant", expression)), ""
    except InvalidInput as error:
        return None, str(error)


def _analysed(expression: str, sizes: Sizes) -> tuple[Chosen | None, str]:
    try:
        return Chosen(expression, sizes.size, sizes.batch, analysis_of(expression, sizes.size)), ""
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
