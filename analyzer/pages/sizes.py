"""The input's size and the batch: a text that may give height and width, sliders that write it, kept in the address."""

from typing import NamedTuple

import streamlit as st

from analyzer.errors import InvalidInput
from analyzer.families.network import Size, parse_size, size_text, squared
from analyzer.families.spec import Spec
from analyzer.pages.address import bounded, expect_number
from analyzer.pages.held import following, stands
from analyzer.pages.kept import MAX_CHARS

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
