"""The Explore page in a real Chromium."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from tests.browser.conftest import OpenPage, figures, settle, type_expression


def view(page: Page) -> list[float]:
    """The part of the drawing that is in sight: x, y, width, height."""
    box = page.locator(".canvas > svg").get_attribute("viewBox")
    assert box is not None
    return [float(number) for number in box.split()]


def test_picked_variant_shows_the_analysers_own_figures(open_page: OpenPage) -> None:
    """Oracle: the analyser; its parameters are torchvision's published 7,978,856."""
    page = open_page()
    box = page.get_by_role("combobox", name="Variant", exact=True)
    box.click()
    box.fill("densenet121")
    page.get_by_role("option", name="DenseNet-121").click()
    expect(page.get_by_role("heading", name="DenseNet-121")).to_be_visible()
    settle(page)
    analysis = analyze("densenet121")
    shown = figures(page)
    assert shown["parameters"] == f"{analysis.params:,}" == "7,978,856"
    assert shown["MACs"] == f"{analysis.macs:,}"
    assert shown["activations"] == f"{analysis.activations:,}"
    expect(page.get_by_role("textbox", name="Variant expression")).to_have_value("densenet121")


def test_first_screen_answers_without_scrolling(open_page: OpenPage) -> None:
    page = open_page()
    table = page.locator('[data-testid="stDataFrame"]').first
    for place in (page.locator(".figures"), page.locator(".canvas"), table):
        box = place.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800
        assert box["x"] + box["width"] <= 1280


def test_typed_expression_and_its_copied_link(open_page: OpenPage) -> None:
    """Oracle: ResNeXt-50's published 25,028,904 parameters."""
    page = open_page()
    type_expression(page, "resnet50:cardinality=32,base_width=4")
    expect(page.get_by_role("heading", name="ResNeXt-50")).to_be_visible()
    page.get_by_role("textbox", name="Input size").fill("160x96")
    page.get_by_role("textbox", name="Input size").press("Enter")
    expect(page.locator(".figures")).to_contain_text("input 160 × 96")
    settle(page)
    page.get_by_role("radio", name="block").click()
    settle(page)
    expect(page.locator(".canvas")).to_have_attribute("aria-label", "Diagram of ResNeXt-50 (32×4d), block level")
    assert figures(page)["parameters"] == "25,028,904"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    other = open_page(copied.removeprefix(copied.split("/?")[0]), alone=True)
    expect(other.locator(".canvas")).to_have_attribute("aria-label", "Diagram of ResNeXt-50 (32×4d), block level")
    assert figures(other) == figures(page)
    assert figures(other)["MACs"] == f"{analyze('resnext50_32x4d', (160, 96)).macs:,}"
    box = other.get_by_role("textbox", name="Variant expression")
    expect(box).to_have_value("resnet50:cardinality=32,base_width=4")


