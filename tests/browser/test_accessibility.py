"""axe-core finds nothing serious or critical on any page, in both colour schemes and at 390 pixels."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import OpenPage, settle

PAGES = {
    "/?variant=resnext50_32x4d": ".canvas > svg",
    "/?variant=densenet121&level=block": ".canvas > svg",
    "/?variant=resnet51": '[role="alert"]',
    "/equivalence": ".katex",
}
"""Path → what must be there before the page counts as shown."""


def grave(page: Page) -> list[tuple[str, list[Any]]]:
    """(rule, targets) of serious and critical violations."""
    found = Axe().run(page).response["violations"]
    return [
        (item["id"], [node["target"] for node in item["nodes"]])
        for item in found
        if item["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_serious(open_page: OpenPage, path: str, width: int, scheme: str) -> None:
    page = open_page(path, width=width, scheme=scheme)
    page.locator(PAGES[path]).first.wait_for()
    assert grave(page) == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0


def test_nothing_serious_in_the_form(open_page: OpenPage) -> None:
    page = open_page("/?variant=resnet50")
    page.locator(".canvas > svg").wait_for()
    page.get_by_role("button", name="Customise").click()
    page.get_by_role("textbox", name="depths").wait_for()
    settle(page)
    assert grave(page) == []
