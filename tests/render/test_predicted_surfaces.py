"""What people see of a predicted latency: the verb latency with --gpu, its tables, JSON, CSV, roofline and devices.

Oracle: the Prediction's own numbers, against which every text is compared; none is stated here.
"""

import csv
import io
import json
import sys
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

import analyzer
from analyzer.cli import main
from analyzer.errors import InvalidInput
from analyzer.latency.predict.devices import devices
from analyzer.latency.predict.parse_target import latency_target
from analyzer.latency.predict.prediction import Prediction
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import RunSettings
from analyzer.live.timing import host_cost
from analyzer.render.latency.predicted import (
    interval_text,
    latency_section,
    milliseconds_text,
    predicted_markdown,
    predicted_text,
    run_words,
)
from analyzer.render.latency.roofline_chart import HEIGHT, WIDTH, place_labels, roofline, roofline_points
from analyzer.text.units import duration, exact, significant, stage_label
from tests.support.names import EVERY_KIND

SCHEMA = json.loads(files("analyzer").joinpath("schemas/latency-predicted-1.json").read_text())
GPU = ["--gpu", "rtx 4090", "--batch-size", "256", "--precision", "amp"]


def predicted(name: str = "resnet50", **given: object) -> Prediction:
    known = {"device": "RTX 4090", "batch_size": 256, "precision": "amp"} | given
    return analyzer.predict_latency(name, **known)  # type: ignore[arg-type]


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(["latency", *arguments]) == status
    told = capsys.readouterr()
    return told.err if status else told.out


# ---- the verb


def test_the_table_says_every_stage_and_kind_of_kernel_and_that_all_is_predicted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = predicted()
    text = said(capsys, "resnet50", *GPU)
    assert text.strip() == predicted_text(found).strip()
    sure = f"90 % interval {significant(found.low_ms)}–{significant(found.high_ms)} ms"
    assert f"{significant(found.ms)} ms predicted for one batch, {sure}" in text
    rows = [line.split("  ") for line in text.splitlines()]
    named = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    for stage in found.stages:
        cells = named[stage_label(stage.stage)]
        assert float(cells[0]) == pytest.approx(stage.ms, abs=0.006)
        low, high = cells[1].split("–")
        assert (float(low), float(high)) == pytest.approx((stage.low_ms, stage.high_ms), abs=0.006)
    for kernel in found.kernels:
        assert float(named[kernel.kind][1]) == pytest.approx(kernel.ms, abs=0.006)
    assert "Predicted, not measured." in text


def test_a_reader_can_add_the_stages_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the sum of what the CSV's stage rows say is its network row."""
    for name in ("resnet50", "densenet121", "vgg11"):
        rows = list(csv.DictReader(io.StringIO(said(capsys, name, *GPU, "--format", "csv"))))
        whole, stages = rows[0], rows[1:]
        assert (whole["stage"], whole["device"], whole["batch_size"]) == ("network", "RTX 4090", "256")
        assert sum(float(row["predicted_ms"]) for row in stages) == pytest.approx(float(whole["predicted_ms"]))
        assert sum(float(row["share"]) for row in stages) == pytest.approx(1)
        assert sum(int(row["num_kernels"]) for row in stages) == int(whole["num_kernels"])


@pytest.mark.parametrize("name", EVERY_KIND)
def test_json_is_valid_and_is_what_python_gives(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capsys, name, *GPU, "--format", "json"))
    jsonschema.validate(told, SCHEMA)
    assert told == predicted(name).to_dict()
    assert told["kind"] == "predicted"


