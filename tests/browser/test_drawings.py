"""Committed drawings in a real Chromium: texts stay in their boxes, in whatever font it shows them."""

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import ROOT

OUTSIDE = """() => [...document.querySelectorAll("g.node, g.cluster")].flatMap((part) => {
  const box = part.querySelector("polygon, path, ellipse")?.getBBox();
  if (!box) return [];  // a port is text alone
  return [...part.querySelectorAll("text")].filter((text) => {
    const { x, width } = text.getBBox();
    return x < box.x || x + width > box.x + box.width;
  }).map((text) => text.textContent);
})"""


@pytest.mark.parametrize("family", ["Helvetica, Arial, sans-serif", "DejaVu Sans, Verdana, sans-serif", "monospace"])
@pytest.mark.parametrize("name", ["resnet50", "resnet50-blocks", "densenet121-blocks", "regnet_y_400mf"])
def test_no_text_leaves_its_box(browser: Browser, name: str, family: str) -> None:
    """Measured: as Chromium lays them out; a monospaced font is wider than any that it would take by itself."""
    page = browser.new_page()
    svg = (ROOT / "reports" / f"{name}.svg").read_text(encoding="utf-8")
    page.set_content(f"{svg[svg.index('<svg') :]}<style>text {{ font-family: {family} }}</style>")
    assert page.locator("text").count() > 20
    assert page.evaluate(OUTSIDE) == []
    page.close()
