"""The command line's manners: streams, exit status, one sentence a mistake. Oracle: the interface's rules."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

import analyzer
from analyzer.cli import VERBS, main
from analyzer.cli.reconcile import reconcile_verb
from analyzer.literature.reconcile import KINDS

COMMAND = [sys.executable, "-m", "analyzer"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every command line in an empty folder of its own, where processes still find the package."""
    monkeypatch.setenv("PYTHONPATH", str(Path(analyzer.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)


def verb_names() -> list[str]:
    return [verb for verbs in VERBS.values() for verb in verbs]


MISTAKES: list[tuple[list[str], str]] = [
    (["bogus"], "No such command 'bogus'"),
    (["resnet50"], "No such command 'resnet50'"),
    (["--bogus"], "No such option"),
    (["list", "--bogus"], "No such option"),
    (["list", "extra"], "unexpected extra argument"),
    (["list", "--family"], "requires an argument"),
    (
        ["list", "--family", "transformer"],
        "'transformer' is unknown; families are resnet, densenet, regnet, vgg, alexnet.",
    ),
    (["list", "--format", "xml"], "'xml' is not one of"),
    (["report"], "VARIANT is missing"),
    (["report", "resnet51"], "variant 'resnet51' is unknown; did you mean resnet"),
    (["report", "resnet50", "resnet51"], "variant 'resnet51' is unknown"),
    (["report", "resnet50:depths=0"], "resnet: depths='0' must be"),
    (["report", "resnet50:"], "has an empty field list"),
    (["report", "-x"], "No such option"),
    (["report", "resnet50", "--format", "xml"], "'xml' is not one of"),
    (["report", "resnet50", "--check"], "takes no VARIANT"),
    (["report", "resnet50", "--input-size", "0"], "input size 0: must be"),
    (["report", "resnet50", "--input-size", "-1"], "--input-size '-1' must be a side (224) or HEIGHTxWIDTH"),
    (["report", "resnet50", "--input-size", "224x"], "--input-size '224x' must be"),
    (["report", "resnet50", "--input-size", "224x224x3"], "--input-size '224x224x3' must be"),
    (["report", "resnet50", "--input-size", "224.0"], "--input-size '224.0' must be"),
    (["report", "resnet50", "--input-size", "٢٢٤"], "--input-size '٢٢٤' must be"),
    (["report", "resnet50", "--input-size", "224,,64"], "--input-size '' must be"),
    (["report", "resnet50", "--input-size", "224", "--input-size", "0"], "input size 0: must be"),
    (["report", "resnet50", "--format", "csv", "--batch-size", "8"], "take markdown or json"),
    (["report", "resnet50", "--input-size", "16385"], "whole numbers of pixels from 1 to 16384"),
    (["report", "resnet50", "--input-size", "9" * 5000], "…' must be"),
    (["report", "densenet121", "--input-size", "8"], "leaves less than 1×1"),
    (["report", "resnet50\n\x1b[31m"], "variant 'resnet50 ?[31m' is unknown"),
    (["report", "x" * 70_000], "at most 65536 are allowed"),
    (["diagram"], "VARIANT is missing"),
    (["diagram", "resnet51"], "variant 'resnet51' is unknown"),
    (["diagram", "resnet50", "--level", "atom"], "'atom' is not one of"),
    (["diagram", "resnet50", "resnet18"], "unexpected extra argument"),
    (["verify", "resnet51"], "variant 'resnet51' is unknown"),
    (["check", "extra"], "baseline reports/baseline.json: does not exist"),
    (["check", "--max", "params=26M", "--update"], "--max does not go with --update"),
    (["check", "--module", "nonesuch", "--live"], "--live does not go with --update, --add, --remove or --module"),
    (["check", "--baseline", "missing.json"], "missing.json"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(case[0])[:60] for case in MISTAKES])
def test_a_mistake_is_one_sentence_on_stderr_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert err[-2] in ".?)"
    assert len(err) < 400
    assert "\x1b" not in err
    assert not list(Path.cwd().iterdir()), "something was written"


def test_a_mistake_in_a_real_process_shows_no_traceback() -> None:
    told = subprocess.run([*COMMAND, "report", "resnet50:depths=0"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "resnet: depths='0' must be 1 to 16 whole numbers from 1 to 10000, joined by -.\n"


def test_no_verb_is_told_how_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: analyzer")


def test_help_shows_the_verbs_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    groups = {head: text for head, _, text in (part.partition(":\n") for part in out.split("\n\n"))}
    assert [group for group in groups if group in VERBS] == list(VERBS)
    for group, verbs in VERBS.items():
        told = re.findall(r"^  (\S+)  +(\S.*)$", groups[group], re.MULTILINE)
        assert [verb for verb, _ in told] == list(verbs)


@pytest.mark.parametrize("verb", verb_names())
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: analyzer {verb} ")
    assert err == ""


def test_reconcile_knows_every_kind_of_quantity() -> None:
    quantity = next(param for param in reconcile_verb.params if param.name == "quantity")
    assert isinstance(quantity.type, click.Choice)
    assert tuple(quantity.type.choices) == KINDS


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"analyzer, version {analyzer.__version__}\n"


def test_data_goes_to_stdout_and_talk_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert len(json.loads(out)["variants"]) >= 15
    assert main(["list", "--format", "json", "--output", "list.json"]) == 0
    told, talk = capsys.readouterr()
    assert (told, talk) == ("", "wrote list.json\n")
    assert Path("list.json").read_text(encoding="utf-8") == out


def test_an_option_may_stand_before_or_after_the_variant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "resnet18", "--format", "json", "--output", "-"]) == 0
    after = capsys.readouterr().out
    assert main(["report", "--output", "-", "--format", "json", "resnet18"]) == 0
    assert capsys.readouterr().out == after


@pytest.mark.parametrize("size", ["33x65", "224"])
def test_an_input_size_is_height_by_width(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "resnet18", "--format", "json", "--output", "-", "--input-size", size]) == 0
    height, _, width = size.partition("x")
    assert json.loads(capsys.readouterr().out)["input_shape"] == [3, int(height), int(width or height)]


LONG = [
    ["list", "--format", "json"],
    ["list"],
    ["--help"],
    ["report", "resnet152", "--format", "json", "--output", "-"],
]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", LONG, ids=" ".join)
def test_a_reader_that_leaves_is_no_error(arguments: list[str]) -> None:
    """What `| head -1` does: the pipe's other end is closed before everything is written."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    talk = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), talk) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        told = subprocess.run([*COMMAND, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (told.returncode, told.stderr) == (2, "standard output: No space left on device.\n")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252", "utf-8"])
def test_a_pipe_gets_utf_8_whatever_the_system_speaks(encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    arguments = ["report", "resnet18", "--output", "-"]
    told = subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, check=True)
    assert "3×224×224" in told.stdout.decode("utf-8")


def test_an_interruption_is_told_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("analyzer.cli.list"), "analyze", interrupted)
    assert main(["list"]) == 130
    out, err = capsys.readouterr()
    assert (out, err.strip()) == ("", "Interrupted; nothing was left half-written.")
