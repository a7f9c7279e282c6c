"""Checks of the address's parameters: each one whose value its widget cannot show gets a sentence.

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
    """Show a sentence about each parameter that was refused in this run of the script."""
    refused = st.session_state.get(_REFUSED)
    if refused:
        show_errors(*refused.values())


def bounded_text(name: str, text: str) -> str:
    """The text; InvalidInput where it is longer than a page reads."""
    if len(text) > MAX_PARAMETER_CHARS:
        raise InvalidInput(f"{name}: {len(text):,} characters are over the page's bound of {MAX_PARAMETER_CHARS:,}.")
    return text


def expect_choice(key: str, options: Iterable[object]) -> None:
    """Refuse a parameter's value that is none of these choices, as they are worded."""
    choices = [str(option) for option in options]
    unknown = [value for value in _query_values(key) if value not in choices]
    if unknown:
        _refuse(key, unknown[0], f"must be one of {_listed(choices)}")


def expect_at_most(key: str, count: int) -> None:
    """Refuse more than `count` values of a parameter that can stand in the address several times."""
    if len(values := _query_values(key)) > count:
        _refuse(key, values[count], f"is one too many: at most {count} are taken")


def expect_number(key: str, low: float, high: float, *, whole: bool = True) -> None:
    """Refuse a parameter's value that is no number from `low` to `high`."""
    for value in _query_values(key):
        if not _is_number_within(value, low, high, whole):
            _refuse(key, value, f"must be a {'whole ' if whole else ''}number from {low:,} to {high:,}")


def expect_toggle(key: str) -> None:
    """Refuse a parameter's value that is neither true nor false."""
    for value in _query_values(key):
        if value.lower() not in ("true", "false"):
            _refuse(key, value, "must be true or false")


def _query_values(key: str) -> list[str]:
    """The address's values of a parameter until the widget of that key exists; then none, as its own value counts."""
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


def _listed(choices: Sequence[str]) -> str:
    text = ", ".join(shortened(choice) for choice in choices[:_MAX_LISTED])
    return text if len(choices) <= _MAX_LISTED else f"{text} … ({len(choices):,} in all)"
