"""The pages without a browser: Streamlit's AppTest runs the real scripts; figures are compared with published ones."""

import gc
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import rules
from analyzer.pages import downloads, places, proving, readings
from analyzer.pages.look import literal
from analyzer.render.compare import answers, compared
from analyzer.render.diagram_look import Look
from analyzer.render.dot import LEVELS, dot_source
from analyzer.render.html import rendered

ROOT = Path(__file__).parents[1]
EXPLORE, COMPARE, EQUIVALENCE = (f"analyzer/pages/{name}.py" for name in ("explore", "compare", "equivalence"))
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><g id="layer1.0" class="node block"></g></svg>'
SECONDS = 60


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace the layout program by a fixed drawing, since these tests look at everything else."""
    st.cache_data.clear()
    monkeypatch.setattr(readings, "layout_safely", lambda dot, form, timeout: DRAWING.encode())
    yield
    st.cache_data.clear()


def opened(expression: str | None = None, page: str | None = None, **parameters: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    for name, value in ({"variant": expression} if expression else {}).items() | parameters.items():
        app.query_params[name] = value
    app.run()
    if page:
        app.switch_page(page).run()
    assert not app.exception
    return app


def figures(app: AppTest) -> list[str]:
    """The exact figures of the headline: parameters, MACs, FLOPs, activations."""
    html = next(body for body in map(_body, app.get("html")) if 'class="figures"' in body)
    return re.findall(r"<small>([\d,]+)</small>", html)


def _body(element: Any) -> str:
    return str(element.proto.body)


def typed(app: AppTest, expression: str) -> AppTest:
    app.text_input(key="variant").set_value(expression).run()
    assert not app.exception
    return app


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [("resnet50", 25_557_032, 4_089_184_256), ("densenet121", 7_978_856, 2_834_161_664)],
)
def test_headline_shows_published_figures(name: str, params: int, macs: int) -> None:
    """Oracle: torchvision 0.29's num_params and _ops of its weights' metadata."""
    assert figures(opened(name))[:3] == [f"{params:,}", f"{macs:,}", f"{2 * macs:,}"]


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_opens_from_its_link_and_from_the_picker(family: str) -> None:
    """Oracle: the analyser called directly, for the first and last variant of each family."""
    names = list(FAMILIES[family].variants)
    app = opened()
    for name in {names[0], names[-1]}:
        app.selectbox(key="picked").set_value(name).run()
        assert not app.exception
        assert app.text_input(key="variant").value == name
        assert figures(app)[0] == f"{analyze(name).params:,}"
        assert figures(opened(name)) == figures(app)


@pytest.mark.usefixtures("drawn")
def test_typed_expression_wins_and_the_picker_follows() -> None:
    """Oracle: ResNeXt-50's published 25,028,904 parameters for the same network under another name."""
    app = typed(opened(), "resnet50:cardinality=32,base_width=4")
    assert figures(app)[0] == "25,028,904"
    assert app.selectbox(key="picked").value == "resnext50_32x4d"
    app = typed(app, "resnet50:depths=1-1-1-1")
    assert app.selectbox(key="picked").value is None


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("family", FAMILIES)
def test_form_has_every_field_of_the_family_with_its_rule_as_help(family: str) -> None:
    name = next(iter(FAMILIES[family].variants))
    app = opened(name)
    shown = [*app.text_input, *app.number_input, *app.selectbox, *app.checkbox]
    helps = {item.key: item.proto.help for item in shown}
    for field, rule in rules(FAMILIES[family].spec).items():
        assert helps[f"field-{family}-{field}"] == f"{rule.help} ({rule.rule()})"


@pytest.mark.usefixtures("drawn")
def test_form_writes_the_canonical_expression() -> None:
    app = opened("densenet121")
    app.number_input(key="field-densenet-growth_rate").set_value(24).run()
    assert app.text_input(key="variant").value == "densenet121:growth_rate=24"
    assert figures(app)[0] == f"{analyze('densenet121:growth_rate=24').params:,}"
    app.number_input(key="field-densenet-growth_rate").set_value(None).run()
    assert app.text_input(key="variant").value == "densenet121"


