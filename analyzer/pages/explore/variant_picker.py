"""The choice of a network and its input: picker, variant expression and sizes, synchronised and in the address."""

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
_MIN_SIDE, _MAX_SIDE, _SIDE_STEP = 32, 1024, 32


class SizeAndBatch(NamedTuple):
    """The input's size, None being the variant's own, and how many images a batch has."""

    size: Size | None
    batch: int


def size_box(key: str, placeholder: str) -> tuple[Size | None, str]:
    """Show a text box for a size, bound to the address under its key; the size, and what is wrong with it."""
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
    """Show the boxes and, folded beside them, sliders that write them; the sizes, and what is wrong with them.

    What the address states is never folded: a browser does not tell of Back what it does not show.
    """
    default_size = spec.default_input_size if spec else 224
    with st.container(key="sizes"):
        size_column, batch_column, sliders = st.columns([1.2, 1, 1], vertical_alignment="bottom")
    with size_column:
        size, problem = size_box(SIZE_KEY, str(default_size))
    expect_number(BATCH_KEY, 1, MAX_BATCH)
    batch: int = batch_column.number_input(
        "Batch", 1, MAX_BATCH, key=BATCH_KEY, bind="query-params", help="Images at a time: for memory and latency."
    )
    with sliders.popover("Sliders", width="stretch"):
        _show_sliders(*_slider_sides(default_size if size is None else size), batch)
    return SizeAndBatch(size, batch), problem


def _show_sliders(height: int, width: int, batch: int) -> None:
    height_key, width_key = synced_widget_key("height", height), synced_widget_key("width", width)
    batch_key = synced_widget_key("images", batch)
    for label, side, key in (("Height", height, height_key), ("Width", width, width_key)):
        st.slider(
            label,
            _MIN_SIDE,
            _MAX_SIDE,
            side,
            _SIDE_STEP,
            key=key,
            format="%d px",
            on_change=_write_size,
            args=(height_key, width_key),
        )
    st.slider("Batch", 1, MAX_BATCH, batch, key=batch_key, on_change=_write_batch, args=(batch_key,))


def _slider_sides(size: Size) -> tuple[int, int]:
    height, width = size if isinstance(size, tuple) else (size, size)
    return min(max(height, _MIN_SIDE), _MAX_SIDE), min(max(width, _MIN_SIDE), _MAX_SIDE)


def _write_size(height_key: str, width_key: str) -> None:
    if is_current_widget(height_key) and is_current_widget(width_key):
        height, width = st.session_state[height_key], st.session_state[width_key]
        st.session_state[SIZE_KEY] = size_text(size_of_sides(height, width))


def _write_batch(batch_key: str) -> None:
    if is_current_widget(batch_key):
        st.session_state[BATCH_KEY] = st.session_state[batch_key]


@dataclass(frozen=True, slots=True)
class ChosenNetwork:
    """A network at an input size, its analysis, and how many images a batch has."""

    expression: str
    size: Size | None
    batch: int
    analysis: Analysis


def choose_network() -> tuple[ChosenNetwork | None, Any]:
    """Show the widgets except the form; the network, and the column for the form.

    The network is None where the expression or the size is wrong, with the reason shown in place.
    """
    restore_widget_values(SIZE_KEY, BATCH_KEY)
    picker, box, form, size = st.columns([2.6, 3.8, 1.3, 3.4], vertical_alignment="bottom")
    expression = expression_box(box, EXPRESSION_KEY, DEFAULT_EXPRESSION)
    spec, problem = _parsed_spec(expression)
    with size:
        sizes, size_problem = show_sizes(spec)
    show_picker(picker, EXPRESSION_KEY, variant_names(), canonical(spec) if spec else "")
    save_widget_values(**{SIZE_KEY: st.session_state[SIZE_KEY], BATCH_KEY: sizes.batch})
    chosen = None
    if spec is not None:
        show_spec_in_form(spec)
        chosen, problem = _analyzed_network(canonical(spec), sizes) if not size_problem else (None, size_problem)
    if problem:
        show_errors(problem)
    return chosen, form


def expression_box(column: Any, key: str, default: str) -> str:
    """Show the text box for a variant expression; the expression, which is the server value of that key."""
    expression = server_value(key, default)
    box = synced_widget_key(key, expression)
    column.text_input(
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


def _parsed_spec(expression: str) -> tuple[Spec | None, str]:
    try:
        return parse(bounded_text("variant", expression)), ""
    except InvalidInput as error:
        return None, str(error)


def _analyzed_network(expression: str, sizes: SizeAndBatch) -> tuple[ChosenNetwork | None, str]:
    try:
        return ChosenNetwork(expression, sizes.size, sizes.batch, cached_analysis(expression, sizes.size)), ""
    except InvalidInput as error:
        return None, str(error)


def show_picker(column: Any, key: str, names: Sequence[str], expression: str) -> None:
    """Show the named variants to pick from; a choice becomes the server value of that key."""
    variant = expression if expression in names else None
    picker = synced_widget_key(f"picked_{key}", variant)
    column.selectbox(
        "Variant",
        names,
        index=None if variant is None else names.index(variant),
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
