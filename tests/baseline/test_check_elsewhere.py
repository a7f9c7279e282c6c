"""`check` in other repositories: pytest, pre-commit, a GitHub step. Real: each is run in a scratch repository."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import analyzer as package
from analyzer.baseline import baseline as regression
from analyzer.cli import main
from tests.conftest import needs_git

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A shell in which this package is installed: `analyzer` is a command, and its entry points are found."""
    site, programs = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("bin")
    (programs / "analyzer").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m analyzer "$@"\n')
    (programs / "analyzer").chmod(0o755)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    folder = site / "resnet_analyzer_scratch-0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: resnet-analyzer-scratch\nVersion: 0\n")
    lines = [f"{name} = {target}" for name, target in declared["pytest11"].items()]
    (folder / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    return os.environ | {
        "PATH": f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{Path(package.__file__).parents[1]}{os.pathsep}{site}",
        "PYTEST_ADDOPTS": "",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b.c",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b.c",
    }


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another repository's folder, with a baseline of one network."""
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--add", "resnet18@64"]) == 0
    return tmp_path


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def spoil(scratch: Path) -> None:
    """Make stage 2 of the committed network another one."""
    path = scratch / "reports" / "baseline.json"
    text = path.read_text(encoding="utf-8")
    assert "525568" in text
    path.write_text(text.replace("525568", "525560"), encoding="utf-8")


def yaml_of(word: str) -> list[dict[str, object]]:
    """The YAML block of docs/ci.md that has a word in it, as a list."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    loaded = yaml.safe_load(next(block for block in blocks if word in block))
    return loaded if isinstance(loaded, list) else loaded["repos"]


TESTS = """
def test_named(architecture):
    architecture.assert_matches_baseline("resnet18", input_size=64)


def test_budget(architecture):
    architecture.assert_matches_baseline("resnet18", input_size=64, budgets={"params": "11.6M"})


def test_new(architecture):
    architecture.assert_matches_baseline("resnet34", input_size=64)
"""


def test_the_pytest_plugin_is_found_and_fails_the_test_whose_network_moved(
    scratch: Path, environment: dict[str, str]
) -> None:
    """The plugin is loaded by its entry point; torch and numpy are not imported for networks by name."""
    (scratch / "test_nets.py").write_text(
        TESTS + "\n\ndef test_light():\n    import sys\n    assert not {'torch', 'numpy'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:playwright"]
    first = run(environment, *command)
    assert first.returncode == 1, first.stdout + first.stderr
    assert "2 failed, 2 passed" in first.stdout
    assert "params 11,689,512 are over the budget of 11,600,000" in first.stdout
    assert "resnet34@64 is not in" in first.stdout
    updated = run(environment, *command, "--architecture-update", "-k", "not budget")
    assert updated.returncode == 0, updated.stdout + updated.stderr
    assert set(regression.read_networks(scratch / "reports" / "baseline.json")) == {"resnet18@64", "resnet34@64"}
    spoil(scratch)
    spoiled = run(environment, *command, "-k", "not budget")
    assert "1 failed, 2 passed" in spoiled.stdout
    assert re.search(r"resnet18@64 +stage2 +params +525,560 +525,568 +\+8", spoiled.stdout)


def test_the_plugin_takes_its_baseline_from_the_ini_file(scratch: Path, environment: dict[str, str]) -> None:
    (scratch / "reports" / "baseline.json").rename(scratch / "mine.json")
    (scratch / "pytest.ini").write_text("[pytest]\narchitecture_baseline = mine.json\n")
    (scratch / "test_nets.py").write_text(TESTS)
    ran = run(environment, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "named")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_git
def test_pre_commit_runs_the_hook_and_stops_a_commit(
    scratch: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """The hook's own definition, as a local hook of the system's language, so that nothing is downloaded."""
    (step,) = yaml_of("analyzer-check")
    hooks = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    wanted = step["hooks"]
    assert isinstance(wanted, list)
    local = [hooks[hook["id"]] | {"language": "system"} for hook in wanted]
    (scratch / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": local}]}))
    shell = environment | {"PRE_COMMIT_HOME": str(tmp_path / ".cache")}
    assert run(shell, "git", "init", "-q").returncode == 0
    assert run(shell, sys.executable, "-m", "pre_commit", "install").returncode == 0
    assert run(shell, "git", "add", "reports", ".pre-commit-config.yaml").returncode == 0
    passed = run(shell, "git", "commit", "-m", "true")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "Passed" in passed.stdout + passed.stderr
    spoil(scratch)
    assert run(shell, "git", "add", "reports").returncode == 0
    stopped = run(shell, "git", "commit", "-m", "false")
    assert stopped.returncode == 1
    assert "resnet18@64  stage2   params" in stopped.stdout + stopped.stderr


def test_every_hook_is_a_command_that_works(scratch: Path, environment: dict[str, str]) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {hook["id"] for hook in hooks} == {"analyzer-check", "analyzer-reports"}
    assert main(["report", "resnet18", "--input-size", "64"]) == 0
    assert main(["report", "--refresh"]) == 0
    for hook in hooks:
        ran = run(environment, *hook["entry"].split())
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_step_for_github_annotates_and_fails(scratch: Path, environment: dict[str, str]) -> None:
    """The guide's step, run by bash as GitHub runs it; its installation apart, which needs a network."""
    (step,) = yaml_of("Network figures")
    script = str(step["run"]).replace("pip install resnet-analyzer\n", "")
    assert script.startswith("analyzer check")
    passed = run(environment, "bash", "-e", "-o", "pipefail", "-c", script)
    assert (passed.returncode, passed.stderr) == (0, "")
    assert passed.stdout == "::notice file=reports/baseline.json::1 network agrees with reports/baseline.json.\n"
    spoil(scratch)
    failed = run(environment, "bash", "-e", "-o", "pipefail", "-c", script)
    assert failed.returncode == 1
    line = 1 + next(
        number
        for number, text in enumerate((scratch / "reports" / "baseline.json").read_text().splitlines())
        if "525560" in text
    )
    assert failed.stdout.startswith(f"::error file=reports/baseline.json,line={line},title=resnet18@64 moved::stage2 ")
