"""The page in the repository, `streamlit run app.py`; an installed package has `analyzer page`."""

from analyzer.pages.app import show

show()
