"""The Compare page in a real Chromium."""

from playwright.sync_api import expect

from analyzer.cost.analysis import analyze
from tests.browser.conftest import OpenPage, settle
from tests.support.axe import serious_violations


def test_three_networks_are_compared_and_the_link_shows_the_same_elsewhere(open_page: OpenPage) -> None:
    """Oracle: the analyser; ResNeXt-50's parameters are torchvision's published 25,028,904."""
    page = open_page("/compare")
    third = "resnet50:widths=64-128-320-512"
    box = page.get_by_role("combobox", name="Networks")
    box.fill(third)
    box.press("Enter")
    expect(page.locator(".told").first).to_contain_text(f"{analyze(third).params:,}")
    settle(page)
    other = open_page(page.url.removeprefix(page.url.split("/compare")[0]), scheme="dark")
    for shown in (page, other):
        expect(shown.locator(".told").first).to_contain_text("25,028,904")
        expect(shown.locator(".canvas > svg")).to_have_count(3)
        for width in (1280, 390):
            shown.set_viewport_size({"width": width, "height": 800})
            settle(shown)
            assert serious_violations(shown) == []
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".told").all_inner_texts() == other.locator(".told").all_inner_texts()


def test_hostile_link_shows_a_sentence_each_and_runs_nothing(open_page: OpenPage) -> None:
    page = open_page("/compare?networks=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&networks=resnet51&compared_size=x")
    expect(page.get_by_role("alert")).to_have_count(3)
    expect(page.get_by_role("alert").nth(1)).to_contain_text("'resnet51' is unknown")


def test_a_point_of_the_chart_joins_the_comparison_and_opens(open_page: OpenPage) -> None:
    page = open_page("/compare?view=all+named+variants")
    points = page.locator('[data-testid="stVegaLiteChart"] .mark-symbol [aria-label*="AlexNet"]')
    points.first.click()
    expect(page.get_by_role("button", name="Add to the comparison")).to_be_visible()
    settle(page)
    assert serious_violations(page) == []
    page.get_by_role("button", name="Add to the comparison").click()
    expect(page.get_by_text("alexnet is compared now")).to_be_visible()
    settle(page)
    assert "networks=alexnet" in page.url
    page.get_by_role("link", name="Open in Explore").click()
    expect(page.get_by_role("heading", name="AlexNet")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("combobox", name="Networks")).to_be_visible()
