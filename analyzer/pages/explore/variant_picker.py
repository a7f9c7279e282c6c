"""Which network at which input: picker, variant expression and sizes, kept in step and in the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import streamlit as st

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical, parse
from analyzer.families.network import Size, parse_size, size_text, squared
from analyzer.families.registry import find, variant_names
from analyzer.families.spec import Spec
from analyzer.pages.explore.cached import analysis_of
from analyzer.pages.explore.spec_form import EXPRESSION, FIRST, follow
from analyzer.pages.state.server_values import MAX_CHARS, following, held, hold, keep, restore, stands
from analyzer.pages.state.style import show_problem
from analyzer.pages.state.url_parameters import bounded, expect_number

SIDE = "input_size"
BATCH = "batch"
MAX_BATCH = 1024
_FIRST, _LAST, _STEP = 32, 1024, 32


class Sizes(NamedTuple):
    """The input's size, None being the variant's own, and how many images a batch has."""

    size: Size | None
    batch: int


def size_box(key: str, placeholder: str) -> tuple[Size | None, str]:
    """A text box for a size, bound to the address under its key; the size, and what is wrong with it."""
    text: str = st.text_input(
        "Input size",
        key=key,
        bind="query-params",
        max_chars=MAX_CHARS,
        placeholder=placeholder,
        help="A side (`224`) or height and width (`320x256`) in pixels; empty: the variant's own.",
    )
    try:
        return parse_size(bounded("input size", text).strip()) if text.strip() else None, ""
    except InvalidInput as error:
        return None, str(error)


def show_sizes(spec: Spec | None) -> tuple[Sizes, str]:
    """The boxes and, folded beside them, the sliders that write them; the sizes, and what is wrong with them.

    What the address states is never folded: a browser does not tell of Back what it does not show.
    """
    own = spec.default_input_size if spec else 224
    with st.container(key="sizes"):
        side, images, sliders = st.columns([1.2, 1, 1], vertical_alignment="bottom")
    with side:
        size, problem = size_box(SIDE, str(own))
    expect_number(BATCH, 1, MAX_BATCH)
    batch: int = images.number_input(
        "Batch", 1, MAX_BATCH, key=BATCH, bind="query-params", help="Images at a time: for memory and latency."
    )
    with sliders.popover("Sliders", width="stretch"):
        _show_sliders(*_reached(own if size is None else size), batch)
    return Sizes(size, batch), problem


def _show_sliders(height: int, width: int, batch: int) -> None:
    tall, wide, many = following("height", height), following("width", width), following("images", batch)
    for label, side, key in (("Height", height, tall), ("Width", width, wide)):
        st.slider(label, _FIRST, _LAST, side, _STEP, key=key, format="%d px", on_change=_write_size, args=(tall, wide))
    st.slider("Batch", 1, MAX_BATCH, batch, key=many, on_change=_write_batch, args=(many,))


def _reached(size: Size) -> tuple[int, int]:
    height, width = size if isinstance(size, tuple) else (size, size)
    return min(max(height, _FIRST), _LAST), min(max(width, _FIRST), _LAST)


def _write_size(tall: str, wide: str) -> None:
    if stands(tall) and stands(wide):
        height, width = st.session_state[tall], st.session_state[wide]
        st.session_state[SIDE] = size_text(squared(height, width))


def _write_batch(many: str) -> None:
    if stands(many):
        st.session_state[BATCH] = st.session_state[many]


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
