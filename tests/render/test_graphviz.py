"""Drawings laid out: geometry under both renderers, determinism, renderers that are absent, slow or crash, the verb."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations, groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.registry import variant_names
from analyzer.render.diagram import graphviz as layout
from analyzer.render.diagram.dot import LEVELS, box_diagram, dot_source
from analyzer.render.diagram.graphviz import digest, dot_digest, layout_safely, render, run_graphviz
from tests.conftest import loaded_pygraphviz
from tests.support.names import HEADLINE

DRAWINGS = [(variant, level) for variant in variant_names() for level in ("network", "stage", "block")]
DRAWINGS += [(variant, "op") for variant in ("resnet50", "densenet121", "resnet110_cifar")]
FEWER = [(variant, level) for variant in HEADLINE for level in ("network", "stage", "block")]
FEWER += [("resnet20_cifar", "network"), ("seresnet50", "block"), ("vgg16", "block"), ("resnet50d", "stage")]
FEWER += [("resnet50", "op"), ("densenet121", "op")]
SLACK = 0.75
"""Points; Graphviz rounds coordinates."""


# ---- geometry, read from the laid-out output


class Rectangle(NamedTuple):
    """A place on the drawing, in points, upwards from the lower left."""

    left: float
    low: float
    right: float
    high: float

    def overlaps(self, other: "Rectangle") -> bool:
        return (
            min(self.right, other.right) - max(self.left, other.left) > SLACK
            and min(self.high, other.high) - max(self.low, other.low) > SLACK
        )

    def holds(self, other: "Rectangle") -> bool:
        return (
            other.left >= self.left - SLACK
            and other.right <= self.right + SLACK
            and other.low >= self.low - SLACK
            and other.high <= self.high + SLACK
        )


class Piece(NamedTuple):
    """A node or frame: where it is, where its lines of text are, and which nodes are in it."""

    name: str
    place: Rectangle
    lines: list[Rectangle]
    nodes: list[int]


def pieces(laid: dict[str, Any]) -> Iterator[Piece]:
    for item in laid["objects"]:
        if "bb" in item:
            yield Piece(
                item["name"], Rectangle(*map(float, item["bb"].split(","))), list(lines_of(item)), item["nodes"]
            )
        elif "pos" in item:
            x, y = map(float, item["pos"].split(","))
            half_width, half_height = float(item["width"]) * 36, float(item["height"]) * 36
            place = Rectangle(x - half_width, y - half_height, x + half_width, y + half_height)
            yield Piece(item["name"], place, list(lines_of(item)), [])


def lines_of(item: dict[str, Any]) -> Iterator[Rectangle]:
    """Each line of text, from a little below its baseline to the height of its capitals."""
    size = 0.0
    for step in item.get("_ldraw_", []):
        if step["op"] == "F":
            size = step["size"]
        elif step["op"] == "T" and step["text"].strip():
            x, y = step["pt"]
            left = {"l": x, "c": x - step["width"] / 2, "r": x - step["width"]}[step["align"]]
            yield Rectangle(left, y - 0.1 * size, left + step["width"], y + 0.7 * size)


def check_geometry(variant: str, level: str) -> None:
    check_places(json.loads(run_graphviz(dot_source(analyze(variant), level), "json")))


def check_places(laid: dict[str, Any]) -> None:
    """No box overlaps another, no text leaves its box, every box is in its frame and in no other."""
    everything = list(pieces(laid))
    nodes = [piece for piece in everything if not piece.nodes]
    frames = [piece for piece in everything if piece.nodes]
    for piece in everything:
        assert all(piece.place.holds(line) for line in piece.lines), f"text of {piece.name} leaves its box"
        assert not any(a.overlaps(b) for a, b in combinations(piece.lines, 2)), f"lines of {piece.name} overlap"
    assert not [(a.name, b.name) for a, b in combinations(nodes, 2) if a.place.overlaps(b.place)]
    assert not [(a.name, b.name) for a, b in combinations(frames, 2) if a.place.overlaps(b.place)]
    by_id = {item["_gvid"]: item["name"] for item in laid["objects"]}
    for frame in frames:
        inside = {by_id[number] for number in frame.nodes}
        assert all(frame.place.holds(node.place) for node in nodes if node.name in inside)
        assert not [node.name for node in nodes if node.name not in inside and node.place.overlaps(frame.place)]
        assert not [node.name for node in nodes for line in frame.lines if node.place.overlaps(line)]


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "level"), DRAWINGS)
def test_nothing_overlaps_or_is_clipped(variant: str, level: str) -> None:
    """Measured: places and text widths as Graphviz reports them, with pygraphviz."""
    check_geometry(variant, level)


@pytest.mark.parametrize(("variant", "level"), FEWER)
@pytest.mark.usefixtures("dot_program")
def test_nothing_overlaps_or_is_clipped_with_the_dot_program(variant: str, level: str) -> None:
    """Measured: places and text widths as Graphviz reports them, with whatever version of dot is installed."""
    check_geometry(variant, level)


@pytest.mark.parametrize("variant", ["resnet50", "densenet121"])
def test_network_level_flows_from_left_to_right_on_one_line(variant: str) -> None:
    """The boxes that follow each other do so from left to right, their middles on one height."""
    laid = json.loads(run_graphviz(dot_source(analyze(variant), "network"), "json"))
    x, y = zip(*(tuple(map(float, item["pos"].split(","))) for item in laid["objects"] if "pos" in item), strict=True)
    assert all(left < right for left, right in pairwise(x))
    assert max(y) - min(y) < SLACK


@pytest.mark.parametrize(("variant", "level"), [("resnet34", "block"), ("densenet121", "block"), ("resnet50", "op")])
@pytest.mark.parametrize("renderer", ["pygraphviz", "dot"])
def test_grid_reads_like_lines_of_text(variant: str, level: str, renderer: str, request: pytest.FixtureRequest) -> None:
    """Frames of a row follow each other from left to right, each row lies below the one before, none is too wide."""
    if renderer == "dot":
        request.getfixturevalue("dot_program")
    analysis = analyze(variant)
    places = {
        piece.name: piece.place for piece in pieces(json.loads(run_graphviz(dot_source(analysis, level), "json")))
    }
    rows = [
        [places[f"cluster_{frame.name}"] for frame in row]
        for _, row in groupby(box_diagram(analysis, level).frames, lambda frame: frame.cell[0])
    ]
    assert len(rows) > 1
    assert all(left.right < right.left for row in rows for left, right in pairwise(row))
    assert all(max(low.high for low in below) < min(high.low for high in above) for above, below in pairwise(rows))
    assert max(row[-1].right - row[0].left for row in rows) < 1300


@pytest.mark.parametrize("renderer", ["pygraphviz", "dot"])
def test_boxes_of_a_chain_are_evenly_spaced(renderer: str, request: pytest.FixtureRequest) -> None:
    """The gaps between the boxes of a stem, next to far longer blocks, are all the same."""
    if renderer == "dot":
        request.getfixturevalue("dot_program")
    laid = json.loads(run_graphviz(dot_source(analyze("seresnet50"), "block"), "json"))
    places = {piece.name: piece.place for piece in pieces(laid)}
    chain = [places[name] for name in ("conv1", "bn1", "relu", "maxpool")]
    gaps = [above.low - below.high for above, below in pairwise(chain)]
    assert max(gaps) - min(gaps) < SLACK


# ---- bytes


@pytest.mark.parametrize("level", LEVELS)
def test_same_network_gives_the_same_svg(level: str) -> None:
    first, second = (render(dot_source(analyze("densenet121"), level), "svg") for _ in range(2))
    assert first == second
    assert b"Generated by" not in first


def test_svg_carries_the_digest_of_its_dot_text() -> None:
    dot = dot_source(analyze("resnet18"), "network")
    assert dot_digest(render(dot, "svg").decode()) == digest(dot)
    assert dot_digest("<svg/>") is None
    assert digest(dot) != digest(dot_source(analyze("resnet18", 225), "network"))


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_formats_are_what_they_say(form: str, start: bytes) -> None:
    if form == "pdf":
        loaded_pygraphviz()  # graphviz-pure draws none
    assert render(dot_source(analyze("resnet18"), "network"), form).startswith(start)


@pytest.mark.usefixtures("dot_program")
def test_the_dot_program_draws_where_pygraphviz_is_absent() -> None:
    assert b"layer1.0" in render(dot_source(analyze("resnet18"), "network"), "svg")


@pytest.mark.usefixtures("without_pygraphviz")
def test_graphviz_pure_draws_where_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reference output: it stands beside the interpreter of an environment that is not activated."""
    monkeypatch.setenv("PATH", "")
    drawn = render(dot_source(analyze("resnet18"), "network"), "svg")
    assert b"layer1.0" in drawn
    assert dot_digest(drawn.decode()) == digest(dot_source(analyze("resnet18"), "network"))
    with pytest.raises(Unavailable, match=r"Graphviz could not draw this network: .*pdf"):
        render("digraph {}", "pdf")


