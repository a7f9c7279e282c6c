"""`check` and its baseline. Oracles: the closed form before and after a planted change, and files damaged by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analyzer.baseline import baseline as regression
from analyzer.cli import main
from analyzer.cost import formulas
from analyzer.errors import InvalidInput
from analyzer.families import densenet
from analyzer.families import residual_block as residual
from analyzer.families.registry import variant_names
from tests.support.planting import forget_blocks

COMMITTED = Path(__file__).parents[2] / "reports" / "baseline.json"


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A baseline of three networks that one popular tool hashes alike, and a DenseNet."""
    path = tmp_path / "baseline.json"
    keys = ["resnet50", "resnext50_32x4d@320x256", "wide_resnet50_2", "densenet121@64"]
    regression.write_baseline(path, regression.current_facts(keys))
    return path


def edited(path: Path, change: Any) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_committed_baseline_covers_every_named_variant_and_agrees() -> None:
    networks = regression.read_networks(COMMITTED)
    assert {key.split("@")[0] for key in networks} == set(variant_names())
    assert regression.check_networks(networks) == (len(networks), (), ())


def test_a_fresh_baseline_agrees_and_has_distinct_fingerprints(baseline: Path) -> None:
    networks = regression.read_networks(baseline)
    assert regression.check_networks(networks) == (4, (), ())
    assert len({facts["fingerprint"] for facts in networks.values()}) == 4


def test_a_figure_changed_by_hand_is_a_difference_even_where_sums_no_longer_fit(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def add_one(document: Any) -> None:
        document["networks"]["resnet50@224"]["stages"]["stage2"]["macs"] += 1

    edited(baseline, add_one)
    assert main(["check", "--baseline", str(baseline)]) == 1
    row = next(line for line in capsys.readouterr().out.splitlines() if "resnet50@224" in line)
    assert "stage2" in row
    assert "1,027,604,481" in row
    assert "1,027,604,480" in row


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no JSON"),
        ('{"schema": 1, "networks": {"resnet50@224": {"params"', "is no JSON"),
        ("<<<<<<< HEAD\n{}\n", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"schema": 2, "networks": {}}', "schema 2 is newer than this program's 1"),
        ('{"schema": 1}', "networks"),
        ('{"schema": 1, "networks": {"resnet50@224": {"params": -1}}}', "resnet50@224"),
        ("[]", "must be object"),
    ],
)
def test_a_damaged_baseline_is_one_sentence_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    assert main(["check", "--baseline", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert len(captured.err.splitlines()) == 1
    assert path.read_text() == text


def test_a_missing_baseline_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--baseline", str(tmp_path / "none.json")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_network_that_is_no_longer_described_is_a_difference(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rename(document: Any) -> None:
        document["networks"]["resnet51@224"] = document["networks"].pop("resnet50@224")

    edited(baseline, rename)
    assert main(["check", "--baseline", str(baseline)]) == 1
    assert "resnet51" in capsys.readouterr().out


def _stride_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    original = residual._convs
    monkeypatch.setattr(residual, "_convs", lambda spec: original(spec._replace(stride_on="1x1")))
    forget_blocks()


def _groups_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    original = residual._conv3x3
    monkeypatch.setattr(residual, "_conv3x3", lambda spec, *numbers: original(spec._replace(groups=1), *numbers))
    forget_blocks()


def _growth_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    original = densenet._transition_channels
    monkeypatch.setattr(densenet, "_transition_channels", lambda spec, channels: original(spec, channels) + 1)


def _macs_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    original = formulas.macs
    monkeypatch.setattr(formulas, "macs", lambda op, output: original(op, output) * getattr(op, "groups", 1))


@pytest.mark.parametrize(
    ("plant", "network", "stage", "path"),
    [
        (_stride_moved, "resnet50@224", "stage2", "layer2.0.conv1"),
        (_groups_dropped, "resnext50_32x4d@320x256", "stage1", "layer1.0.conv2"),
        (_growth_wrong, "densenet121@64", "transition1", "features.transition1.conv"),
    ],
)
def test_planted_faults_name_the_stage_and_the_first_op(
    baseline: Path, monkeypatch: pytest.MonkeyPatch, plant: Any, network: str, stage: str, path: str
) -> None:
    plant(monkeypatch)
    outcome = regression.check_networks(regression.read_networks(baseline))
    assert any(change.network == network for change in outcome.changes)
    moved = next(item for item in outcome.moved if item.network == network)
    assert (moved.stage, moved.path) == (stage, path)


def test_a_wrong_formula_names_the_stage(baseline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _macs_wrong(monkeypatch)
    changes = regression.check_networks(regression.read_networks(baseline)).changes
    assert {change.network for change in changes} == {"resnext50_32x4d@320x256"}
    assert {change.place for change in changes} >= {"stage1", "stage4", "total"}


def test_update_writes_what_is_now_and_tells_what_changed(
    baseline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _stride_moved(monkeypatch)
    assert main(["check", "--baseline", str(baseline), "--update"]) == 0
    assert "resnet50@224" in capsys.readouterr().out
    assert main(["check", "--baseline", str(baseline)]) == 0


def test_add_and_remove_change_only_the_networks_named(baseline: Path) -> None:
    before = regression.read_networks(baseline)
    arguments = ["check", "--baseline", str(baseline), "--add", "resnet18@96", "--remove", "resnet50"]
    assert main(arguments) == 0
    after = regression.read_networks(baseline)
    assert set(after) == (set(before) | {"resnet18@96"}) - {"resnet50@224"}
    assert {key: after[key] for key in after if key in before} == {key: before[key] for key in after if key in before}


@pytest.mark.parametrize(
    "key", ["resnet50@", "resnet50@x", "resnet50@1x2x3", "resnet50@²", "nonesuch@224", "resnet50@99999"]
)
def test_a_bad_network_name_is_refused_and_the_file_left_whole(baseline: Path, key: str) -> None:
    before = baseline.read_text()
    with pytest.raises(InvalidInput):
        regression.analysis_of(key)
    assert main(["check", "--baseline", str(baseline), "--add", key]) == 2
    assert baseline.read_text() == before


def test_a_baseline_is_sorted_with_one_fact_a_line(baseline: Path) -> None:
    lines = baseline.read_text().splitlines()
    keys = [line.split('"')[1] for line in lines if line.startswith('  "')]
    assert keys == sorted(keys)
    assert all(line.count('": ') <= 1 for line in lines)


@pytest.mark.slow
def test_concurrent_updates_leave_a_whole_file(baseline: Path) -> None:
    command = [sys.executable, "-m", "analyzer", "check", "--baseline", str(baseline), "--update"]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [run.wait(60) for run in runs] == [0] * 4
    assert regression.check_networks(regression.read_networks(baseline)) == (4, (), ())
    assert [path.name for path in baseline.parent.iterdir()] == ["baseline.json"]


def test_json_tells_the_same_as_the_text(baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited(baseline, lambda document: document["networks"]["resnet50@224"].update(params=1))
    assert main(["check", "--baseline", str(baseline), "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["passed"] is False
    assert document["changes"] == [
        {
            "network": "resnet50@224",
            "place": "total",
            "quantity": "params",
            "old": 1,
            "new": 25557032,
            "delta": 25557031,
            "percent": 2555703100.0,
        }
    ]
