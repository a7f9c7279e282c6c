"""What stands around every page: the browser's history, the button that copies the address, and short pauses.

The history has one step for each page that a link opens, and no text that a page refuses for its length.
"""

import gc
import sys
from pathlib import Path
from typing import Any

import streamlit as st

from analyzer.pages.state.url_parameters import MAX_PARAMETER_CHARS

_HERE = Path(__file__).parent
_HISTORY_COMPONENT: Any = st.components.v2.component(
    "resnet_analyzer_steps", html="", js=(_HERE / "history.js").read_text(encoding="utf-8")
)


def track_history() -> None:
    """Make Back show the page that was left by a link as it was, with the choices made in it."""
    with st.container(key="steps"):
        _HISTORY_COMPONENT(key="steps_of_history", data={"longest": MAX_PARAMETER_CHARS})


THREAD_SWITCH_SECONDS = 0.001
"""How long a thread computes while another wants its turn, Python's own being 5 ms: a drawing, which is handed over in
pieces, and every message to a browser would wait for that long several times."""

_NUM_MODULES = [0]
"""Modules that were imported when objects were last set aside."""


def freeze_loaded_objects() -> None:
    """Exempt all living objects from garbage collection, where modules have been imported since the last call.

    Half a million objects of the libraries make a full collection stop every visitor's answer for 0.1 s; what a
    session creates later is collected as before.
    """
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    if len(sys.modules) > _NUM_MODULES[0]:
        _NUM_MODULES[0] = len(sys.modules)
        gc.collect()
        gc.freeze()


_CHAIN = "M6.5 9.5 9.5 6.5M7 4.5l1.4-1.4a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5l-1.4 1.4a3 3 0 0 1-4.3-4.3L4.7 7.2"
_LINK_HTML = f"""<div class="link">
<button type="button" title="Copy the address of this page as it is shown">
<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{_CHAIN}"/></svg>
<span>Copy link</span></button>
<span class="status" role="status" aria-live="polite"></span>
<label hidden>The link of this page, to be copied from here<input type="text" readonly></label>
</div>"""
_LINK_COMPONENT: Any = st.components.v2.component(
    "resnet_analyzer_link",
    html=_LINK_HTML,
    css=(_HERE / "link.css").read_text(encoding="utf-8"),
    js=(_HERE / "link.js").read_text(encoding="utf-8"),
)


def show_copy_link() -> None:
    """Show the button that copies the page's address, at the top right and out of the page's flow."""
    with st.container(key="link"):
        _LINK_COMPONENT(key="copy_link")
