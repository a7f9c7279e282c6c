"""`check` whole: tolerances, budgets, every format, writers at once, damaged files. Oracles: files changed by hand."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import analyzer as package
from analyzer.baseline import baseline as regression
from analyzer.baseline.budgets import BUDGETS, budgets, tolerances
from analyzer.cli import main
from analyzer.errors import InvalidInput
from tests.conftest import needs_git

SCHEMA = json.loads(files("analyzer").joinpath("schemas", "check-1.json").read_text(encoding="utf-8"))
BASELINE_SCHEMA = json.loads(files("analyzer").joinpath("schemas", "baseline-1.json").read_text(encoding="utf-8"))
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
COMMAND = [sys.executable, "-m", "analyzer", "check", "--baseline"]
FACTS = regression.current_facts(["resnet18@64", "densenet121@64"])


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A true baseline of two networks."""
    path = tmp_path / "baseline.json"
    regression.write_baseline(path, json.loads(json.dumps(FACTS)))
    return path


def edit(path: Path, *changes: tuple[str, Any]) -> None:
    """Set facts of resnet18 by hand: ("stage2.params", 3)."""
    document = json.loads(path.read_text())
    for fact, value in changes:
        facts = document["networks"]["resnet18@64"]
        stage, _, quantity = fact.rpartition(".")
        (facts["stages"][stage] if stage else facts)[quantity] = value
    path.write_text(json.dumps(document, indent=1))


def checked(path: Path, *arguments: str) -> int:
    return main(["check", "--baseline", str(path), *arguments])


# Tolerances and budgets


@pytest.mark.parametrize(
    ("old", "tolerance", "status"),
    [
        (520_365, "1%", 0),
        (520_364, "1%", 1),
        (525_560, "8", 0),
        (525_560, "7", 1),
        (525_000, "1k", 0),
    ],
)
def test_a_figure_within_its_tolerance_passes(
    baseline: Path, capsys: pytest.CaptureFixture[str], old: int, tolerance: str, status: int
) -> None:
    """Closed form: resnet18's stage 2 has 525,568 parameters, 5,203 from 520,365, of which 1 % is 5,203.65."""
    edit(baseline, ("stage2.params", old))
    assert checked(baseline, "--tolerance", f"params={tolerance}") == status
    assert (", 1 fact within its tolerance." in capsys.readouterr().out) == (status == 0)


def test_a_tolerance_is_for_its_quantity_only_and_never_for_a_shape(baseline: Path) -> None:
    edit(baseline, ("stage2.macs", 8_388_608), ("fingerprint", "000000000000"))
    assert checked(baseline) == 1
    assert checked(baseline, "--tolerance", "params=50%") == 1
    assert checked(baseline, "--tolerance", "macs=300%") == 0
    edit(baseline, ("stage2.output_shape", "128x8x9"))
    assert checked(baseline, "--tolerance", "macs=300%", "--tolerance", "params=50%") == 1