@pytest.mark.usefixtures("drawn")
def test_form_can_go_through_an_impossible_network_and_back() -> None:
    """A ResNeXt made basic is refused until cardinality and base width are given up, too; nothing typed is lost."""
    app = opened("resnext50_32x4d")
    app.selectbox(key="field-resnet-block").set_value("basic").run()
    assert "cardinality" in app.error[0].value
    app.number_input(key="field-resnet-cardinality").set_value(1).run()
    assert "base_width" in app.error[0].value
    app.number_input(key="field-resnet-base_width").set_value(64).run()
    assert not app.error
    assert app.text_input(key="variant").value == "resnet34"


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    "bad", ["resnet51", "resnet50:", "resnet50:depths=0", "", "<script>alert(1)</script>", "x" * 100_000]
)
def test_wrong_expression_shows_the_sentence_and_the_page_stays_usable(bad: str) -> None:
    """Oracle: the sentence that the analyser raises."""
    with pytest.raises(InvalidInput) as raised:
        analyze(bad[:4000])
    app = opened()
    app.text_input(key="variant").set_value(bad[:4000]).run()
    assert [item.value for item in app.error] == [literal(str(raised.value))]
    assert len(app.error[0].value) < 300
    assert figures(typed(app, "resnet18"))[0] == "11,689,512"


@pytest.mark.usefixtures("drawn")
def test_input_size_is_taken_and_refused_in_place() -> None:
    """Oracle: MACs of convolutions grow with the area: 64·64 over 32·32 positions, the classifier's are the same."""
    small, large = (int(figures(opened("resnet18", input_size=side))[1].replace(",", "")) for side in ("32", "64"))
    classifier = 512 * 1000
    assert large - classifier == 4 * (small - classifier)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("level", LEVELS)
def test_level_comes_from_the_link(level: str) -> None:
    assert opened("resnet18", level=level).segmented_control(key="level").value == level


@pytest.mark.usefixtures("drawn")
def test_shades_come_from_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the DOT text that the command line lays out for the same choices."""
    laid_out: list[str] = []

    def lay_out(dot: str, form: str, timeout: float) -> bytes:
        laid_out.append(dot)
        return DRAWING.encode()

    monkeypatch.setattr(readings, "layout_safely", lay_out)
    app = opened("resnet18", heat="MACs", level="stage")
    assert app.selectbox(key="heat").value == "macs"
    assert laid_out == [dot_source(analyze("resnet18"), "stage", Look(heat="macs"))]


@pytest.mark.usefixtures("drawn")
def test_a_level_that_is_too_large_says_so_and_offers_a_coarser_one() -> None:
    """Oracle: the sentence that the analyser raises."""
    with pytest.raises(InvalidInput) as raised:
        dot_source(analyze("resnet1202_cifar"), "op")
    app = opened("resnet1202_cifar", level="op")
    assert [item.value for item in app.error] == [literal(str(raised.value))]
    app.button[0].click().run()
    assert app.segmented_control(key="level").value == "block"
    assert not app.error


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
    _, _, make = next(files[ending] for files in downloads.FILES.values() if ending in files)
    content = make(downloads.Shown("resnet18", None, "network", None, True))
    assert isinstance(content, str)
    assert content.startswith(start)
    assert inside in content


def test_pdf_is_drawn_by_the_renderer() -> None:
    _, _, make = downloads.FILES["Diagram"]["pdf"]
    content = make(downloads.Shown("resnet18", None, "network", "macs", True))
    assert isinstance(content, bytes)
    assert content.startswith(b"%PDF")


@pytest.mark.usefixtures("drawn")
def test_unknown_parameters_of_a_link_are_ignored() -> None:
    app = opened("resnet18", level='"]; evil ["', input_size="-1", nonsense="<script>")
    assert app.segmented_control(key="level").value == "network"
    assert figures(app)[0] == "11,689,512"


def test_without_a_renderer_the_page_draws_the_dot_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(dot: str, form: str, timeout: float) -> bytes:
        raise Unavailable("drawing needs Graphviz.")

    st.cache_data.clear()
    monkeypatch.setattr(readings, "layout_safely", missing)
    app = opened("resnet18")
    assert app.get("graphviz_chart")[0].proto.spec == dot_source(analyze("resnet18"), "network")
    assert any("drawing needs Graphviz" in item.value for item in app.caption)


def test_no_page_imports_torch_before_a_button_asks() -> None:
    """Oracle: sys.modules of a process that ran all pages."""
    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('app.py', default_timeout=60).run()\n"
        f"app.switch_page({COMPARE!r}).run()\n"
        "assert not app.exception and app.multiselect\n"
        f"app.switch_page({EQUIVALENCE!r}).run()\n"
        "assert not app.exception and app.button\n"
        "print([name for name in ('torch', 'torchvision', 'fvcore') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("drawn")
def test_a_network_near_the_bounds_can_be_looked_into() -> None:
    app = typed(opened(), "resnet:block=basic,depths=2500")
    assert len(app.selectbox(key="part").options) == 2 + 1 + 2500
    app.selectbox(key="part").set_value("layer1.2499").run()
    assert not app.exception
    assert app.dataframe[1].value["path"].iloc[0] == "layer1.2499.conv1"


@pytest.mark.usefixtures("drawn")
def test_choosing_a_block_fills_its_formulas_in() -> None:
    """Oracle: 3·3·256·256 = 589,824 weights of a 3×3 of 256 channels, and the sum over the stage."""
    app = opened("resnet50")
    app.selectbox(key="part").set_value("layer3.0").run()
    assert "params: k·k·C_in·C_out = 3·3·256·256 = 589,824" in told(app)
    app.selectbox(key="part").set_value("stage3").run()
    assert not app.exception
    assert "1,512,448 + 5 × 1,117,184 = 7,098,368" in told(app)
    assert "C_in" not in told(app)
    assert typed(app, "densenet121").selectbox(key="part").value == "stage3"
    app.selectbox(key="part").set_value("transition1").run()
    assert typed(app, "resnet18").selectbox(key="part").value is None
    assert opened("resnet18", part="stage 1 · layer1.0").selectbox(key="part").value == "layer1.0"
    app.session_state["kept"] = {"variant": "resnet18", "part": "transition1"}
    app.switch_page(COMPARE).run()
    app.query_params.clear()
    app.switch_page(EXPLORE).run()
    assert not app.exception
    assert app.selectbox(key="part").value is None


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vgg16", "alexnet", "resnet20"])
def test_every_stage_and_block_can_be_explained(name: str) -> None:
    for place in places.places(analyze(name)):
        assert "<h2>" in readings.explained_html(name, None, place)


@pytest.mark.usefixtures("drawn")
def test_each_page_keeps_its_network_while_the_other_is_shown() -> None:
    app = typed(opened(), "resnet18")
    app.switch_page(EQUIVALENCE).run()
    assert app.text_input(key="grouped").value == "resnext50_32x4d"
    app.text_input(key="grouped").set_value("resnext101_64x4d").run()
    app.switch_page(EXPLORE).run()
    assert app.text_input(key="variant").value == "resnet18"
    app.switch_page(EQUIVALENCE).run()
    assert app.text_input(key="grouped").value == "resnext101_64x4d"


def told(app: AppTest) -> str:
    """The tables and sentences that a page shows, apart from the headline."""
    return "".join(body for body in map(_body, app.get("html")) if 'class="told' in body)


@pytest.mark.usefixtures("drawn")
def test_compare_page_shows_the_command_lines_tables() -> None:
    """Oracle: the markdown that `compare` prints, and ResNeXt-50's published 25,028,904 parameters."""
    app = opened(page=COMPARE)
    assert app.multiselect(key="networks").value == ["resnet50", "resnext50_32x4d"]
    shown = told(app)
    assert "25,028,904" in shown
    for part in answers(compared([analyze("resnet50"), analyze("resnext50_32x4d")])):
        assert rendered(part).strip() in shown


