"""What keeps answers short: imported modules set aside from the search for garbage, and no cache where it is lost."""

import gc
import re
import sys
from types import ModuleType

import pytest

from analyzer.pages.state.history import freeze_loaded_objects
from tests.pages.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _thawed() -> object:
    yield
    gc.unfreeze()


def test_it_is_done_where_modules_were_imported_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: Python's own count of objects set aside."""
    monkeypatch.setattr("analyzer.pages.state.history._NUM_MODULES", [0])
    gc.unfreeze()
    freeze_loaded_objects()
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()
    freeze_loaded_objects()
    assert gc.get_freeze_count() == 0
    monkeypatch.setitem(sys.modules, "a_page_of_tests", ModuleType("a_page_of_tests"))
    freeze_loaded_objects()
    assert gc.get_freeze_count() > 10_000


@pytest.mark.parametrize("script", ["app.py", "analyzer/pages/app.py"])
def test_what_streamlit_runs_anew_for_every_answer_keeps_nothing_itself(script: str) -> None:
    """What a function's cache held in these files would be lost each time; modules that they import stay."""
    assert not re.search(r"^@|cache", (ROOT / script).read_text(encoding="utf-8"), re.MULTILINE)
