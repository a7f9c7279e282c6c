"""Learn: the story of the papers in chapters, every figure in it computed."""

from pathlib import Path

import streamlit as st

from analyzer.pages import (
    learn_bottleneck,
    learn_cardinality,
    learn_claims,
    learn_columns,
    learn_convolution,
    learn_dense,
    learn_level,
    learn_norm,
    learn_preactivation,
    learn_residual,
    learn_stride,
)
from analyzer.pages.address import expect_choice
from analyzer.pages.contents import show_contents, show_turn
from analyzer.pages.held import visit
from analyzer.pages.kept import keep
from analyzer.pages.learn_parts import Chapter, cite

CHAPTERS: dict[str, Chapter] = {
    "convolution": learn_convolution.CHAPTER,
    "residual": learn_residual.CHAPTER,
    "bottleneck": learn_bottleneck.CHAPTER,
    "stride": learn_stride.CHAPTER,
    "preactivation": learn_preactivation.CHAPTER,
    "batch-norm": learn_norm.CHAPTER,
    "cardinality": learn_cardinality.CHAPTER,
    "dense": learn_dense.CHAPTER,
    "side-by-side": learn_columns.CHAPTER,
    "level": learn_level.CHAPTER,
    "claims": learn_claims.CHAPTER,
}
"""Key in the address → chapter, in order."""

_CHAPTER = "chapter"
_FIRST = next(iter(CHAPTERS))
_TITLES = {key: chapter.title for key, chapter in CHAPTERS.items()}
_STYLE = (Path(__file__).parent / "learn.css").read_text(encoding="utf-8")


def show() -> None:
    """The whole page."""
    st.html(f"<style>{_STYLE}</style>")
    current = _current()
    with st.container(key="learn"):
        contents, chapter = st.columns([1, 4.4], gap="medium")
        with contents:
            show_contents(_TITLES, current, _take)
        with chapter:
            _show_chapter(current)


def _current() -> str:
    """The chapter that the address names; without one, the one that was open before another page was shown."""
    asked, kept = st.query_params.get(_CHAPTER), st.session_state.get("kept", {}).get(_CHAPTER)
    if asked is None and not visit().by_history and kept in CHAPTERS and kept != _FIRST:
        st.query_params[_CHAPTER] = asked = kept
    expect_choice(_CHAPTER, CHAPTERS)
    current = asked if asked in CHAPTERS else _FIRST
    keep(**{_CHAPTER: current})
    return current


def _take(key: str) -> None:
    """Go to a chapter: a new entry in the browser's history, without the parameters of the last one."""
    if key in CHAPTERS:
        st.query_params.from_dict({_CHAPTER: key})


def _show_chapter(current: str) -> None:
    chapter = CHAPTERS[current]
    st.html(f'<header class="chapter"><h1 class="page-title">{chapter.title}</h1><p>{chapter.lead}</p></header>')
    with st.container(key=f"chapter-{current}"):
        chapter.show()
    if chapter.sources:
        cite(chapter.sources)
    show_turn(_TITLES, current, _take)