def test_diagram_zooms_pans_and_keeps_its_view(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(".canvas > svg").wait_for()
    first = view(page)
    page.get_by_role("button", name="Zoom in").click()
    assert view(page)[2] < first[2]
    zoomed = page.locator(".canvas > svg").get_attribute("viewBox") or ""
    page.locator(".canvas").hover()
    page.mouse.wheel(0, -300)
    expect(page.locator(".canvas > svg")).not_to_have_attribute("viewBox", zoomed)
    wheeled = view(page)
    assert wheeled[2] < first[2] / 1.4
    box = page.locator(".canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 500, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 100, steps=4)
    page.mouse.up()
    dragged = view(page)
    assert dragged[0] > wheeled[0]
    page.locator(".canvas").focus()
    page.keyboard.press("ArrowLeft")
    assert view(page)[0] < dragged[0]
    before = view(page)
    choice = page.get_by_role("combobox", name="Look inside")
    choice.click()
    choice.fill("stage 2")
    page.get_by_role("option").first.click()
    expect(choice).to_have_value("stage 2")
    settle(page)
    assert view(page) == before
    page.locator(".canvas").focus()
    page.keyboard.press("0")
    assert view(page)[2] >= first[2]


@pytest.mark.parametrize("how", ["click", "keyboard"])
def test_a_node_of_the_diagram_opens_its_ops(open_page: OpenPage, how: str) -> None:
    page = open_page("/?variant=resnet50")
    node = page.locator('[id="layer3.0"]')
    if how == "click":
        node.click()
    else:
        node.focus()
        page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Look inside")).to_have_value("stage 3 · layer3.0")
    expect(node).to_have_attribute("aria-pressed", "true")
    table = page.locator('[data-testid="stDataFrame"]').nth(1)
    table.scroll_into_view_if_needed()
    rows = [row for row in analyze("resnet50").rows if row.path.startswith("layer3.0.")]
    for index in (0, 3):
        expect(table.get_by_test_id(f"glide-cell-0-{index}")).to_have_text(rows[index].path)
        expect(table.get_by_test_id(f"glide-cell-5-{index}")).to_have_text(str(rows[index].macs))
    expect(page.locator(".explained")).to_contain_text("params: k·k·C_in·C_out = 3·3·256·256 = 589,824")
    other = open_page(page.url.removeprefix(page.url.split("/?")[0]))
    expect(other.get_by_role("combobox", name="Look inside")).to_have_value("stage 3 · layer3.0")
    expect(other.locator('[id="layer3.0"]')).to_have_attribute("aria-pressed", "true")


def test_customise_writes_the_expression_and_the_figures(open_page: OpenPage) -> None:
    page = open_page("/?variant=densenet121")
    page.get_by_role("button", name="Customise").click()
    box = page.get_by_role("spinbutton", name="growth rate")
    box.fill("24")
    box.press("Enter")
    settle(page)
    expect(page.get_by_role("textbox", name="Variant expression")).to_have_value("densenet121:growth_rate=24")
    assert figures(page)["parameters"] == f"{analyze('densenet121:growth_rate=24').params:,}"


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


def press(page: Page, place: Locator) -> None:
    """Click as a hand does, which takes a moment from pressing to letting go."""
    box = place.bounding_box()
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


WRONG = (
    "resnet51",
    "resnet50:depths=3--4`![x](http://example.invalid/x.png)`,x=:smile: $x$ -> <b>",
    "resnet50:depths=9999999",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '"]; evil ["',
    "\u202eresnet50\u202c",
    "x" * 100_000,
)


TOO_LONG = "variant: 100,000 characters are over the page's bound of 4,000."


def test_wrong_and_hostile_text_shows_its_sentence_verbatim_and_runs_nothing(open_page: OpenPage) -> None:
    """Oracle: the sentence that the analyser raises; the page fixture fails on anything that ran or was fetched."""
    page = open_page()
    alert = page.get_by_role("alert")
    for text in WRONG:
        with pytest.raises(InvalidInput) as raised:
            analyze(text)
        assert len(str(raised.value)) < 300
        type_expression(page, text)
        expect(alert).to_have_count(1)
        expect(alert).to_have_text(str(raised.value) if len(text) < 4000 else TOO_LONG)
        assert len(page.url) < 4000
    type_expression(page, "resnet18")
    assert figures(page)["parameters"] == "11,689,512"
    expect(alert).to_have_count(0)


@pytest.mark.parametrize("text", [WRONG[3] + WRONG[4], "x" * 20_000])
def test_hostile_link_shows_one_sentence_and_runs_nothing(open_page: OpenPage, text: str) -> None:
    page = open_page(f"/?variant={quote(text)}&level={quote(text[:2_000])}&input_size={quote(text[:2_000])}")
    expect(page.get_by_role("alert")).to_have_count(1)
    assert len(page.get_by_role("alert").inner_text()) < 300
    type_expression(page, "resnet18")
    expect(page.get_by_role("alert")).to_contain_text("input size")
    page.get_by_role("textbox", name="Input size").fill("224")
    page.get_by_role("textbox", name="Input size").press("Enter")
    assert figures(page)["parameters"] == "11,689,512"
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(page.get_by_role("alert")).to_contain_text("in the address must be one of network, stage, block, op.")


def test_shades_are_in_the_link_and_a_level_that_is_too_large_offers_the_next(open_page: OpenPage) -> None:
    page = open_page("/?variant=resnet1202_cifar&level=op&heat=MACs")
    expect(page.get_by_role("alert")).to_contain_text("4208 ops are over the bound of 1500")
    page.get_by_role("button", name="Show the block level").click()
    expect(page.locator(".canvas")).to_have_attribute("aria-label", "Diagram of ResNet-1202 (CIFAR), block level")
    expect(page.locator(".canvas")).to_contain_text("share of the network's MACs")
    settle(page)
    assert "level=block" in page.url
    assert "heat=MACs" in page.url


def test_files_can_be_taken_away(open_page: OpenPage) -> None:
    page = open_page("/?variant=resnet18")
    page.locator(".canvas > svg").wait_for()
    for ending, start in (
        ("CSV", "variant,"),
        ("JSON", "{"),
        ("MD", "# ResNet-18"),
        ("HTML", "<!doctype html>"),
        ("TEX", "% Tables"),
        ("SVG", "<?xml"),
        ("DOT", "//"),
        ("PY", '"""ResNet-18'),
    ):
        with page.expect_download() as event:
            page.get_by_role("button", name=ending, exact=True).click()
        assert event.value.suggested_filename == f"resnet18.{ending.lower()}"
        assert event.value.path().read_text(encoding="utf-8").startswith(start)


def test_latency_is_measured_beside_the_page(open_page: OpenPage) -> None:
    page = open_page("/?variant=resnet20_cifar&input_size=8")
    page.get_by_role("button", name="Measure on this machine").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_role("button", name="Measurement as JSON")).to_be_visible(timeout=180_000)
    table = page.locator('[data-testid="stDataFrame"]').nth(1)
    expect(table.get_by_test_id("glide-cell-0-0")).to_have_text("stem")
    page.get_by_role("button", name="Measurement as JSON").scroll_into_view_if_needed()
    with page.expect_download() as event:
        page.get_by_role("button", name="Measurement as JSON").click()
    assert '"resnet20_cifar"' in event.value.path().read_text(encoding="utf-8")


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