def test_budgets_hold_for_every_network_or_those_named(baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Published: torchvision's counts, 11,689,512 and 7,978,856 parameters; peak and bytes: the analysis."""
    assert checked(baseline, "--max", "params=11_689_512", "--max", "macs=1G", "--max", "depth=121") == 0
    assert checked(baseline, "--max", "params=11.689511M") == 1
    out = capsys.readouterr().out
    assert "resnet18@64: params 11,689,512 are over the budget of 11,689,511 (+1, +0.00 %)" in out
    assert "densenet121@64" not in out
    assert checked(baseline, "densenet121@64", "--max", "params=8M") == 0
    assert checked(baseline, "--max", "params_bytes=44.6MiB") == 0
    assert checked(baseline, "--max", "params_bytes=44.5MiB") == 1
    peak = regression.analysis_of("resnet18@64").peak_activation_bytes
    assert checked(baseline, "resnet18@64", "--max", f"peak_activation_bytes={peak}") == 0
    assert checked(baseline, "resnet18@64", "--max", f"peak_activation_bytes={peak - 1}") == 1


def test_numbers_are_read_as_people_write_them() -> None:
    assert budgets(["params=26M", "macs=4.2G", "depth=50"]) == {"params": 26 * 10**6, "macs": 42 * 10**8, "depth": 50}
    assert budgets(["params=1,234,567", "macs=1e9", "flops=2 k"]) == {
        "params": 1_234_567,
        "macs": 10**9,
        "flops": 2000,
    }
    assert budgets(["params_bytes=100MiB"]) == {"params_bytes": 100 * 2**20}
    assert tolerances(["macs=0.5%"])["macs"].allows(200, 201)
    assert not tolerances(["macs=0.5%"])["macs"].allows(200, 202)


@pytest.mark.parametrize(
    ("option", "word", "rule"),
    [
        ("--max", "params", "must be QUANTITY=NUMBER"),
        ("--max", "speed=3", "must be QUANTITY=NUMBER"),
        ("--max", "params=-1", "must be a number such as"),
        ("--max", "params=1.2.3M", "must be a number such as"),
        ("--max", "params=1e99999", "must be a number such as"),
        ("--max", "params=" + "9" * 100, "must be a number such as"),
        ("--max", "latency=5", "must be latency:DEVICE@BATCH=TIME"),
        ("--max", "latency:rtx4090@256", "must be latency:DEVICE@BATCH=TIME"),
        ("--max", "latency:rtx4090@many=5ms", "must be latency:DEVICE@BATCH=TIME"),
        ("--max", "latency:rtx4090@256:int8=5ms", "must be latency:DEVICE@BATCH=TIME"),
        ("--max", "latency:rtx4090@256:amp:float32=5ms", "must be latency:DEVICE@BATCH=TIME"),
        ("--max", "latency:rtx4090@256=5GB", "must be a time such as 5ms"),
        ("--max", "latency:rtx4090@256=-5ms", "must be a time such as 5ms"),
        ("--max", "latency:rtx9999@256=5ms", "device 'rtx9999' is unknown"),
        ("--max", "latency:rtx4090@0=5ms", "batch"),
        ("--tolerance", "depth=1", "must be QUANTITY=NUMBER, with one of params, macs, activations"),
        ("--tolerance", "macs=x%", "must be a share such as 1%"),
        ("--tolerance", "macs=1e9%", "must be a share such as 1%"),
    ],
)
def test_a_bad_limit_is_one_sentence(
    baseline: Path, capsys: pytest.CaptureFixture[str], option: str, word: str, rule: str
) -> None:
    assert checked(baseline, option, word) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert rule in captured.err


def test_a_limit_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="params: is given more than once"):
        budgets(["params=1", "params=2"])


# Formats


@pytest.fixture
def moved(baseline: Path) -> Path:
    """A baseline whose resnet18 has another stage 2, so that the network now differs from it."""
    wider = regression.current_facts(["resnet18:widths=64-160-256-512@64"]).popitem()[1]
    networks = regression.read_networks(baseline)
    regression.write_baseline(baseline, networks | {"resnet18@64": wider})
    return baseline


def test_json_is_valid_against_its_schema(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(moved, "--format", "json", "--max", "params=8M") == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, SCHEMA)
    assert document["first_ops"][0]["path"] == "layer2.0.conv1"
    assert document["over_budget"] == [
        {"network": "resnet18@64", "quantity": "params", "budget": 8_000_000, "figure": 11_689_512}
    ]
    assert checked(moved, "--format", "json", "densenet121@64") == 0
    agreed = json.loads(capsys.readouterr().out)
    jsonschema.validate(agreed, SCHEMA)
    assert agreed["passed"] is True


