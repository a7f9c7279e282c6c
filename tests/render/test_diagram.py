"""Drawings: what is drawn is the Graph, folded without hiding anything."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput
from analyzer.families.densenet import DenseNetSpec
from analyzer.families.registry import variant_names
from analyzer.families.resnet import ResNetSpec
from analyzer.families.spec import Spec
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import Add, BatchNorm2d, Conv2d, GlobalAvgPool2d, Linear, ReLU, ZeroPadShortcut
from analyzer.render.diagram import dot
from analyzer.render.diagram.dot import LEVELS, dot_source, dot_text
from analyzer.render.diagram.dot import box_diagram as pictured
from analyzer.render.diagram.graphviz import render
from analyzer.render.diagram.grouping import equal_runs, residual_parts, segments
from analyzer.render.diagram.labels import wrapped_lines
from analyzer.render.diagram.picture import BoxDiagram
from tests.conftest import loaded_pygraphviz
from tests.support.names import HEADLINE

SVG = "{http://www.w3.org/2000/svg}"

Edge = tuple[str, str]


# ---- golden texts: one variant of each kind


@pytest.mark.parametrize(
    ("variant", "level"),
    [
        ("resnet18", "network"),
        ("resnet18", "stage"),
        ("resnet18", "block"),
        ("resnet20_cifar", "network"),
        ("resnet50d", "stage"),
        ("resnetv2_50", "block"),
        ("resnext50_32x4d", "block"),
        ("seresnet50", "stage"),
        ("wrn16_8_cifar", "network"),
        ("plain18", "network"),
        ("densenet121", "network"),
        ("densenet121", "stage"),
        ("densenet121", "block"),
        ("vgg11", "network"),
        ("alexnet", "stage"),
    ],
)
def test_dot_text_is_as_recorded(variant: str, level: str, golden: Callable[[str, str], None]) -> None:
    golden(f"{variant}-{level}.dot", dot_source(analyze(variant), level))


# ---- the drawing's arrows are the Graph's edges after folding (oracle: the Graph flattened here, independently)


def small_resnets() -> st.SearchStrategy[Spec]:
    depths = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
    common = {
        "stem": st.sampled_from(["imagenet", "cifar", "deep"]),
        "stem_width": st.sampled_from([8, 16, 64]),
        "shortcut": st.sampled_from(["A", "B", "C", "none"]),
        "preactivation": st.booleans(),
        "se_reduction": st.sampled_from([None, 4]),
        "head": st.sampled_from(["classifier", "pool", "none"]),
    }
    basic = st.builds(ResNetSpec, block=st.just("basic"), depths=depths, **common)
    bottleneck = st.builds(
        ResNetSpec,
        block=st.just("bottleneck"),
        depths=depths,
        cardinality=st.sampled_from([1, 4]),
        avg_down=st.booleans(),
        base_width=st.sampled_from([4, 64]),
        stride_on=st.sampled_from(["3x3", "1x1"]),
        expansion=st.sampled_from([1, 2, 4]),
        **common,
    )
    return basic | bottleneck


def small_densenets() -> st.SearchStrategy[Spec]:
    return st.builds(
        DenseNetSpec,
        depths=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
        growth_rate=st.sampled_from([4, 12]),
        init_features=st.sampled_from([8, 24]),
        bottleneck_ratio=st.sampled_from([None, 2]),
        compression=st.sampled_from([0.5, 1.0]),
        stem=st.sampled_from(["imagenet", "cifar"]),
    )


def leaves_and_edges(graph: Graph, prefix: str = "", entry: str = "") -> tuple[list[str], list[Edge], str]:
    """Paths of all ops, edges between them ("" is the network's input), and the path of the output."""
    leaves: list[str] = []
    edges: list[Edge] = []
    outputs = {INPUT: entry}
    for node in graph.nodes:
        path = f"{prefix}{node.name}"
        if isinstance(node.op, Graph):
            inner, inside, outputs[node.name] = leaves_and_edges(node.op, f"{path}.", outputs[node.inputs[0]])
            leaves += inner
            edges += inside
        else:
            leaves.append(path)
            edges += [(outputs[name], path) for name in node.inputs]
            outputs[node.name] = path
    return leaves, edges, outputs[graph.nodes[-1].name]


def unit_of(path: str) -> tuple[str, str]:
    """(stage, number) of the block or dense layer that an op belongs to, read off its torchvision name."""
    parts = path.removeprefix("features.").split(".")
    if parts[0].startswith("layer"):
        return parts[0], parts[1]
    if parts[0].startswith("denseblock"):
        return parts[0], parts[1].removeprefix("denselayer").removeprefix("concat")
    return "", ""


def holders(picture: BoxDiagram, leaves: list[str]) -> dict[str, str]:
    """Op → the box that stands for it, or the tail of the arrow that it lies on; every op has exactly one."""
    places = [(path, box.name) for box in picture.boxes for path in box.paths]
    places += [(path, f"on {arrow.tail}") for arrow in picture.arrows for path in arrow.paths]
    found: dict[str, str] = {}
    for leaf in leaves:
        matching = [name for path, name in places if leaf == path or leaf.startswith(f"{path}.")]
        assert len(matching) == 1, f"{leaf} is drawn {len(matching)} times"
        found[leaf] = matching[0]
    return found


def contracted(picture: BoxDiagram, graph: Graph) -> set[Edge]:
    """The Graph's edges between boxes, without those inside a box or from one of several equal units to the next."""
    leaves, edges, _ = leaves_and_edges(graph)
    held = holders(picture, leaves)
    first = {box.name: box.paths[0] for box in picture.boxes if box.paths}
    expected: set[Edge] = set()
    for tail, head in edges:
        if not tail or held[tail] == held[head] or held[head].startswith("on "):
            continue
        repeats = unit_of(tail) != unit_of(head) and unit_of(head) != unit_of(first[held[head]])
        if repeats:
            continue
        expected.update((source, held[head]) for source in sources(picture, held[tail].removeprefix("on ")))
    return expected


def drawn(picture: BoxDiagram) -> set[Edge]:
    """The arrows of the DOT text, followed back through forks and ports to the boxes that stand for ops."""
    text = loaded_pygraphviz().AGraph(string=dot_text(picture))
    arrows = [
        (str(tail), str(head)) for tail, head in text.edges() if text.get_edge(tail, head).attr["style"] != "invis"
    ]
    assert sorted(set(arrows)) == sorted({(a.tail, a.head) for a in picture.arrows if a.flow != "jump"})
    real = {box.name for box in picture.boxes if box.paths}
    return {(source, head) for tail, head in arrows if head in real for source in sources(picture, tail)}


def sources(picture: BoxDiagram, name: str) -> Iterator[str]:
    """The box itself, or what leads to it through forks, ports and the jumps between frames."""
    if any(box.name == name and box.paths for box in picture.boxes):
        yield name
    else:
        for arrow in picture.arrows:
            if arrow.head == name:
                yield from sources(picture, arrow.tail)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=small_resnets() | small_densenets())
