"""The pages without a browser: Streamlit's AppTest runs the real scripts."""