@pytest.mark.usefixtures("drawn")
def test_compare_page_takes_free_expressions_and_one_size_and_keeps_them() -> None:
    """Oracle: the analyser called directly."""
    app = opened(page=COMPARE)
    app.multiselect(key="networks").set_value(["resnet18", "resnet18:depths=1-1-1-1", "vgg11"]).run()
    app.number_input(key="compared_size").set_value(64).run()
    app.switch_page(EXPLORE).run()
    app.query_params.clear()  # as a browser does
    app.switch_page(COMPARE).run()
    assert not app.exception
    for expression in ("resnet18", "resnet18:depths=1-1-1-1", "vgg11"):
        assert f"{analyze(expression, 64).macs:,}" in told(app)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    "typed",
    [
        ["resnet51", "resnet50:depths=0", "<script>alert(1)</script>"],
        ["resnet50"],
        [],
        ["resnet:block=basic,depths=2500", "resnet1202_cifar"],
    ],
)
def test_compare_page_shows_mistakes_in_place(typed: list[str]) -> None:
    """Oracle: the sentences that the analyser raises; the bound on work is the page's own."""
    app = opened(page=COMPARE)
    app.multiselect(key="networks").set_value(typed).run()
    assert not app.exception
    assert [item.value for item in app.error] == [literal(sentence) for sentence in _mistakes(typed)]
    assert told(app) == ""


def _mistakes(typed: list[str]) -> list[str]:
    found = []
    for text in typed:
        try:
            analyze(text)
        except InvalidInput as error:
            found.append(str(error))
    if not found and len(typed) < 2:
        with pytest.raises(InvalidInput) as raised:
            compared([analyze(text) for text in typed])
        found.append(str(raised.value))
    num_ops = sum(len(analyze(text).rows) for text in typed) if not found else 0
    over = f"compare: {num_ops:,} ops are over the page's bound of 10,000; use the command line."
    return found or [over]


