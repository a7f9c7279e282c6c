"""The Streamlit pages: widgets to spec to folds to st.*."""
