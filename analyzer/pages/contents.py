"""Links from chapter to chapter that change the page in place and stay links for every other click."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_CONTENTS: Any = st.components.v2.component(
    "resnet_analyzer_contents",
    html="<nav></nav>",
    css=(_HERE / "contents.css").read_text(encoding="utf-8"),
    js=(_HERE / "contents.js").read_text(encoding="utf-8"),
)


def show_contents(titles: dict[str, str], current: str, take: Callable[[str], None]) -> None:
    """Every chapter by its title, the current one marked; a click calls `take` with the chapter's key."""
    place = list(titles).index(current) + 1
    items = [{"key": key, "title": title} for key, title in titles.items()]
    _show("contents", "list", f"Chapters · {place} of {len(titles)}", items, current, take)


def show_turn(titles: dict[str, str], current: str, take: Callable[[str], None]) -> None:
    """The chapters before and after the current one."""
    keys = list(titles)
    place = keys.index(current)
    ends = [(place - 1, "previous", "Before")] if place else []
    ends += [(place + 1, "next", "Next")] if place + 1 < len(keys) else []
    items = [{"key": keys[at], "title": titles[keys[at]], "side": side, "words": words} for at, side, words in ends]
    _show("turn", "turn", "Previous and next chapter", items, current, take)


def _show(
    key: str, kind: str, label: str, items: list[dict[str, str]], current: str, take: Callable[[str], None]
) -> None:
    def taken() -> None:
        take(st.session_state[key]["chosen"])

    data = {"items": items, "current": current, "label": label, "kind": kind}
    _CONTENTS(key=key, data=data, on_chosen_change=taken)
