"""Reports. Oracles: the shipped JSON Schema, the analysis itself, published figures, and reports damaged by hand."""

import builtins
import json
import operator
import re
from collections.abc import Callable, Iterable
from functools import reduce
from importlib.resources import files
from math import fsum
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import analyzer
from analyzer.cli import main
from analyzer.families.registry import variant_names
from analyzer.literature.published import comparisons, prints_figure, published_figures
from analyzer.render.report.bundle import (
    ReportSource,
    report_files,
    report_source,
    report_sources,
    report_text,
    stale_files,
)
from tests.support.names import HEADLINE

SCHEMA = json.loads(files("analyzer").joinpath("schemas", "report-1.json").read_text(encoding="utf-8"))
COMMITTED = Path(__file__).parents[2] / "reports"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty working folder, and the reports folder in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "reports"


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "densenet121", "resnet50:stem=cifar"])
def test_json_is_valid_against_the_shipped_schema(name: str) -> None:
    jsonschema.validate(analyzer.analyze(name).to_dict(), SCHEMA)


def test_json_has_the_figures_of_the_interface() -> None:
    """Published: torchvision's counts, as the documented JSON of resnet50 states them."""
    document = analyzer.analyze("resnet50").to_dict()
    assert document["totals"] == {
        "params": 25557032,
        "trainable_params": 25557032,
        "buffers": 53173,
        "macs": 4089184256,
        "flops": 8178368512,
        "activations": 11114984,
        "params_bytes": 102228128,
        "depth": 50,
        "receptive_field": 427,
        "total_stride": 32,
    }
    assert document["stages"][0] == {
        "stage": "stem",
        "num_blocks": 0,
        "output_shape": [64, 56, 56],
        "params": 9536,
        "macs": 118013952,
        "activations": 802816,
        "receptive_field": 11,
        "total_stride": 4,
    }
    assert document["rows"][0] == {
        "path": "conv1",
        "stage": "stem",
        "op": "Conv2d",
        "output_shape": [64, 112, 112],
        "params": 9408,
        "macs": 118013952,
        "activations": 802816,
    }


def test_several_variants_come_as_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "resnet18", "resnet34", "--format", "json", "--output", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, SCHEMA)
    assert [report["variant"] for report in document["reports"]] == ["resnet18", "resnet34"]
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", variant_names())
def test_first_screen_fits_forty_lines_and_its_columns_add_up(name: str) -> None:
    """Closed form: the stage table's exact column sums to the total, its shares to 100 % within rounding."""
    analysis = analyzer.analyze(name)
    screen, _, _ = report_text(analysis).partition("<details>")
    assert len(screen.splitlines()) <= 40
    rows = [
        line.split("|")[1:-1]
        for line in screen.splitlines()
        if re.match(r"\| (stem|stage|transition|head)[ \d]* *\|", line)
    ]
    rows = [row for row in rows if row[0].strip() != "stage"]
    assert len(rows) == len(analysis.stages)
    assert sum(int(row[3].replace(",", "")) for row in rows) == analysis.params
    for column in (4, 6, 8):
        assert sum(float(row[column]) for row in rows) == pytest.approx(100, abs=0.05 * len(rows))


def test_report_says_what_agrees_and_what_differs() -> None:
    """Published: He et al.'s 3.8 G is v1's 3,857,973,248 MACs; torchvision's and pycls's figures are ours."""
    text = report_text(analyzer.analyze("resnet50"))
    assert "**Agrees with** torchvision 0.29.1 (25,557,032; 4.089 G)" in text
    assert "4,089,185,256 with biases" in text
    differs = next(line for line in text.splitlines() if line.startswith("**Differs from** He et al. 2015"))
    assert "3.8 G" in differs
    assert "3,857,973,248" in differs


@pytest.mark.parametrize("name", sorted({figure.variant for figure in published_figures()}))
def test_every_published_figure_agrees_with_the_network_that_it_describes(name: str) -> None:
    compared = list(comparisons(analyzer.analyze(name)))
    assert compared
    for item in compared:
        assert prints_figure(item.described, item.figure), item
        assert item.agrees == (item.figure.describes == name)


def test_no_figure_is_compared_away_from_its_input_size() -> None:
    text = report_text(analyzer.analyze("resnet50", 320))
    assert "Agrees with" not in text
    assert "Differs from" not in text