def test_arrows_are_the_graphs_edges_after_folding(level: str, spec: Spec) -> None:
    """Oracle: the Graph flattened to ops and contracted here."""
    analysis = analyze(spec, 64)
    picture = pictured(analysis, level)
    assert drawn(picture) == contracted(picture, analysis.network.graph)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("variant", HEADLINE)
def test_arrows_of_named_variants(variant: str, level: str) -> None:
    """Oracle: the Graph flattened to ops and contracted here."""
    analysis = analyze(variant)
    picture = pictured(analysis, level)
    assert drawn(picture) == contracted(picture, analysis.network.graph)
    assert len({box.name for box in picture.boxes} | {frame.name for frame in picture.frames if frame.title}) == len(
        picture.boxes
    ) + sum(bool(frame.title) for frame in picture.frames), "ids must be unique"


@pytest.mark.parametrize("level", ["network", "stage"])
def test_network_and_stage_level_are_small(level: str) -> None:
    sizes = {variant: len(pictured(analyze(variant), level).boxes) for variant in variant_names()}
    assert {variant: size for variant, size in sizes.items() if size > 40} == {}


@pytest.mark.parametrize("variant", ["resnet1202_cifar", "preact_resnet1001_cifar"])
def test_every_op_of_the_deepest_nets_is_refused_in_one_sentence(variant: str) -> None:
    with pytest.raises(
        InvalidInput,
        match=rf"^op level of {variant}: \d+ ops are over the bound of 1500; take level block, or one part by "
        r"its stage or path\.$",
    ):
        dot_source(analyze(variant), "op")


