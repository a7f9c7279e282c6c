"""Oracle: published. Which published figures `reconcile` explains; docs/reconcile.md says so and cannot drift."""

from pathlib import Path

import pytest

from tests.support.reconcile_document import coverage, reconcile_page

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[2] / "docs" / "reconcile.md"


def test_nearly_every_published_figure_is_explained_by_the_rule_of_its_source() -> None:
    """At least 95 per cent of the figures whose network our fields express, those not applicable counted in."""
    sources = coverage().values()
    rows = sum(part.rows for part in sources)
    assert rows > 700
    assert sum(part.explained for part in sources) >= 0.95 * rows
    assert sum(part.right for part in sources) >= 0.95 * rows
    assert sum(part.by_name_right for part in sources) >= 0.8 * sum(part.by_name for part in sources)


def test_the_document_says_what_is_so(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update"):
        DOCUMENT.write_text(reconcile_page(), encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == reconcile_page(), (
        "run pytest tests/literature/test_reconcile_coverage.py --update"
    )
