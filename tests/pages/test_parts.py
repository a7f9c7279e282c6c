"""What the pages draw, explain and hand out, without running them."""

import re
import threading

import pytest

from analyzer.cost.analysis import analyze
from analyzer.errors import Unavailable
from analyzer.pages.explore import cached, downloads
from analyzer.pages.jobs import renderer
from analyzer.pages.state.style import code_span
from analyzer.render.diagram.dot import LEVELS, dot_source
from analyzer.render.diagram.graphviz import layout_safely, render
from analyzer.render.diagram.style import DiagramStyle
from analyzer.render.report.remarks import remarks
from tests.conftest import loaded_pygraphviz
from tests.pages.conftest import DRAWING, ROOT, clear_caches, opened

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("text", ["plain", "`code`", "a ``b`` ` c", "![x](http://x/y.png) <b> $x$ :smile:", "a\nb"])
def test_literal_is_one_code_span(text: str) -> None:
    """Oracle: CommonMark's rule that a code span ends at the first run of exactly as many backticks as began it."""
    marked = code_span(text)
    fence = re.match("`+", marked)
    assert fence is not None
    inside, end = marked[len(fence[0]) : -len(fence[0])], marked[-len(fence[0]) :]
    assert end == fence[0]
    assert fence[0] not in re.findall("`+", inside)
    assert inside.strip() == " ".join(text.split())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_ids_of_a_drawing_lead_to_stages_and_blocks(name: str, level: str) -> None:
    analysis = analyze(name)
    svg = cached.cached_svg(dot_source(analysis, level))
    parts = cached.parts_by_svg_id(analysis, svg)
    labels = cached.part_labels(analysis)
    inner = {"stage1", "stage4"} if level == "network" else {analysis.blocks[0].path}
    assert {"stem", *inner, "head"} <= set(parts.values()) <= set(labels)
    assert labels["stage1"] == "stage 1"
    assert "input" not in parts
    if level == "block":
        assert parts[analysis.rows[0].path] == "stem"
    sizes = [len(cached.rows_of_part(analysis, stage.stage)) for stage in analysis.stages]
    assert sum(sizes) == len(analysis.rows)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("name", "heat"), [("resnet18", "memory"), ("resnet50", None), ("densenet121", "macs")])
def test_every_colour_of_a_drawing_has_its_place_in_the_theme(name: str, heat: str | None, level: str) -> None:
    """A colour that the viewer's style sheet does not know would be unreadable in one of the themes."""
    svg = cached.cached_svg(dot_source(analyze(name), level, DiagramStyle(heat=heat)))
    style = (ROOT / "analyzer/pages/explore/viewer.css").read_text(encoding="utf-8")
    used = set(re.findall(r'(fill|stroke)="(#[0-9a-f]{6}|black|white)"', svg))
    assert used
    assert {pair for pair in used if f'[{pair[0]}="{pair[1]}"]' not in style} == set()


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vgg16", "alexnet", "resnet20"])
def test_every_stage_and_block_can_be_explained(name: str) -> None:
    for part in cached.part_labels(analyze(name)):
        assert "<h2>" in cached.cached_explanation_html(name, None, part)


def test_without_a_renderer_the_page_draws_the_dot_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(dot: str, *_: object) -> bytes:
        raise Unavailable("drawing needs Graphviz.")

    cached._layout_future.clear()
    monkeypatch.setattr(cached, "layout_safely", missing)
    app = opened("resnet18")
    assert app.get("graphviz_chart")[0].proto.spec == dot_source(analyze("resnet18"), "network")
    assert any("drawing needs Graphviz" in item.value for item in app.caption)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    ("ending", "start", "inside"),
    [
        ("csv", "variant,", "layer1.0.conv1"),
        ("json", "{", '"params": 11689512'),
        ("md", "# ResNet-18", "11,689,512"),
        ("html", "<!doctype html>", "<svg"),
        ("tex", "% Tables", r"\toprule"),
        ("svg", "<svg", "layer1.0"),
        ("dot", "//", "digraph"),
        ("py", '"""', "class BasicBlock(nn.Module):"),
    ],
)
def test_each_file_to_take_away_holds_what_it_promises(ending: str, start: str, inside: str) -> None:
    _, _, make = next(files[ending] for files in downloads.DOWNLOADS.values() if ending in files)
    content = make(downloads.ExploreView("resnet18", None, "network", None, True))
    assert isinstance(content, str)
    assert content.startswith(start)
    assert inside in content


