"""Reports: markdown, HTML, LaTeX and CSV, the folder of committed ones, and the pages beside them."""
