"""The pages by their names in the address, for links from one to another."""

from collections.abc import Mapping

import streamlit as st

_PAGES_KEY = "pages"


def register_pages(pages: Mapping[str, st.Page]) -> list[st.Page]:
    """Make pages known by name to `page_named` in this session; returns them as a list, in their order."""
    st.session_state[_PAGES_KEY] = pages
    return list(pages.values())


def page_named(name: str) -> st.Page:
    """The page of that name in the address, such as "explore"."""
    page: st.Page = st.session_state[_PAGES_KEY][name]
    return page