def test_pdf_is_drawn_by_the_renderer() -> None:
    loaded_pygraphviz()
    _, _, make = downloads.DOWNLOADS["Diagram"]["pdf"]
    content = make(downloads.ExploreView("resnet18", None, "network", "macs", True))
    assert isinstance(content, bytes)
    assert content.startswith(b"%PDF")


def test_the_renderer_that_waits_draws_the_same_and_is_replaced_where_it_ended() -> None:
    """Oracle: the drawing made in this process."""
    dot = dot_source(analyze("resnet18"), "network")
    renderer.start_spare_renderer()
    (waiting,) = renderer._SPARE_RENDERERS
    assert layout_safely(dot, "svg", 60, renderer.take_renderer) == render(dot, "svg")
    assert waiting.returncode == 0
    renderer.start_spare_renderer()
    (waiting,) = renderer._SPARE_RENDERERS
    waiting.kill()
    waiting.wait()
    assert layout_safely(dot, "svg", 60, renderer.take_renderer) == render(dot, "svg")
    assert layout_safely(dot, "png", 60, renderer.take_renderer) == render(dot, "png")
    assert not renderer._SPARE_RENDERERS


def test_after_a_drawing_one_renderer_waits_and_it_ends_with_the_server() -> None:
    cached.render_safely(dot_source(analyze("resnet18"), "network"), "svg")
    (waiting,) = renderer._SPARE_RENDERERS
    assert waiting.poll() is None
    renderer._kill_spare_renderer()
    assert waiting.poll() is not None


def test_networks_share_their_blocks_and_are_analysed_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: an analysis that shares nothing; no more blocks are kept than the bound and one network's."""
    monkeypatch.setattr(cached, "_COST_CACHE", [{}])
    monkeypatch.setattr(cached, "MAX_BLOCKS", 30)
    for count in range(40, 46):
        for name in ("densenet121", "resnet18"):
            expression = f"{name}:num_classes={count}"
            shared, alone = cached.cached_analysis(expression, None), analyze(expression)
            assert (shared.stages, shared.totals, shared.rows) == (alone.stages, alone.totals, alone.rows)
            assert remarks(shared, shared.blocks) == remarks(alone, alone.blocks)
            assert len(cached._COST_CACHE[0]) < 30 + 200


@pytest.mark.usefixtures("drawn")
def test_a_drawing_is_laid_out_once_while_the_page_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out, go_on = [], threading.Event()

    def waiting(dot: str, *_: object) -> bytes:
        laid_out.append(dot)
        assert go_on.wait(30)
        return DRAWING.encode()

    monkeypatch.setattr(cached, "layout_safely", waiting)
    cached.start_layout("digraph {}")
    cached.start_layout("digraph {}")
    go_on.set()
    assert cached.cached_svg("digraph {}") == DRAWING
    assert laid_out == ["digraph {}"]


def test_a_drawing_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    dot = dot_source(analyze("resnet18"), "stage")
    tries = []

    def failing(*_: object) -> bytes:
        tries.append(1)
        raise Unavailable("drawing took more than 10 seconds and was stopped; take a coarser level.")

    clear_caches()
    with monkeypatch.context() as patch:
        patch.setattr(cached, "layout_safely", failing)
        for _ in range(2):
            with pytest.raises(Unavailable, match="took more than 10 seconds"):
                cached.cached_svg(dot)
    assert len(tries) == 2
    assert cached.cached_svg(dot).startswith("<?xml")
    renderer._kill_spare_renderer()
