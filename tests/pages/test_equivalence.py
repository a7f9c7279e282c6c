"""The Equivalence page by AppTest; programs that answer at once stand in for the proofs."""

import json
import sys
import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from analyzer import extras
from analyzer.cost.analysis import analyze
from analyzer.graph.resnext_forms import cardinality, grouped_blocks
from analyzer.pages.explore import cached
from analyzer.pages.jobs import jobs
from benchmarks.page_reruns import synced_widget
from tests.pages.conftest import DRAWING, EQUIVALENCE, SECONDS, opened

pytestmark = pytest.mark.slow


def proof_open(**parameters: str) -> AppTest:
    return opened(page=EQUIVALENCE, **parameters)


def button(app: AppTest, label: str) -> Any:
    return next(item for item in app.button if item.label == label)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    ("variant", "said"), [("resnet18", "depth 2"), ("resnet50", "cardinality 1"), ("densenet121", "concatenated")]
)
def test_a_network_without_grouped_blocks_has_the_reason_in_place_of_a_proof(variant: str, said: str) -> None:
    app = proof_open(grouped=variant)
    assert said in app.error[0].value
    assert len(app.error) == 1
    assert not app.button
    app = proof_open(grouped=variant, identities="Other identities")
    assert not app.error
    assert not button(app, "Prove the identities").disabled


@pytest.mark.usefixtures("drawn")
def test_what_would_fill_the_servers_memory_is_refused() -> None:
    app = proof_open(grouped="resnet50:depths=1,widths=16384,cardinality=2")
    assert "command line" in app.error[0].value
    assert all(item.disabled for item in app.button)


@pytest.mark.usefixtures("drawn")
def test_without_torch_the_page_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    app = proof_open()
    assert "resnet-analyzer[live]" in app.error[0].value
    assert all(item.disabled for item in app.button)


@pytest.mark.usefixtures("drawn")
def test_the_slider_cuts_the_same_width_into_other_paths_and_draws_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the paper's 128 inner channels of ResNeXt-50's first stage, cut into 8 paths of 16."""
    laid_out: list[str] = []

    def lay_out(dot: str, *_: object) -> bytes:
        laid_out.append(dot)
        return DRAWING.encode()

    monkeypatch.setattr(cached, "layout_safely", lay_out)
    app = proof_open(block="layer2.1")
    assert "total 32 paths" in laid_out[-1]
    assert synced_widget(app.select_slider, "cardinality").value == 32
    synced_widget(app.select_slider, "cardinality").set_value(8).run()
    assert synced_widget(app.text_input, "grouped").value == "resnet50:cardinality=8,base_width=16"
    assert app.selectbox(key="block").value == "layer2.1"
    assert "ResNeXt" not in laid_out[-1]
    assert "total 8 paths" in laid_out[-1]
    assert "512, 1×1, 32" in laid_out[-1]
    blocks = dict(grouped_blocks(analyze(str(synced_widget(app.text_input, "grouped").value)).network.graph))
    assert cardinality(blocks["layer1.0"]) == 8
    synced_widget(app.select_slider, "cardinality").set_value(1).run()
    assert "cardinality 1" in app.error[0].value
    synced_widget(app.select_slider, "cardinality").set_value(32).run()
    assert synced_widget(app.text_input, "grouped").value == "resnext50_32x4d"


def answering(monkeypatch: pytest.MonkeyPatch, **facts: object) -> list[tuple[str, ...]]:
    """Programs answer with these facts at once; what they were started with is noted."""
    commands: list[tuple[str, ...]] = []

    def program(*arguments: str) -> tuple[str, ...]:
        commands.append(arguments)
        return sys.executable, "-c", f"print({json.dumps(json.dumps(facts))})"

    monkeypatch.setattr(jobs, "job_command", program)
    return commands


def wait_for(app: AppTest, text: str) -> None:
    deadline = time.monotonic() + SECONDS
    while text not in "".join(item.value for item in [*app.success, *app.error]):
        assert time.monotonic() < deadline, "waited in vain"
        app.run()
    assert not app.exception


@pytest.mark.usefixtures("drawn")
def test_a_wrong_slice_is_asked_for_and_its_differences_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    spreads = [
        {"identity": name, "what": "output", "equal": 5, "bins": [[-3.0, 7]]} for name in ("(a) = (c)", "(b) = (c)")
    ]
    rows = [{"identity": "(a) = (c)", "tolerance": 1e-13}]
    result = {"passed": False, "verdict": "Not equal, and seen.", "table": "| a |\n|---|", "bin_width": 0.25}
    commands = answering(monkeypatch, **result, rows=rows, spreads=spreads)
    app = proof_open(wrong_slice="true", mode="evaluation")
    button(app, "Compare the forms").click().run()
    wait_for(app, "Not equal, and seen.")
    assert commands == [("prove", "block", "resnext50_32x4d", "layer1.0", "float64", "eval", "wrong slice")]
    assert len(app.get("arrow_vega_lite_chart") or app.get("vega_lite_chart")) == 2
    assert sum("5 numbers equal bit for bit, 7 different" in item.proto.body for item in app.get("html")) == 2
    app.toggle(key="wrong_slice").set_value(False).run()
    assert not app.error


@pytest.mark.usefixtures("drawn")
def test_one_proof_serves_both_tabs_and_only_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = dict.fromkeys(("errors", "faults", "costs", "blocks", "identities"), "| a |\n|---|")
    result = {
        "proof": {"passed": True},
        "verdict": "Equal.",
        "identity_words": "**Folding** `w`.",
        "elsewhere": "- none",
    }
    commands = answering(monkeypatch, **result, **tables, report="# r")
    app = proof_open()
    button(app, "Prove it").click().run()
    wait_for(app, "Equal.")
    assert commands == [("prove", "network", "resnext50_32x4d")]
    app.session_state["identities"] = "Other identities"
    app.run()
    assert app.success[0].value == "Equal."
    assert any("<strong>Folding</strong>" in item.proto.body for item in app.get("html"))
    synced_widget(app.text_input, "grouped").set_value("resnet18").run()
    assert not app.success
