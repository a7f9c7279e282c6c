"""The browser's history: one step for each page that a link opens, and no text in it that a page refuses."""

from pathlib import Path
from typing import Any

import streamlit as st

from analyzer.pages.address import MAX_TEXT

_STEPS: Any = st.components.v2.component(
    "resnet_analyzer_steps", html="", js=(Path(__file__).parent / "steps.js").read_text(encoding="utf-8")
)


def keep_steps() -> None:
    """Let Back show the page that a link left as it was, with its choices."""
    with st.container(key="steps"):
        _STEPS(key="steps_of_history", data={"longest": MAX_TEXT})
