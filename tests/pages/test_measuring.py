"""Latency measured from the Explore page, by AppTest."""

import json
import sys
import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from analyzer import extras
from analyzer.pages.jobs import jobs
from analyzer.pages.state.style import code_span
from tests.pages.conftest import SECONDS, opened, typed

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("drawn")
def test_measuring_is_refused_where_it_would_take_too_much_or_torch_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = opened("resnet152", batch="1024")
    assert "more than a page measures" in app.caption[-1].value
    assert measure_button(app).disabled
    app.number_input(key="batch").set_value(1).run()
    assert not measure_button(app).disabled
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    app.run()
    assert "resnet-analyzer[live]" in app.caption[-1].value
    assert measure_button(app).disabled


def measure_button(app: AppTest) -> Any:
    return next(button for button in app.button if button.label == "Measure on this machine")


@pytest.mark.usefixtures("drawn")
def test_what_was_measured_is_shown_until_something_else_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that answers at once stands in for the measurement."""
    line = {"stage": "stem", "median": 1.5, "low": 1.0, "high": 2.0, "share": 100.0}
    result = {
        "stages": [line],
        "network": line,
        "warnings": ["Unsteady."],
        "conditions": "Conditions: none.",
        "record": "{}",
    }
    answer = (sys.executable, "-c", f"print({json.dumps(json.dumps(result))})")
    monkeypatch.setattr(jobs, "job_command", lambda *_: answer)
    app = opened("resnet18")
    measure_button(app).click().run()
    deadline = time.monotonic() + SECONDS
    while len(app.dataframe) < 2:
        assert time.monotonic() < deadline, "waited in vain"
        app.run()
    assert app.dataframe[1].value["median"].tolist() == [1.5, 1.5]
    assert app.warning[0].value == code_span("Unsteady.")
    typed(app, "resnet34")
    assert len(app.dataframe) == 1
