"""The Streamlit entry, `streamlit run app.py`: pages and look; no arithmetic, no torch."""

import streamlit as st

from analyzer.pages.address import begin, show_refused
from analyzer.pages.held import arrive, notice_history
from analyzer.pages.link import show_link
from analyzer.pages.look import ICON, apply_look
from analyzer.pages.pauses import settle
from analyzer.pages.steps import keep_steps

notice_history()
st.set_page_config(page_title="resnet-analyzer", page_icon=ICON, layout="wide")
apply_look()
show_link()
keep_steps()
begin()
page = st.navigation(
    [
        st.Page("analyzer/pages/explore.py", title="Explore", default=True),
        st.Page("analyzer/pages/compare.py", title="Compare"),
        st.Page("analyzer/pages/equivalence.py", title="Equivalence"),
        st.Page("analyzer/pages/space.py", title="Design space"),
        st.Page("analyzer/pages/learn.py", title="Learn"),
    ],
    position="top",
)
arrive(page.url_path)
refused = st.container(key="refused")
page.run()
with refused:
    show_refused()
settle()
