"""The Equivalence page by AppTest."""

import pytest

from tests.pages.conftest import EQUIVALENCE, opened


def test_equivalence_page_names_a_reason_where_there_is_nothing_to_prove() -> None:
    app = opened("resnet18", EQUIVALENCE)
    app.text_input(key="grouped").set_value("resnet18").run()
    assert len(app.error) == 1
    assert app.button[0].disabled


def test_equivalence_page_refuses_what_would_fill_the_servers_memory() -> None:
    huge = "resnet50:depths=1,widths=16384,cardinality=2"
    app = opened(page=EQUIVALENCE)
    app.text_input(key="grouped").set_value(huge).run()
    assert "command line" in app.error[0].value
    assert app.button[0].disabled


def test_equivalence_page_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.pages.jobs.find_spec", lambda name: None)
    app = opened(page=EQUIVALENCE)
    assert "resnet-analyzer[live]" in app.error[0].value
    assert app.button[0].disabled