# ---- what can go wrong


@pytest.mark.usefixtures("without_renderer")
def test_without_a_renderer_one_sentence_says_what_to_install() -> None:
    with pytest.raises(
        Unavailable, match=r"install pygraphviz .* or put `dot` on the PATH; `--format dot` needs neither"
    ):
        render("digraph {}", "svg")


@pytest.mark.usefixtures("without_renderer")
def test_a_pygraphviz_that_lacks_a_system_library_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Measured: so it fails on a bare Debian 13, whose image has no GLib."""
    lacking = "raise ImportError('libgobject-2.0.so.0: cannot open shared object file: No such file or directory')"
    (tmp_path / "pygraphviz.py").write_text(lacking, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "pygraphviz")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["report", "resnet18"]) == 0
    assert (
        capfd.readouterr().err.count(
            "The diagrams are DOT text: drawing needs Graphviz, and pygraphviz cannot be loaded here "
            "(libgobject-2.0.so.0: cannot open shared object file: No such file or directory): install the "
            "system's (on Debian `apt install graphviz`), or `pip install graphviz-pure`; `--format dot` needs neither."
        )
        == 1
    )


@pytest.mark.parametrize("draw", [render, layout_safely])
def test_unknown_format_is_refused(draw: Any) -> None:
    with pytest.raises(InvalidInput, match=r"format 'gif' is unknown; drawings come as svg, png, pdf\."):
        draw("digraph {}", "gif")


@pytest.mark.parametrize("draw", [render, layout_safely])
def test_broken_dot_text_is_one_sentence(draw: Any) -> None:
    with pytest.raises(Unavailable, match="Graphviz could not draw this network: ") as caught:
        draw("digraph { a -> ", "svg")
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("could not draw") == 1


@pytest.mark.usefixtures("dot_program")
def test_broken_dot_text_is_one_sentence_with_the_dot_program() -> None:
    with pytest.raises(Unavailable, match=r"Graphviz could not draw this network: .*syntax error"):
        render("digraph { a -> ", "svg")


def test_a_child_process_draws_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dot = dot_source(analyze("resnet18"), "network")
    monkeypatch.chdir(tmp_path)
    assert layout_safely(dot, "svg") == render(dot, "svg")


def test_a_layout_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(Unavailable, match=r"more than 0\.01 seconds and was stopped; take a coarser level\."):
        layout_safely(dot_source(analyze("resnet18"), "network"), "svg", timeout=0.01)


def test_a_renderer_that_crashes_does_not_take_the_server_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\ncat > /dev/null\nkill -SEGV $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(Unavailable, match=rf"renderer crashed \(signal {int(signal.SIGSEGV)}\)"):
        layout_safely("digraph {}", "svg")


def test_only_fontconfigs_remarks_are_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with layout.fontconfig_muted():
        os.write(2, b'Fontconfig warning: "x.conf", line 6: unknown element\nWarning: something real\n')
    assert capfd.readouterr().err == "Warning: something real\n"


# ---- the verb and the Python interface


def test_verb_writes_a_file_named_after_network_and_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diagram", "resnet50:depths=1-1", "--level", "block"]) == 0
    name = "resnet50-depths-1-1-block.svg"
    assert (tmp_path / name).read_text(encoding="utf-8").startswith("<?xml")
    assert capfd.readouterr() == ("", f"wrote {name}\n")


@pytest.mark.usefixtures("without_renderer")
def test_dot_needs_no_renderer(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", "resnet18", "--format", "dot", "--output", "-"]) == 0
    assert capfd.readouterr().out == dot_source(analyze("resnet18"), "network")
    assert main(["diagram", "resnet18"]) == 2
    assert "install pygraphviz" in capfd.readouterr().err


def test_verb_takes_an_input_size(capfd: pytest.CaptureFixture[str]) -> None:
    """Closed form: 320×256 pixels are 80×64 positions after the stem's two strides."""
    assert main(["diagram", "resnet18", "--format", "dot", "--output", "-", "--input-size", "320x256"]) == 0
    assert "64×80×64" in capfd.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_drawing_imports_nothing_heavy_and_says_nothing(tmp_path: Path, level: str) -> None:
    """Measured: the modules of a fresh process after the whole verb."""
    script = (
        "import sys; from analyzer.cli import main; "
        f"status = main(['diagram', 'densenet121', '--level', '{level}', '--output', {str(tmp_path / 'x.svg')!r}]); "
        "heavy = {'torch', 'torchvision', 'pandas', 'numpy', 'streamlit'} & set(sys.modules); "
        "print(status, sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"
    assert done.stderr == f"wrote {tmp_path / 'x.svg'}\n"


def test_python_interface_draws_shows_and_saves(tmp_path: Path) -> None:
    drawing = analyzer.diagram("resnet18", level="block")
    assert drawing.dot == dot_source(analyze("resnet18"), "block")
    assert drawing.svg == render(drawing.dot, "svg").decode() == drawing._repr_svg_()
    assert drawing._repr_mimebundle_()["image/svg+xml"] == drawing.svg
    for suffix, start in {".svg": b"<?xml", ".png": b"\x89PNG", ".dot": b"// ResNet-18"}.items():
        drawing.save(tmp_path / f"x{suffix}")
        assert (tmp_path / f"x{suffix}").read_bytes().startswith(start)
    with pytest.raises(InvalidInput, match=r"file 'x\.gif' must end in \.svg, \.png, \.pdf, \.dot, \.mmd or \.html\."):
        drawing.save("x.gif")
    with pytest.raises(InvalidInput, match="level 'ops' is unknown"):
        analyzer.diagram("resnet18", level="ops")


def test_python_interface_saves_a_pdf(tmp_path: Path) -> None:
    loaded_pygraphviz()
    analyzer.diagram("resnet18").save(tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")
