"""The pages by name, for links from one to another."""

from collections.abc import Mapping

import streamlit as st

_PAGES = "pages"


def register(pages: Mapping[str, st.Page]) -> list[st.Page]:
    """Let pages be linked by name from now on; the pages, in their order."""
    st.session_state[_PAGES] = pages
    return list(pages.values())


def page_named(name: str) -> st.Page:
    """The page of that name in the address, such as "explore"."""
    page: st.Page = st.session_state[_PAGES][name]
    return page
