"""The diagram viewer's script by itself, with drawings that no analyser makes."""

from playwright.sync_api import Page

from analyzer.render.diagram.html_viewer import PAN_AND_ZOOM
from tests.browser.conftest import ROOT, OpenPage

HOSTILE = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 100 50"
 onload="window.ran = 1">
<script>window.ran = 2</script>
<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="window.ran = 3"/></body></foreignObject>
<image href="http://example.invalid/pixel.png"/>
<style>@import url("http://example.invalid/style.css");</style>
<g id="layer1" class="node"><a xlink:href="javascript:window.ran = 4"><text onclick="window.ran = 5">kept</text></a></g>
</svg>"""

WIDE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 300">
<g class="cluster"><rect x="4" y="4" width="440" height="290"/></g>
<g class="cluster"><rect x="450" y="4" width="540" height="290"/></g>
</svg>"""

SHOW = """svg => {
  document.body.innerHTML = '<div class="viewer"><div class="canvas" style="width: 360px; height: 300px"></div></div>';
  document.querySelector(".viewer").style.width = "360px";
  window.picked = [];
  window.viewer({ data: { svg, label: "a drawing", parts: { layer1: "stage1" }, chosen: "stage1" },
    parentElement: document.body, setTriggerValue: (_, id) => window.picked.push(id) });
}"""


def harness(page: Page) -> None:
    source = PAN_AND_ZOOM.read_text("utf-8") + (ROOT / "analyzer/pages/explore/viewer.js").read_text("utf-8")
    page.add_script_tag(content=source.replace("export default function", "window.viewer = function"), type="module")
    page.wait_for_function("window.viewer !== undefined")


def test_viewer_drops_everything_that_could_run_or_be_fetched(open_page: OpenPage) -> None:
    page = open_page()
    harness(page)
    page.evaluate(SHOW, HOSTILE)
    canvas = page.locator(".canvas")
    assert canvas.locator("script, foreignObject, image, style").count() == 0
    assert page.evaluate("[...document.querySelectorAll('.canvas *')].flatMap(e => e.getAttributeNames())") == [
        *["xmlns", "xmlns:xlink", "viewBox", "role", "width", "height"],
        *["id", "class", "role", "tabindex", "aria-label", "aria-pressed"],
    ]
    node = page.locator("#layer1")
    assert (node.text_content() or "").strip() == "kept"
    node.click()
    node.press("Enter")
    assert page.evaluate("window.picked") == ["layer1", "layer1"]
    assert page.evaluate("window.ran") is None
    page.evaluate(SHOW, "<p>no drawing</p>")
    assert page.locator(".canvas > *").count() == 0


def more(page: Page) -> list[bool]:
    """Whether the drawing goes on behind the left edge, and behind the right one."""
    marks = page.locator(".viewer").evaluate("viewer => [...viewer.classList]")
    return ["more-left" in marks, "more-right" in marks]


def test_a_narrow_place_begins_with_the_first_part_whole_and_tells_that_there_is_more(open_page: OpenPage) -> None:
    page = open_page()
    harness(page)
    page.evaluate(SHOW, WIDE)
    left, _, width, _ = map(float, (page.locator(".canvas > svg").get_attribute("viewBox") or "").split())
    assert left <= 4
    assert left + width >= 444
    assert more(page) == [False, True]
    for _ in range(20):
        page.locator(".canvas").dispatch_event("keydown", {"key": "ArrowRight"})
    assert more(page) == [True, False]