# ---- folding


def test_neighbouring_equal_units_fold_and_unequal_ones_never() -> None:
    """Closed form: the runs of a, a, b, a are 2, 1 and 1 long."""
    a = Graph("block", tuple(sequence(("conv", Conv2d(8, 8, 3, padding=1)), ("relu", ReLU()))))
    b = Graph("block", tuple(sequence(("conv", Conv2d(8, 8, 3, padding=1, groups=2)), ("relu", ReLU()))))
    stage = Graph("stage", tuple(sequence(*((str(index), block) for index, block in enumerate((a, a, b, a))))))
    assert [len(run) for run in equal_runs(stage)] == [2, 1, 1]


def test_dense_layers_fold_although_their_inputs_widen() -> None:
    block = analyze("densenet201").network.graph.nodes[0].op
    assert isinstance(block, Graph)
    stage = next(node.op for node in block.nodes if node.name == "denseblock3")
    assert isinstance(stage, Graph)
    assert [len(run) for run in equal_runs(stage)] == [48]


@pytest.mark.parametrize("odd", ["conv1", "conv2"])
def test_a_dense_layer_that_differs_otherwise_is_drawn_apart(odd: str) -> None:
    """Planted difference: the third of four dense layers has another inner width, or adds more channels."""
    network = DenseNetSpec(depths=(4,), growth_rate=8, init_features=16, bottleneck_ratio=2).graph()
    features = network.nodes[0].op
    assert isinstance(features, Graph)
    stage = next(node.op for node in features.nodes if node.name == "denseblock1")
    assert isinstance(stage, Graph)
    layer = next(node for node in stage.nodes if node.name == "denselayer3")
    assert isinstance(layer.op, Graph)
    ops = {node.name: node for node in layer.op.nodes}
    conv = ops[odd].op
    assert isinstance(conv, Conv2d)
    changed = replace(conv, out_channels=24) if odd == "conv1" else replace(conv, kernel=1, padding=0)
    inner = tuple(replace(node, op=changed) if node.name == odd else node for node in layer.op.nodes)
    altered = tuple(replace(node, op=Graph("dense_layer", inner)) if node is layer else node for node in stage.nodes)
    assert [len(run) for run in equal_runs(Graph("stage", altered))] == [2, 1, 1]


def test_units_are_cut_where_one_tensor_passes() -> None:
    block = analyze("resnet50").network.graph.nodes[4].op
    assert isinstance(block, Graph)
    first = block.nodes[0].op
    assert isinstance(first, Graph)
    assert [unit[-1].name for unit in segments(first)] == ["add", "relu3"]


def test_a_block_without_add_is_no_residual_block() -> None:
    assert residual_parts(Graph("block", tuple(sequence(("conv", Conv2d(8, 8, 1)), ("relu", ReLU()))))) is None


# ---- shortcuts: solid and dashed


def svg_of(analysis: Analysis, level: str) -> ET.Element:
    return ET.fromstring(render(dot_source(analysis, level), "svg"))


