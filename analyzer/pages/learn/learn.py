"""Learn: the story of the papers in chapters, every figure in it computed."""

from pathlib import Path
from typing import Any

import streamlit as st

from analyzer.pages.learn import (
    bottleneck,
    cardinality,
    claims,
    columns,
    convolution,
    dense,
    level,
    norm,
    preactivation,
    residual,
    stride,
)
from analyzer.pages.learn.chapter import Chapter, show_sources
from analyzer.pages.state.server_values import current_visit, save_widget_values, saved_widget_value
from analyzer.pages.state.url_parameters import expect_choice

_HERE = Path(__file__).parent
_NAVIGATION_COMPONENT: Any = st.components.v2.component(
    "resnet_analyzer_contents",
    html="<nav></nav>",
    css=(_HERE / "navigation.css").read_text(encoding="utf-8"),
    js=(_HERE / "navigation.js").read_text(encoding="utf-8"),
)

CHAPTERS: dict[str, Chapter] = {
    "convolution": convolution.CHAPTER,
    "residual": residual.CHAPTER,
    "bottleneck": bottleneck.CHAPTER,
    "stride": stride.CHAPTER,
    "preactivation": preactivation.CHAPTER,
    "batch-norm": norm.CHAPTER,
    "cardinality": cardinality.CHAPTER,
    "dense": dense.CHAPTER,
    "side-by-side": columns.CHAPTER,
    "level": level.CHAPTER,
    "claims": claims.CHAPTER,
}
"""Key in the address → chapter, in order."""

_CHAPTER_KEY = "chapter"
_FIRST_CHAPTER = next(iter(CHAPTERS))
_STYLE = (_HERE / "learn.css").read_text(encoding="utf-8")


def show() -> None:
    """Show the whole page."""
    st.html(f"<style>{_STYLE}</style>")
    current = _current_chapter()
    with st.container(key="learn"):
        contents, chapter = st.columns([1, 4.4], gap="medium")
        with contents:
            _show_contents(current)
        with chapter:
            _show_chapter(current)


def _current_chapter() -> str:
    """The chapter that the address names; without one, the one that was open before another page was shown."""
    key, last = st.query_params.get(_CHAPTER_KEY), saved_widget_value(_CHAPTER_KEY)
    if key is None and not current_visit().by_history and last in CHAPTERS and last != _FIRST_CHAPTER:
        st.query_params[_CHAPTER_KEY] = key = last
    expect_choice(_CHAPTER_KEY, CHAPTERS)
    current = key if key in CHAPTERS else _FIRST_CHAPTER
    save_widget_values(**{_CHAPTER_KEY: current})
    return current


def _open_chapter(key: str) -> None:
    """Go to a chapter: a new entry in the browser's history, without the parameters of the last one."""
    if key in CHAPTERS:
        st.query_params.from_dict({_CHAPTER_KEY: key})


def _show_chapter(current: str) -> None:
    chapter = CHAPTERS[current]
    st.html(f'<header class="chapter"><h1 class="page-title">{chapter.title}</h1><p>{chapter.lead}</p></header>')
    with st.container(key=f"chapter-{current}"):
        chapter.show()
    if chapter.sources:
        show_sources(chapter.sources)
    _show_neighbours(current)


def _show_contents(current: str) -> None:
    """Show every chapter's title, the current one marked, as a link."""
    position = list(CHAPTERS).index(current) + 1
    items = [{"key": key, "title": chapter.title} for key, chapter in CHAPTERS.items()]
    _show_navigation("contents", "list", f"Chapters · {position} of {len(CHAPTERS)}", items, current)


def _show_neighbours(current: str) -> None:
    """Show links to the chapters before and after the current one."""
    keys = list(CHAPTERS)
    index = keys.index(current)
    neighbours = [(keys[index - 1], "previous", "Before")] if index else []
    neighbours += [(keys[index + 1], "next", "Next")] if index + 1 < len(keys) else []
    items = [
        {"key": key, "title": CHAPTERS[key].title, "side": side, "words": words} for key, side, words in neighbours
    ]
    _show_navigation("turn", "turn", "Previous and next chapter", items, current)


def _show_navigation(key: str, kind: str, label: str, items: list[dict[str, str]], current: str) -> None:
    def on_chosen() -> None:
        _open_chapter(st.session_state[key]["chosen"])

    data = {"items": items, "current": current, "label": label, "kind": kind}
    _NAVIGATION_COMPONENT(key=key, data=data, on_chosen_change=on_chosen)
