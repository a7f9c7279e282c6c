"""The README's console and Python sessions, run.

Oracle: what the program prints now; a line `…` stands for any lines.
"""

import doctest
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NEEDS_TORCH = {"verify", "equivalence", "latency"}
"""Verbs whose output tells of the machine, so that their sessions are shown and not compared; a prediction's is."""


def sessions() -> Iterator[tuple[str, str]]:
    """(command, what it prints) of every `$ analyzer …` in a console block."""
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = step.partition("\n")
            yield command, printed


COMPARED = [
    (command, printed)
    for command, printed in sessions()
    if command.startswith("analyzer ") and (command.split()[1] not in NEEDS_TORCH or "--gpu" in command)
]


@pytest.mark.parametrize(("command", "printed"), COMPARED, ids=[command for command, _ in COMPARED])
def test_a_session_prints_what_the_readme_shows(
    command: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "reports", tmp_path / "reports")
    monkeypatch.chdir(tmp_path)
    status = main(command.split()[1:])
    told = capsys.readouterr()
    pattern = re.escape(printed).replace("…\\\n", "(.*\n)*?")
    assert re.fullmatch(pattern, told.out + told.err), told.out[:2000] + told.err
    assert status == (2 if told.err and not told.out else 0)


def test_the_python_session_answers_as_the_readme_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert tried >= 6
    assert failed == 0
    assert (tmp_path / "resnet50.pdf").read_bytes().startswith(b"%PDF")


def test_sessions_of_several_verbs_are_compared() -> None:
    assert {command.split()[1] for command, _ in COMPARED} >= {"list", "report", "check"}
