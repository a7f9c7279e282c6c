"""Parts of networks, and what drawings are asked to say and look like. Oracles: closed form and the analysis itself."""

import json
import re

import pytest

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.render.diagram.dot import box_diagram, dot_source
from analyzer.render.diagram.graphviz import run_graphviz
from analyzer.render.diagram.picture import BoxDiagram
from analyzer.render.diagram.style import HEAT_QUANTITIES, THEMES, DiagramPalette, DiagramStyle, OpTimes
from analyzer.text.units import size_bytes
from tests.render.test_graphviz import check_places


def paths_of(drawn: BoxDiagram) -> set[str]:
    on_arrows = {path for arrow in drawn.arrows for path in arrow.paths}
    return {path for box in drawn.boxes for path in box.paths} | on_arrows


def words_of(drawn: BoxDiagram) -> list[str]:
    said = [text for box in drawn.boxes for text in (box.title, *box.lines, *box.facts)]
    return said + [text for frame in drawn.frames for text in (frame.title, *frame.lines, *frame.facts)]


# ---- parts


@pytest.mark.parametrize("level", ["network", "stage", "block", "op"])
def test_a_stage_is_drawn_alone(level: str) -> None:
    drawn = box_diagram(analyze("resnet34"), level, stage="stage3")
    assert all(path.startswith("layer3") for path in paths_of(drawn))
    assert drawn.title.startswith("ResNet-34, stage 3 · input 128×28×28 · 6.82 M params · 1.34 G MACs")


def test_a_block_is_drawn_alone_with_each_of_its_ops() -> None:
    """Closed form: the analysis's rows below the path."""
    analysis = analyze("resnet34")
    drawn = box_diagram(analysis, "op", path="layer3.0")
    assert paths_of(drawn) == {row.path for row in analysis.rows if row.path.startswith("layer3.0.")}
    assert "ResNet-34, layer3.0 · input 128×28×28" in drawn.title