def dashes(svg: ET.Element) -> Iterator[tuple[str, bool]]:
    """(class, dashed) of every arrow in the SVG."""
    for group in svg.iter(f"{SVG}g"):
        classes = group.get("class", "").split()
        if classes[:1] == ["edge"]:
            line = next(group.iter(f"{SVG}path"))
            yield classes[1], "stroke-dasharray" in line.attrib


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("variant", ["resnet18", "resnet50", "resnet34d", "resnetv2_50", "densenet121"])
def test_dashed_lines_are_exactly_the_projections(variant: str, level: str) -> None:
    """Oracle: the Graph's "projection" sub-graphs; an open one has dashed edges into, between and out of its ops."""
    analysis = analyze(variant)
    lines = list(dashes(svg_of(analysis, level)))
    assert all(dashed == (flow == "projection") for flow, dashed in lines)
    projections = [span.stop - span.start for span in analysis.spans if span.kind == "projection"]
    expected = len(projections) if level in ("network", "stage") else sum(ops + 1 for ops in projections)
    assert sum(dashed for _, dashed in lines) == expected


def zero_padded() -> Graph:
    """A tiny network whose only block has the paper's option A."""
    nodes = sequence(("conv1", Conv2d(8, 16, 3, stride=2, padding=1)), ("bn1", BatchNorm2d(16)))
    nodes.append(Node("shortcut", ZeroPadShortcut(8, 16, stride=2), (INPUT,)))
    nodes += [Node("add", Add(), ("bn1", "shortcut")), Node("relu", ReLU(), ("add",))]
    stage = Graph("stage", (Node("0", Graph("basic", tuple(nodes)), (INPUT,)),))
    stem = sequence(("conv1", Conv2d(3, 8, 3, padding=1)), stage="stem")
    head = sequence(("pool", GlobalAvgPool2d()), after="layer1", stage="head")
    return Graph("tiny", (*stem, Node("layer1", stage, ("conv1",), "stage1"), *head))


@pytest.mark.parametrize(("level", "expected"), [("network", 1), ("stage", 1), ("block", 2), ("op", 2)])
def test_zero_padded_shortcuts_are_dashed(level: str, expected: int) -> None:
    lines = list(dashes(svg_of(analyze(zero_padded(), 32), level)))
    assert [flow for flow, dashed in lines if dashed] == ["zero-pad"] * expected
    assert not any(dashed for flow, dashed in lines if flow != "zero-pad")


# ---- what the drawing says


def test_block_level_has_an_element_for_each_op() -> None:
    ids = {element.get("id") for element in svg_of(analyze("resnet50"), "block").iter()}
    assert {"layer1.0.conv1", "layer1.0.downsample.0", "layer4.1.add", "conv1", "fc", "stem", "layer3.1"} <= ids


def test_network_level_has_an_element_for_each_stage() -> None:
    ids = {element.get("id") for element in svg_of(analyze("densenet121"), "network").iter()}
    assert {"stem", "stage1", "stage4", "transition1", "head", "features.denseblock2.denselayer1"} <= ids


def texts(svg: ET.Element) -> list[str]:
    return [element.text or "" for element in svg.iter(f"{SVG}text")]


def test_words_shapes_and_counts_are_on_the_boxes() -> None:
    """Published: 7×7, 64, /2 and 3×3 max pool, /2 (He et al. 2015, Table 1); 4.09 G MACs (torchvision's _ops)."""
    network = texts(svg_of(analyze("resnet50"), "network"))
    assert {"7×7 conv, 64, /2", "3×3 max pool, /2", "bottleneck 64 → 256 × 3", "2048×7×7", "× 5"} <= set(network)
    assert any("4.09 G MACs" in text for text in network)
    block = texts(svg_of(analyze("resnext50_32x4d"), "block"))
    assert {"3×3 conv, 128,", "32 groups", "128×56×56", "4.61 k · 14.5 M", "projection", "stage 3 · blocks 2–6"} <= set(
        block
    )