def test_report_writes_markdown_and_diagram_and_prints_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "resnet50:stem=cifar,depths=1-1", "--input-size", "320x256"]) == 0
    written = capsys.readouterr().out.split()
    assert written == [
        "reports/resnet50-depths-1-1-stem-cifar-320x256.md",
        "reports/resnet50-depths-1-1-stem-cifar-320x256.svg",
        "reports/resnet50-depths-1-1-stem-cifar-320x256-blocks.svg",
    ]
    text = (folder.parent / written[0]).read_text(encoding="utf-8")
    assert "input 3×320×256" in text
    assert all(f"({Path(picture).name})" in text for picture in written[1:])
    assert list(report_sources(folder)) == [ReportSource("resnet50:depths=1-1,stem=cifar", (320, 256))]


def test_output_writes_one_file_or_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "resnet18", "--output", "mine.md"]) == 0
    assert (folder.parent / "mine.md").read_text(encoding="utf-8").startswith("# ResNet-18\n")
    assert main(["report", "resnet18", "--output", "-"]) == 0
    assert capsys.readouterr().out.startswith("# ResNet-18\n")
    assert [path.name for path in folder.parent.iterdir()] == ["mine.md"]


def _refreshed(folder: Path) -> None:
    assert main(["report", "resnet18", "densenet121"]) == 0
    assert main(["report", "--refresh"]) == 0
    assert main(["report", "--check"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: _replace(path / "resnet18.md", "11,689,512", "11,689,513"), "resnet18.md is out of date at line"),
        (lambda path: _replace(path / "README.md", "ResNet-18", "ResNet-19"), "README.md is out of date"),
        (lambda path: _replace(path / "resnet18.svg", "dot sha256:", "dot sha256:0"), "resnet18.svg is out of date"),
        (lambda path: (path / "densenet121.svg").unlink(), "densenet121.svg is missing"),
        (lambda path: (path / "densenet121-blocks.svg").unlink(), "densenet121-blocks.svg is missing"),
        (lambda path: (path / "densenet121.md").unlink(), "README.md is out of date"),
    ],
)
def test_check_notices_every_kind_of_staleness(
    folder: Path, capsys: pytest.CaptureFixture[str], damage: object, sentence: str
) -> None:
    _refreshed(folder)
    capsys.readouterr()
    assert callable(damage)
    damage(folder)
    assert main(["report", "--check"]) == 1
    assert sentence in capsys.readouterr().out


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_report_without_its_recipe_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / "mine.md").write_text("# My notes\n")
    assert main(["report", "--check"]) == 2
    assert "has no line that tells how it was made" in capsys.readouterr().err


def test_an_empty_folder_is_nothing_to_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--check"]) == 2
    assert "holds no reports" in capsys.readouterr().err


def test_without_a_renderer_the_diagram_is_dot_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analyzer.errors import Unavailable
    from analyzer.render.report import bundle

    def missing(dot: str, form: str) -> bytes:
        raise Unavailable("no renderer")

    monkeypatch.setattr(bundle, "render", missing)
    assert main(["report", "resnet18"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["resnet18-blocks.dot", "resnet18.dot", "resnet18.md"]


@pytest.mark.slow
def test_committed_reports_cover_every_named_variant_and_are_true() -> None:
    assert {recipe.expression for recipe in report_sources(COMMITTED)} >= set(HEADLINE)
    assert list(stale_files(COMMITTED)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "add", [lambda terms, start: reduce(operator.add, terms, start), lambda terms, start: fsum([start, *terms])]
)
def test_reports_do_not_depend_on_how_python_adds(
    add: Callable[[list[float], float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference: what is committed; up to 3.11 `sum` rounds after each term, from 3.12 on it compensates."""
    builtin = sum

    def patched(terms: Iterable[Any], /, start: Any = 0) -> Any:
        kept = list(terms)
        return add(kept, start) if any(isinstance(term, float) for term in kept) else builtin(kept, start)

    monkeypatch.setattr(builtins, "sum", patched)
    assert list(stale_files(COMMITTED)) == []


def test_equal_networks_have_one_report() -> None:
    """Closed form: an expression and its canonical form write the same file with the same bytes."""
    given = analyzer.analyze("resnet50:groups=32,width_per_group=4")
    assert report_source(given) == ReportSource("resnext50_32x4d")
    assert report_files(given) == report_files(analyzer.analyze("resnext50_32x4d", 224))
