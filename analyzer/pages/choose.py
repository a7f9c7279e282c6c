"""Which network at which input: picker, variant expression and sizes, kept in step and in the address."""

from collections.abc import Sequence
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
from analyzer.pages.customise import EXPRESSION, FIRST, follow
from analyzer.pages.held import following, held, hold, stands
from analyzer.pages.kept import MAX_CHARS, keep, restore
from analyzer.pages.look import show_problem
from analyzer.pages.readings import analysis_of
from analyzer.pages.sizes import BATCH, SIDE, Sizes, show_sizes


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
    restore(SIDE, BATCH)
    picker, box, form, size = st.columns([2.6, 3.8, 1.3, 3.4], vertical_alignment="bottom")
    expression = expression_box(box, EXPRESSION, FIRST)
    spec, problem = _parsed(expression)
    with size:
        sizes, no_size = show_sizes(spec)
    show_picker(picker, EXPRESSION, variant_names(), canonical(spec) if spec else "")
    keep(**{SIDE: st.session_state[SIDE], BATCH: sizes.batch})
    chosen = None
    if spec is not None:
        follow(spec)
        chosen, problem = _analysed(canonical(spec), sizes) if not no_size else (None, no_size)
    if problem:
        show_problem(problem)
    return chosen, form


def expression_box(place: Any, key: str, first: str) -> str:
    """The text box for a variant expression, which is held under its key."""
    expression = held(key, first)
    box = following(key, expression)
    place.text_input(
        "Variant expression",
        expression,
        key=box,
        max_chars=MAX_CHARS,
        on_change=_take,
        args=(key, box),
        help="A name, or a name with changes, such as `resnet50:cardinality=32,base_width=4`.",
    )
    return expression


def _take(key: str, widget: str) -> None:
    if stands(widget) and (text := st.session_state[widget]) is not None:
        hold(key, text)


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


def show_picker(place: Any, key: str, names: Sequence[str], expression: str) -> None:
    """The named variants to pick one from, which shows the expression that is held under the key, if it is one."""
    named = expression if expression in names else None
    picker = following(f"picked_{key}", named)
    place.selectbox(
        "Variant",
        names,
        index=None if named is None else names.index(named),
        key=picker,
        format_func=variant_words,
        placeholder="a network of your own",
        on_change=_take,
        args=(key, picker),
        help="Type to search by name or title; the families stand together.",
    )


def variant_words(name: str) -> str:
    """A named variant as pickers list it: "ResNet-50 · resnet50"."""
    return f"{find(name)[1].title} · {name}"
