"""Learn: the story of the papers in chapters, every figure in it computed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from analyzer.pages.learn import bottleneck as learn_bottleneck
from analyzer.pages.learn import cardinality as learn_cardinality
from analyzer.pages.learn import claims as learn_claims
from analyzer.pages.learn import columns as learn_columns
from analyzer.pages.learn import convolution as learn_convolution
from analyzer.pages.learn import dense as learn_dense
from analyzer.pages.learn import level as learn_level
from analyzer.pages.learn import norm as learn_norm
from analyzer.pages.learn import preactivation as learn_preactivation
from analyzer.pages.learn import residual as learn_residual
from analyzer.pages.learn import stride as learn_stride
from analyzer.pages.learn.parts import Chapter, show_sources
from analyzer.pages.state.server_values import current_visit, save_widget_values
from analyzer.pages.state.url_parameters import expect_choice

_HERE = Path(__file__).parent
_CONTENTS: Any = st.components.v2.component(
    "resnet_analyzer_contents",
    html="<nav></nav>",
    css=(_HERE / "contents.css").read_text(encoding="utf-8"),
    js=(_HERE / "contents.js").read_text(encoding="utf-8"),
)


def show_contents(titles: dict[str, str], current: str, take: Callable[[str], None]) -> None:
    """Every chapter by its title, the current one marked; a click calls `take` with the chapter's key."""
    place = list(titles).index(current) + 1
    items = [{"key": key, "title": title} for key, title in titles.items()]
    _show("contents", "list", f"Chapters · {place} of {len(titles)}", items, current, take)


def show_neighbours(titles: dict[str, str], current: str, take: Callable[[str], None]) -> None:
    """The chapters before and after the current one."""
    keys = list(titles)
    place = keys.index(current)
    ends = [(place - 1, "previous", "Before")] if place else []
    ends += [(place + 1, "next", "Next")] if place + 1 < len(keys) else []
    items = [{"key": keys[at], "title": titles[keys[at]], "side": side, "words": words} for at, side, words in ends]
    _show("turn", "turn", "Previous and next chapter", items, current, take)


def _show(
    key: str, kind: str, label: str, items: list[dict[str, str]], current: str, take: Callable[[str], None]
) -> None:
    def taken() -> None:
        take(st.session_state[key]["chosen"])

    data = {"items": items, "current": current, "label": label, "kind": kind}
    _CONTENTS(key=key, data=data, on_chosen_change=taken)


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
            show_contents(_TITLES, current, _open_chapter)
        with chapter:
            _show_chapter(current)


def _current() -> str:
    """The chapter that the address names; without one, the one that was open before another page was shown."""
    asked, kept = st.query_params.get(_CHAPTER), st.session_state.get("kept", {}).get(_CHAPTER)
    if asked is None and not current_visit().by_history and kept in CHAPTERS and kept != _FIRST:
        st.query_params[_CHAPTER] = asked = kept
    expect_choice(_CHAPTER, CHAPTERS)
    current = asked if asked in CHAPTERS else _FIRST
    save_widget_values(**{_CHAPTER: current})
    return current


def _open_chapter(key: str) -> None:
    """Go to a chapter: a new entry in the browser's history, without the parameters of the last one."""
    if key in CHAPTERS:
        st.query_params.from_dict({_CHAPTER: key})


def _show_chapter(current: str) -> None:
    chapter = CHAPTERS[current]
    st.html(f'<header class="chapter"><h1 class="page-title">{chapter.title}</h1><p>{chapter.lead}</p></header>')
    with st.container(key=f"chapter-{current}"):
        chapter.show()
    if chapter.sources:
        show_sources(chapter.sources)
    show_neighbours(_TITLES, current, _open_chapter)
