"""Reports as CSV, HTML, LaTeX, at several sizes, in notebooks. Oracles: the analysis, and parsers of each format."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from pylatexenc.latexwalker import LatexWalker

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import Analysis
from analyzer.errors import Unavailable
from analyzer.graph.graph import Graph, sequence
from analyzer.graph.ops import Conv2d, ReLU
from analyzer.latency.predict.parse_target import reference_target
from analyzer.latency.predict.predict import predict_latency
from analyzer.render.report import html as html_form
from analyzer.render.report.bundle import ReportSource, report_sources, report_text, stale_files
from analyzer.render.report.formats import report_document
from analyzer.render.report.latex import latex_escaped as latex_escaped
from analyzer.render.report.remarks import remarks

SCHEMA = json.loads(files("analyzer").joinpath("schemas", "report-1.json").read_text(encoding="utf-8"))
KINDS = ("resnet50", "resnet20_cifar", "plain34", "resnext50_32x4d", "densenet121", "seresnet50", "vgg11", "alexnet")
HOSTILE = "</code><script>alert(1)</script>`|*"


def hostile() -> Analysis:
    """A network from Python whose names are made to break out of a document."""
    return analyzer.analyze(Graph(HOSTILE, tuple(sequence(("<b>&`|", Conv2d(3, 4, 3)), ("$\\x_%", ReLU())))), 8)


def printed(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["report", *arguments, "--output", "-"]) == 0
    return capsys.readouterr().out


# CSV


def test_csv_has_a_row_an_op_whose_columns_sum_to_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: the totals of the analysis; read back by the csv module."""
    text = printed("resnet50", "densenet121", "--format", "csv", capsys=capsys)
    rows = list(csv.DictReader(io.StringIO(text)))
    for name in ("resnet50", "densenet121"):
        analysis = analyzer.analyze(name)
        own = [row for row in rows if row["variant"] == name]
        assert [row["path"] for row in own] == [row.path for row in analysis.rows]
        for column in ("params", "buffers", "macs", "flops", "activations"):
            assert sum(int(row[column]) for row in own) == getattr(analysis.totals, column)
        assert sum(int(row["params_float32_bytes"]) for row in own) == 4 * analysis.params
        assert int(own[-1]["receptive_field_px"]) == analysis.receptive_field
    assert len(rows) == 175 + 427


def test_csv_is_plain_ascii_without_separators_and_names_block_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed("resnext50_32x4d", "--input-size", "64x96,32", "--format", "csv", capsys=capsys)
    assert text.isascii()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {(row["input_height_px"], row["input_width_px"]) for row in rows} == {("64", "96"), ("32", "32")}
    grouped = next(row for row in rows if row["path"] == "layer1.0.conv2")
    named = {name: grouped[name] for name in ("block", "stage", "op", "kernel", "groups", "output_height")}
    assert named == {
        "block": "layer1.0",
        "stage": "stage1",
        "op": "Conv2d",
        "kernel": "3",
        "groups": "32",
        "output_height": "16",
    }
    numbers = [cell for row in rows for name, cell in row.items() if name not in ("variant", "stage", "block", "path")]
    assert all(re.fullmatch(r"[0-9]*|[A-Z][A-Za-z0-9]+", cell) for cell in numbers)


# HTML


