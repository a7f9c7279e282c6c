"""Values that the server stores, the address states and several widgets show, and the widgets that follow them.

A browser sends all its widgets' values with whatever is done in it, and it may not have heard yet what the server gave
them: while they are folded, or where one click follows another faster than the answer. An old value would then look
like its visitor's wish. So a widget whose value the server changed is replaced by a new one with another key, a number
higher, and values that come for the old key are ignored.
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
    """Note whether this run of the script answers Back or Forward; called before anything that may end it."""
    context = get_script_run_ctx()
    if context is not None and context.is_history_navigation:
        st.session_state[_HISTORY_FLAG] = True


def start_page_visit(page: str) -> None:
    """Note which page is shown; another page and a step in the history begin a visit, which reads the address."""
    by_history = st.session_state.pop(_HISTORY_FLAG, False)
    if by_history or st.session_state.get(_PAGE_KEY) != page:
        st.session_state[_PAGE_KEY] = page
        st.session_state[_VISIT_KEY] = PageVisit(current_visit().number + 1, by_history)


def current_visit() -> PageVisit:
    """The visit that `start_page_visit` noted last."""
    visit: PageVisit = st.session_state.get(_VISIT_KEY, PageVisit(0, by_history=False))
    return visit


def server_value(key: str, default: str) -> str:
    """The text that is stored under a key, `default` where there is none; any other is in the address, too.

    Whoever comes to the page by a link gets what the link states, and by Back or Forward also what it leaves out.
    """
    text: str
    number, text = st.session_state.setdefault(_VALUES_KEY, {}).get(key, (None, default))
    if number != current_visit().number:
        text = st.query_params.get(key, default if current_visit().by_history else text)
    set_server_value(key, text)
    _set_query_param(key, None if text == default or len(text) > MAX_PARAMETER_CHARS else text)
    return text


def set_server_value(key: str, text: str) -> None:
    """Store a text under a key."""
    st.session_state.setdefault(_VALUES_KEY, {})[key] = current_visit().number, text


def _set_query_param(key: str, text: str | None) -> None:
    if text == st.query_params.get(key):
        return
    if text is None:
        del st.query_params[key]
    else:
        st.query_params[key] = text


def synced_widget_key(name: str, value: Any) -> str:
    """The key for a widget that is made with a value and has to show it: a new key where the widget shows another."""
    widgets = st.session_state.setdefault(_WIDGETS_KEY, {})
    if name not in widgets or synced_widget_value(name, None) != value:
        st.session_state[_LAST_WIDGET_KEY] = number = st.session_state.get(_LAST_WIDGET_KEY, 0) + 1
        widgets[name] = number, value
    return f"{name}-{widgets[name][0]}"


def synced_widget_value(name: str, default: Any) -> Any:
    """The value of the widget that `synced_widget_key` names now, `default` where there is none."""
    number, value = st.session_state.get(_WIDGETS_KEY, {}).get(name, (0, default))
    return st.session_state.get(f"{name}-{number}", value)


def is_current_widget(key: str) -> bool:
    """Whether a widget that calls back is still the one that `synced_widget_key` names, so that its value counts."""
    name, _, number = key.rpartition("-")
    return bool(st.session_state[_WIDGETS_KEY].get(name, (0,))[0] == int(number))


def drop_synced_widgets(*names: str) -> None:
    """Forget the widgets of these names; what a browser still sends of them is ignored."""
    for name in names:
        st.session_state.get(_WIDGETS_KEY, {}).pop(name, None)


MAX_WIDGET_CHARS = 200_000
"""More than a page reads, so that too long a text gets its sentence instead of being dropped by the browser."""

_SAVED_VALUES_KEY = "kept"


def restore_widget_values(*names: str) -> None:
    """Give widgets the values they had before another page was shown, unless Back or a link states others."""
    if current_visit().by_history:
        return
    saved = st.session_state.get(_SAVED_VALUES_KEY, {})
    for name in names:
        if name in saved and name not in st.session_state and name not in st.query_params:
            st.session_state[name] = saved[name]


def save_widget_values(**values: Any) -> None:
    """Remember widgets' values for `restore_widget_values`."""
    st.session_state[_SAVED_VALUES_KEY] = {**st.session_state.get(_SAVED_VALUES_KEY, {}), **values}


def saved_widget_value(name: str) -> Any:
    """The value that was remembered last for a widget; None where there is none."""
    return st.session_state.get(_SAVED_VALUES_KEY, {}).get(name)
