"""The papers' figures from our own Graphs, and the gallery. Oracles: the papers' words and numbers, and geometry."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from analyzer.cli import main
from analyzer.errors import InvalidInput
from analyzer.render.diagram.dot import dot_text
from analyzer.render.diagram.graphviz import run_graphviz
from analyzer.render.diagram.paper_figures import PAPER_FIGURES, figure_diagram
from analyzer.render.diagram.picture import Arrow, BoxDiagram
from analyzer.render.diagram.style import THEMES, DiagramStyle
from analyzer.render.report import bundle
from analyzer.render.report.gallery import gallery_drawings, gallery_files
from tests.render.test_graphviz import check_places, pieces

pytestmark = pytest.mark.slow

COMMITTED = Path(__file__).parents[2] / "reports"
PLAIN = DiagramStyle(show=("shape",))


def drawn(name: str) -> BoxDiagram:
    return figure_diagram(name, PLAIN)


def lines_by_frame(picture: BoxDiagram) -> dict[str, list[str]]:
    return {frame.title: [line for box in frame.boxes for line in box.lines] for frame in picture.frames}


@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize("name", list(PAPER_FIGURES))
def test_nothing_overlaps_or_is_clipped_in_a_figure(name: str, theme: str) -> None:
    """Measured: places and text widths as Graphviz reports them."""
    look = DiagramStyle(show=("shape",), theme=theme)
    check_places(json.loads(run_graphviz(dot_text(figure_diagram(name, look), look), "json")))


@pytest.mark.parametrize("name", list(PAPER_FIGURES))
@pytest.mark.usefixtures("dot_program")
def test_nothing_overlaps_or_is_clipped_in_a_figure_with_the_dot_program(name: str) -> None:
    check_places(json.loads(run_graphviz(dot_text(drawn(name), PLAIN), "json")))


def test_unknown_figures_are_refused_with_all_names() -> None:
    with pytest.raises(InvalidInput, match=r"figure 'fig3' is unknown; figures are vgg19-.*, densenet\."):
        drawn("fig3")


def test_side_by_side_networks_have_the_papers_layers() -> None:
    """He et al. 2015, Fig. 3: 19 weight layers, and 34 with and without shortcuts; 13 solid and 3 dashed ones."""
    picture = drawn("vgg19-plain34-resnet34")
    weighted = {frame.title: sum(box.role == "conv" for box in frame.boxes) for frame in picture.frames if frame.title}
    assert weighted == {"VGG-19": 19, "Plain-34": 34, "ResNet-34": 34}
    flows = [arrow.flow for arrow in picture.arrows]
    assert (flows.count("identity"), flows.count("projection")) == (13, 3)


@pytest.mark.parametrize("renderer", ["pygraphviz", "dot"])
def test_side_by_side_networks_are_aligned_by_output_size(renderer: str, request: pytest.FixtureRequest) -> None:
    """He et al. 2015, Fig. 3: what first makes a size stands on one height; from 224 at the top to 1 at the bottom."""
    if renderer == "dot":
        request.getfixturevalue("dot_program")
    places = {
        piece.name: piece.place
        for piece in pieces(json.loads(run_graphviz(dot_text(drawn("vgg19-plain34-resnet34"), PLAIN), "json")))
    }

    def middle(name: str) -> float:
        return (places[name].low + places[name].high) / 2

    rows = {
        56: ("vgg19 features.9", "plain34 maxpool", "resnet34 maxpool"),
        28: ("vgg19 features.18", "plain34 layer2.0.conv1", "resnet34 layer2.0.conv1"),
        7: ("vgg19 features.36", "plain34 layer4.0.conv1", "resnet34 layer4.0.conv1"),
    }
    for size, names in rows.items():
        assert max(abs(middle(name) - middle(f"size {size}")) for name in names) < 1
        assert all(places[left].right < places[right].left for left, right in pairwise(names))
    heights = [middle(f"size {size}") for size in (224, 112, 56, 28, 14, 7, 1)]
    assert heights == sorted(heights, reverse=True)
    trunk = [places[f"resnet34 layer3.{block}.{op}"] for block in range(6) for op in ("conv1", "conv2", "add")]
    assert max(abs(place.left + place.right - trunk[0].left - trunk[0].right) for place in trunk) < 1


def test_three_forms_have_the_papers_paths() -> None:
    """Xie et al. 2017, Fig. 3: 256, 1×1, 4 · 4, 3×3, 4 · 4, 1×1, 256; 128, 1×1, 256; group = 32; total 32 paths."""
    said = lines_by_frame(drawn("resnext"))
    path = ["256, 1×1, 4", "4, 3×3, 4", "4, 1×1, 256"]
    assert [line for line in said["(a)"] if "×" in line] == 3 * path
    assert [line for line in said["(b)"] if "×" in line] == [*(3 * path[:2]), "128, 1×1, 256"]
    assert said["(c)"] == ["256-d in", "256, 1×1, 128", "128, 3×3, 128", "group = 32", "128, 1×1, 256", "256-d out"]
    assert all("… total 32 paths …" in said[letter] for letter in ("(a)", "(b)"))


def test_shortcut_options_have_the_papers_shortcuts() -> None:
    """He et al. 2015, §3.3: A pads with zeros and B projects where shapes change, C projects everywhere."""
    flows = {
        frame.title: [arrow.flow for arrow in picture_arrows(drawn("shortcuts"), frame.name) if arrow.flow != "data"]
        for frame in drawn("shortcuts").frames
    }
    assert flows == {
        "option A": ["zero-pad", "identity"],
        "option B": ["projection", "identity"],
        "option C": ["projection", "projection"],
        "none": [],
    }


def picture_arrows(picture: BoxDiagram, frame: str) -> list[Arrow]:
    inside = {box.name for item in picture.frames if item.name == frame for box in item.boxes}
    return [arrow for arrow in picture.arrows if arrow.head in inside]


def test_preactivation_has_the_papers_order() -> None:
    """He et al. 2016, Fig. 1: conv, BN, ReLU, conv, BN, sum, ReLU; and BN, ReLU, conv, BN, ReLU, conv, sum."""
    original, preactivated = lines_by_frame(drawn("preactivation")).values()
    conv = "3×3 conv, 64"
    assert original == [conv, "BN", "ReLU", conv, "BN", "ReLU"]
    assert preactivated == ["BN", "ReLU", conv, "BN", "ReLU", conv]


def test_tricks_stride_where_the_paper_says() -> None:
    """He, T. et al. 2019, Fig. 2: B strides on the 3×3, C has three 3×3, D pools before the projection."""
    said = lines_by_frame(drawn("resnet-bcd"))
    assert said["ResNet-50, original"][0] == "1×1 conv, 128, /2"
    assert "3×3 conv, 128, /2" in said["ResNet-B"]
    assert [line for line in said["ResNet-C"] if "conv" in line] == ["3×3 conv, 32, /2", "3×3 conv, 32", "3×3 conv, 64"]
    assert {"2×2 average", "pool, /2", "1×1 conv, 512"} <= set(said["ResNet-D"])


def test_dense_block_grows_by_k() -> None:
    """Huang et al. 2017, Fig. 1: five layers of k = 4."""
    joins = [box.facts[1] for box in drawn("dense-rail").boxes if box.role == "concat"]
    assert joins == ["10 = 6 + 1·4", "14 = 6 + 2·4", "18 = 6 + 3·4", "22 = 6 + 4·4", "26 = 6 + 5·4"]
    into_layers = [arrow for arrow in drawn("dense-block").arrows if not arrow.head.endswith((".out", "concat5"))]
    assert len(into_layers) == 5 * 6 // 2


# ---- the verb


def test_verb_draws_and_lists_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diagram", "--figure", "resnext"]) == 0
    assert (tmp_path / "resnext.svg").read_text(encoding="utf-8").startswith("<?xml")
    capfd.readouterr()
    assert main(["diagram", "--figure", "list"]) == 0
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()[2:]] == list(PAPER_FIGURES)


@pytest.mark.parametrize("more", [["resnet18"], ["--heat", "macs"], ["--level", "op"], ["--format", "html"]])
def test_a_figure_takes_no_network_nor_part(more: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", "--figure", "resnext", *more]) == 2
    assert "--figure takes no VARIANT" in capfd.readouterr().err


def test_a_diagram_needs_a_network_or_a_figure(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram"]) == 2
    assert "VARIANT is missing; give one, such as resnet50, or --figure NAME." in capfd.readouterr().err


# ---- the gallery


def test_committed_gallery_is_whole() -> None:
    """That it is true as well is checked by `report --check`, as for the reports."""
    committed = {path.name for path in (COMMITTED / "figures").iterdir()}
    assert committed == {*gallery_drawings(), "README.md"}
    assert set(gallery_drawings()) >= {f"{name}.svg" for name in PAPER_FIGURES}
    assert max(path.stat().st_size for path in (COMMITTED / "figures").iterdir()) < 150_000


def test_a_changed_or_missing_figure_is_found(tmp_path: Path) -> None:
    """Planted: one figure drawn from other DOT text, one that is not there."""
    shutil.copytree(COMMITTED / "figures", tmp_path / "figures")
    shutil.copy(COMMITTED / "resnet18.md", tmp_path)
    assert not [sentence for sentence in bundle.stale_files(tmp_path) if "figures" in sentence]
    (tmp_path / "figures" / "resnext.svg").unlink()
    (tmp_path / "figures" / "shortcuts.svg").write_bytes((COMMITTED / "figures" / "densenet.svg").read_bytes())
    found = sorted(sentence for sentence in bundle.stale_files(tmp_path) if "figures" in sentence)
    assert len(found) == 2
    assert "resnext.svg is missing" in found[0]
    assert "shortcuts.svg is out of date" in found[1]


def test_a_folder_without_figures_gets_none(tmp_path: Path) -> None:
    assert gallery_files(tmp_path) == {}
