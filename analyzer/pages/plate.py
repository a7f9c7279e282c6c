"""A still drawing in the theme's colours, which scales to its container and scrolls sideways where it must."""

from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_COLOURS = (
    (_HERE / "viewer.css").read_text(encoding="utf-8").partition("/* The drawing's colours")[2].partition("*/")[2]
)
"""How the viewer's style sheet turns Graphviz's colours into the theme's."""
_PLATE: Any = st.components.v2.component(
    "resnet_analyzer_plate",
    html='<div class="plate" role="region" tabindex="0"></div>',
    css=(_HERE / "plate.css").read_text(encoding="utf-8") + _COLOURS,
    js=(_HERE / "plate.js").read_text(encoding="utf-8"),
)


def show_plate(svg: str, label: str, key: str, zoom: float = 1.0) -> None:
    """Show an SVG of our own making, which has numbers and fixed words in it and nothing that a visitor typed.

    It is at most `zoom` pixels a unit large.
    """
    _PLATE(key=key, data={"svg": svg, "label": label, "zoom": zoom})
