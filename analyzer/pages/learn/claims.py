"""Chapter: the claims checked, filterable by verdict, subject and words."""

from collections import Counter
from html import escape

import streamlit as st

from analyzer.errors import InvalidInput
from analyzer.literature.claims.catalogue import GROUPS
from analyzer.literature.claims.claim import Verdict
from analyzer.pages.learn.chapter import Chapter, controls_container, show_prose
from analyzer.pages.state.server_values import MAX_WIDGET_CHARS
from analyzer.pages.state.style import show_errors
from analyzer.pages.state.url_parameters import bounded_text, expect_choice
from analyzer.render.report.claims import ClaimText, claim_texts
from analyzer.render.report.html import markdown_to_html

_MARKS = {Verdict.HOLDS: "holds", Verdict.ONLY_IF: "partly", Verdict.FAILS: "fails"}

_INTRODUCES = (
    "Papers, tutorials and forums say many things of these networks, and many of them are copied. Here are @count "
    "such statements, each computed from the networks' graphs at this moment: @holds hold, @fails do not, and @partly "
    "hold only under a condition that is seldom told. Open one for its readings, the figures that decide it with "
    "their arithmetic, and for whom it matters."
)
_TERMS = (
    "A statement **holds** where all of its readings do, **does not hold** where none does, and **holds only if** a "
    "reading is meant for which it does. “About” is within a tenth, “negligible” less than a hundredth, and a printed "
    "figure agrees where ours rounds or truncates to its digits."
)
_NONE = "No statement has all of this; take a word or a filter away."


def _show() -> None:
    texts = _cached_claim_texts()
    verdicts = Counter(_MARKS[text.claim.verdict] for text in texts)
    show_prose(_INTRODUCES, _TERMS, count=len(texts), **{mark: str(verdicts[mark]) for mark in _MARKS.values()})
    with controls_container():
        verdict, group, words = _filters()
    try:
        bounded_text("words", words)
    except InvalidInput as error:
        show_errors(str(error))
        return
    matches = [
        text
        for text in texts
        if (verdict is None or text.claim.verdict.value == verdict)
        and (group is None or text.group == group)
        and all(word in _searched_text(text) for word in words.casefold().split())
    ]
    if not matches:
        show_prose(_NONE)
    st.html(f'<div class="claims">{"".join(_cards()[text.number - 1] for text in matches)}</div>')


def _filters() -> tuple[str | None, str | None, str]:
    expect_choice("verdict", [option.value for option in Verdict])
    expect_choice("subject", GROUPS)
    verdict: str | None = st.segmented_control(
        "Verdict", [option.value for option in Verdict], key="verdict", bind="query-params"
    )
    first, second = st.columns(2)
    group: str | None = first.selectbox(
        "Subject", list(GROUPS), index=None, key="subject", bind="query-params", placeholder="all"
    )
    words: str = second.text_input(
        "Words",
        key="words",
        bind="query-params",
        max_chars=MAX_WIDGET_CHARS,
        placeholder="such as bottleneck, or memory batch",
    )
    return verdict, group, words


def _searched_text(text: ClaimText) -> str:
    return " ".join((text.claim.statement, text.claim.why, text.claim.matters, text.condition, text.cases)).casefold()


@st.cache_resource(show_spinner=False)
def _cached_claim_texts() -> tuple[ClaimText, ...]:
    return claim_texts()


@st.cache_data(show_spinner=False)
def _cards() -> list[str]:
    """Every claim as HTML that opens to its figures."""
    return [_card(text) for text in _cached_claim_texts()]


def _card(text: ClaimText) -> str:
    verdict = text.claim.verdict
    condition = f" {escape(text.condition)}" if text.condition else ""
    figures = markdown_to_html(text.outcome).strip().removeprefix("<p>").removesuffix("</p>")
    formulas = f"<details><summary>What is counted, and how</summary>{markdown_to_html(text.formulas)}</details>"
    statement = f'<span class="statement">{escape(text.claim.statement)}</span>'
    return (
        f'<details class="claim {_MARKS[verdict]}"><summary>{statement}<span class="found">{figures}</span>'
        f'<span class="verdict"><b>{escape(verdict.value)}</b>{condition}</span></summary>'
        f'<div class="told">{markdown_to_html(text.why)}{markdown_to_html(text.cases)}{formulas}</div></details>'
    )


CHAPTER = Chapter(
    "Claims checked",
    "What tutorials say of these networks, and whether it holds.",
    _show,
    (),
)