@pytest.mark.parametrize(
    "mode",
    [["--compiled"], ["--torchcompile"], ["--channels-last"], ["--cuda-graph"], ["--train"], ["--host-us", "50"]],
    ids=" ".join,
)
def test_each_way_to_run_reaches_the_prediction(mode: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    names = {"--torchcompile": "compiled", "--train": "training", "--host-us": "host_us"}
    name = names.get(mode[0], mode[0].removeprefix("--").replace("-", "_"))
    told = json.loads(said(capsys, "resnet18", *GPU, *mode, "--format", "json"))
    assert told == predicted("resnet18", **{name: float(mode[1]) if mode[1:] else True}).to_dict()
    jsonschema.validate(told, SCHEMA)


def test_lists_give_every_combination_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    many = [
        "resnet18",
        "vgg11",
        "--gpu",
        "t4",
        "--on",
        "RTX 3090",
        "--batch-size",
        "1,64",
        "--precision",
        "amp,float32",
    ]
    told = json.loads(said(capsys, *many, "--format", "json"))
    jsonschema.validate(told, SCHEMA)
    shown = [(each["variant"], each["device"], each["precision"], each["batch_size"]) for each in told["predictions"]]
    assert len(shown) == len(set(shown)) == 2 * 2 * 2 * 2
    table = said(capsys, *many)
    for each in told["predictions"]:
        assert significant(each["ms"]) in table
    assert "stage 1" not in table
    assert "stage 1" in said(capsys, "resnet18", "vgg11", *GPU)


def test_cpus_are_devices_too(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capsys, "resnet18", "--on", "core i9 10940x", "--format", "json"))
    assert (told["device"], told["host_ms"], told["host_bound"]) == ("Core i9-10940X", 0, False)


def test_a_host_that_is_slow_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "resnet50", "--gpu", "RTX 4090", "--precision", "amp", "--host-us", "1000")
    found = predicted(batch_size=1, host_us=1000)
    assert found.host_bound
    assert (
        f"host-bound: starting {exact(found.num_kernels)} kernels takes the host {significant(found.host_ms)} ms"
        in text
    )


def test_the_host_is_measured_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number stands in for the measurement, which is tested by itself."""
    monkeypatch.setattr(host_cost, "measure_host_cost", lambda: 7.25)
    assert main(["latency", "resnet18", "--gpu", "t4", "--host-us", "measure", "--format", "json"]) == 0
    told = capsys.readouterr()
    assert "host: 7.2 µs a kernel" in told.err
    assert (
        json.loads(told.out)["host_ms"]
        == predicted("resnet18", device="T4", batch_size=1, precision="float32", host_us=7.2).host_ms
    )


def test_a_batch_that_does_not_fit_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    fitting = predicted().max_batch_size
    assert "; this batch does not" not in said(capsys, "resnet50", "--gpu", "RTX 4090", "--precision", "amp")
    over = said(capsys, "resnet50", "--gpu", "RTX 4090", "--precision", "amp", "--batch-size", str(fitting + 1))
    assert f"up to {exact(fitting)} inputs fit" in over
    assert "; this batch does not" in over


def test_devices_of_a_file_are_taken_and_reports_name_the_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('["My GPU"]\nlike = "RTX 4090"\nmem_bw_gbs = 504\n', encoding="utf-8")
    run = ["--batch-size", "256", "--precision", "amp", "--format", "json"]
    told = json.loads(said(capsys, "resnet50", "--gpu", "my gpu", "--devices", str(mine), *run))
    known = json.loads(said(capsys, "resnet50", "--gpu", "RTX 4090", *run))
    assert (told["device"], told["evidence"]) == ("My GPU", "specs")
    assert told["ms"] > known["ms"]
    assert "My GPU" in said(capsys, "--list-devices", "--devices", str(mine))


# ---- mistakes


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["resnet50", "--gpu", "RTX 4O90"], "device 'RTX 4O90' is unknown; did you mean RTX 4090"),
        (["resnet50", "--gpu", "<script>alert(1)</script>"], "is unknown"),
        (["resnet50", "--gpu", "RTX 4090", "--device", "cpu"], "--device measures and --gpu predicts"),
        (["resnet50", "--gpu", "RTX 4090", "--precision", "int8"], "precision 'int8'"),
        (["resnet50", "--gpu", "RTX 4090", "--batch-size", "0"], "batch"),
        (["resnet50", "--gpu", "RTX 4090", "--batch-size", "1,,2"], "--batch"),
        (["resnet50", "--gpu", "RTX 4090", "--batch-size", "many"], "'many': must be whole numbers"),
        (["resnet50", "--gpu", "RTX 4090", "--host-us", "-1"], "host_us -1.0: must be microseconds"),
        (["resnet50", "--gpu", "RTX 4090", "--host-us", "nan"], "host_us nan"),
        (["resnet50", "--gpu", "RTX 4090", "--host-us", "fast"], "must be microseconds such as 12.5, or the word"),
        (["resnet50", "--gpu", "RTX 4090", "--devices", "missing.toml"], "missing.toml"),
        (["resnet50", "--gpu", "RTX 4090", "--num-bench-iter", "5"], "--num-bench-iter: is about a measured"),
        (["resnet50", "--gpu", "RTX 4090", "--roofline", "x.bmp"], "must end in .svg, .html or .json"),
        (["resnet50", "resnet18", "--gpu", "RTX 4090", "--roofline", "x.svg"], "--roofline: draws one network"),
        (["resnet50", "--gpu", "RTX 4090", "--compiled", "--train"], "a compiled training step is not predicted"),
        (["resnet50", "--host-us", "5"], "--host-us: is about a predicted latency; name a device by --gpu"),
        (["--gpu", "RTX 4090"], "VARIANT is missing"),
        (["resnet51", "--gpu", "RTX 4090"], "variant 'resnet51' is unknown"),
    ],
)
def test_a_mistake_costs_one_sentence(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = said(capsys, *arguments, status=2)
    assert told in sentence
    assert len(sentence.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "x = 1", "[[a]]\n", '["My GPU"]\nlike = "nothing"', '["G"]\nsms = "many"', "\0"])
def test_a_bad_file_of_devices_costs_one_sentence(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text, encoding="utf-8")
    sentence = said(capsys, "resnet50", "--gpu", "My GPU", "--devices", str(path), status=2)
    assert len(sentence.splitlines()) == 1
    assert sentence.startswith("device")


# ---- the list of devices


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_every_device_is_listed_with_where_its_figures_come_from(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "--list-devices", "--format", form)
    for name, device in devices().items():
        assert name in text
        assert device.note in text
    if form == "json":
        assert [each["name"] for each in json.loads(text)["devices"]] == list(devices())
    else:
        line = next(line for line in text.splitlines() if "Tesla V100 PCIe" in line)
        assert "112 ?" in line  # not verified
        assert "900 ?" not in line


# ---- the roofline


@pytest.fixture(scope="module")
def on_4090() -> LatencyTarget:
    return latency_target("RTX 4090", RunSettings(batch_size=256, precision="amp"))


def test_stages_lie_under_the_roof_where_their_numbers_put_them(on_4090: LatencyTarget) -> None:
    """Oracle: intensity = 2·MACs / bytes and rate = 2·MACs / time, of the Prediction's own stages."""
    found = predicted("densenet121")
    shown = {point.name: point for point in roofline_points(found, on_4090)}
    for stage in found.stages:
        point = shown[stage_label(stage.stage)]
        assert point.intensity == pytest.approx(2 * stage.macs / stage.bytes)
        assert point.rate * 1e12 == pytest.approx(2 * stage.macs / (stage.ms / 1000))
        assert point.attainable == pytest.approx(min(165.2, point.intensity * 1.008))
    assert shown["whole network"].rate == pytest.approx(2 * sum(stage.macs for stage in found.stages) / found.ms / 1e9)


