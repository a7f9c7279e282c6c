"""The Explore page in a real Chromium."""

from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

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
    for region in (page.locator(".figures"), page.locator(".canvas"), table):
        box = region.bounding_box()
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
