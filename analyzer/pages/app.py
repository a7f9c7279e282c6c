"""The entry of the page: its pages, style sheet and history; no arithmetic, no torch.

`analyzer page` has Streamlit run this file, with the settings that stand beside it in `.streamlit/config.toml`; in the
repository `streamlit run app.py` does the same, by a link to that file.
"""

import streamlit as st

from analyzer.pages.state.history import freeze_loaded_objects, show_copy_link, track_history
from analyzer.pages.state.navigation import register_pages
from analyzer.pages.state.server_values import detect_history_navigation, start_page_visit
from analyzer.pages.state.style import ICON, apply_page_style
from analyzer.pages.state.url_parameters import clear_refused, show_refused


def show() -> None:
    """Show the page that the address names; Streamlit runs this for every action of a visitor."""
    detect_history_navigation()
    st.set_page_config(page_title="resnet-analyzer", page_icon=ICON, layout="wide")
    apply_page_style()
    show_copy_link()
    track_history()
    clear_refused()
    page = st.navigation(register_pages(_pages()), position="top")
    start_page_visit(page.url_path)
    refused = st.container(key="refused")
    page.run()
    with refused:
        show_refused()
    freeze_loaded_objects()


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
