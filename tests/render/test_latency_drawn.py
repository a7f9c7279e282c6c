"""Diagrams that tell and shade by a predicted latency. Oracle: the Prediction's own times, and geometry."""

import json
import re

import pytest

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.latency.predict.parse_target import latency_target
from analyzer.latency.predict.predict import predict_latency
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import RunSettings
from analyzer.render.diagram.dot import box_diagram, dot_source
from analyzer.render.diagram.graphviz import run_graphviz
from analyzer.render.diagram.style import DiagramStyle, OpTimes
from analyzer.render.latency.predicted import op_times
from analyzer.text.units import duration
from tests.render.test_graphviz import check_places

SETTING: LatencyTarget = latency_target("RTX 4090", RunSettings(batch_size=256, precision="amp"))


def times_of(name: str) -> OpTimes:
    return op_times(analyze(name), SETTING)


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "vgg11", "seresnet50"])
def test_op_times_add_up_to_the_whole_and_to_the_stages(name: str) -> None:
    analysis, times = analyze(name), times_of(name)
    found = predict_latency(analysis, SETTING)
    assert sum(times.ms.values()) == pytest.approx(found.ms)
    for stage in found.stages:
        own = [times.ms[row.path] for row in analysis.rows if row.stage == stage.stage]
        assert sum(own) == pytest.approx(stage.ms)


@pytest.mark.parametrize(
    ("name", "level", "compiled"),
    [
        ("resnet50", "network", True),
        ("densenet121", "stage", False),
        ("densenet121", "block", True),
        ("resnet18", "op", False),
    ],
)
def test_every_level_tells_latency_and_its_text_fits(name: str, level: str, compiled: bool) -> None:
    """Oracle: the laid out drawing's own geometry."""
    analysis = analyze(name)
    times = op_times(
        analysis, latency_target("RTX 4090", RunSettings(batch_size=256, precision="amp", compiled=compiled))
    )
    look = DiagramStyle(show=("shape", "latency"), heat="latency", times=times)
    check_places(json.loads(run_graphviz(dot_source(analysis, level, look), "json")))
    drawn = box_diagram(analysis, level, look)
    assert f"latency: predicted, not measured, of one batch on {times.words}" in drawn.legend
    assert drawn.scale[0].startswith("shade: share of the network's predicted latency")
    assert any("≈ " in fact for box in drawn.boxes for fact in box.facts)


def test_a_box_tells_the_time_of_its_ops() -> None:
    times = times_of("resnet50")
    drawn = box_diagram(analyze("resnet50"), "op", DiagramStyle(show=("latency",), times=times))
    told = {box.name: box.facts for box in drawn.boxes}
    for path in ("conv1", "layer1.0.conv2", "fc"):
        assert told[path] == (f"≈ {duration(times.ms[path])}",)
    assert told["bn1"] == (f"≈ {duration(times.ms['bn1'])}",)
    tip = next(box.tip for box in drawn.boxes if box.name == "conv1")
    assert f", predicted {duration(times.ms['conv1'])}" in tip


def test_a_frame_tells_its_stages_time() -> None:
    found = predict_latency(analyze("resnet50"), SETTING)
    drawn = box_diagram(analyze("resnet50"), "network", DiagramStyle(show=("latency",), times=times_of("resnet50")))
    told = {frame.name: frame.facts for frame in drawn.frames}
    for stage in found.stages[1:-1]:
        assert told[stage.stage] == (f"≈ {duration(stage.ms)}",)


def test_shares_of_latency_add_up_to_the_whole() -> None:
    """Closed form: every op but the additions, which are circles, is in a box; resnet20's shortcuts draw no box."""
    analysis, times = analyze("vgg11"), times_of("vgg11")
    drawn = box_diagram(analysis, "op", DiagramStyle(heat="latency", times=times))
    shares = [float(text[:-2]) for box in drawn.boxes for text in box.facts if text.endswith(" %")]
    assert sum(shares) == pytest.approx(100, abs=0.06 * len(shares))


def test_a_drawing_without_latency_does_not_change_for_a_device() -> None:
    analysis = analyze("resnet18")
    plain, timed = (
        dot_source(analysis, "network", DiagramStyle(times=times)) for times in (None, times_of("resnet18"))
    )
    assert re.sub(r", predicted [0-9.,]+ [mµ]s", "", timed) == plain


def test_python_and_the_command_line_draw_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = analyzer.diagram("resnet18", heat="latency", device="rtx4090", batch_size=256, precision="amp")
    words = ["--heat", "latency", "--gpu", "RTX 4090", "--batch-size", "256", "--precision", "amp"]
    assert main(["diagram", "resnet18", *words, "--format", "dot", "--output", "-"]) == 0
    assert capsys.readouterr().out.strip() == drawn.dot.strip()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["resnet18", "--heat", "latency"], "heat latency: latency depends on a device; name one: --gpu 'RTX 4090'"),
        (["resnet18", "--show", "latency"], "show latency: latency depends on a device; name one: --gpu 'RTX 4090'"),
        (["resnet18", "--compiled"], "--compiled: is about a predicted latency; name a device by --gpu."),
        (["resnet18", "--heat", "latency", "--gpu", "RTX 9999"], "device 'RTX 9999' is unknown"),
        (["--figure", "resnext", "--gpu", "RTX 4090"], "diagram: --figure takes no VARIANT"),
    ],
)
def test_a_mistake_costs_one_sentence(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", *arguments, "--output", "-"]) == 2
    sentence = capsys.readouterr().err
    assert told in sentence
    assert len(sentence.splitlines()) == 1


def test_python_says_that_a_run_needs_a_device() -> None:
    with pytest.raises(analyzer.InvalidInput, match="batch_size: is about a predicted latency"):
        analyzer.diagram("resnet18", batch_size=256)


def test_a_hostile_device_name_is_escaped() -> None:
    times = OpTimes(ms={"conv1": 1.0}, words='<script>"]; evil ["\n</script>')
    look = DiagramStyle(heat="latency", times=times)
    assert "<script>" not in dot_source(analyze("resnet18"), "network", look)
