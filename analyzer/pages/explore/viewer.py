"""The diagram viewer: an SVG that can be zoomed by wheel, buttons and keys, dragged, and clicked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import streamlit as st

from analyzer.render.diagram.html_viewer import PAN_AND_ZOOM

VIEWER_KEY = "diagram"
"""Session state key; `clicked_id` in it is the id that was clicked."""

_TOOLS = {
    "in": ("Zoom in", "M8 3v10M3 8h10"),
    "out": ("Zoom out", "M3 8h10"),
    "fit": ("Show the whole diagram", "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4"),
    "reset": ("Back to the first view", "M3 8a5 5 0 1 0 1.5-3.6L2.5 6.2M2.5 2.5v3.7h3.7"),
}


def _button(act: str, title: str, path: str) -> str:
    drawing = f'<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{path}"/></svg>'
    return f'<button type="button" data-act="{act}" title="{title}" aria-label="{title}">{drawing}</button>'


_HTML = f"""<div class="viewer">
<div class="canvas" role="group" tabindex="0" aria-label="Diagram"></div>
<div class="tools" role="toolbar" aria-label="Zoom">{"".join(_button(act, *rest) for act, rest in _TOOLS.items())}</div>
</div>"""

_HERE = Path(__file__).parent
_VIEWER: Any = st.components.v2.component(
    "resnet_analyzer_viewer",
    html=_HTML,
    css=(_HERE / "viewer.css").read_text(encoding="utf-8"),
    js=PAN_AND_ZOOM.read_text(encoding="utf-8") + (_HERE / "viewer.js").read_text(encoding="utf-8"),
)


def show_diagram(
    svg: str,
    label: str,
    parts: Mapping[str, str] = MappingProxyType({}),
    chosen: str | None = None,
    on_pick: Callable[[], None] = lambda: None,
    key: str = VIEWER_KEY,
) -> None:
    """Show an SVG; a click on an element whose id is in `parts` calls `on_pick`, which reads `clicked_id()`.

    `parts` maps ids to stages or blocks; elements that stand for the `chosen` one are marked. Each drawing of a page
    needs a key of its own.
    """
    data = {"svg": svg, "label": label, "parts": dict(parts), "chosen": chosen}
    _VIEWER(key=key, data=data, on_picked_change=on_pick)


def clicked_id() -> str | None:
    """The id that was clicked just now."""
    state = st.session_state.get(VIEWER_KEY)
    return state.get("picked") if state else None
