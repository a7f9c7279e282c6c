"""The Learn page in a real Chromium."""

import re
from itertools import cycle
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from analyzer.cost.analysis import analyze
from analyzer.pages.learn.learn import CHAPTERS
from analyzer.render.explain.arithmetic import equation
from analyzer.render.lessons.computations import channels_read, sliding_window
from tests.browser.conftest import OpenPage, figures, settle
from tests.support.axe import serious_violations


def formulas(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(".formula").all_inner_texts()]


def elsewhere(page: Page) -> str:
    """The page's address without its server."""
    return re.sub(r"^https?://[^/]+", "", page.url)


def drawing(page: Page, label: str) -> Locator:
    return page.get_by_role("region", name=label)


def go_to(page: Page, chapter: str) -> None:
    page.get_by_role("navigation", name="Chapters").get_by_role("link", name=CHAPTERS[chapter].title).click()
    page.get_by_role("heading", level=1, name=CHAPTERS[chapter].title).wait_for()
    settle(page)


def test_a_slider_changes_the_drawing_the_formula_and_the_link(open_page: OpenPage) -> None:
    """Oracle: the analyser; 4 × 4 outputs of an 8 × 8 map worked out by hand."""
    page = open_page("/learn")
    elements = drawing(page, "A kernel on its padded map").locator(".position")
    expect(elements).to_have_count(16)
    assert "= 4" in formulas(page)[0]
    page.get_by_role("slider", name="Stride s").press("ArrowRight")
    window = sliding_window(8, 3, 3, 1)
    expect(elements).to_have_count(window.positions**2)
    settle(page)
    assert formulas(page)[0] == equation(window.positions)
    last = elements.last
    assert last.locator(".window").evaluate("window => getComputedStyle(window).opacity") == "0"
    last.locator(".out").hover()
    assert last.locator(".window").evaluate("window => getComputedStyle(window).opacity") == "1"
    other = open_page(elsewhere(page), scheme="dark")
    expect(drawing(other, "A kernel on its padded map").locator(".position")).to_have_count(window.positions**2)
    assert formulas(other) == formulas(page)


def test_chapters_are_links_and_history_brings_back_their_sliders(open_page: OpenPage) -> None:
    page = open_page("/learn?chapter=dense&layers=7")
    arcs = drawing(page, "A dense block").locator(".arc")
    expect(arcs).to_have_count(28)
    page.get_by_role("slider", name="Growth rate k").press("ArrowRight")
    settle(page)
    assert equation(channels_read(24, 13, 7)) in formulas(page)
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(CHAPTERS["side-by-side"].title)
    settle(page)
    assert page.url.endswith("/learn?chapter=side-by-side")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(CHAPTERS["dense"].title)
    settle(page)
    assert equation(channels_read(24, 13, 7)) in formulas(page)
    expect(arcs).to_have_count(28)
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_have_text(CHAPTERS["side-by-side"].title)
    settle(page)
    page.get_by_role("link", name="ResNet-34 →", exact=True).click()
    assert figures(page)["parameters"] == f"{analyze('resnet34').params:,}"
    page.get_by_role("link", name="Learn", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(CHAPTERS["side-by-side"].title)
    settle(page)
    go_to(page, "dense")
    expect(arcs).to_have_count(28)
    assert "layers=7" in page.url


LOOKS: tuple[tuple[Any, int], ...] = (("light", 1280), ("dark", 390), ("dark", 1280), ("light", 390))
"""Colour scheme and width, which the chapters take in turn; they are made of the same few parts."""


AXE = ("convolution", "dense", "cardinality", "level")
"""Chapters that between them have every kind of part but the claims, which have a test of their own."""


def test_every_chapter_is_whole(open_page: OpenPage) -> None:
    """axe-core; every drawing is there, and nothing is wider than the window but inside a frame that scrolls."""
    page = open_page("/learn")
    for chapter, (scheme, width) in zip(CHAPTERS, cycle(LOOKS), strict=False):
        go_to(page, chapter)
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        for drawing in page.locator(".plate > svg").all():
            assert (drawing.bounding_box() or {"width": 0})["width"] > 200, chapter
        if chapter in AXE:
            assert serious_violations(page) == [], chapter
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width, chapter
        page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize("text", ["<script>alert(1)</script><img src=x onerror=alert(1)>", '"]; evil ["' + "9" * 400])
def test_hostile_link_is_told_and_runs_nothing(open_page: OpenPage, text: str) -> None:
    page = open_page(f"/learn?chapter={quote(text)}&size={quote(text)}&stride={quote(text)}&words={quote(text)}")
    expect(page.get_by_role("heading", level=1)).to_have_text(CHAPTERS["convolution"].title)
    assert formulas(page)[0] == equation(sliding_window(8, 3, 2, 1).positions)
    expect(page.get_by_role("alert")).to_have_count(3)
    expect(page.get_by_role("alert").nth(2)).to_contain_text("in the address must be a whole number from 1 to 4.")


def test_claims_open_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("/learn?chapter=claims&verdict=does+not+hold")
    claims = page.locator("details.claim")
    expect(claims.first).to_contain_text("does not hold")
    claims.first.locator("summary").first.press("Enter")
    expect(claims.first.get_by_role("table")).to_be_visible()
    assert serious_violations(page) == []
    page.get_by_role("textbox", name="Words").fill("<script>alert(1)</script>")
    page.get_by_role("textbox", name="Words").press("Enter")
    expect(claims).to_have_count(0)