@pytest.mark.parametrize(
    "path", ["conv1", "layer1", "layer1.0.downsample", "layer1.0.bn1", "layer1.0.add", "stage2", "fc"]
)
@pytest.mark.parametrize("level", ["network", "stage", "block", "op"])
def test_every_path_can_be_drawn_at_every_level(path: str, level: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Reference: Graphviz, which has nothing to complain of."""
    check_places(json.loads(run_graphviz(dot_source(analyze("resnet50"), level, path=path), "json")))
    assert capfd.readouterr().err == ""


def test_a_path_that_holds_whole_sections_is_drawn_as_they_are() -> None:
    drawn = box_diagram(analyze("densenet121"), "network", path="features")
    assert {"stage1", "transition3"} <= {frame.name for frame in drawn.frames} | {box.name for box in drawn.boxes}


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"stage": "stage9"}, r"stage 'stage9' is not in this network; its stages are stem, stage1, .*, head\."),
        ({"path": "layer9"}, r"path 'layer9' is not in resnet18"),
        ({"path": ""}, r"path '' is not in resnet18"),
        ({"stage": "stage1", "path": "layer1"}, r"either a stage or a path"),
    ],
)
def test_unknown_parts_are_refused(part: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        box_diagram(analyze("resnet18"), "block", stage=part.get("stage"), path=part.get("path"))


def test_level_follows_from_the_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert analyzer.diagram("resnet18").level == "network"
    assert analyzer.diagram("resnet18", stage="stage1").level == "stage"
    assert analyzer.diagram("resnet18", path="layer1.0").level == "op"
    assert main(["diagram", "resnet18", "--path", "layer1.0", "--format", "dot", "--output", "-"]) == 0
    assert '"layer1.0.conv2"' in capsys.readouterr().out


# ---- what boxes say


def test_boxes_say_what_is_asked_for() -> None:
    """Published: conv1 of resnet50 makes 64×112×112, sees 7 pixels, and has 802,816 output elements."""
    look = DiagramStyle(show=("shape", "activations", "memory", "receptive-field", "total-stride", "path"))
    drawn = box_diagram(analyze("resnet50"), "op", look)
    conv1 = next(box for box in drawn.boxes if box.name == "conv1")
    # 3·224·224 inputs and 64·112·112 outputs, 4 bytes each: 602,112 + 3,211,264 bytes are 3.6 MiB
    told = ("64×112×112", "803 k activations", "3.6 MiB alive", "RF 7 px", "total stride 2", "conv1")
    assert conv1.facts == told
    assert "RF: receptive field" in drawn.legend


def test_nothing_is_said_where_nothing_is_asked_for() -> None:
    drawn = box_diagram(analyze("resnet50"), "block", DiagramStyle(show=()))
    assert not any(box.facts for box in drawn.boxes if box.role in ("pool", "slim"))
    assert {box.facts for box in drawn.boxes if box.role == "conv"} <= {(), ("projection",)}


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"show": ("latency",)}, r"show latency: latency depends on a device; name one: --gpu"),
        ({"heat": "latency"}, r"heat latency: latency depends on a device; name one"),
        ({"show": ("colour",)}, r"show 'colour' is unknown; it is one of shape, params, macs, "),
        ({"theme": "blue"}, r"theme 'blue' is unknown; it is one of light, dark, print\."),
        ({"direction": "up"}, r"direction 'up' is unknown"),
        ({"dense": "open"}, r"dense 'open' is unknown"),
        ({"page_size": "b7"}, r"page size 'b7': must be one of a3, a4, a5, letter"),
        ({"page_size": "10x10"}, r"page size '10x10': must be"),
        ({"page_size": "a4-portrait"}, r"page size 'a4-portrait': must be"),
    ],
)
def test_unknown_choices_are_refused(choice: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        analyzer.diagram("resnet18", **choice)  # type: ignore[arg-type]


# ---- shades


@pytest.mark.parametrize("level", ["network", "stage", "block"])
@pytest.mark.parametrize("heat", ["params", "macs", "activations"])
def test_shares_add_up_to_the_whole(level: str, heat: str) -> None:
    """Closed form: every op is in one box or on a shortcut, so that the shares add up to 100 % but for projections."""
    analysis = analyze("resnet20_cifar")  # zero-padded shortcuts cost nothing
    drawn = box_diagram(analysis, level, DiagramStyle(heat=heat))
    shares = [float(text[:-2]) for box in drawn.boxes for text in box.facts if text.endswith(" %")]
    assert sum(shares) == pytest.approx(100, abs=0.06 * len(shares))


def test_the_peak_of_memory_is_in_one_of_the_boxes() -> None:
    analysis = analyze("resnet50")
    drawn = box_diagram(analysis, "op", DiagramStyle(heat="memory"))
    hottest = [box for box in drawn.boxes if "100.0 %" in box.facts]
    assert [box.heat for box in hottest] == [4] * len(hottest)
    assert analysis.memory().peak_path in {path for box in hottest for path in box.paths}
    assert f"peak, {size_bytes(analysis.peak_activation_bytes)}:" in drawn.scale[0]


@pytest.mark.parametrize("heat", HEAT_QUANTITIES)
def test_shade_and_words_tell_the_same(heat: str) -> None:
    """Each shade's range in the legend holds the share on every box of that shade."""
    drawn = box_diagram(
        analyze("densenet121"), "network", DiagramStyle(heat=heat, times=OpTimes(ms={"classifier": 1}, words="X"))
    )
    bounds = [tuple(map(float, re.findall(r"[\d.]+", step))) for step in drawn.scale[1:]]
    assert len(bounds) == 5
    for box in drawn.boxes:
        told = [float(text[:-2]) for text in box.facts if text.endswith(" %")]
        if box.heat is not None and told:
            low, high = bounds[box.heat]
            assert low - 0.1 <= told[0] <= high + 0.1


# ---- themes


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", THEMES.values(), ids=list(THEMES))
def test_text_is_readable_on_every_ground(palette: DiagramPalette) -> None:
    """WCAG 2 AA: 4.5 to 1 for text, 3 to 1 for lines that mean something."""
    grounds = (palette.paper, palette.tint, palette.grey)
    assert all(contrast(palette.ink, ground) >= 4.5 for ground in (*grounds, *palette.heats))
    assert all(contrast(palette.quiet, ground) >= 4.5 for ground in grounds)
    assert all(contrast(line, ground) >= 3 for line in (palette.accent, palette.line) for ground in grounds)


@pytest.mark.parametrize("palette", THEMES.values(), ids=list(THEMES))
def test_shades_differ_in_lightness_alone(palette: DiagramPalette) -> None:
    """So that no eye needs the hue: each shade is at least 1.15 times lighter or darker than the one before."""
    steps = [contrast(one, other) for one, other in zip(palette.heats, palette.heats[1:], strict=False)]
    assert min(steps) >= 1.15
    order = [luminance(colour) for colour in palette.heats]
    assert order in (sorted(order), sorted(order, reverse=True))


@pytest.mark.slow
@pytest.mark.parametrize("theme", list(THEMES))
def test_a_drawing_has_the_colours_of_its_theme_only(theme: str) -> None:
    dot = dot_source(analyze("densenet121"), "stage", DiagramStyle(theme=theme, heat="macs"))
    palette = THEMES[theme]
    assert set(re.findall(r"#[0-9a-fA-F]{6}", dot)) <= {*palette[:-1], *palette.heats}


# ---- direction and page


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["resnet34", "densenet121", "plain18", "vgg16"])
@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("level", ["network", "stage", "block"])
def test_nothing_overlaps_in_either_direction(variant: str, direction: str, level: str) -> None:
    """Measured: places and text widths as Graphviz reports them."""
    check_places(
        json.loads(run_graphviz(dot_source(analyze(variant), level, DiagramStyle(direction=direction)), "json"))
    )


