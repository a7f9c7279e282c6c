"""The entry of the page: its pages, look and history; no arithmetic, no torch.

`analyzer page` has Streamlit run this file, with the settings that stand beside it in `.streamlit/config.toml`; in the
repository `streamlit run app.py` does the same, by a link to that file.
"""

import streamlit as st

from analyzer.pages.navigation import register
from analyzer.pages.state.history import keep_steps, settle, show_link
from analyzer.pages.state.server_values import arrive, notice_history
from analyzer.pages.state.style import ICON, apply_look
from analyzer.pages.state.url_parameters import begin, show_refused


def show() -> None:
    """The page that the address names, in answer to a visitor."""
    notice_history()
    st.set_page_config(page_title="resnet-analyzer", page_icon=ICON, layout="wide")
    apply_look()
    show_link()
    keep_steps()
    begin()
    page = st.navigation(register(_pages()), position="top")
    arrive(page.url_path)
    refused = st.container(key="refused")
    page.run()
    with refused:
        show_refused()
    settle()


def _pages() -> dict[str, st.Page]:
    """Name in the address → page, in the order of the menu; Streamlit wants them anew for every answer."""
    return {
        "explore": st.Page(_explore, title="Explore", url_path="explore", default=True),
        "compare": st.Page(_compare, title="Compare", url_path="compare"),
        "equivalence": st.Page(_equivalence, title="Equivalence", url_path="equivalence"),
        "space": st.Page(_space, title="Design space", url_path="space"),
        "learn": st.Page(_learn, title="Learn", url_path="learn"),
    }


# Each page is imported when it is first shown: altair, pandas and the sweep would make the first answer wait.


def _explore() -> None:
    from analyzer.pages.explore.explore import show

    show()


def _compare() -> None:
    from analyzer.pages.compare.compare import show

    show()


def _equivalence() -> None:
    from analyzer.pages.equivalence.equivalence import show

    show()


def _space() -> None:
    from analyzer.pages.space.space import show

    show()


def _learn() -> None:
    from analyzer.pages.learn.learn import show

    show()


if __name__ == "__main__":
    show()
