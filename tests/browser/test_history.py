"""Back, forward and fast hands in a real Chromium: what was chosen is neither lost nor taken back."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from analyzer.cost.analysis import analyze
from tests.browser.conftest import OpenPage, figures, settle, type_expression


def with_ten_classes(open_page: OpenPage) -> Page:
    """DenseNet-121 after a field was changed in the form, which is still open."""
    page = open_page("/?variant=densenet121")
    page.get_by_role("button", name="Customise").click()
    classes = page.get_by_role("spinbutton", name="num classes")
    classes.fill("10")
    classes.press("Enter")
    settle(page)
    return page


@pytest.mark.parametrize("close", ["Escape", "left open"])
def test_a_form_that_was_used_keeps_out_of_what_is_done_next(open_page: OpenPage, close: str) -> None:
    """Reference: what was asked; a browser sends the values of widgets again that it shows no more."""
    page = with_ten_classes(open_page)
    box = page.get_by_role("textbox", name="Variant expression")
    expect(box).to_have_value("densenet121:num_classes=10")
    if close == "Escape":
        page.keyboard.press("Escape")
    for name in ("resnet18", "resnet34"):
        box.fill(name)
        box.press("Enter")
        settle(page)
        expect(box).to_have_value(name)
        assert figures(page)["parameters"] == f"{analyze(name).params:,}"
    page.get_by_role("radio", name="stage").click()
    settle(page)
    expect(box).to_have_value("resnet34")
    if close != "left open":
        page.get_by_role("button", name="Customise").click()
    expect(page.get_by_role("textbox", name="depths")).to_have_value("3-4-6-3")


def test_sliders_that_were_looked_at_do_not_size_the_next_network(open_page: OpenPage) -> None:
    """Reference: each network's own input size; a browser sends what a closed popover's sliders last showed."""
    page = open_page("/?variant=resnet50")
    page.get_by_role("button", name="Sliders").click()
    page.get_by_role("slider", name="Height").wait_for()
    page.keyboard.press("Escape")
    type_expression(page, "resnet20_cifar")
    page.get_by_role("radio", name="stage").click()
    settle(page)
    expect(page.locator(".figures")).to_contain_text("input 32 × 32")
    assert "input_size" not in page.url


def shown(page: Page) -> list[str]:
    """The address, and what the boxes and the level say."""
    settle(page)
    boxes = [page.get_by_role("textbox", name=name) for name in ("Variant expression", "Input size")]
    boxes.append(page.get_by_role("spinbutton", name="Batch"))
    level = page.get_by_role("radio", checked=True).first.inner_text()
    return [page.url.partition("?")[2], *(box.input_value() for box in boxes), level]


def test_back_and_forward_go_through_every_change(open_page: OpenPage) -> None:
    """Reference: what the page showed then; Streamlit alone enters no step where a browser writes the address."""
    page = open_page("/?variant=resnet18")
    steps = [shown(page)]

    def done() -> None:
        expect(page).not_to_have_url(re.compile(rf"\?{re.escape(steps[-1][0])}$"))
        settle(page)
        steps.append(shown(page))

    type_expression(page, "resnet34")
    done()
    for role, name, text in (("textbox", "Input size", "320"), ("spinbutton", "Batch", "4")):
        page.get_by_role(role, name=name).click()  # type: ignore[arg-type]  # mypy sees a str
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        done()
    page.get_by_role("button", name="Sliders").click()
    page.get_by_role("slider", name="Height").press("ArrowRight")
    done()
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="stage").click()
    done()
    assert steps[-1] == ["batch=4&input_size=352x320&level=stage&variant=resnet34", "resnet34", "352x320", "4", "stage"]
    for direction, wanted in ((page.go_back, steps[-2::-1]), (page.go_forward, steps[1:])):
        for step in wanted:
            direction()
            expect(page.get_by_role("textbox", name="Input size")).to_have_value(step[2])
            expect(page.get_by_role("spinbutton", name="Batch")).to_have_value(step[3])
            expect(page.get_by_role("textbox", name="Variant expression")).to_have_value(step[1])
            assert shown(page) == step


def test_back_to_a_page_shows_what_its_address_leaves_out(open_page: OpenPage) -> None:
    """Reference: the page as it was left; by its link a page shows what was chosen last, by Back what stood there."""
    page = open_page()
    page.get_by_role("link", name="Compare", exact=True).click()
    expect(page.get_by_role("combobox", name="Networks")).to_be_visible()
    settle(page)
    page.get_by_role("link", name="Explore", exact=True).click()
    expect(page.get_by_role("radio", name="network", checked=True)).to_be_visible()
    settle(page)
    page.get_by_role("radio", name="stage").click()
    expect(page).to_have_url(re.compile("level=stage"))
    settle(page)
    page.get_by_role("link", name="Compare", exact=True).click()
    expect(page.get_by_role("combobox", name="Networks")).to_be_visible()
    settle(page)
    page.go_back()
    expect(page.get_by_role("radio", name="stage", checked=True)).to_be_visible()
    settle(page)
    for _ in range(2):
        page.go_back()
        settle(page)
    expect(page.get_by_role("combobox", name="Networks")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("radio", name="network", checked=True)).to_be_visible()
    settle(page)
    assert "level" not in page.url


def test_a_text_that_the_next_click_ends_is_taken(open_page: OpenPage) -> None:
    """Reference: what was typed; leaving the box sends it, and the click follows before the answer."""
    page = open_page("/?variant=resnet50")
    box = page.get_by_role("textbox", name="Variant expression")
    box.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("densenet121")
    press(page, page.get_by_role("radio", name="stage"))
    expect(page.get_by_role("heading", name="DenseNet-121")).to_be_visible()
    settle(page)
    expect(box).to_have_value("densenet121")
    expect(page.get_by_role("combobox", name="Variant", exact=True)).to_have_value("DenseNet-121 · densenet121")
    assert "variant=densenet121" in page.url


def press(page: Page, target: Locator) -> None:
    """Click as a hand does, which takes a moment from pressing to letting go."""
    box = target.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 12, box["y"] + 12)
    page.mouse.down()
    page.wait_for_timeout(60)
    page.mouse.up()


def test_a_field_whose_form_is_closed_by_the_next_click_is_taken(open_page: OpenPage) -> None:
    """Reference: the network that was asked for; one click leaves the field and closes the form."""
    page = open_page("/?variant=resnet34")
    page.get_by_role("button", name="Customise").click()
    page.get_by_role("textbox", name="depths").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("3-4-6-5")
    press(page, page.get_by_role("heading", name="Diagram"))
    expect(page.get_by_role("textbox", name="Variant expression")).to_have_value("resnet18:depths=3-4-6-5")
    settle(page)
    page.get_by_role("radio", name="block").click()
    settle(page)
    assert figures(page)["parameters"] == f"{analyze('resnet18:depths=3-4-6-5').params:,}"


LATE = """async ([label, text]) => {
  for (const end = performance.now() + 1500; performance.now() < end; );
  const box = document.querySelector(`input[aria-label="${label}"]`);
  box.focus();
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(box, text);
  box.dispatchEvent(new Event("input", { bubbles: true }));
  await Promise.resolve();
  box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
}"""
"""Types into a box after a second and a half in which the browser hears nothing of the server."""


def test_a_slow_browser_cannot_bring_a_closed_form_back(open_page: OpenPage) -> None:
    """Reference: what was asked; the server has answered the closing, and the browser sends the fields once more."""
    page = with_ten_classes(open_page)
    page.keyboard.press("Escape")
    page.evaluate(LATE, ["Variant expression", "resnet18"])
    settle(page)
    expect(page.get_by_role("textbox", name="Variant expression")).to_have_value("resnet18")
    expect(page.get_by_role("heading", name="ResNet-18")).to_be_visible()


def test_back_and_forward_go_through_pages_and_their_networks(open_page: OpenPage) -> None:
    """One step for each click, each showing what was left; Streamlit alone enters a bare path between two pages."""
    page = open_page("/?variant=resnet18&level=block")
    expect(page.get_by_role("heading", name="ResNet-18")).to_be_visible()
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("combobox", name="Networks")).to_be_visible()
    settle(page)
    page.go_back()
    expect(page.get_by_role("heading", name="ResNet-18")).to_be_visible()
    expect(page.locator(".canvas")).to_have_attribute("aria-label", "Diagram of ResNet-18, block level")
    settle(page)
    page.go_forward()
    expect(page.get_by_role("combobox", name="Networks")).to_be_visible()


def test_back_reaches_the_first_chapter_whose_address_names_none(open_page: OpenPage) -> None:
    """Reference: the chapter that was left; the one opened last is only for coming by a link."""
    page = open_page("/learn")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The residual block")
    settle(page)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Convolution arithmetic")
    settle(page)
    assert page.url.endswith("/learn")
