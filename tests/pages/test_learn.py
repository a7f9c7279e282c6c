"""The Learn page without a browser: every chapter, every control at its ends, and no figure typed into the prose.

Oracles: the analyser called directly, and figures of the papers.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.literature.claims.catalogue import CLAIMS, GROUPS
from analyzer.literature.claims.claim import Verdict
from analyzer.pages.explore import cached
from analyzer.pages.explore.cached import part_labels
from analyzer.pages.learn.chapter import _THEME_COLOURS, fill_figures
from analyzer.pages.learn.learn import CHAPTERS
from analyzer.pages.state.style import code_span
from analyzer.render.diagram.dot import LEVELS
from analyzer.render.diagram.style import HEAT_QUANTITIES
from analyzer.render.explain.arithmetic import equation
from analyzer.render.lessons.computations import changed_rows, folding_effect, sliding_window
from tests.pages.conftest import EXPLORE, LEARN, clear_caches, switch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>'
SECONDS = 60
CHAPTER_FILES = sorted(
    set((ROOT / "analyzer/pages/learn").glob("[!_]*.py")) - {ROOT / "analyzer/pages/learn/chapter.py"}
)


@pytest.fixture(autouse=True)
def _drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace the layout program by a fixed drawing, since these tests look at everything else."""
    clear_caches()
    monkeypatch.setattr(cached, "layout_safely", lambda *_: DRAWING.encode())
    yield
    clear_caches()


