"""Values that the server holds, the address states and several widgets show, and the widgets that follow them.

A browser sends all its widgets' values with whatever is done in it, and it may not have heard yet what the server gave
them: while they are folded, or where one click follows another faster than the answer. An old value would then look
like its visitor's wish. So a widget whose value changed otherwise is replaced by a new one, and the old one's is void.
"""

from typing import Any, NamedTuple

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from analyzer.pages.state.url_parameters import MAX_PARAMETER_CHARS

_HISTORY_FLAG = "went_back"
_PAGE_KEY = "page"
_VISIT_KEY = "visit"
_VALUES_KEY = "held"
_WIDGETS_KEY = "turns"
_LAST_WIDGET_KEY = "last_turn"


class PageVisit(NamedTuple):
    """The page as it is shown now: which visit of the session this is, and whether Back or Forward led to it."""

    number: int
    by_history: bool


def detect_history_navigation() -> None:
    """Note whether this run answers Back or Forward; to be called before anything that may cut the run off."""
    context = get_script_run_ctx()
    if context is not None and context.is_history_navigation:
        st.session_state[_HISTORY_FLAG] = True


def start_page_visit(page: str) -> None:
    """Note which page is shown; one that was not shown before, and a step in the history, make the address count."""
    by_history = st.session_state.pop(_HISTORY_FLAG, False)
    if by_history or st.session_state.get(_PAGE_KEY) != page:
        st.session_state[_PAGE_KEY], st.session_state[_VISIT_KEY] = (
            page,
            PageVisit(current_visit().number + 1, by_history),
        )


def current_visit() -> PageVisit:
    """The visit that goes on."""
    now: PageVisit = st.session_state.get(_VISIT_KEY, PageVisit(0, by_history=False))
    return now


def server_value(key: str, first: str) -> str:
    """The text that is held under a key, `first` where none was given; the address states any other one.

    Whoever comes to the page by a link gets what the link states, and by Back or Forward also what it leaves out.
    """
    text: str
    number, text = st.session_state.setdefault(_VALUES_KEY, {}).get(key, (None, first))
    if number != current_visit().number:
        text = st.query_params.get(key, first if current_visit().by_history else text)
    set_server_value(key, text)
    _set_query_param(key, None if text == first or len(text) > MAX_PARAMETER_CHARS else text)
    return text


def set_server_value(key: str, text: str) -> None:
    """Hold a text under a key."""
    st.session_state.setdefault(_VALUES_KEY, {})[key] = current_visit().number, text


def _set_query_param(key: str, text: str | None) -> None:
    if text == st.query_params.get(key):
        return
    if text is None:
        del st.query_params[key]
    else:
        st.query_params[key] = text


def synced_widget_key(name: str, wanted: Any) -> str:
    """The key for a widget that is made with a value and has to show it: a new key where the widget shows another."""
    turns = st.session_state.setdefault(_WIDGETS_KEY, {})
    if name not in turns or synced_widget_value(name, None) != wanted:
        st.session_state[_LAST_WIDGET_KEY] = turn = st.session_state.get(_LAST_WIDGET_KEY, 0) + 1
        turns[name] = turn, wanted
    return f"{name}-{turns[name][0]}"


def synced_widget_value(name: str, otherwise: Any) -> Any:
    """What the widget shows that follows under this name, `otherwise` where there is none."""
    turn, first = st.session_state.get(_WIDGETS_KEY, {}).get(name, (0, otherwise))
    return st.session_state.get(f"{name}-{turn}", first)


def is_current_widget(key: str) -> bool:
    """Whether a widget that calls back is still the one that follows, so that its value counts."""
    name, _, turn = key.rpartition("-")
    return bool(st.session_state[_WIDGETS_KEY].get(name, (0,))[0] == int(turn))


def drop_synced_widgets(*names: str) -> None:
    """Let no widget follow under these names any more; what a browser still sends of them is void."""
    for name in names:
        st.session_state.get(_WIDGETS_KEY, {}).pop(name, None)


MAX_WIDGET_CHARS = 200_000
"""More than a page reads, so that too long a text gets its sentence instead of being dropped by the browser."""

_SAVED_KEY = "kept"


def restore_widget_values(*names: str) -> None:
    """Give widgets the values they had before another page was shown, unless the address counts or states them."""
    if current_visit().by_history:
        return
    kept = st.session_state.get(_SAVED_KEY, {})
    for name in names:
        if name in kept and name not in st.session_state and name not in st.query_params:
            st.session_state[name] = kept[name]


def save_widget_values(**values: Any) -> None:
    """Remember widgets' values for `restore_widget_values`."""
    st.session_state[_SAVED_KEY] = {**st.session_state.get(_SAVED_KEY, {}), **values}
