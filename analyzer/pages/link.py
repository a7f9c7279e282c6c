"""The button that copies the page's address, beside the menu of every page."""

from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_CHAIN = "M6.5 9.5 9.5 6.5M7 4.5l1.4-1.4a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5l-1.4 1.4a3 3 0 0 1-4.3-4.3L4.7 7.2"
_HTML = f"""<div class="link">
<button type="button" title="Copy the address of this page as it is shown">
<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{_CHAIN}"/></svg>
<span>Copy link</span></button>
<span class="said" role="status" aria-live="polite"></span>
<label hidden>The link of this page, to be copied from here<input type="text" readonly></label>
</div>"""
_LINK: Any = st.components.v2.component(
    "resnet_analyzer_link",
    html=_HTML,
    css=(_HERE / "link.css").read_text(encoding="utf-8"),
    js=(_HERE / "link.js").read_text(encoding="utf-8"),
)


def show_link() -> None:
    """The button, at the top right and out of the page's flow."""
    with st.container(key="link"):
        _LINK(key="copy_link")