def test_text_tells_old_new_difference_and_share_by_stage(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: two blocks of 160 instead of 128 channels."""
    assert checked(moved) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"1 of 2 networks differs from {moved}.\n")
    row = next(line for line in out.splitlines() if re.search(r"stage2 +params", line))
    old = 64 * 160 * 9 + 160 * 160 * 9 * 3 + 64 * 160 + 5 * 2 * 160
    assert row.split()[3:] == [f"{old:,}", "525,568", f"{525_568 - old:+,}", f"{100 * (525_568 - old) / old:+.2f}"]
    assert "resnet18@64: the first op that differs is layer2.0.conv1 (stage2), now Conv2d(" in out


def test_markdown_is_a_comment_that_folds_and_is_bounded(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(moved, "--format", "markdown") == 1
    out = capsys.readouterr().out
    assert out.startswith(f"### ❌ 1 of 2 networks differs from `{moved}`\n")
    assert "`layer2.0.conv1` (stage2)" in out
    assert out.count("<details") == out.count("</details>") == 1
    rows = [line for line in out.splitlines() if line.startswith("| `resnet18@64` |")]
    assert len({line.count("|") for line in rows}) == 1
    assert len(rows) > 5
    assert checked(moved, "densenet121@64", "--format", "markdown") == 0
    assert capsys.readouterr().out == f"### ✅ 1 network agrees with `{moved}`\n"


def test_github_annotations_point_at_the_line_of_the_fact(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: GitHub's workflow command syntax, and the file's own line."""
    assert checked(moved, "--format", "github", "--max", "macs=150M") == 1
    first, over, *_ = capsys.readouterr().out.splitlines()
    match = re.fullmatch(r"::error file=([^,:]+),line=(\d+),title=([^,:]+)::(.+)", first)
    assert match
    file, line, title, message = match.groups()
    assert (file, title) == (str(moved), "resnet18@64 moved")
    lines = moved.read_text().splitlines()
    assert lines[int(line) - 1].strip() == '"output_shape": "160x8x8",'
    assert "%0A" in message
    assert "%25" in message
    assert not re.search(r"%(?!25|0A)", message)
    assert "title=densenet121@64 is over budget" in over
    network = lines.index('  "densenet121@64": {')
    assert f"line={network + 1 + 3}," in over, "macs stand third below the network's line"


def test_output_goes_to_a_file(moved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(moved, "--format", "markdown", "--output", str(tmp_path / "comment.md")) == 1
    assert capsys.readouterr().out == ""
    assert (tmp_path / "comment.md").read_text(encoding="utf-8").startswith("### ❌")


# Adding, removing, updating


def test_a_new_file_gets_what_is_added_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "baseline.json"
    assert checked(path, "--add", "resnet18@32x64", "--add", "resnet18@64") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: 2 networks, 2 changed.",
        "added resnet18@32x64",
        "added resnet18@64",
    ]
    jsonschema.validate(json.loads(path.read_text()), BASELINE_SCHEMA)
    assert checked(path, "--add", "nonesuch") == 2
    assert not (tmp_path / "other").exists()
    assert checked(tmp_path / "other" / "baseline.json", "--add", "nonesuch") == 2
    assert not (tmp_path / "other").exists()


def test_a_network_that_nothing_describes_any_more_can_be_removed(baseline: Path) -> None:
    document = json.loads(baseline.read_text())
    document["networks"]["resnet51@224"] = document["networks"]["resnet18@64"]
    baseline.write_text(json.dumps(document))
    assert checked(baseline, "--update") == 2
    assert checked(baseline, "--remove", "resnet51@224") == 0
    assert checked(baseline) == 0
    assert checked(baseline, "--remove", "resnet50") == 2


def test_a_toml_file_is_guarded_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = tmp_path / "net.toml"
    net.write_text('family = "resnet"\nblock = "basic"\ndepths = [1, 1]\n')
    assert checked(tmp_path / "b.json", "--add", "net.toml@32") == 0
    assert list(regression.read_networks(tmp_path / "b.json")) == ["net.toml@32"]
    assert checked(tmp_path / "b.json") == 0
    net.write_text('family = "resnet"\nblock = "basic"\ndepths = [1, 2]\n')
    assert checked(tmp_path / "b.json") == 1


# Many writers, killed writers, damaged files


@pytest.mark.slow
def test_writers_at_once_lose_nothing(baseline: Path) -> None:
    """Real: six processes, each adding a network of its own, and two that update."""
    names = [f"resnet18@{side}" for side in (32, 40, 48, 56, 72, 80)]
    ways = [["--add", name] for name in names] + [["--update"]] * 2
    runs = [
        subprocess.Popen([*COMMAND, str(baseline), *way], env=ENVIRONMENT, stdout=subprocess.DEVNULL) for way in ways
    ]
    assert [run.wait(120) for run in runs] == [0] * len(ways)
    assert set(regression.read_networks(baseline)) == {*names, *FACTS}
    assert checked(baseline) == 0
    assert [path.name for path in baseline.parent.iterdir()] == ["baseline.json"]


KILLED = """
import os, signal, sys
from analyzer.cli import main

os.replace = os.rename = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
main(["check", "--baseline", sys.argv[1], "--add", "resnet18@32"])
"""


def test_a_killed_writer_leaves_the_old_file_and_no_lock(baseline: Path) -> None:
    before = baseline.read_text()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(baseline)], env=ENVIRONMENT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert baseline.read_text() == before
    assert checked(baseline, "--add", "resnet18@32") == 0, "the dead run's lock is gone"


