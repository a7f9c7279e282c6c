"""The pages' common style: style sheet, word mark, and text that is shown verbatim."""

import re
from pathlib import Path

import streamlit as st

PAGE_CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#3b78e7" stroke-width="2">
<path d="M8 1v4M8 10v4M8 19v4M8 2.5h6a5 5 0 0 1 5 5v9a5 5 0 0 1-5 5H8"/>
<rect x="3" y="5" width="10" height="5" rx="1.5"/><rect x="3" y="14" width="10" height="5" rx="1.5"/></svg>"""

WORD_MARK = f"""<svg xmlns="http://www.w3.org/2000/svg" width="172" height="24" viewBox="0 0 172 24">
<svg width="24" height="24">{ICON}</svg>
<text x="32" y="17.5" font-family="Source Sans, Helvetica, Arial, sans-serif" font-size="18" font-weight="600"
 fill="#3b78e7" textLength="138">resnet-analyzer</text></svg>"""


def apply_page_style() -> None:
    """Put the style sheet and the word mark on the page."""
    st.html(f"<style>{PAGE_CSS}</style>")
    st.logo(WORD_MARK, size="medium")


def code_span(text: str) -> str:
    """Markdown that shows a line of text verbatim: a code span fenced by more backticks than the text has in a row."""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence} {' '.join(text.split())} {fence}"


def show_errors(*sentences: str) -> None:
    """Show each sentence in an error box, verbatim."""
    for sentence in sentences:
        st.error(code_span(sentence))
