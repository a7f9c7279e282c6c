"""Values that the server holds, the address states and several widgets show, and the widgets that follow them.

A browser sends all its widgets' values with whatever is done in it, and it may not have heard yet what the server gave
them: while they are folded, or where one click follows another faster than the answer. An old value would then look
like its visitor's wish. So a widget whose value changed otherwise is replaced by a new one, and the old one's is void.
"""

from typing import Any, NamedTuple

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from analyzer.pages.state.url_parameters import MAX_TEXT

_BACK = "went_back"
_PAGE = "page"
_VISIT = "visit"
_HELD = "held"
_TURNS = "turns"
_LAST = "last_turn"


class Visit(NamedTuple):
    """The page as it is shown now: which visit of the session this is, and whether Back or Forward led to it."""

    number: int
    by_history: bool


def notice_history() -> None:
    """Note whether this run answers Back or Forward; to be called before anything that may cut the run off."""
    context = get_script_run_ctx()
    if context is not None and context.is_history_navigation:
        st.session_state[_BACK] = True


def arrive(page: str) -> None:
    """Note which page is shown; one that was not shown before, and a step in the history, make the address count."""
    by_history = st.session_state.pop(_BACK, False)
    if by_history or st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE], st.session_state[_VISIT] = page, Visit(visit().number + 1, by_history)


def visit() -> Visit:
    """The visit that goes on."""
    now: Visit = st.session_state.get(_VISIT, Visit(0, by_history=False))
    return now


def held(key: str, first: str) -> str:
    """The text that is held under a key, `first` where none was given; the address states any other one.

    Whoever comes to the page by a link gets what the link states, and by Back or Forward also what it leaves out.
    """
    text: str
    number, text = st.session_state.setdefault(_HELD, {}).get(key, (None, first))
    if number != visit().number:
        text = st.query_params.get(key, first if visit().by_history else text)
    hold(key, text)
    _state(key, None if text == first or len(text) > MAX_TEXT else text)
    return text


def hold(key: str, text: str) -> None:
    """Hold a text under a key."""
    st.session_state.setdefault(_HELD, {})[key] = visit().number, text


def _state(key: str, text: str | None) -> None:
    if text == st.query_params.get(key):
        return
    if text is None:
        del st.query_params[key]
    else:
        st.query_params[key] = text


def following(name: str, wanted: Any) -> str:
    """The key for a widget that is made with a value and has to show it: a new key where the widget shows another."""
    turns = st.session_state.setdefault(_TURNS, {})
    if name not in turns or standing(name, None) != wanted:
        st.session_state[_LAST] = turn = st.session_state.get(_LAST, 0) + 1
        turns[name] = turn, wanted
    return f"{name}-{turns[name][0]}"


def standing(name: str, otherwise: Any) -> Any:
    """What the widget shows that follows under this name, `otherwise` where there is none."""
    turn, first = st.session_state.get(_TURNS, {}).get(name, (0, otherwise))
    return st.session_state.get(f"{name}-{turn}", first)


def stands(key: str) -> bool:
    """Whether a widget that calls back is still the one that follows, so that its value counts."""
    name, _, turn = key.rpartition("-")
    return bool(st.session_state[_TURNS].get(name, (0,))[0] == int(turn))


def put_away(*names: str) -> None:
    """Let no widget follow under these names any more; what a browser still sends of them is void."""
    for name in names:
        st.session_state.get(_TURNS, {}).pop(name, None)


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