def test_folded_dense_layers_tell_their_ranges() -> None:
    """Closed form: dense layer l of block 3 reads 256 + 32(l − 1) channels; its 1×1 has 128 times as many weights."""
    block = texts(svg_of(analyze("densenet121"), "block"))
    assert {"dense layer × 24", "reads 256 + 32(l − 1)", "32.8 k … 127 k params", "288 … 1024×14×14"} <= set(block)
    assert (256 * 128, (256 + 32 * 23) * 128) == (32_768, 126_976)


def test_svg_has_title_and_description_for_those_who_hear_it() -> None:
    svg = svg_of(analyze("resnet18"), "network")
    assert svg.get("role") == "img"
    assert [child.tag for child in svg[:2]] == [f"{SVG}title", f"{SVG}desc"]
    assert (svg[0].text or "").startswith("ResNet-18 · input 3×224×224")
    assert "stage 2: basic 128 × 2" in (svg[1].text or "")


def test_background_is_opaque_for_dark_pages() -> None:
    first = next(svg_of(analyze("resnet18"), "network").iter(f"{SVG}polygon"))
    assert first.get("fill") == "#ffffff"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("3×3 conv, 128, /2", ("3×3 conv, 128, /2",)),
        ("2×2 average pool, /2", ("2×2 average", "pool, /2")),
        ("3×3 conv, 1024, /2, 32 groups", ("3×3 conv, 1024, /2,", "32 groups")),
        ("averylongwordwithoutanyspace", ("averylongwordwithoutanyspace",)),
    ],
)
def test_long_lines_break_in_two(text: str, lines: tuple[str, ...]) -> None:
    assert wrapped_lines(text) == lines


# ---- hostile words and sizes

HOSTILE = [
    '"><script>alert(1)</script>',
    "<b>bold</b>",
    "<<TABLE>>",
    "two\nlines\r\nand\ttabs",
    "bell\x07 null\x00 escape\x1b",
    "\\N \\G \\l \\",
    'quote " ]; evil [label="x',
    "--> <!-- ]]>",
    "a:b:c",
    "&amp; & &#0;",
    "long " * 2000,
]


def hostile_network(word: str) -> Graph:
    """The word as kind, as stage and, without dots, as node name."""
    block = Graph(word, tuple(sequence(("conv", Conv2d(4, 4, 3, padding=1)), (word.replace(".", ""), ReLU()))))
    stage = Graph("stage", tuple(sequence(("0", block), ("1", block))))
    nodes = [*sequence(("conv1", Conv2d(3, 4, 3)), stage=word), Node("layer1", stage, ("conv1",), f"{word}1")]
    nodes += sequence(("pool", GlobalAvgPool2d()), ("fc", Linear(4, 2)), after="layer1", stage=word)
    return Graph(word, tuple(nodes[:-1]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_only_text(word: str, level: str) -> None:
    svg = svg_of(analyze(hostile_network(word), 16), level)
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} <= {
        "svg", "title", "desc", "g", "a", "polygon", "path", "text", "ellipse"
    }  # fmt: skip
    shown = " ".join(word.split())[:40]
    printable = "".join(character if character.isprintable() else "?" for character in shown)
    assert (svg[0].text or "").startswith(printable)
    assert any(text.startswith(printable) for text in texts(svg))
    assert max(len(text) for text in texts(svg)) <= 200
    assert len({element.get("id") for element in svg.iter(f"{SVG}g")}) == len(list(svg.iter(f"{SVG}g")))


def test_too_large_a_drawing_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot, "MAX_BOXES", 10)
    with pytest.raises(
        InvalidInput,
        match=r"block level of resnet18: \d+ boxes .* bound of 10 .*; take level stage, or one part by its stage",
    ):
        dot_source(analyze("resnet18"), "block")


def test_unknown_level_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"level 'stages' is unknown; levels are network, stage, block, op\."):
        dot_source(analyze("resnet18"), "stages")
