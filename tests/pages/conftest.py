"""The pages by AppTest: opened at their links, with what they show."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from analyzer.pages.explore import cached
from analyzer.pages.explore.spec_form import FORM_KEY
from benchmarks.page_reruns import synced_widget

ROOT = Path(__file__).parents[2]
EXPLORE, COMPARE, EQUIVALENCE, SPACE, LEARN = "explore", "compare", "equivalence", "space", "learn"
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><g id="layer1.0" class="node block"></g></svg>'
SECONDS = 60


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace the layout program by a fixed drawing, since these tests look at everything else."""
    clear_caches()
    monkeypatch.setattr(cached, "layout_safely", lambda *_: DRAWING.encode())
    yield
    clear_caches()


def clear_caches() -> None:
    """Let the pages work everything out, and draw, anew."""
    st.cache_data.clear()
    cached._layout_future.clear()


def opened(expression: str | None = None, page: str | None = None, **parameters: str | list[str]) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    for name, value in [*({"variant": expression} if expression else {}).items(), *parameters.items()]:
        app.query_params[name] = value
    app.run()
    if page:
        switch(app, page).run()
    assert not app.exception
    return app


def switch(app: AppTest, page: str) -> AppTest:
    """Let the next run show a page by its name in the address; its own `switch_page` takes files alone."""
    app._page_hash = calc_hash(page)
    return app


def customising(app: AppTest) -> AppTest:
    """Open the form, as a click on its button does."""
    app.session_state[FORM_KEY] = True
    return app.run()


def closed(app: AppTest) -> AppTest:
    """Close it."""
    app.session_state[FORM_KEY] = False
    return app.run()


def figures(app: AppTest) -> list[str]:
    """The exact figures of the headline: parameters, MACs, FLOPs, activations."""
    html = next(body for body in map(body, app.get("html")) if 'class="figures"' in body)
    return re.findall(r"<small>([\d,]+)</small>", html)


def body(element: Any) -> str:
    return str(element.proto.body)


def typed(app: AppTest, expression: str) -> AppTest:
    synced_widget(app.text_input, "variant").set_value(expression).run()
    assert not app.exception
    return app


def tables_html(app: AppTest) -> str:
    """The tables and sentences that a page shows, apart from the headline."""
    return "".join(body for body in map(body, app.get("html")) if 'class="told' in body)
