"""The Equivalence page in a real Chromium, with a real proof."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, settle, type_expression
from tests.support.axe import serious_violations

SMALL = "resnet50:depths=1-1,cardinality=4,base_width=16"


def test_proof_runs_beside_the_page_and_agrees(open_page: OpenPage) -> None:
    page = open_page("/?variant=resnet18&level=block")
    page.get_by_role("link", name="Equivalence").click()
    expect(page.get_by_role("heading", name="Grouped convolution")).to_be_visible()
    settle(page)
    type_expression(page, SMALL)
    page.get_by_role("button", name="Prove it").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    verdict = page.get_by_test_id("stAlert")
    expect(verdict).to_contain_text("Equal.", timeout=180_000)
    expect(verdict).to_contain_text(f"In all 2 blocks of {SMALL} (4 paths each)")
    expect(page.get_by_role("cell", name="wrong slice").first).to_be_visible()
    expect(page.get_by_role("columnheader", name="running statistics")).to_be_visible()
    with page.expect_download() as event:
        page.get_by_role("button", name="JSON", exact=True).click()
    assert '"passed": true' in event.value.path().read_text(encoding="utf-8")
    page.set_viewport_size({"width": 390, "height": 800})
    assert serious_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_role("link", name="Explore").click()
    expect(page.locator(".canvas")).to_have_attribute("aria-label", "Diagram of ResNet-18, block level")
    page.get_by_role("link", name="Equivalence").click()
    expect(page.get_by_role("textbox", name="Variant expression")).to_have_value(SMALL)


def test_a_proof_can_be_cancelled_and_the_page_stays_responsive(open_page: OpenPage) -> None:
    page = open_page("/equivalence?grouped=resnext101_64x4d")
    page.get_by_role("button", name="Prove it").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("ended before it had a result")
    expect(page.get_by_role("button", name="Prove it")).to_be_enabled()
    type_expression(page, "resnet18")
    expect(page.get_by_role("alert")).to_contain_text("depth 2")
    expect(page.get_by_role("button", name="Prove it")).to_have_count(0)


def test_a_wrong_slice_is_seen_and_the_link_has_the_choices(open_page: OpenPage) -> None:
    page = open_page(f"/equivalence?grouped={SMALL}&block=layer2.0")
    page.get_by_role("slider", name="Cardinality").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("textbox", name="Variant expression")).to_have_value(
        "resnet50:depths=1-1,cardinality=2,base_width=32"
    )
    page.get_by_text("Plant a wrong slice").click()
    settle(page)
    page.get_by_role("button", name="Compare the forms").click()
    expect(page.get_by_test_id("stAlert")).to_contain_text("Not equal, and seen.", timeout=180_000)
    expect(page.locator('[data-testid="stVegaLiteChart"] svg, [data-testid="stVegaLiteChart"] canvas')).to_have_count(2)
    assert serious_violations(page) == []
    other = open_page(page.url.removeprefix(page.url.split("/equivalence")[0]), scheme="dark")
    expect(other.locator(".canvas")).to_have_attribute("aria-label", "The three forms of layer2.0")
    expect(other.locator(".canvas")).to_contain_text("as 2 paths")
    expect(other.get_by_role("switch", name="Plant a wrong slice")).to_be_checked()
