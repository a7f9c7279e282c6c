"""Networks compared by predicted latency. Oracle: the Predictions' own numbers, and sums that must come out."""

import json
import re
from importlib.resources import files

import jsonschema
import pytest

import analyzer
from analyzer.cli import main
from analyzer.render.compare.bar_chart import bar_chart_svg
from analyzer.render.compare.compare import NetworkComparison, compare_command, network_names
from analyzer.text.units import duration, ratio, significant

RUN = {"device": "RTX 4090", "batch_size": 256, "precision": "amp"}
ON = ["--gpu", "rtx4090", "--batch-size", "256", "--precision", "amp"]
SCHEMAS = {
    name: json.loads(files("analyzer").joinpath(f"schemas/{name}-1.json").read_text())
    for name in ("compare", "latency-predicted")
}


@pytest.fixture(scope="module")
def found() -> NetworkComparison:
    return analyzer.compare("resnet50", "resnext50_32x4d", "densenet121", **RUN)  # type: ignore[arg-type]


def cells(text: str, start: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def tables(found: NetworkComparison) -> list[list[list[str]]]:
    """The cells of the tables below the heading about latency, without their heads and rules."""
    text = found.markdown[found.markdown.index("**Latency, predicted**") : found.markdown.index("<details>")]
    parts = [part.splitlines()[2:] for part in text.split("\n\n") if part.startswith("|")]
    return [[[cell.strip() for cell in line.split("|")[1:-1]] for line in part] for part in parts]


def test_networks_have_latency_with_its_interval_and_ratio(found: NetworkComparison) -> None:
    totals, _ = tables(found)
    first = found.predictions[0]
    for name, prediction, told in zip(network_names(found.analyses), found.predictions, totals, strict=True):
        assert told[:3] == [f"`{name}`", "RTX 4090 (amp, eager)", "256"]
        assert told[3:5] == [significant(prediction.ms), "" if prediction is first else ratio(prediction.ms, first.ms)]
        assert told[5] == f"{significant(prediction.low_ms)}–{significant(prediction.high_ms)}"
    assert "Latency is predicted, not measured: one batch of 256 on RTX 4090 (amp, eager)" in found.markdown


def test_stages_have_latency_of_each_network(found: NetworkComparison) -> None:
    _, stages = tables(found)
    assert [row[0] for row in stages[::3]][:3] == ["stem", "stage 1", "transition 1"]
    for start in range(0, len(stages), 3):
        stage = stages[start][0].replace(" ", "")
        for prediction, own in zip(found.predictions, stages[start : start + 3], strict=True):
            time = next((each for each in prediction.stages if each.stage == stage), None)
            assert own[2] == (significant(time.ms) if time else "–")


def test_the_attribution_of_latency_sums_to_the_difference(found: NetworkComparison) -> None:
    told = found.to_dict()
    jsonschema.validate(told, SCHEMAS["compare"])
    for network, prediction in zip(told["networks"], found.predictions, strict=True):
        jsonschema.validate(network["latency"], SCHEMAS["latency-predicted"])
        assert network["latency"] == prediction.to_dict()
    by_field, by_part = told["differences"]
    first, second, third = (prediction.ms for prediction in found.predictions)
    assert by_field["predicted_ms"] == pytest.approx(second - first)
    assert sum(step["predicted_ms"] for step in by_field["by_field"]) == pytest.approx(second - first)
    assert by_part["predicted_ms"] == pytest.approx(third - first)
    shown = cells(found.markdown, "| **all together** | −528,128")[-1]
    assert shown == f"{'+' if second > first else '−'}{significant(abs(second - first))}"


def test_equal_networks_and_slower_ones_are_told() -> None:
    same = analyzer.compare("resnet50", "resnet50", **RUN)  # type: ignore[arg-type]
    assert same.to_dict()["differences"][0]["predicted_ms"] == 0
    deeper = analyzer.compare("resnet50", "resnet101", **RUN)  # type: ignore[arg-type]
    first, second = deeper.predictions
    assert second.ms > first.ms
    assert (
        f"predicted {significant(second.ms - first.ms)} ms slower (+{100 * (second.ms / first.ms - 1):.1f} %)"
        in str(deeper)
    )


def test_the_chart_has_a_column_of_latency(found: NetworkComparison) -> None:
    svg = found.svg
    assert "predicted latency" in svg
    for stage in found.predictions[0].stages:
        assert f">{duration(stage.ms)}<" in svg
    assert "predicted" not in bar_chart_svg(found.analyses, network_names(found.analyses))


def test_without_a_device_nothing_is_said_of_latency() -> None:
    plain = analyzer.compare("resnet50", "resnext50_32x4d")
    assert "predicted" not in plain.markdown + plain.svg + json.dumps(plain.to_dict())


def test_the_command_makes_the_page_again(found: NetworkComparison, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_command(found).endswith("--gpu 'RTX 4090' --batch-size 256 --precision amp")
    assert main(["compare", "resnet50", "resnext50_32x4d", "densenet121", *ON, "--format", "html"]) == 0
    page = capsys.readouterr().out
    assert page.strip() == found.html.strip()
    assert re.search(r"<th[^>]*>predicted ms</th>", page)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--gpu", "RTX 9999"], "device 'RTX 9999' is unknown"),
        (["--train"], "--train: is about a predicted latency; name a device by --gpu."),
        ([*ON, "--precision", "int4"], "precision 'int4'"),
    ],
)
def test_a_mistake_costs_one_sentence(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "resnet18", "resnet34", *arguments]) == 2
    sentence = capsys.readouterr().err
    assert told in sentence
    assert len(sentence.splitlines()) == 1
