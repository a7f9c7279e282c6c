"""Garbage in: exit status 2 and one sentence, never a traceback, a hang or gigabytes. Oracle: the interface's rule."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.families.densenet import DenseNetSpec
from analyzer.families.network import MAX_NESTING, network
from analyzer.families.registry import FAMILIES
from analyzer.families.resnet import ResNetSpec
from analyzer.families.spec import Spec, rules
from analyzer.families.vgg import VGGSpec
from analyzer.graph.graph import INPUT, Graph, Node, fingerprint, sequence
from analyzer.graph.ops import Conv2d, GlobalAvgPool2d, ReLU
from analyzer.render.report.report import markdown_report

RESNET = 'family = "resnet"\nblock = "basic"\n'
FILES: dict[str, bytes] = {
    "empty": b"",
    "only spaces": b" \n\t\n",
    "an image": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)),
    "NULs": b"\0" * 4096,
    "half characters": "family = '\ud800'".encode("utf-8", "surrogatepass"),
    "a byte order mark alone": b"\xff\xfe",
    "JSON": b'{"family": "resnet"}',
    "a table": b"[family]\nname = 'resnet'",
    "arrays 30,000 deep": b"depths = " + b"[" * 30_000 + b"]" * 30_000,
    "tables 20,000 deep": b"family = 'resnet'\na = " + b"{b = " * 10_000 + b"1" + b"}" * 10_000,
    "a field 30,000 deep": RESNET.encode() + b"depths" + b".a" * 30_000 + b" = 1",
    "a name of 10,000 characters": b"variant = '" + b"x" * 10_000 + b"'",
    "a field of 10,000 characters": RESNET.encode() + b"x" * 10_000 + b" = 1",
    "a title of 10,000 characters": b"variant = 'resnet18'\ntitle = '" + b"x" * 10_000 + b"'",
    "a number of 60,000 digits": RESNET.encode() + b"depths = " + b"9" * 60_000,
    "a number of 4,000 digits": RESNET.encode() + b"depths = [" + b"9" * 4_000 + b"]",
    "a large number in hexadecimal": RESNET.encode() + b"depths = [0x" + b"f" * 5_000 + b"]",
    "no number": RESNET.encode() + b"depths = [nan]",
    "infinity": b"family = 'densenet'\ndepths = [6]\ncompression = -inf",
    "a negative number": RESNET.encode() + b"depths = [-3]",
    "a decimal": RESNET.encode() + b"depths = [3.0]",
    "a truth": RESNET.encode() + b"depths = [true]",
    "a date": RESNET.encode() + b"depths = 2015-12-10",
    "nested lists": RESNET.encode() + b"depths = [[3, 4], [6, 3]]",
    "a table for a number": RESNET.encode() + b"depths = {a = 1}",
    "letters of another script": RESNET.encode() + 'depths = "３-４"'.encode(),
    "two families": b"family = 'resnet'\nvariant = 'resnet50'",
    "a family that is no text": b"family = 7",
    "the same field twice": RESNET.encode() + b"depths = [3]\nlayers = [3]",
    "30,000 stages": RESNET.encode() + b"depths = [" + b"1," * 30_000 + b"]",
    "10 MB": b"# " + b"x" * 10_000_000,
}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on standard error with which a command is refused with exit status 2."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert len(err) < 500
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("case", FILES)
def test_a_file_of_garbage_is_refused_in_one_sentence_and_little_memory(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under 16 MiB, whatever the size of the file."""
    path = tmp_path / "net.toml"
    path.write_bytes(FILES[case])
    tracemalloc.start()
    told = refused(capsys, "report", str(path), "--format", "json", "--output", "-")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told[-2] in ".?"
    assert peak < 16 * 2**20


def fifo(path: Path) -> None:
    os.mkfifo(path)


