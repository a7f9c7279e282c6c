"""Block diagrams: what is drawn, how it is grouped and labelled, and DOT, Mermaid, SVG and HTML of it."""
