"""The input's size and the batch: a text that may give height and width, sliders that write it, kept in the address."""

from typing import NamedTuple

import streamlit as st

from analyzer.errors import InvalidInput
from analyzer.families.network import Size, parse_size
from analyzer.families.spec import Spec
from analyzer.pages.address import bounded, expect_number
from analyzer.pages.kept import MAX_CHARS

SIDE = "input_size"
BATCH = "batch"
MAX_BATCH = 1024
_SIDES = {"height": "Height", "width": "Width"}
_TURN = "sliders"
_FIRST, _LAST, _STEP = 32, 1024, 32


class Sizes(NamedTuple):
    """The input's size, None being the variant's own, and how many images a batch has."""

    size: Size | None
    batch: int


def size_text(size: Size) -> str:
    """224 as "224", (320, 256) as "320x256"."""
    return str(size) if isinstance(size, int) else "x".join(map(str, size))


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
    """The text box and the sliders, folded under what they say; the sizes, and what is wrong with them."""
    own = spec.default_input_size if spec else 224
    with st.popover(_label(own), width="stretch", key="sizes"):
        size, problem = size_box(SIDE, str(own))
        if not problem:
            _follow(size or own)
        turn, first = st.session_state.get(_TURN, (0, _reached(own)))
        for key, label, side in zip(_keys(turn), _SIDES.values(), first, strict=True):
            st.slider(label, _FIRST, _LAST, side, _STEP, key=key, format="%d px", on_change=_write, args=(turn,))
        expect_number(BATCH, 1, MAX_BATCH)
        batch: int = st.slider(
            "Batch", 1, MAX_BATCH, key=BATCH, bind="query-params", help="Images at a time: for memory and latency."
        )
    return Sizes(size, batch), problem


def _label(own: int) -> str:
    """What the widgets say, as they stood when the run began."""
    try:
        size = parse_size(_stated(SIDE).strip() or str(own))
    except InvalidInput:
        return "Input size …"
    batch = _stated(BATCH)
    height, width = size if isinstance(size, tuple) else (size, size)
    return f"{height} × {width}" + (
        f", batch {batch}" if batch.isdecimal() and int(batch) in range(2, MAX_BATCH + 1) else ""
    )


def _stated(key: str) -> str:
    return str(st.session_state.get(key, st.query_params.get(key, "")))


def _follow(size: Size) -> None:
    """Make the sliders show a size, as far as they reach.

    New ones take the place of those that stand elsewhere: a browser does not hear of values set under a popover that is
    closed, and would send the old ones again.
    """
    wanted = _reached(size)
    turn, first = st.session_state.get(_TURN, (0, wanted))
    shown = [st.session_state.get(key, side) for key, side in zip(_keys(turn), first, strict=True)]
    st.session_state[_TURN] = (turn, first) if shown == wanted else (turn + 1, wanted)


def _reached(size: Size) -> list[int]:
    return [min(max(side, _FIRST), _LAST) for side in (size if isinstance(size, tuple) else (size, size))]


def _keys(turn: int) -> list[str]:
    return [f"{side}-{turn}" for side in _SIDES]


def _write(turn: int) -> None:
    if turn == st.session_state.get(_TURN, (0,))[0]:
        height, width = (st.session_state[key] for key in _keys(turn))
        st.session_state[SIDE] = size_text(height if height == width else (height, width))