PLACES: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a pipe that nobody writes into": fifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path.name),
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("case", PLACES)
def test_a_path_that_is_no_file_is_refused_in_one_sentence(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PLACES[case](tmp_path / "net.toml")
    assert refused(capsys, "report", str(tmp_path / "net.toml"), "--output", "-").startswith(str(tmp_path))


@pytest.mark.parametrize("name", ["x" * 10_000 + ".toml", "two\nlines.toml", "a\0b.toml", "\ud800.toml", ".toml", "~"])
def test_a_hostile_path_is_refused_in_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "explain", name)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_random_bytes_are_refused(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.toml"
    path.write_bytes(content)
    refused(capsys, "report", str(path), "--spec", "--output", "-")


VALUES = ["1", "-1", "[1, 2]", "[]", '""', "nan", "1e400", "true", '"none"', '"B"', "[[1]]", "{a = 1}", '"3-4-6-3"']
LINES = st.builds(
    "{} = {}".format,
    st.sampled_from([word for family in FAMILIES.values() for word in (*rules(family.spec), *family.words, "title")]),
    st.sampled_from(VALUES),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.sampled_from([*(f'family = "{name}"' for name in FAMILIES), 'variant = "resnet18"']),
    lines=st.lists(LINES, max_size=4),
)
def test_lines_that_look_like_a_network_are_one_or_are_refused(
    first: str, lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.toml"
    path.write_text("\n".join([first, *lines]))
    status = main(["report", str(path), "--spec", "--output", "-"])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "") if out else (status == 2 and err.count("\n") == 1)


@pytest.mark.parametrize("verb", ["report", "explain", "diagram"])
@pytest.mark.parametrize("text", ["resnet50:depths=" + "9" * 5000, "\x1b[31m", "../../etc/passwd", "--", "é" * 1000])
def test_a_hostile_expression_is_refused_by_every_verb(
    verb: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, verb, "--", text)


def nested(depth: int) -> Graph:
    graph = Graph("leaf", tuple(sequence(("conv", Conv2d(3, 3, 1)))))
    for _ in range(depth - 1):
        graph = Graph("shell", (Node("in", graph, (INPUT,)),))
    return graph


def test_a_graph_may_be_nested_as_deep_as_the_bound_and_no_deeper() -> None:
    assert analyze(nested(MAX_NESTING), 8).params == 9
    assert markdown_report(analyze(nested(MAX_NESTING), 8), "by hand", None)
    for depth in (MAX_NESTING + 1, 3_000, 20_000):
        with pytest.raises(InvalidInput, match=rf"^shell: graphs are nested over {MAX_NESTING} deep, the bound\.$"):
            network(nested(depth))


def labelled(name: str, kind: str = "mine", stage: str = "") -> Graph:
    return Graph(kind, (Node(name, ReLU(), (INPUT,), stage), Node("last", Conv2d(3, 3, 1), (name,), "end")))


def test_marks_in_names_cannot_make_two_graphs_one() -> None:
    """A fingerprint is taken of a text divided by bars, commas and line ends; names that hold them stay names."""
    two = Graph("mine", tuple(sequence(("a", ReLU()), ("b", ReLU()))))
    others = [
        Graph("mine", tuple(sequence(("a", ReLU()), stage="\nb|ReLU()|a|"))),
        labelled("a", stage="|x"),
        labelled("a|x"),
        labelled("a\\px"),
        labelled("a", kind="mine\na|ReLU()|input|"),
        Graph("mine", (Node("a,b", ReLU(), (INPUT,)), Node("last", Conv2d(3, 3, 1), ("a,b",), "end"))),
    ]
    prints = [fingerprint(graph) for graph in (two, *others)]
    assert len(set(prints)) == len(prints)


def test_a_block_without_a_convolution_is_reported() -> None:
    block = Graph("gate", tuple(sequence(("pool", GlobalAvgPool2d()), ("relu", ReLU()))))
    stage = Graph("stage", tuple(sequence(("0", block))))
    nodes = (*sequence(("conv", Conv2d(3, 7, 3)), stage="stem"), Node("body", stage, ("conv",), "stage1"))
    told = markdown_report(analyze(Graph("mine", nodes), 16), "by hand", None)
    assert "| stage 1 | gate 7 × 1 |" in told


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        (ResNetSpec, {"block": "basic", "depths": [2, 2], "widths": [8, 16]}),
        (DenseNetSpec, {"depths": [2, 2]}),
        (VGGSpec, {"config": [8, "M"]}),
    ],
)
def test_a_spec_takes_lists_for_its_lists(family: type[Spec], fields: dict[str, Any]) -> None:
    spec, plain = (
        family(**fields),
        family(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}),
    )
    assert spec == plain
    assert hash(spec) == hash(plain)
    assert analyze(spec).rows == analyze(plain).rows


def test_a_value_nested_too_deep_to_be_shown_is_told() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert shortened(deep) == "nested too deep to be shown"
