"""Which network at which input: picker, variant expression and sizes, kept in step and in the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import streamlit as st

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical, parse
from analyzer.families.network import Size, parse_size, size_of_sides, size_text
from analyzer.families.registry import find_variant, variant_names
from analyzer.families.spec import Spec
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.explore.spec_form import DEFAULT_EXPRESSION, EXPRESSION_KEY, show_spec_in_form
from analyzer.pages.state.server_values import (
    MAX_WIDGET_CHARS,
    is_current_widget,
    restore_widget_values,
    save_widget_values,
    server_value,
    set_server_value,
    synced_widget_key,
)
from analyzer.pages.state.style import show_errors
from analyzer.pages.state.url_parameters import bounded_text, expect_number

SIZE_KEY = "input_size"
BATCH_KEY = "batch"
MAX_BATCH = 1024
_FIRST, _LAST, _STEP = 32, 1024, 32


class SizeAndBatch(NamedTuple):
    """The input's size, None being the variant's own, and how many images a batch has."""

    size: Size | None
    batch: int


def size_box(key: str, placeholder: str) -> tuple[Size | None, str]:
    """A text box for a size, bound to the address under its key; the size, and what is wrong with it."""
    text: str = st.text_input(
        "Input size",
        key=key,
        bind="query-params",
        max_chars=MAX_WIDGET_CHARS,
        placeholder=placeholder,
        help="A side (`224`) or height and width (`320x256`) in pixels; empty: the variant's own.",
    )
    try:
        return parse_size(bounded_text("input size", text).strip()) if text.strip() else None, ""
    except InvalidInput as error:
        return None, str(error)


def show_sizes(spec: Spec | None) -> tuple[SizeAndBatch, str]:
    """The boxes and, folded beside them, the sliders that write them; the sizes, and what is wrong with them.

    What the address states is never folded: a browser does not tell of Back what it does not show.
    """
    own = spec.default_input_size if spec else 224
    with st.container(key="sizes"):
        side, images, sliders = st.columns([1.2, 1, 1], vertical_alignment="bottom")
    with side:
        size, problem = size_box(SIZE_KEY, str(own))
    expect_number(BATCH_KEY, 1, MAX_BATCH)
    batch: int = images.number_input(
        "Batch", 1, MAX_BATCH, key=BATCH_KEY, bind="query-params", help="Images at a time: for memory and latency."
    )
    with sliders.popover("Sliders", width="stretch"):
        _show_sliders(*_clamped(own if size is None else size), batch)
    return SizeAndBatch(size, batch), problem


def _show_sliders(height: int, width: int, batch: int) -> None:
    tall, wide, many = (
        synced_widget_key("height", height),
        synced_widget_key("width", width),
        synced_widget_key("images", batch),
    )
    for label, side, key in (("Height", height, tall), ("Width", width, wide)):
        st.slider(label, _FIRST, _LAST, side, _STEP, key=key, format="%d px", on_change=_write_size, args=(tall, wide))
    st.slider("Batch", 1, MAX_BATCH, batch, key=many, on_change=_write_batch, args=(many,))


def _clamped(size: Size) -> tuple[int, int]:
    height, width = size if isinstance(size, tuple) else (size, size)
    return min(max(height, _FIRST), _LAST), min(max(width, _FIRST), _LAST)


def _write_size(tall: str, wide: str) -> None:
    if is_current_widget(tall) and is_current_widget(wide):
        height, width = st.session_state[tall], st.session_state[wide]
        st.session_state[SIZE_KEY] = size_text(size_of_sides(height, width))


def _write_batch(many: str) -> None:
    if is_current_widget(many):
        st.session_state[BATCH_KEY] = st.session_state[many]


@dataclass(frozen=True, slots=True)
class ChosenNetwork:
    """A network at an input size, its analysis, and how many images a batch has."""

    expression: str
    size: Size | None
    batch: int
    analysis: Analysis


def choose_network() -> tuple[ChosenNetwork | None, Any]:
    """Show the widgets but the form, and where that has its place.

    None for the network where the expression or the size is wrong, with the reason shown in place.
    """
    restore_widget_values(SIZE_KEY, BATCH_KEY)
    picker, box, form, size = st.columns([2.6, 3.8, 1.3, 3.4], vertical_alignment="bottom")
    expression = expression_box(box, EXPRESSION_KEY, DEFAULT_EXPRESSION)
    spec, problem = _parsed(expression)
    with size:
        sizes, no_size = show_sizes(spec)
    show_picker(picker, EXPRESSION_KEY, variant_names(), canonical(spec) if spec else "")
    save_widget_values(**{SIZE_KEY: st.session_state[SIZE_KEY], BATCH_KEY: sizes.batch})
    chosen = None
    if spec is not None:
        show_spec_in_form(spec)
        chosen, problem = _analysed(canonical(spec), sizes) if not no_size else (None, no_size)
    if problem:
        show_errors(problem)
    return chosen, form


def expression_box(place: Any, key: str, first: str) -> str:
    """The text box for a variant expression, which is held under its key."""
    expression = server_value(key, first)
    box = synced_widget_key(key, expression)
    place.text_input(
        "Variant expression",
        expression,
        key=box,
        max_chars=MAX_WIDGET_CHARS,
        on_change=_on_expression_change,
        args=(key, box),
        help="A name, or a name with changes, such as `resnet50:cardinality=32,base_width=4`.",
    )
    return expression


def _on_expression_change(key: str, widget: str) -> None:
    if is_current_widget(widget) and (text := st.session_state[widget]) is not None:
        set_server_value(key, text)


def _parsed(expression: str) -> tuple[Spec | None, str]:
    try:
        return parse(bounded_text("variant", expression)), ""
    except InvalidInput as error:
        return None, str(error)


def _analysed(expression: str, sizes: SizeAndBatch) -> tuple[ChosenNetwork | None, str]:
    try:
        return ChosenNetwork(expression, sizes.size, sizes.batch, cached_analysis(expression, sizes.size)), ""
    except InvalidInput as error:
        return None, str(error)


def show_picker(place: Any, key: str, names: Sequence[str], expression: str) -> None:
    """The named variants to pick one from, which shows the expression that is held under the key, if it is one."""
    named = expression if expression in names else None
    picker = synced_widget_key(f"picked_{key}", named)
    place.selectbox(
        "Variant",
        names,
        index=None if named is None else names.index(named),
        key=picker,
        format_func=variant_label,
        placeholder="a network of your own",
        on_change=_on_expression_change,
        args=(key, picker),
        help="Type to search by name or title; the families stand together.",
    )


def variant_label(name: str) -> str:
    """A named variant as pickers list it: "ResNet-50 · resnet50"."""
    return f"{find_variant(name)[1].title} · {name}"