def test_roofline_is_drawn_in_every_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], on_4090: LatencyTarget
) -> None:
    found = predicted()
    for form in ("svg", "html", "json"):
        path = tmp_path / f"roof.{form}"
        said(capsys, "resnet50", *GPU, "--roofline", str(path))
        text = path.read_text(encoding="utf-8")
        assert text == roofline(found, on_4090, form)
        for stage in found.stages:
            assert f"{stage_label(stage.stage)}, {duration(stage.ms)}" in text
        assert "predicted" in text
    ElementTree.fromstring((tmp_path / "roof.svg").read_text(encoding="utf-8"))
    html = (tmp_path / "roof.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "src=" not in html
    assert "default-src 'none'" in html
    assert json.loads((tmp_path / "roof.json").read_text())["$schema"].startswith(
        "https://vega.github.io/schema/vega-lite"
    )


def test_roofline_without_vl_convert_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    sentence = said(capsys, "resnet50", *GPU, "--roofline", str(tmp_path / "roof.svg"), status=2)
    assert "install resnet-analyzer[picture]" in sentence
    assert len(sentence.splitlines()) == 1
    assert not list(tmp_path.iterdir())
    said(capsys, "resnet50", *GPU, "--roofline", str(tmp_path / "roof.json"))


@pytest.mark.parametrize("crowd", [0.0, 3.0, 25.0])
def test_labels_do_not_overlap(crowd: float) -> None:
    """Oracle: geometry, for ten points of one place, of a few pixels, and of a line."""
    labels = [(f"transition {number}, 12.3 ms", 300 + crowd * number, 200 - crowd / 2 * number) for number in range(10)]
    found = place_labels(labels, [], 12)
    boxes = [label.box for label in found]
    assert not [(one, other) for one in boxes for other in boxes if one is not other and one.overlaps(other)]
    assert all(0 <= box.left < box.right <= WIDTH and 0 <= box.top < box.bottom <= HEIGHT for box in boxes)
    on_points = [box for box in boxes for _, x, y in labels if box.left < x < box.right and box.top < y < box.bottom]
    assert not on_points


# ---- in Python


def test_a_notebook_shows_the_stage_table() -> None:
    found = predicted()
    shown = found._repr_html_()  # type: ignore[attr-defined]
    for stage in found.stages:
        assert f'<td style="text-align:left">{stage_label(stage.stage)}</td>' in shown
    assert milliseconds_text(found) in shown
    assert "Predicted, not measured" in shown
    assert latency_section(found) in found._repr_markdown_()  # type: ignore[attr-defined]
    assert str(found) == predicted_text(found)
    where = "resnet50 on RTX 4090 (amp, eager), batch 256"
    assert repr(found) == f"<Prediction of {where}: {milliseconds_text(found)}, 90 % {interval_text(found)}>"


def test_the_markdown_document_holds_a_section_each() -> None:
    found = [predicted(), predicted("resnet18", compiled=True)]
    text = predicted_markdown(found)
    assert [latency_section(each) in text for each in found] == [True, True]
    assert run_words(found[1]) == "amp, torch.compile"


def test_a_target_tells_the_options_that_make_it_again() -> None:
    run = RunSettings(8, "amp", channels_last=True, training=True)
    made = latency_target("rtx4090", run, host_us=5.5)
    told = "--gpu 'RTX 4090' --batch-size 8 --precision amp --host-us 5.5 --channels-last --train"
    assert made.arguments == told
    made = latency_target("rtx4090", RunSettings(compiled=True, cuda_graph=True))
    assert made.arguments == "--gpu 'RTX 4090' --batch-size 1 --precision float32 --compiled --cuda-graph"
    with pytest.raises(InvalidInput, match="host_us inf"):
        latency_target("RTX 4090", RunSettings(), host_us=float("inf"))


# ---- calibration


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A table with timm's columns: resnet18 took twice as long as is predicted."""
    plain = predicted("resnet18", batch_size=64)
    rows = {
        "model": "resnet18",
        "infer_img_size": "224",
        "infer_batch_size": "64",
        "infer_step_time": repr(2 * plain.device_ms),
        "param_count": "11.69",
    }
    path = tmp_path / "measured.csv"
    path.write_text(f"{','.join(rows)}\n{','.join(rows.values())}\n", encoding="utf-8")
    return path


def test_a_calibration_scales_every_surface(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: a device measured to be half as fast takes twice the time."""
    ours, plain = predicted(calibration=str(measured)), predicted()
    assert ours.ms == pytest.approx(2 * plain.ms)
    calibrated = [*GPU, "--calibrate", str(measured)]
    text = said(capsys, "resnet50", *calibrated)
    assert f"{milliseconds_text(ours)} predicted for one batch" in text
    assert "calibrated (scaled by a measurement of this device)" in text
    assert main(["report", "resnet50", *calibrated, "--format", "json", "--output", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["latency"] == ours.to_dict()
    assert main(["compare", "resnet50", "resnet18", *calibrated, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["networks"][0]["latency"] == ours.to_dict()
    assert main(["diagram", "resnet50", "--heat", "latency", *calibrated, "--format", "dot", "--output", "-"]) == 0
    assert f"predicted latency, {duration(ours.ms)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no columns model"),
        ("model,param_count\nresnet18,11.69\n", "has no column infer_img_size"),
        ("model,param_count,infer_img_size\nvit_base,86.6,224\n", "no network known here"),
        ("model,param_count,device\nresnet18,11.69,Tesla T4\n", "has no row of RTX 4090"),
        ("\0", "calibration"),
    ],
)
def test_a_calibration_of_something_else_costs_one_sentence(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text, encoding="utf-8")
    sentence = said(capsys, "resnet50", *GPU, "--calibrate", str(path), status=2)
    assert told in sentence
    assert len(sentence.splitlines()) == 1
    said(capsys, "resnet50", *GPU, "--calibrate", str(tmp_path / "missing.json"), status=2)
