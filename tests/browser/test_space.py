"""The Design space page in a real Chromium."""

from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from analyzer.cost.analysis import analyze
from tests.browser.conftest import OpenPage, figures, settle
from tests.support.axe import serious_violations

SMALL = {"start": "resnet20_cifar", "vary": "depths = [1..5, 1..5, 1..4]\nwidths = [16, [16, 32], [32, 64]]"}
CHART = '[data-testid="stVegaLiteChart"] svg.marks'
NEAREST = ".nearest"
FRONT = f"{CHART} .mark-symbol path[aria-roledescription='point']"


def shown(page: Page) -> None:
    page.locator(CHART).nth(4).wait_for()
    settle(page)


def test_a_click_on_the_front_opens_that_network(open_page: OpenPage) -> None:
    """Oracle: the analyser; the network with the most parameters of this space has five, five and four blocks."""
    page = open_page(f"/space?{urlencode(SMALL)}")
    shown(page)
    expect(page.locator(".figures b").first).to_have_text("400")
    most = analyze("resnet20_cifar:depths=5-5-4")
    point = page.locator(FRONT).and_(page.locator(f"[aria-label*='activations: {most.activations:,}']")).first
    point.click()
    page.locator(".canvas > svg").wait_for()
    assert "variant=resnet20_cifar" in page.url
    assert figures(page)["parameters"] == f"{most.params:,}"
    page.get_by_role("link", name="Design space").click()
    shown(page)
    assert page.get_by_role("textbox", name="Start from").input_value() == "resnet20_cifar"


def test_an_example_solved_for_a_budget_shows_the_same_from_its_link(open_page: OpenPage) -> None:
    """ResNeXt's pair for 32 paths at ResNet-50's parameters is 32×4d (Xie et al. 2017, Table 2)."""
    page = open_page("/space")
    shown(page)
    for part in (page.locator(CHART).first, page.get_by_text("the front in colour")):
        rectangle = part.bounding_box()
        assert rectangle is not None
        assert rectangle["y"] + rectangle["height"] <= 800
    page.get_by_role("combobox", name="Example").click()
    page.get_by_role("option", name="ResNeXt").click()
    settle(page)
    box = page.get_by_role("textbox", name="Other limits")
    box.fill("cardinality == 32")
    box.press("Enter")
    solve = page.get_by_role("textbox", name="Solve for")
    solve.fill("params=0%")
    solve.press("Enter")
    expect(page.locator(NEAREST)).to_contain_text("resnext50_32x4d")
    settle(page)
    other = open_page(page.url.removeprefix(page.url.split("/space")[0]), scheme="dark", alone=True)
    shown(other)
    assert other.locator(NEAREST).inner_text() == page.locator(NEAREST).inner_text()
    for tab, width in ((page, 1280), (other, 390)):
        tab.set_viewport_size({"width": width, "height": 800})
        settle(tab)
        assert serious_violations(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_a_hostile_link_shows_one_sentence_and_runs_nothing(open_page: OpenPage) -> None:
    parameters = {"start": "<img src=x onerror=alert(1)>", "vary": "a = __import__('os').system('true')", "drawn": "-1"}
    page = open_page(f"/space?{urlencode(parameters)}")
    expect(page.get_by_role("alert")).to_have_count(2)
    expect(page.get_by_role("alert").first).to_contain_text("drawn=-1 in the address must be a whole number")
    expect(page.get_by_role("alert").last).to_contain_text("is unknown")
