"""axe-core finds nothing serious or critical on any page, in both colour schemes and at 390 pixels."""

from typing import Any

import pytest

from tests.browser.conftest import OpenPage, settle
from tests.support.axe import serious_violations

PAGES = {
    "/?variant=resnext50_32x4d": ".canvas > svg",
    "/?variant=densenet121&level=block": ".canvas > svg",
    "/?variant=resnet51": '[role="alert"]',
    "/equivalence": ".canvas > svg",
    "/equivalence?identities=Other+identities&grouped=resnet50": '[data-testid="stBaseButton-primary"]',
    "/compare?view=all+named+variants": '[data-testid="stVegaLiteChart"] svg',
}
"""Path → what must be there before the page counts as shown."""


LOOKS: tuple[tuple[Any, int], ...] = (("light", 1280), ("dark", 390))


@pytest.mark.parametrize("path", PAGES)
def test_nothing_serious(open_page: OpenPage, path: str) -> None:
    page = open_page(path)
    page.locator(PAGES[path]).first.wait_for()
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        settle(page)
        assert serious_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_serious_in_the_form(open_page: OpenPage) -> None:
    page = open_page("/?variant=resnet50")
    page.locator(".canvas > svg").wait_for()
    page.get_by_role("button", name="Customise").click()
    page.get_by_role("textbox", name="depths").wait_for()
    settle(page)
    assert serious_violations(page) == []
