"""Where numbers become text: units, tables, markdown, DOT, SVG."""