def test_downwards_the_network_flows_down() -> None:
    laid = json.loads(run_graphviz(dot_source(analyze("resnet50"), "network", DiagramStyle(direction="down")), "json"))
    heights = {item["name"]: float(item["pos"].split(",")[1]) for item in laid["objects"] if "pos" in item}
    assert heights["stem"] > heights["layer1.0"] > heights["layer4.0"] > heights["head"]


@pytest.mark.parametrize(
    ("paper", "width", "height"),
    [("a4", 190, 277), ("a4-landscape", 277, 190), ("letter", 195.9, 259.4), ("120x80", 100, 60)],
)
def test_a_drawing_fits_into_its_page(paper: str, width: float, height: float) -> None:
    """Closed form: the page's sides less 10 mm on each; ISO 216 for A4."""
    svg = run_graphviz(dot_source(analyze("resnet152"), "block", DiagramStyle(page_size=paper)), "svg").decode()
    drawn = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    assert drawn
    across, up = (float(side) / 72 * 25.4 for side in drawn.groups())
    assert across <= width + 6  # Graphviz adds its pad around
    assert up <= height + 6
    assert max(across / width, up / height) > 0.9


# ---- dense stages


def test_a_rail_tells_the_channels_at_each_join() -> None:
    """Closed form: dense layer l of DenseNet-121's first stage adds 32 channels to 64 + 32(l − 1)."""
    drawn = box_diagram(analyze("densenet121"), "stage", DiagramStyle(dense="rail"), stage="stage1")
    joins = [box.facts[1] for box in drawn.boxes if box.role == "concat"]
    assert joins == [f"{64 + 32 * layer} = 64 + {layer}·32" for layer in range(1, 7)]


def test_every_connection_is_drawn_on_request() -> None:
    """Huang et al. 2017, §3: a block of L layers has L(L + 1)/2 connections; the last join reads L + 1 more."""
    drawn = box_diagram(analyze("densenet121"), "stage", DiagramStyle(dense="all"), stage="stage1")
    into_layers = [arrow for arrow in drawn.arrows if not arrow.head.endswith((".out", "concat6"))]
    assert len(into_layers) == 6 * 7 // 2
    assert sum(arrow.head.endswith("concat6") for arrow in drawn.arrows) == 7


def test_too_many_connections_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"denseblock3 has 24 dense layers, over the bound of 12 .* dense rail\."):
        box_diagram(analyze("densenet121"), "stage", DiagramStyle(dense="all"), stage="stage3")


@pytest.mark.parametrize("dense", ["rail", "all"])
def test_other_stages_are_drawn_as_ever(dense: str) -> None:
    drawn, usual = (
        box_diagram(analyze("resnet18"), "stage", DiagramStyle(dense=choice)) for choice in (dense, "folded")
    )
    assert drawn.frames == usual.frames


def test_folded_dense_layers_tell_how_they_grow() -> None:
    """Closed form: 24 layers of k = 32 from 256 channels."""
    said = words_of(box_diagram(analyze("densenet121"), "stage"))
    assert {"layers 1–24 · × 24", "reads 256 + 32(l − 1)", "288 … 1024×14×14"} <= set(said)
