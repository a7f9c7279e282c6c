"""axe-core's findings."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def serious_violations(page: Page) -> list[tuple[str, list[Any]]]:
    """(rule, targets) of serious and critical violations."""
    violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        (item["id"], [node["target"] for node in item["nodes"]])
        for item in violations
        if item["impact"] in ("serious", "critical")
    ]
