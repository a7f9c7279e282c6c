"""Reports with a section of predicted latency, in every format. Oracle: the Prediction's own numbers."""

import csv
import io
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.latency.predict.parse_target import latency_target, target_from
from analyzer.latency.predict.predict import predict_latency
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import RunSettings
from analyzer.render.latency.predicted import interval_text, latency_section, milliseconds_text, stage_cells
from analyzer.render.report.bundle import ReportSource, build_report, report_source, report_sources
from analyzer.render.report.csv import COLUMNS
from analyzer.render.report.html import markdown_to_html

SETTING: LatencyTarget = latency_target("RTX 4090", RunSettings(batch_size=256, precision="amp"))
ON = ["--gpu", "rtx4090", "--batch-size", "256", "--precision", "amp"]
STEM = "resnet18-rtx-4090-batch256-amp"


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["report", *arguments, "--output", "-"]) == 0
    return capsys.readouterr().out


def test_markdown_has_the_section_of_the_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    text = report(capsys, "resnet18", *ON)
    assert f"**Latency, predicted**\n\n{latency_section(predict_latency(analyze('resnet18'), SETTING))}\n" in text
    assert "--gpu 'RTX 4090' --batch-size 256 --precision amp -->" in text


def test_html_has_the_same_tables(capsys: pytest.CaptureFixture[str]) -> None:
    page = report(capsys, "resnet18", *ON, "--format", "html")
    found = predict_latency(analyze("resnet18"), SETTING)
    assert markdown_to_html(latency_section(found)).strip() in page
    assert "<script" not in page


def test_latex_has_a_table_of_it_with_its_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    text = report(capsys, "resnet18", *ON, "--format", "latex")
    found = predict_latency(analyze("resnet18"), SETTING)
    table = text[text.index("latency predicted for one batch of 256 on RTX 4090 (amp, eager), not measured") :]
    assert f"{milliseconds_text(found)}, 90 \\% interval {interval_text(found).replace('–', '--')} ms" in table
    for cells in stage_cells(found):
        assert f"{cells[0]} & {cells[1]} & {cells[2].replace('–', '--')} & {cells[3]} &" in table
    assert r"\label{tab:latency:resnet18}" in table


def test_csv_gains_columns_and_its_times_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(report(capsys, "densenet121", *ON, "--compiled", "--format", "csv"))))
    made_at = latency_target("RTX 4090", RunSettings(batch_size=256, precision="amp", compiled=True))
    found = predict_latency(analyze("densenet121"), made_at)
    assert sum(float(row["predicted_batch_ms"]) for row in rows) == pytest.approx(found.ms, rel=1e-4)
    assert sum(int(row["kernels"]) for row in rows) == found.num_kernels
    assert {(row["device"], row["batch_size"], row["compiled"]) for row in rows} == {("RTX 4090", "256", "1")}
    plain = csv.reader(io.StringIO(report(capsys, "densenet121", "--format", "csv")))
    assert tuple(next(plain)) == COLUMNS


def test_json_holds_the_prediction_and_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(report(capsys, "resnet18", *ON, "--format", "json"))
    shipped = {
        name: json.loads(files("analyzer").joinpath(f"schemas/{name}-1.json").read_text())
        for name in ("report", "latency-predicted")
    }
    jsonschema.validate(told, shipped["report"])
    jsonschema.validate(told["latency"], shipped["latency-predicted"])
    assert told["latency"] == predict_latency(analyze("resnet18"), SETTING).to_dict()
    assert told["memory"]["batch_size"] == 256
    assert "latency" not in json.loads(report(capsys, "resnet18", "--format", "json"))


def test_a_written_report_is_checked_and_refreshed_with_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", "resnet18", *ON]) == 0
    assert main(["report", "resnet18", "--input-size", "64,96", *ON, "--compiled", "--host-us", "8"]) == 0
    assert main(["report", "--refresh"]) == 0
    assert main(["report", "--check"]) == 0
    folder = tmp_path / "reports"
    assert {path.stem for path in folder.glob("resnet18*.md")} == {
        STEM,
        "resnet18-64-96-rtx-4090-batch256-amp-compiled",
    }
    assert "[ResNet-18 on RTX 4090](resnet18-rtx-4090-batch256-amp.md)" in (folder / "README.md").read_text()
    told = folder / f"{STEM}.md"
    text = told.read_text(encoding="utf-8")
    shown = milliseconds_text(predict_latency(analyze("resnet18"), SETTING))
    told.write_text(text.replace(f"**{shown}**", "**1.23 ms**"), encoding="utf-8")
    capsys.readouterr()
    assert main(["report", "--check"]) == 1
    assert "1.23 ms" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("run", "host_us"),
    [
        (RunSettings(), None),
        (RunSettings(8, "float16", compiled=True), None),
        (RunSettings(channels_last=True, cuda_graph=True, training=True), 3.5),
    ],
)
def test_a_recipe_makes_the_report_again(run: RunSettings, host_us: float | None, tmp_path: Path) -> None:
    """Oracle: the target itself, and the recipe read back from what was written."""
    target = latency_target("A100 80GB SXM", run, host_us=host_us)
    assert target_from(target.arguments) == target
    recipe = report_source(analyze("resnet18", 64), (), target)
    assert build_report(recipe).target == target
    (tmp_path / "x.md").write_text(f"<!-- made by: {recipe.command} -->", encoding="utf-8")
    assert list(report_sources(tmp_path)) == [recipe]


@pytest.mark.parametrize(
    "words", ["--gpu", "--gpu 'RTX 4090' --batch-size many", "--gpu 'RTX 4090' --bogus", "--gpu '"]
)
def test_a_recipe_changed_by_hand_costs_one_sentence(words: str) -> None:
    with pytest.raises(InvalidInput):
        build_report(ReportSource("resnet18", device=words))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["resnet18", "--gpu", "RTX 9999"], "device 'RTX 9999' is unknown"),
        (["resnet18", *ON, "--trainable", "head"], "--gpu: goes with a whole report"),
        (["resnet18", "--compiled"], "--compiled: is about a predicted latency; name a device by --gpu."),
        (["resnet18", "--precision", "amp"], "--precision: is about a predicted latency"),
    ],
)
def test_a_mistake_costs_one_sentence(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *arguments, "--output", "-"]) == 2
    sentence = capsys.readouterr().err
    assert told in sentence
    assert len(sentence.splitlines()) == 1


def test_a_devices_name_cannot_bring_html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "devices.toml"
    path.write_text('["--><script>"]\nlike = "RTX 4090"\n', encoding="utf-8")
    assert main(["report", "resnet18", "--gpu", "--><script>", "--devices", str(path), "--output", "-"]) == 2
    assert "a name has 1 to 80 printable characters" in capsys.readouterr().err
