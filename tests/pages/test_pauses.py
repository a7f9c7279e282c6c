"""What was imported is set aside from the search for garbage. Oracle: Python's own count of objects set aside."""

import gc
import sys
from types import ModuleType

import pytest

from analyzer.pages.pauses import settle


@pytest.fixture(autouse=True)
def _thawed() -> object:
    yield
    gc.unfreeze()


def test_it_is_done_where_modules_were_imported_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.pages.pauses._SEEN", [0])
    gc.unfreeze()
    settle()
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()
    settle()
    assert gc.get_freeze_count() == 0
    monkeypatch.setitem(sys.modules, "a_page_of_tests", ModuleType("a_page_of_tests"))
    settle()
    assert gc.get_freeze_count() > 10_000