READ_ONLY = """
import os, sys
from analyzer.cli import main

main(["check", "--baseline", sys.argv[1], "--add", "resnet18@32"])  # everything is imported while it may be read
main(["check", "--baseline", sys.argv[1]])
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(main(["check", "--baseline", sys.argv[2], "--add", "resnet18@32"]))
"""


def test_a_read_only_folder_is_one_sentence_and_changes_nothing(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "baseline.json"
        regression.write_baseline(file, dict(FACTS))
        before = file.read_text()
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, str(tmp_path / "mine.json"), str(file)]
        ran = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        Path(folder).chmod(0o755)
        assert file.read_text() == before
    assert ran.returncode == 2
    assert ran.stderr == f"output {file}: cannot be written (Permission denied); nothing was changed.\n"


@pytest.mark.parametrize("act", [[], ["--update"], ["--add", "resnet18@32"], ["--remove", "resnet18@64"]])
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda text: text[: len(text) // 2], "is no JSON ("),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "schema 2 is newer than this program's 1; update"),
        (
            lambda text: text.replace('  "resnet18@64"', '<<<<<<< HEAD\n  "resnet18@64"'),
            "has a merge's conflict marker in line ",
        ),
        (
            lambda text: text.replace(' "networks": {\n', ' "networks": {\n  "resnet18@64": {},\n'),
            "has 'resnet18@64' twice",
        ),
    ],
    ids=["truncated", "newer", "conflict", "twice"],
)
def test_a_damaged_file_is_one_sentence_and_never_overwritten(
    baseline: Path, capsys: pytest.CaptureFixture[str], act: list[str], damage: Any, sentence: str
) -> None:
    text = damage(baseline.read_text())
    baseline.write_text(text)
    assert checked(baseline, *act) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert sentence in captured.err
    assert baseline.read_text() == text


@needs_git
def test_two_branches_that_add_networks_merge(tmp_path: Path) -> None:
    """Real: git merges a baseline to which each branch added another network."""

    def git(*arguments: str) -> None:
        own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *own, *arguments], cwd=tmp_path, check=True, capture_output=True)

    path = tmp_path / "baseline.json"
    git("init", "-b", "trunk")
    regression.write_baseline(path, dict(FACTS) | regression.current_facts(["resnet50@32", "vgg11@32"]))
    git("add", ".")
    git("commit", "-m", "start")
    for branch, network in (("one", "plain18@32"), ("two", "alexnet@64")):
        git("checkout", "-b", branch, "trunk")
        assert checked(path, "--add", network) == 0
        git("commit", "-am", branch)
    git("merge", "one")
    assert set(regression.read_networks(path)) == {*FACTS, "resnet50@32", "vgg11@32", "plain18@32", "alexnet@64"}
    assert checked(path) == 0


def test_every_budget_is_a_figure_of_the_analysis() -> None:
    """Closed form: resnet18 at 64×64."""
    analysis = regression.analysis_of("resnet18@64")
    figures = {name: figure(analysis) for name, figure in BUDGETS.items()}
    totals = analysis.to_dict()["totals"]
    assert {name: value for name, value in figures.items() if name in totals} == {
        name: totals[name] for name in figures if name in totals
    }
    assert figures["peak_activation_bytes"] == analysis.memory().peak_bytes
