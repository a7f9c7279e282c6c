"""Mermaid, HTML, PNG and PDF of drawings. Oracles: the picture that is written, and the formats' own rules."""

import base64
import hashlib
import json
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import pytest

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.render.diagram.dot import box_diagram, dot_source
from analyzer.render.diagram.graphviz import render
from analyzer.render.diagram.html_viewer import network_page
from analyzer.render.diagram.mermaid import mermaid_text
from tests.conftest import loaded_pygraphviz
from tests.render.test_diagram import HOSTILE, hostile_network

# ---- mermaid


@pytest.mark.parametrize("level", ["network", "stage", "block"])
@pytest.mark.parametrize("variant", ["resnet18", "resnet20_cifar", "densenet121", "vgg11"])
def test_mermaid_has_every_box_and_arrow(variant: str, level: str) -> None:
    drawn = box_diagram(analyze(variant), level)
    text = mermaid_text(drawn)
    nodes = re.findall(r"^ +(n\d+)[(\[]", text, re.MULTILINE)
    assert nodes == [f"n{number}" for number in range(1, len(drawn.boxes) + 1)]
    links = re.findall(r"^ +n\d+ (-\.?.*->) n\d+$", text, re.MULTILINE)
    assert len(links) == len(drawn.arrows)
    dashed = sum(arrow.flow in ("projection", "zero-pad") for arrow in drawn.arrows)
    assert sum(link.startswith("-.") for link in links) == dashed


def test_mermaid_tells_what_lies_on_a_shortcut() -> None:
    assert '-. "1×1, 128, /2" .->' in mermaid_text(box_diagram(analyze("resnet18"), "network"))
    assert '-. "zero-pad, 32, /2" .->' in mermaid_text(box_diagram(analyze("resnet20_cifar"), "network"))


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_end_no_mermaid_label(word: str) -> None:
    """Each label is one quoted text without the signs that mean something to Mermaid or HTML."""
    text = mermaid_text(box_diagram(analyze(hostile_network(word), 16), "block"))
    header, _, body = text.partition("\n---\n")
    assert len(header.splitlines()) == 5  # ---, title, three lines of configuration
    json.loads(header.splitlines()[1].removeprefix("title: "))
    for line in body.splitlines():
        quoted = re.findall(r'"([^"]*)"', line)
        assert line.count('"') == 2 * len(quoted) <= 2
        for label in quoted:
            bare = re.sub(r"#\d+;", "", label.replace("<br/>", ""))
            assert not set(bare) & set('<>&%`{}|\\;"#')
        if "accDescr" in line:
            assert not set(re.sub(r"#\d+;", "", line)) & set("<>&%{};")


def test_a_drawing_that_mermaid_would_refuse_is_refused_in_one_sentence() -> None:
    with pytest.raises(InvalidInput, match=r"^mermaid: \d+ arrows .* bounds of 500 and 50000; take a coarser level"):
        analyzer.diagram("resnet152", level="op").mermaid  # noqa: B018


# ---- HTML


