"""What a link may ask for: each parameter of the address that asks for something else gets a sentence.

Streamlit drops a value that its widget cannot show without a word; these functions look at the address before it does.
"""

from collections.abc import Iterable, Sequence
from math import isfinite

import streamlit as st

from analyzer.errors import InvalidInput, shortened
from analyzer.pages.state.style import show_errors

MAX_PARAMETER_CHARS = 4000
"""Characters of a text that a page reads and that its address holds; servers take addresses of some 60,000."""

_REFUSED = "refused"
_MAX_LISTED = 8
"""Choices that a sentence names at most."""


def clear_refused() -> None:
    """Forget what was refused before: once a visitor acts, the address is the page's own again."""
    st.session_state[_REFUSED] = {}


def show_refused() -> None:
    """A sentence about each parameter that was refused in this run."""
    refused = st.session_state.get(_REFUSED)
    if refused:
        show_errors(*refused.values())


def bounded_text(name: str, text: str) -> str:
    """The text; InvalidInput where it is longer than a page reads."""
    if len(text) > MAX_PARAMETER_CHARS:
        raise InvalidInput(f"{name}: {len(text):,} characters are over the page's bound of {MAX_PARAMETER_CHARS:,}.")
    return text


def expect_choice(key: str, options: Iterable[object]) -> None:
    """Refuse what is none of these choices, as they are worded."""
    known = [str(option) for option in options]
    wrong = [value for value in _query_values(key) if value not in known]
    if wrong:
        _refuse(key, wrong[0], f"must be one of {_listed(known)}")


def expect_at_most(key: str, count: int) -> None:
    """Refuse more values than that of a parameter that can be given several times."""
    if len(asked := _query_values(key)) > count:
        _refuse(key, asked[count], f"is one too many: at most {count} are taken")


def expect_number(key: str, low: float, high: float, *, whole: bool = True) -> None:
    """Refuse what is no number between these, both included."""
    for value in _query_values(key):
        if not _is_number_within(value, low, high, whole):
            _refuse(key, value, f"must be a {'whole ' if whole else ''}number from {low:,} to {high:,}")


def expect_toggle(key: str) -> None:
    """Refuse what is neither true nor false."""
    for value in _query_values(key):
        if value.lower() not in ("true", "false"):
            _refuse(key, value, "must be true or false")


def _query_values(key: str) -> list[str]:
    """What the address asks for, before the widget under that key stands; later on its own value counts."""
    if key in st.session_state:
        return []
    return [value for value in st.query_params.get_all(key) if value]


def _is_number_within(text: str, low: float, high: float, whole: bool) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return isfinite(number) and low <= number <= high and (number.is_integer() or not whole)


def _refuse(key: str, value: str, rule: str) -> None:
    st.session_state.setdefault(_REFUSED, {})[key] = f"{key}={shortened(value)} in the address {rule}."


def _listed(known: Sequence[str]) -> str:
    named = ", ".join(shortened(each) for each in known[:_MAX_LISTED])
    return named if len(known) <= _MAX_LISTED else f"{named} … ({len(known):,} in all)"
