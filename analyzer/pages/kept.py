"""What a session remembers: widgets' values from page to page, and what their visitor has seen in them.

Streamlit forgets the values of widgets that are not shown. A browser sends those of a popover that was closed once more
with whatever is done next, which is no change of theirs.
"""

from typing import Any

import streamlit as st

MAX_CHARS = 200_000
"""More than a page reads, so that too long a text gets its sentence instead of being dropped by the browser."""

_KEPT = "kept"
_SEEN = "seen"


def restore(*names: str) -> None:
    """Give widgets the values they had before another page was shown, unless the address states them."""
    kept = st.session_state.get(_KEPT, {})
    for name in names:
        if name in kept and name not in st.session_state and name not in st.query_params:
            st.session_state[name] = kept[name]


def keep(**values: Any) -> None:
    """Remember widgets' values for `restore`."""
    st.session_state[_KEPT] = {**st.session_state.get(_KEPT, {}), **values}


def show_value(key: str, value: Any) -> None:
    """Make a widget show a value."""
    st.session_state[key] = value
    st.session_state.setdefault(_SEEN, {})[key] = value


def changed(key: str) -> bool:
    """Whether a widget that calls back has another value than its visitor last saw in it or gave it."""
    seen, value = st.session_state.setdefault(_SEEN, {}), st.session_state[key]
    if key in seen and seen[key] == value:
        return False
    seen[key] = value
    return True