def opened(chapter: str | None = None, **parameters: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    for name, value in ({"chapter": chapter} if chapter else {}).items() | parameters.items():
        app.query_params[name] = value
    switch(app, LEARN).run()
    assert not app.exception
    return app


def bodies(app: AppTest) -> list[str]:
    return [str(item.proto.body) for item in app.get("html")]


def shown(app: AppTest) -> str:
    """All that the page says, as one text."""
    html = [re.sub(r"<style>.*</style>|<[^>]+>", " ", body, flags=re.DOTALL) for body in bodies(app)]
    return " ".join(" ".join([*html, *(item.value for item in app.markdown)]).split())


def at_the_ends(app: AppTest) -> Iterator[AppTest]:
    """The page with each of its controls at its first and its last value, one after the other."""
    for slider in app.slider:
        yield from (app.slider(key=str(slider.key)).set_value(value).run() for value in (slider.min, slider.max))
    for select in app.select_slider:
        ends = (int(select.options[index]) for index in (0, -1))
        yield from (app.select_slider(key=str(select.key)).set_value(value).run() for value in ends)
    for box in app.selectbox:
        indices = (0, len(box.options) - 1)
        yield from (app.selectbox(key=str(box.key)).select_index(index).run() for index in indices)
    for toggle in app.toggle:
        yield from (app.toggle(key=str(toggle.key)).set_value(value).run() for value in (True, False))


def check_links(app: AppTest) -> None:
    """Every link leads to networks and places that exist, in the words that the other pages' parameters have."""
    for link in app.get("page_link"):
        parameters = parse_qs(link.proto.query_string)
        expressions = [*parameters.get("variant", ()), *parameters.get("networks", ()), *parameters.get("grouped", ())]
        assert 1 <= len(expressions) <= 6
        for expression in expressions:
            assert set(parameters.get("part", ())) <= set(part_labels(analyze(expression)).values())
        assert set(parameters.get("level", ())) <= set(LEVELS)
        assert {heat.casefold() for heat in parameters.get("heat", ())} <= set(HEAT_QUANTITIES)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_stays_whole_at_the_ends_of_its_controls(chapter: str) -> None:
    app = opened(chapter)
    assert CHAPTERS[chapter].title in shown(app)
    check_links(app)
    for changed in at_the_ends(app):
        text = shown(changed)
        assert (len(changed.exception), re.findall(r"@[a-z]+|\bNone\b|\bnan\b", text)) == (0, [])
        assert len(changed.error) <= 1


def test_the_formula_and_its_numbers_follow_the_sliders() -> None:
    """Oracle: the arithmetic of the analyser, and ⌊(8 + 2 − 3)/2⌋ + 1 = 4 worked out by hand."""
    app = opened("convolution")
    assert "⌊(n + 2·p − f)/s⌋ + 1 = ⌊(8 + 2·1 − 3)/2⌋ + 1 = 4" in shown(app)
    app.slider(key="stride").set_value(3).run()
    app.slider(key="dilation").set_value(2).run()
    assert equation(sliding_window(8, 3, 3, 1, 2).positions) in shown(app)
    app.slider(key="size").set_value(1).run()
    with pytest.raises(InvalidInput) as raised:
        sliding_window(1, 3, 3, 1, 2)
    assert [item.value for item in app.error] == [code_span(str(raised.value))]


@pytest.mark.parametrize(
    ("chapter", "figures"),
    [
        ("residual", ("173,824", "1,092,992", "21,797,672")),
        ("bottleneck", ("69,632", "73,728", "1,180,672")),
        ("stride", ("231,211,008", "25,557,032", "483", "427")),
        ("preactivation", ("−7,680", "25,549,352")),
        ("batch-norm", ("26,560", "53")),
        ("cardinality", ("69,632", "70,144", "219,971,584")),
        ("dense", ("15", "7,978,856")),
        ("side-by-side", ("143,667,240", "19,632,062,464", "86.1 %")),
        ("level", ("218,365,952",)),
    ],
)
def test_chapters_show_the_papers_and_torchvisions_figures(chapter: str, figures: tuple[str, ...]) -> None:
    """Published: torchvision 0.29's num_params and _ops, He et al.'s and Xie et al.'s blocks worked out by hand."""
    text = shown(opened(chapter))
    assert [figure for figure in figures if figure not in text] == []


def test_a_network_that_is_picked_changes_the_figures() -> None:
    """Oracle: the analyser called directly."""
    app = opened("batch-norm")
    app.selectbox(key="norm_network").set_value("densenet121").run()
    effect = folding_effect(analyze("densenet121"))
    assert f"{effect.num_norms} batch norms, and {effect.num_folded} of them fold" in shown(app)
    app = opened("stride")
    app.selectbox(key="stride_network").set_value("resnet152").run()
    rows = changed_rows(analyze("resnet152_v1"), analyze("resnet152"))
    assert all(ours.path in shown(app) and f"{theirs.macs:,}" in shown(app) for ours, theirs in rows)


def test_a_chapter_and_its_sliders_come_from_the_link_and_are_kept_while_another_is_shown() -> None:
    app = opened("dense", layers="7", growth="20", narrow="true")
    assert (app.slider(key="layers").value, app.slider(key="growth").value, app.toggle(key="narrow").value) == (
        7,
        20,
        True,
    )
    switch(app, EXPLORE).run()
    app.query_params.clear()  # as a browser does
    switch(app, LEARN).run()
    assert not app.exception
    assert app.slider(key="layers").value == 7
    assert app.query_params["chapter"] == "dense"
    for chapter in ("claims", "dense"):
        app.query_params.clear()
        app.query_params["chapter"] = chapter
        app.run()
    assert app.slider(key="layers").value == 7
    assert app.toggle(key="narrow").value is True


@pytest.mark.parametrize("chapter", ["<script>alert(1)</script>", "x" * 5_000])
def test_an_unknown_chapter_is_the_first_one(chapter: str) -> None:
    app = opened(chapter, size="-1", kernel="<b>", stride="9999999999999999999", image_side="nan")
    assert "Convolution arithmetic" in shown(app)
    assert "<b>" not in shown(app)
    assert not app.exception


def test_claims_are_filtered_by_verdict_subject_and_words() -> None:
    """Oracle: the catalogue's own verdicts and statements."""
    failing = [claim.statement for claim in CLAIMS if claim.verdict is Verdict.FAILS]
    app = opened("claims", verdict=Verdict.FAILS.value)
    assert cards(app) == failing
    app.segmented_control(key="verdict").set_value(None).run()
    assert cards(app) == [claim.statement for claim in CLAIMS]
    app.selectbox(key="subject").set_value("Blocks").run()
    app.text_input(key="words").set_value("BOTTLENECK  wider").run()
    assert not app.exception
    blocks = [claim for claim in GROUPS["Blocks"] if "bottleneck" in claim.why.casefold() and "wider" in claim.why]
    assert cards(app) == [claim.statement for claim in blocks] != []
    for hostile in ("<script>alert(1)</script>", "*_`$x$", "\u202e", "(?:", "x" * 200):
        app.text_input(key="words").set_value(hostile).run()
        assert not app.exception
        assert cards(app) == []
        assert "take a word or a filter away" in shown(app)


def cards(app: AppTest) -> list[str]:
    html = next(body for body in bodies(app) if 'class="claims"' in body)
    return re.findall(r'<span class="statement">([^<]*)</span>', html.replace("&#x27;", "'"))


def links() -> dict[str, set[str]]:
    """Page → the parameters that chapters give it, read off their code."""
    parameters_of: dict[str, set[str]] = {}
    for path in CHAPTER_FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "PageLink":
                page, _, argument = map(ast.unparse, node.args)
                parameters_of.setdefault(ast.literal_eval(page), set()).update(re.findall(r"'(\w+)':", argument))
    return parameters_of


@pytest.mark.parametrize("where", links())
def test_links_use_the_other_pages_own_parameters(where: str) -> None:
    """Oracle: the keys under which that page binds its widgets to the address or holds what several of them show."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    switch(app, where).run()
    assert not app.exception
    stored = set(app.session_state["held"]) if "held" in app.session_state else set()
    assert {name for name in links()[where] - stored if name not in app.session_state} == set()


def test_without_a_renderer_the_page_draws_the_dot_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> bytes:
        raise Unavailable("drawing needs Graphviz.")

    clear_caches()
    monkeypatch.setattr(cached, "layout_safely", missing)
    app = opened("stride")
    assert "The first block of stage 2" in app.get("graphviz_chart")[0].proto.spec
    assert any("drawing needs Graphviz" in item.value for item in app.caption)


def test_no_chapter_imports_torch() -> None:
    """Oracle: sys.modules of a process that ran them all."""
    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "from tests.pages.conftest import switch\n"
        "from analyzer.pages.explore import cached\n"
        "from analyzer.pages.learn.learn import CHAPTERS\n"
        f"cached.layout_safely = lambda *_: {DRAWING.encode()!r}\n"
        "app = AppTest.from_file('app.py', default_timeout=60)\n"
        f"switch(app, {LEARN!r})\n"
        "for chapter in CHAPTERS:\n"
        "    app.query_params['chapter'] = chapter\n"
        "    app.run()\n"
        "    assert not app.exception\n"
        "print([name for name in ('torch', 'torchvision', 'fvcore') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_drawings_take_the_viewers_colours() -> None:
    assert '[fill="#eef3fb"]' in _THEME_COLOURS
    assert ".viewer" not in _THEME_COLOURS


def test_prose_without_its_figure_is_refused() -> None:
    assert fill_figures("@a of @{b}x", a=1, b="2") == "1 of 2x"
    with pytest.raises(KeyError):
        fill_figures("@missing", a=1)


NAMES = (
    r"\b[A-Za-z]+-\d+\b",  # ResNet-50, VGG-19, plain-34
    r"\b(?:19|20)\d\d\b",  # the year of a citation
    r"\bv\d(?:\.\d)?\b",
    r"\b\d[×x]\d\b",
    r"\b[Ss]tage \d\b",
    r"\b[a-z_]+=[\w.]+",  # a field of an expression
    r"\b[a-z_]+\d+[\w.]*",  # a weight path, a variant's name, a placeholder's name
    r"</?h[12]|\\1",  # a heading's mark, and what a pattern has found
)
"""Patterns of names and citations; any other digit in a chapter's text would be a figure."""


def left_over(text: str) -> str:
    """What stays of a text when names, citations and formulas are taken away; these may have a one or a two."""
    for formula in re.findall(r"\$+[^$]*\$+", text):
        text = text if re.search(r"\d\d|[03-9]", formula) else text.replace(formula, "")
    for name in NAMES:
        text = re.sub(name, "", text)
    return text


def strings(path: Path) -> Iterator[str]:
    """Every string of a file but docstrings and the formats of numbers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    formats = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue) and node.format_spec
        for part in ast.walk(node.format_spec)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare | formats:
            yield node.value


@pytest.mark.parametrize("path", CHAPTER_FILES, ids=lambda path: path.stem)
def test_no_figure_is_typed_into_the_prose(path: Path) -> None:
    """Every number that a chapter tells is computed: its text has digits only in names, citations and formulas."""
    texts = list(strings(path))
    assert texts
    assert [text for text in texts if re.search(r"\d", left_over(text))] == []


@pytest.mark.parametrize("text", ["25.6 M parameters", "about 4 times", "98 %", "a share of 0.5", "$C = 32$", "3,664"])
def test_a_typed_figure_would_be_found(text: str) -> None:
    assert re.search(r"\d", left_over(text))
