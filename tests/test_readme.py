"""The console and Python sessions of the README and the documents, run; and where their links lead.

Oracle: what the program prints now; a line `…` stands for any lines.
"""

import doctest
import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import analyzer
from analyzer.cli import main
from tests.conftest import loaded_pygraphviz

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
NEEDS_TORCH = {"verify", "equivalence", "latency"}
"""Verbs whose output tells of the machine, so that their sessions are shown and not compared; a prediction's is."""


def sessions() -> Iterator[tuple[str, str]]:
    """(command, what it prints) of every `$ analyzer …` in a console block."""
    texts = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for block in re.findall(r"^```console\n(.*?)^```$", texts, re.MULTILINE | re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = step.partition("\n")
            yield command, printed


COMPARED = [
    (command, printed)
    for command, printed in dict.fromkeys(sessions())
    if command.startswith("analyzer ") and (command.split()[1] not in NEEDS_TORCH or "--gpu" in command)
]


@pytest.mark.slow
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


@pytest.mark.live
@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_a_python_session_answers_as_shown(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded_pygraphviz()  # they save a PDF
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(ROOT / page), module_relative=False, encoding="utf-8")
    assert tried >= 6
    assert failed == 0
    assert (tmp_path / "resnet50.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.live
@pytest.mark.parametrize("name", analyzer.__all__)
def test_the_example_of_a_public_function_answers_as_shown(name: str) -> None:
    public = getattr(analyzer, name)
    examples = doctest.DocTestFinder(recurse=False).find(public, name, globs={})
    assert not inspect.isfunction(public) or (public.__doc__ and "Example:" in public.__doc__)
    assert all(doctest.DocTestRunner().run(example).failed == 0 for example in examples)


def test_the_packages_own_example_answers_as_shown() -> None:
    failed, tried = doctest.testmod(analyzer)
    assert tried == 3
    assert not failed


def test_sessions_of_several_verbs_are_compared() -> None:
    assert {command.split()[1] for command, _ in COMPARED} >= {"list", "report", "check"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Oracle: the files, and the headings as GitHub names them."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in headings(file), target


def headings(file: Path) -> set[str]:
    found = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}