class Page(HTMLParser):
    """Tags with their attributes, texts of scripts, and addresses that a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)


@pytest.fixture(scope="module")
def page_text() -> str:
    return network_page(analyze("resnet18"), "network")


def test_page_asks_nothing_of_another_machine(page_text: str) -> None:
    page = Page(page_text)
    loads = {"src", "srcset", "data", "action", "href", "xlink:href"}
    assert not [(tag, attrs) for tag, attrs in page.tags if loads & set(attrs)]
    assert {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "image", "foreignobject"} == set()
    policy = next(attrs["content"] for tag, attrs in page.tags if tag == "meta" and "http-equiv" in attrs)
    script = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    assert "@import" not in page_text
    assert not re.search(r"url\(", page_text)


def test_page_holds_every_level_and_shows_one(page_text: str) -> None:
    sections = {attrs["data-level"]: attrs for tag, attrs in Page(page_text).tags if tag == "section"}
    assert list(sections) == ["network", "stage", "block", "op"]
    assert [name for name, attrs in sections.items() if "hidden" not in attrs] == ["network"]


def test_a_click_opens_the_same_part_one_level_below(page_text: str) -> None:
    """Every target is there; a stage opens the frame of that stage, a folded block the frame where it is drawn open."""
    page = Page(page_text)
    opens = json.loads(page.scripts[0])["opens"]
    ids = {attrs["data-id"] for _, attrs in page.tags if "data-id" in attrs}
    assert all(target in ids for targets in opens.values() for _, target in targets.values())
    assert opens["network"]["stage3"] == ["stage", "stage3"]
    assert opens["stage"]["layer3.0"] == ["block", "layer3.0"]
    assert opens["block"]["layer1.0"] == ["op", "layer1.0"]
    assert "op" not in opens


def test_page_leaves_out_a_level_that_is_too_large() -> None:
    page = Page(network_page(analyze("resnet1202_cifar"), "network"))
    assert [attrs["data-level"] for tag, attrs in page.tags if tag == "section"] == ["network", "stage", "block"]


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_only_text_in_the_page(word: str) -> None:
    text = network_page(analyze(hostile_network(word), 16), "network")
    page = Page(text)
    usual = {"html", "head", "meta", "title", "style", "body", "header", "h1", "nav", "button", "main", "section"}
    assert {tag for tag, _ in page.tags} <= usual | {
        "script",
        "svg",
        "desc",
        "g",
        "a",
        "polygon",
        "path",
        "text",
        "ellipse",
    }
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    json.loads(page.scripts[0])


# ---- PNG, PDF


def png_size(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", content[16:24])
    return int(width), int(height)


def test_scale_enlarges_a_png() -> None:
    dot = dot_source(analyze("resnet18"), "network")
    (width, height), (wider, higher) = (png_size(render(dot, "png", scale)) for scale in (1.0, 2.0))
    assert wider == pytest.approx(2 * width, abs=4)
    assert higher == pytest.approx(2 * height, abs=4)


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_the_same_drawing_is_the_same_bytes_later(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PDF would carry the second in which it was made."""
    if form == "pdf":
        loaded_pygraphviz()
    dot = dot_source(analyze("resnet18"), "network")
    first = render(dot, form)
    assert render(dot, form) == first
    if form == "pdf":
        assert b"/CreationDate (D:20000101000000" in first


# ---- the verb


@pytest.mark.parametrize(("form", "suffix"), [("mermaid", "mmd"), ("html", "html"), ("png", "png")])
def test_verb_names_files_after_the_format(
    form: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diagram", "resnet18", "--stage", "stage1", "--format", form]) == 0
    assert (tmp_path / f"resnet18-stage1-stage.{suffix}").stat().st_size > 500


def test_saving_by_suffix(tmp_path: Path) -> None:
    drawing = analyzer.diagram("resnet18", theme="dark")
    drawing.save(tmp_path / "x.mmd")
    drawing.save(tmp_path / "x.html")
    assert (tmp_path / "x.mmd").read_text(encoding="utf-8") == drawing.mermaid
    assert "--paper: #14171b" in (tmp_path / "x.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("without_renderer")
def test_mermaid_needs_no_renderer(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", "resnet18", "--format", "mermaid", "--output", "-"]) == 0
    assert "flowchart LR" in capfd.readouterr().out
    with pytest.raises(Unavailable, match="install pygraphviz"):
        network_page(analyze("resnet18"), "network")


def test_hostile_titles_in_a_file_are_shown_as_they_are(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A TOML file's title is the one text that a stranger may have written."""
    title = '<b>"x"</b> & --> %%{init} #lt; \\N'
    file = tmp_path / "net.toml"
    file.write_text(f"variant = \"resnet18\"\ntitle = '''{title}'''\n", encoding="utf-8")
    escaped = "&lt;b&gt;&quot;x&quot;&lt;/b&gt; &amp; --&gt; %%{init} #lt; \\N"
    for form, shown in {"svg": escaped, "html": escaped, "mermaid": json.dumps(title)[1:-1], "dot": None}.items():
        assert main(["diagram", str(file), "--format", form, "--output", "-"]) == 0
        out = capfd.readouterr().out
        assert shown is None or shown in out.replace("&#45;", "-"), form
