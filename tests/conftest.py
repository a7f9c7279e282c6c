"""Options and fixtures that several test files share."""

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings
from streamlit.components.v2 import manifest_scanner

from tests.support import markers
from tests.support.planting import forget_blocks

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests use small tensors, on which threads wait longer than they work

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

settings.register_profile("reproducible", deadline=None, derandomize=True)
settings.load_profile("reproducible")

GOLDEN = Path(__file__).parent / "golden"
TORCH_IS_NEW = pytest.StashKey[bool]()
"""Set where nothing that was collected has imported torch."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update` rewrites the golden files from what the code says now."""
    parser.addoption("--update", action="store_true", help="Rewrite the files in tests/golden.")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file unread all of whose tests `-m "not live"` or `-m "not browser"` would leave out."""
    if not collection_path.match("test_*.py"):
        return None
    unwanted = {name for name in markers.PACKAGES if f"not {name}" in config.option.markexpr}
    return True if unwanted & markers.file_markers(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they import, and those as slow that try a hundred random examples."""
    for item in items:
        function = getattr(item, "originalname", None) or item.name
        for name in markers.test_markers(item.path, function):
            item.add_marker(name)
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("slow")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail a test that is the first to import torch and not marked as live, where none is run that is."""
    if TORCH_IS_NEW in item.config.stash and "torch" in sys.modules and item.get_closest_marker("live") is None:
        del item.config.stash[TORCH_IS_NEW]
        pytest.fail(f"{item.nodeid} imports torch: mark it with pytest.mark.live")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what is imported by now to itself: half a million objects that are no garbage, 0.3 s for each look."""
    gc.collect()
    gc.freeze()
    if "torch" not in sys.modules and not any(item.get_closest_marker("live") for item in session.items):
        session.config.stash[TORCH_IS_NEW] = True


@pytest.fixture(autouse=True)
def _patched_blocks_forgotten(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no block behind that a patched function made."""
    yield
    if "monkeypatch" in request.fixturenames:
        forget_blocks()


@pytest.fixture(scope="session", autouse=True)
def _components_looked_for_once() -> Iterator[None]:
    """Keep what Streamlit finds in the installed packages: every new AppTest reads all their metadata, for 0.4 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name; a missing one fails, and `--update` rewrites it."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"tests/golden/{name} is missing: run pytest --update and read what it wrote."
        assert text == path.read_text(encoding="utf-8")

    return check


def loaded_pygraphviz() -> Any:
    """The package; a test that needs it is skipped where a system library is missing, as in a bare container."""
    return pytest.importorskip("pygraphviz", reason="pygraphviz cannot be loaded here", exc_type=ImportError)


@pytest.fixture
def without_pygraphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide pygraphviz, as on a machine that lacks it."""
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


@pytest.fixture
def without_renderer(without_pygraphviz: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide all that draws, as on a machine that has none."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))


@pytest.fixture
def dot_program(without_pygraphviz: None) -> None:
    """Let the `dot` on the PATH draw; skip where there is none."""
    if shutil.which("dot") is None:
        pytest.skip("this machine has no dot program to compare with")
