"""The self-contained page of a network in a real Chromium: it zooms, pans, fits, and opens the levels below."""

import pytest
from playwright.sync_api import Browser, Page

from analyzer.cost.analysis import analyze
from analyzer.render.diagram.html_viewer import network_page


def shown(page: Page) -> tuple[float, float, float, float]:
    """The part of the drawing that is seen: left, top, width, height."""
    box = page.locator("section:not([hidden]) > svg").get_attribute("viewBox") or ""
    left, top, width, height = map(float, box.split())
    return left, top, width, height


def test_page_zooms_pans_and_opens_levels(browser: Browser) -> None:
    """Measured: the view box, before and after each act."""
    wrong: list[str] = []
    page = browser.new_page(viewport={"width": 1000, "height": 600})
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.set_content(network_page(analyze("resnet50"), "network"))
    page.wait_for_timeout(100)
    whole = shown(page)
    assert whole[2] > 1100  # everything

    page.get_by_role("button", name="Zoom in").click()
    closer = shown(page)
    assert closer[2] == pytest.approx(whole[2] / 1.3)
    page.mouse.move(500, 300)
    page.mouse.down()
    page.mouse.move(400, 300, steps=4)
    page.mouse.up()
    assert shown(page)[0] > closer[0]
    page.keyboard.press("ArrowLeft")
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    assert shown(page)[2] < closer[2]
    page.get_by_role("button", name="Show everything").click()
    assert shown(page) == whole

    page.locator('section:not([hidden]) [data-id="stage3"]').first.click(position={"x": 20, "y": 10})
    assert page.locator("section:not([hidden])").get_attribute("data-level") == "stage"
    assert page.locator("section:not([hidden]) .found").get_attribute("data-id") == "stage3"
    page.keyboard.press("Backspace")
    assert page.locator("section:not([hidden])").get_attribute("data-level") == "network"
    assert wrong == []
    page.close()
