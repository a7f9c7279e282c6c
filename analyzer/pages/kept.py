"""What a session remembers of widgets from page to page: Streamlit forgets the values of those that are not shown."""

from typing import Any

import streamlit as st

from analyzer.pages.held import visit

MAX_CHARS = 200_000
"""More than a page reads, so that too long a text gets its sentence instead of being dropped by the browser."""

_KEPT = "kept"


def restore(*names: str) -> None:
    """Give widgets the values they had before another page was shown, unless the address counts or states them."""
    if visit().by_history:
        return
    kept = st.session_state.get(_KEPT, {})
    for name in names:
        if name in kept and name not in st.session_state and name not in st.query_params:
            st.session_state[name] = kept[name]


def keep(**values: Any) -> None:
    """Remember widgets' values for `restore`."""
    st.session_state[_KEPT] = {**st.session_state.get(_KEPT, {}), **values}
