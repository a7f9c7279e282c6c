"""Budgets of predicted latency in check. Oracle: the Prediction itself, and budgets just above and below it."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

import analyzer
from analyzer.baseline.budgets import budgets
from analyzer.cli import main
from analyzer.text.units import duration

FOUND = analyzer.predict_latency("resnet18", device="RTX 4090", batch_size=256, precision="amp", compiled=True)
NAME = "latency:rtx4090@256:amp:compiled"
SCHEMA = json.loads(files("analyzer").joinpath("schemas/check-1.json").read_text())


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("budgets") / "baseline.json"
    assert main(["check", "--baseline", str(path), "--add", "resnet18", "--add", "resnet18@64"]) == 0
    return path


def check(baseline: Path, *arguments: str) -> int:
    return main(["check", "--baseline", str(baseline), *arguments])


def test_a_network_within_its_budget_passes(baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(baseline, "--max", f"{NAME}={FOUND.ms * 1.0001:.6f}ms") == 0
    assert "agree" in capsys.readouterr().out


def test_a_network_over_its_budget_fails_and_its_interval_is_told(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = FOUND.ms * 0.9999
    assert check(baseline, "resnet18", "--max", f"{NAME}={budget:.6f}") == 1
    output = capsys.readouterr().out
    assert f"{NAME} is predicted at {duration(FOUND.ms)}, over the budget of {duration(budget)}" in output
    interval = f"90 % interval {duration(FOUND.low_ms)} to {duration(FOUND.high_ms)}"
    assert f"{interval}, which holds the budget; evidence: {FOUND.evidence}" in output
    assert check(baseline, "resnet18", "--max", f"{NAME}={FOUND.low_ms * 900:.3f}us") == 1
    assert f"{interval}, all of it above the budget" in capsys.readouterr().out


def test_only_the_networks_over_it_are_told(baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same network at 64 pixels is about twelve times as fast."""
    assert check(baseline, "--max", f"{NAME}={FOUND.ms / 2:.6f}ms", "--format", "json") == 1
    output = json.loads(capsys.readouterr().out)
    jsonschema.validate(output, SCHEMA)
    (over,) = output["over_budget"]
    assert over["network"] == "resnet18@224"
    assert over["figure"] == FOUND.ms
    assert (over["interval_ms"], over["evidence"]) == ([FOUND.low_ms, FOUND.high_ms], FOUND.evidence)


@pytest.mark.parametrize("form", ["markdown", "github"])
def test_the_interval_is_told_in_every_form(baseline: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(baseline, "resnet18", "--max", f"{NAME}=1us", "--max", "params=1M", "--format", form) == 1
    output = capsys.readouterr().out
    assert duration(FOUND.high_ms) in output
    assert "params 11,689,512 are over the budget of 1,000,000" in output


@pytest.mark.parametrize(
    ("word", "ms"), [("5ms", 5.0), ("5", 5.0), ("800us", 0.8), ("800 µs", 0.8), ("1.5s", 1500.0), ("0.25 ms", 0.25)]
)
def test_times_are_read_in_their_units(word: str, ms: float) -> None:
    (budget,) = budgets([f"latency:t4@8={word}"]).values()
    assert not isinstance(budget, int)
    assert budget.ms == pytest.approx(ms)
    assert (budget.target.device.name, budget.target.run.batch_size) == ("Tesla T4", 8)


def test_a_budget_says_how_the_network_runs(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('["Card"]\nlike = "T4"\n', encoding="utf-8")
    word = "latency:card@8:float16:nhwc:train=1ms"
    (budget,) = budgets([word], str(mine)).values()
    assert not isinstance(budget, int)
    assert budget.target.device.name == "Card"
    assert budget.target.run == (8, "float16", False, True, False, True)
    (other,) = budgets(["latency:t4@8:amp:torchcompile=1ms"]).values()
    assert not isinstance(other, int)
    assert other.target.run == (8, "amp", True, False, False, False)


def test_budgets_of_devices_beside_each_other_and_one_given_twice(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = ["--max", "latency:t4@1=1s", "--max", "latency:t4@2=1s", "--max", "macs=100G"]
    assert check(baseline, *many) == 0
    assert check(baseline, *many, "--max", "latency:t4@1=2s") == 2
    assert "latency:t4@1: is given more than once" in capsys.readouterr().err