def test_equivalence_page_names_a_reason_where_there_is_nothing_to_prove() -> None:
    app = opened("resnet18", EQUIVALENCE)
    app.text_input(key="grouped").set_value("resnet18").run()
    assert len(app.error) == 1
    assert app.button[0].disabled


def test_equivalence_page_refuses_what_would_fill_the_servers_memory() -> None:
    huge = "resnet50:depths=1,widths=16384,cardinality=2"
    app = opened(page=EQUIVALENCE)
    app.text_input(key="grouped").set_value(huge).run()
    assert "command line" in app.error[0].value
    assert app.button[0].disabled


def test_equivalence_page_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    app = opened(page=EQUIVALENCE)
    assert "resnet-analyzer[live]" in app.error[0].value
    assert app.button[0].disabled


@pytest.mark.parametrize("text", ["plain", "`code`", "a ``b`` ` c", "![x](http://x/y.png) <b> $x$ :smile:", "a\nb"])
def test_literal_is_one_code_span(text: str) -> None:
    """Oracle: CommonMark's rule that a code span ends at the first run of exactly as many backticks as began it."""
    marked = literal(text)
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
    svg = readings.svg_of(dot_source(analysis, level))
    found = places.resolved(analysis, svg)
    options = places.places(analysis)
    inner = {"stage1", "stage4"} if level == "network" else {analysis.blocks[0].path}
    assert {"stem", *inner, "head"} <= set(found.values()) <= set(options)
    assert options["stage1"] == "stage 1"
    assert "input" not in found
    if level == "block":
        assert found[analysis.rows[0].path] == "stem"
    sizes = [len(places.rows_under(analysis, stage.stage)) for stage in analysis.stages]
    assert sum(sizes) == len(analysis.rows)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("name", "heat"), [("resnet18", "memory"), ("resnet50", None), ("densenet121", "macs")])
def test_every_colour_of_a_drawing_has_its_place_in_the_theme(name: str, heat: str | None, level: str) -> None:
    """A colour that the viewer's style sheet does not know would be unreadable in one of the themes."""
    svg = readings.svg_of(dot_source(analyze(name), level, Look(heat=heat)))
    style = (ROOT / "analyzer/pages/viewer.css").read_text(encoding="utf-8")
    used = set(re.findall(r'(fill|stroke)="(#[0-9a-f]{6}|black|white)"', svg))
    assert used
    assert {pair for pair in used if f'[{pair[0]}="{pair[1]}"]' not in style} == set()


def _proving(tmp_path: Path, *lines: str) -> proving.Proving:
    program = tmp_path / f"prover{len(list(tmp_path.iterdir()))}.py"
    program.write_text("import sys, time\n" + "\n".join(lines), encoding="utf-8")
    return proving.Proving("resnet50", (sys.executable, str(program)))


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_proof_tells_its_progress_and_its_result(tmp_path: Path) -> None:
    running = _proving(
        tmp_path,
        """print('{"done": 2, "total": 4, "path": "b"}', flush=True)""",
        "time.sleep(0.3)",
        "print('{\"proof\": 1}')",
    )
    _wait(lambda: running.progress == (0.25, "Block 2 of 4"))
    assert running.result == {} or not running.running
    _wait(lambda: not running.running)
    assert running.result == {"proof": 1}


def test_stopped_and_broken_proofs_say_so(tmp_path: Path) -> None:
    running = _proving(tmp_path, "time.sleep(600)")
    running.stop()
    _wait(lambda: not running.running)
    assert "ended" in running.result["problem"]
    broken = _proving(tmp_path, "print('no JSON')")
    _wait(lambda: not broken.running)
    assert "problem" in broken.result


def test_a_proof_that_nobody_refers_to_is_ended_and_its_place_is_free(tmp_path: Path) -> None:
    marker = tmp_path / "alive"
    tick = f"while True: open({str(marker)!r}, 'a').write('x'); time.sleep(0.02)"
    first, second = _proving(tmp_path, tick), _proving(tmp_path, tick)
    with pytest.raises(Unavailable, match="other proofs are running"):
        _proving(tmp_path, tick)
    _wait(marker.exists)
    first.stop()
    _wait(lambda: not first.running)
    del second
    gc.collect()

    def quiet() -> bool:
        size = marker.stat().st_size
        time.sleep(0.3)
        return marker.stat().st_size == size

    _wait(quiet)
    third = _proving(tmp_path, "print('{\"proof\": 1}')")
    _wait(lambda: not third.running)