class Page(HTMLParser):
    """Checks that every element is closed where it must be, and keeps tags, text, ids and links."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src", "xlink:href", "action") if name in given]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text, spaces made single."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page() -> str:
    """A page of two reports, one at two sizes."""
    first = analyzer.analyze("resnet50"), (analyzer.analyze("resnet50", (288, 384)),)
    return report_document("html", [first, (analyzer.analyze("densenet121"), ())])


def test_html_is_well_formed_and_fetches_and_runs_nothing(page: str) -> None:
    read = Page(page)
    assert not read.tags & {"script", "link", "iframe", "object", "embed", "img", "base"}
    assert all(link.startswith("#") for link in read.links)
    assert len(read.ids) == len(set(read.ids))
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
    assert not re.search(r"url\(|@import|javascript:|\son[a-z]+=", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_html_says_what_the_markdown_says(page: str) -> None:
    """Reference: every word of the markdown report, its marks taken off, stands in the page in the same order."""
    words = Page(page).text
    text = report_text(analyzer.analyze("densenet121"))
    body = text.partition("\n| stage ")[2].partition("<!-- made by")[0]
    plain = re.sub(r"<[^>]+>|!\[[^]]*\]\([^)]*\)|[`*|]|:--|--:", " ", body)
    place = words.rindex("DenseNet-121 Densely")
    for word in plain.split():
        if word != "-":  # a list's mark, and no text
            place = words.find(word.strip("-"), place)
            assert place >= 0, word
    assert "DenseNet-121 · input 3×224×224" in words, "the diagram's own title"


def test_html_shows_hostile_names_as_they_are() -> None:
    text = report_document("html", [(hostile(), ())])
    read = Page(text)
    assert "script" not in read.tags
    assert "b" not in read.tags
    assert read.ids == ["report1"] or all(not re.search(r"[<>\"]", each) for each in read.ids)
    assert "<script>alert(1)</script>" in read.text


def test_html_draws_the_shares_and_leaves_other_numbers_alone(page: str) -> None:
    shares = re.findall(r'style="text-align:right;--share:([0-9.]+)%" class="share">([0-9.]+)<', page)
    predictions = [predict_latency(analyzer.analyze(name), reference_target()) for name in ("resnet50", "densenet121")]
    latency = sum(len(found.stages) + 1 + len(found.kernels) for found in predictions)
    told = "stages at each size, training's, and latency's of both networks, with the latter's whole and kernels"
    assert len(shares) == 2 * 6 * 3 + 6 * 2 + 9 * 3 + 9 * 2 + latency, told
    assert all(drawn == told for drawn, told in shares)


def test_html_without_a_renderer_has_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(dot: str, form: str) -> bytes:
        raise Unavailable("no renderer")

    monkeypatch.setattr(html_form, "render", missing)
    text = report_document("html", [(analyzer.analyze("resnet18"), ())])
    Page(text)
    assert "<svg" not in text
    assert "ANALYZER-DIAGRAM" not in text


# LaTeX


def tables(text: str) -> list[str]:
    return re.findall(r"\\begin\{table\}.*?\\end\{table\}", text, re.DOTALL)


@pytest.mark.parametrize("name", KINDS)
def test_latex_parses_and_every_line_has_every_column(name: str) -> None:
    """Oracle: pylatexenc's parser, strict; and the exact figures of the analysis."""
    analysis = analyzer.analyze(name)
    text = report_document("latex", [(analysis, ())])
    LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    (table,) = tables(text)
    found = re.search(r"\\begin\{tabular\}\{(.*)\}\n", table)
    assert found
    columns = len(re.sub(r"p\{[^}]*\}", "p", found[1]))
    lines = [line for line in table.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {columns}
    assert len(lines) == 2 + len(analysis.stages) + 1
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{", r"\label{tab:stages:"):
        assert rule in table
    for stage in analysis.stages:
        assert f" {stage.params:,} &" in table
    assert f"{analysis.params:,}" in lines[-1]


def test_latex_of_several_networks_and_sizes_has_a_table_of_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed("resnet18", "resnet50", "--input-size", "224,64", "--format", "latex", capsys=capsys)
    LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    labels = re.findall(r"\\label\{([^}]*)\}", text)
    assert labels == [
        "tab:networks",
        "tab:sizes:resnet18",
        "tab:stages:resnet18",
        "tab:sizes:resnet50",
        "tab:stages:resnet50",
    ]
    assert r"\usepackage{booktabs}" in text.splitlines()[0]


def test_latex_escapes_whatever_a_name_holds() -> None:
    """Oracle: LaTeX's ten special characters, and pylatexenc's parser on a hostile network."""
    for special in "\\{}#$%&_~^":
        assert latex_escaped(special) not in ("", special)
    assert latex_escaped("a×b→c θ é 漢\n") == r"a$\times$b$\rightarrow$c $\theta$ é ??"
    text = report_document("latex", [(hostile(), ())])
    LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    assert "<script>" not in text.partition("\\begin{table}")[2]


def test_latex_rounds_half_up_to_the_unit() -> None:
    """Closed form: 4,089,184,256 MACs are 4,089.2 million, 11,114,984 activations 11,115.0 thousand."""
    (table,) = tables(report_document("latex", [(analyzer.analyze("resnet50"), ())]))
    assert "25,557,032 & 4,089.2 & 11,115.0" in table


# Several input sizes


def test_several_sizes_make_one_report_with_a_table_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: each size's own analysis; MACs of a network without its head grow with the area."""
    sizes: tuple[int | tuple[int, int], ...] = (224, (288, 384), 64)
    text = printed("resnet50", "--input-size", "224", "--input-size", "288x384,64,224", capsys=capsys)
    screen = text.partition("<details>")[0]
    assert len(screen.splitlines()) <= 40
    rows = [line for line in screen.splitlines() if line.startswith("| 3×")]
    for size, row in zip(sizes, rows, strict=True):
        analysis = analyzer.analyze("resnet50", size)
        peak = f"{analysis.memory().peak_bytes / 2**20:.1f} MiB"
        assert "| 25,557,032 |" in row
        assert f"| {analysis.macs / analyzer.analyze('resnet50').macs:.2f} |" in row
        assert peak in row or "KiB" in row
    assert text.count("<summary>Stages at") == 2
    assert text.count("\n# ") + text.startswith("# ") == 1


def test_several_sizes_in_json_are_a_list_of_reports(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed("resnet18", "resnet50", "--input-size", "32,64x96", "--format", "json", capsys=capsys)
    told = json.loads(text)
    jsonschema.validate(told, SCHEMA)
    shapes = [(report["variant"], report["input_shape"][1:]) for report in told["reports"]]
    assert shapes == [("resnet18", [32, 32]), ("resnet18", [64, 96]), ("resnet50", [32, 32]), ("resnet50", [64, 96])]


def test_a_committed_report_on_several_sizes_is_kept_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "reports"
    assert main(["report", "resnet18", "--input-size", "64,32x96"]) == 0
    written = [f"resnet18-64-32x96{suffix}" for suffix in ("-blocks.svg", ".md", ".svg")]
    assert sorted(path.name for path in folder.iterdir()) == written
    assert list(report_sources(folder)) == [ReportSource("resnet18", 64, ((32, 96),))]
    assert main(["report", "--refresh"]) == 0
    assert list(stale_files(folder)) == []
    path = folder / "resnet18-64-32x96.md"
    path.write_text(path.read_text().replace("3×32×96", "3×32×97"))
    assert main(["report", "--check"]) == 1


@pytest.mark.parametrize(("form", "suffix"), [("csv", "csv"), ("html", "html"), ("latex", "tex"), ("json", "json")])
def test_every_format_is_written_beside_the_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", "resnet18:stem=cifar", "--format", form]) == 0
    name = f"reports/resnet18-stem-cifar.{suffix}"
    assert capsys.readouterr().out.split() == [name]
    assert main(["report", "resnet18:stem=cifar", "--format", form, "--output", "-"]) == 0
    assert capsys.readouterr().out.strip() == (tmp_path / name).read_text(encoding="utf-8").strip()


# Notebooks


def test_an_analysis_shows_its_stage_table() -> None:
    shown = analyzer.analyze("resnet50")
    assert repr(shown) == "<Analysis of resnet50 at 3×224×224: 25,557,032 params, 4,089,184,256 MACs>"
    lines = str(shown).splitlines()
    assert lines[0] == "ResNet-50, input 3×224×224"
    assert lines[-1].split()[:2] == ["total", "25,557,032"]
    assert "| stage 4 |" in shown._repr_markdown_()  # type: ignore[attr-defined]
    html = shown._repr_html_()  # type: ignore[attr-defined]
    assert html.count("<tr>") == 1 + len(shown.stages)
    assert Page(html).text.count("14,964,736") == 1


def test_a_hostile_network_shows_itself_harmlessly() -> None:
    assert "script" not in Page(hostile()._repr_html_()).tags  # type: ignore[attr-defined]


def test_a_diagram_shows_itself() -> None:
    bundle = analyzer.diagram("resnet18")._repr_mimebundle_()
    assert bundle["image/svg+xml"].lstrip().startswith("<?xml")
    assert bundle["text/plain"] == "Drawing('ResNet-18', level='network')"


# What stands out


def told(name: str) -> str:
    analysis = analyzer.analyze(name)
    return "\n".join(remarks(analysis, analysis.blocks))


def test_ungrouped_resnext50_is_as_large_as_the_wide_resnet() -> None:
    """Published: torchvision's wide_resnet50_2 has 68,883,240 parameters and 11.398 G MACs; it is that network."""
    assert "68.9 M instead of 25.0 M parameters and 11.4 G instead of 4.23 G MACs" in told("resnext50_32x4d")


def test_densenet_says_what_its_parts_save() -> None:
    """Closed form: L(L + 1)/2 of the longest block; the same network analysed without compression."""
    text = told("densenet121")
    assert f"L(L + 1)/2 = {24 * 25 // 2} direct connections: layer l reads 256 + 32(l − 1) channels" in text
    without = analyzer.analyze("densenet121:compression=1.0")
    assert f"{without.params / 1e6:.1f} M instead of 7.98 M parameters" in text
    assert f"{without.macs / 1e9:.2f} G instead of 2.83 G MACs" in text
    plain = analyzer.analyze("densenet121:bottleneck_ratio=none")
    alone = sum(row.params for row in plain.rows if "denselayer" in row.path and row.op == "Conv2d")
    assert f"3×3s alone would have {alone:,}" in text


def test_a_plain_net_has_no_shortcut_and_option_a_pads() -> None:
    """Published: He et al. 2015, Figure 3 (plain) and option A of section 3.3."""
    assert "| none |" in report_text(analyzer.analyze("plain34"))
    assert "identity" not in report_text(analyzer.analyze("plain34"))
    text = report_text(analyzer.analyze("resnet20_cifar"))
    assert re.search(r"\| `layer2.0` \| basic 32 \| zero-pad \|", text)
    assert re.search(r"\| `layer2.1` … `layer2.2` \(× 2\) \| basic 32 \| identity \|", text)


def test_level_blocks_are_told_only_where_they_are_level() -> None:
    """Closed form: with every width equal, the cost of a block falls fourfold a stage."""
    assert "in each of 3 stages: 4,718,592 MACs" in told("resnet20_cifar")
    assert "costs exactly the same" not in told("resnet20_cifar:widths=16-16-16")
