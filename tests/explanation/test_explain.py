"""What `explain` says. Oracle: an evaluator of its printed arithmetic that knows nothing of the package.

What the arithmetic must come to are the figures of the analysis, which other tests hold against published counts.
"""

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import fastjsonschema
import pytest
from hypothesis import given, settings

import analyzer
from analyzer.cli import main
from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.network_costs import CostTotals
from analyzer.cost.walk import OpCost
from analyzer.errors import InvalidInput
from analyzer.families.registry import variant_names
from analyzer.families.resnet import ResNetSpec
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph, sequence
from analyzer.graph.ops import AvgPool2d, Conv2d, Flatten, Linear, Op, ReLU
from analyzer.render.explain.explain import Explained, explanation
from tests.support.arithmetic_text import evaluate_arithmetic
from tests.support.strategies import specs

SHOWN = [
    ("resnet50", ""),
    ("resnet50", "stage2"),
    ("resnet50", "layer2.0"),
    ("resnet50", "layer2.0.conv2"),
    ("resnet50", "layer2.0.downsample"),
    ("densenet121", "stage3"),
    ("densenet121", "features.transition1"),
    ("resnext50_32x4d", "layer1.0.conv2"),
    ("seresnet50", "layer1.0.se"),
    ("resnet20_cifar", "layer2.0"),
]
FIGURE = re.compile(r"  ([a-zA-Z]+(?:,? [a-zA-Z]+)?)  +(\S.*)")


def figure_lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """(name, the sides of its equation) of each figure of a text, its continuation lines joined."""
    joined = re.sub(r"\n {10,}", " ", text.split("\nWhy\n")[0])
    for line in joined.splitlines():
        if match := FIGURE.fullmatch(line):
            yield match[1], [side.strip() for side in match[2].split("=")]


def own_figures(explained: Explained) -> dict[str, int]:
    """The figures of the place itself, each read from the text and evaluated; the text's last ones are its own."""
    return dict(value for line in figure_lines(explained.text) for value in evaluated_line(*line))


def evaluated_line(names: str, sides: list[str]) -> Iterator[tuple[str, int]]:
    numeric = [evaluate_arithmetic(side) for side in sides if not re.search(r"[A-Za-z]", side)]
    assert len(set(numeric)) == 1, (names, sides)
    for name in names.split(", "):
        yield name, int(numeric[0])


def expected(analysis: Analysis, path: str, costs: OpCost | CostTotals) -> dict[str, int]:
    """The figures that a text must come to, those of zero left out."""
    figures = {"params": costs.params, "buffers": costs.buffers, "MACs": costs.macs, "activations": costs.activations}
    return {name: value for name, value in figures.items() if value}


def distinct(analysis: Analysis) -> list[OpCost]:
    """The first op of each kind, input and place on the longest path."""
    return list({(row.operation, row.input_shapes, row.receptive.stride): row for row in analysis.rows}.values())


def check_op(analysis: Analysis, row: OpCost) -> None:
    figures = own_figures(explanation(analysis, row.path))
    receptive = {"receptive field": row.receptive_field, "total stride": row.total_stride}
    sides = ("features",) if len(row.output_shape) == 1 else ("channels", "height", "width")
    shape = dict(zip(sides, row.output_shape, strict=True))
    shape = {name: side for name, side in shape.items() if name in figures}
    assert figures == expected(analysis, row.path, row) | receptive | shape, row.path
    before = row.input_shapes[0]
    if (
        len(before) == len(row.output_shape) == 3
        and before[1:] != row.output_shape[1:]
        and row.output_shape[1:] != (1, 1)
    ):
        assert {"height", "width"} <= figures.keys() or row.op == "AdaptiveAvgPool2d"


@pytest.mark.slow
@pytest.mark.parametrize("name", variant_names())
def test_each_op_of_a_named_variant_evaluates_to_its_figures(name: str) -> None:
    analysis = analyze(name)
    for row in distinct(analysis):
        check_op(analysis, row)


@pytest.mark.slow
@pytest.mark.parametrize("name", variant_names())
def test_stages_and_network_of_a_named_variant_evaluate_to_their_figures(name: str) -> None:
    analysis = analyze(name)
    for stage in analysis.stages:
        figures = own_figures(explanation(analysis, stage.stage))
        assert expected(analysis, stage.stage, stage).items() <= figures.items(), stage.stage
    check_network(analysis)


def check_network(analysis: Analysis) -> None:
    totals = analysis.totals
    assert own_figures(explanation(analysis)) == expected(analysis, "", totals) | {
        "FLOPs": totals.flops,
        "parameter bytes": totals.params_bytes,
        "receptive field": totals.receptive_field,
        "total stride": totals.total_stride,
        "depth": totals.depth,
    } | ({} if totals.macs else {"FLOPs": 0})


@settings(max_examples=25)
@given(specs)
def test_every_place_of_a_random_network_evaluates_to_its_figures(spec: Spec) -> None:
    analysis = analyze(spec)
    check_network(analysis)
    for block in analysis.blocks:
        figures = own_figures(explanation(analysis, block.path))
        reached = {"receptive field": block.receptive_field, "total stride": block.total_stride, "depth": block.depth}
        assert (expected(analysis, block.path, block) | reached).items() <= figures.items()
    for row in distinct(analysis):
        check_op(analysis, row)


@pytest.mark.parametrize(("name", "path"), SHOWN, ids=[" ".join(pair) for pair in SHOWN])
def test_an_explanation_reads_as_recorded(name: str, path: str, golden: Callable[[str, str], None]) -> None:
    """Recorded text: what a student reads."""
    golden(f"explain-{name}{path and '-'}{path}.txt", analyzer.explain(name, path).text + "\n")


def test_the_stem_is_worked_out_as_by_hand() -> None:
    """Closed form, by hand: 224² to 112² by a 7×7/2 with padding 3, 64 of them over 3 channels."""
    text = analyzer.explain("resnet50", "conv1").text
    for line in (
        "⌊(n + 2·p − k)/s⌋ + 1 = ⌊(224 + 2·3 − 7)/2⌋ + 1 = 112",
        "k·k·C_in·C_out = 7·7·3·64 = 9,408",
        "k·k·C_in·C_out·H·W = 7·7·3·64·112·112 = 118,013,952",
        "C_out·H·W = 64·112·112 = 802,816",
        "r + j·(k − 1) = 1 + 1·(7 − 1) = 7",
    ):
        assert line in text


def test_the_networks_totals_are_those_published() -> None:
    """Published: torchvision's num_params of resnet50, and its receptive field with the stride on the 3×3."""
    match = own_figures(analyzer.explain("resnet50"))
    assert (match["params"], match["MACs"], match["receptive field"]) == (25_557_032, 4_089_184_256, 427)
    assert own_figures(analyzer.explain("resnet50_v1"))["receptive field"] == 483


def test_explanations_are_traced_from_the_formulas_that_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: another formula gives another explanation, in words and value, without any second copy."""
    monkeypatch.setattr(formulas, "params", lambda op: 5 * op.in_channels + 11 if isinstance(op, Conv2d) else 0)
    text = analyzer.explain("resnet50", "layer2.0.conv2").text
    assert "5·C_in + 11 = 5·128 + 11 = 651" in text


REASONS = [
    ("resnet50", "layer2.0", "a projection because shapes change, 256 → 512 channels, 56×56 → 28×28 positions"),
    ("resnet50", "layer1.0", "a projection because shapes change, 64 → 256 channels:"),
    ("resnet50", "layer2.1", "identity shortcut: input and output have one shape"),
    ("resnet50", "layer2.0.conv2", "conv2 has stride 2: layer2.0 is the first block of stage 2"),
    ("resnet50", "layer2.0.conv2", "The 3×3 has the stride (v1.5"),
    ("resnet50_v1", "layer2.0.conv1", "The first 1×1 has the stride (v1,"),
    ("resnet50", "stage1", "Stage 1 has no stride: the stem has already taken the map from 224×224 to 56×56"),
    ("resnet20_cifar", "stage1", "Stage 1 has no stride: images are small"),
    ("resnet20_cifar", "layer2.0", "zero-pad shortcut because shapes change, 16 → 32 channels"),
    ("resnet20_cifar", "layer2.0.downsample", "every 2nd position and adds 32 − 16 = 16 channels of zeros"),
    ("plain34", "layer2.0", "layer2.0 is a plain net's block: it has no shortcut"),
    ("resnet18:shortcut=C", "layer1.1", "option C projects in every block"),
    ("resnet50d", "layer2.0.downsample", "ResNet-D: a 2×2 average pool takes the stride"),
    ("resnetv2_50", "layer2.0.downsample", "Pre-activation: it reads the output of the block's first BN–ReLU"),
    ("resnet50:output_stride=8", "layer4.1.conv2", "Dilation 4 takes the place of the strides left out"),
    ("resnet50:output_stride=8", "layer3.0.conv2", "A stage's first block keeps the dilation before it, 1; others: 2"),
    ("resnet50:output_stride=8", "stage3", "Stage 3 has no stride: the total stride has reached output_stride=8"),
    ("resnext50_32x4d", "layer1.0.conv2", "⌊width·base_width/64⌋·cardinality = ⌊64·4/64⌋·32 = 128"),
    ("resnext50_32x4d", "layer1.0.conv2", "ungrouped it would have 147,456 weights instead of 4,608"),
    ("wide_resnet50_2", "layer2.1.conv2", "⌊width·base_width/64⌋ = ⌊128·128/64⌋ = 256"),
    ("seresnet50", "layer1.0.se", "r = 16: ⌊width·expansion/se_reduction⌋ = ⌊64·4/16⌋ = 16"),
    ("densenet121", "features.denseblock3.denselayer4", "k₀ + k(l − 1) channels: 256 + 3·32 = 352"),
    ("densenet121", "features.denseblock3.denselayer4.conv1", "bottleneck_ratio·growth_rate = 4·32 = 128"),
    ("densenet121", "stage3", "k₀ + kL channels: 256 + 24·32 = 1,024"),
    ("densenet121", "features.transition1.conv", "⌊θC⌋ = ⌊256/2⌋ = 128 channels are kept"),
    ("densenet121:compression=0.3", "features.transition1", "⌊θC⌋ = ⌊256·3/10⌋ = 76 channels are kept"),
    ("densenet40_k12_cifar", "features.transition1", "θ = 1: the transition keeps all 160 channels"),
    ("tutorial_resnet50", "fc", "C·H·W = 2,048·1·1 = 2,048"),
    ("vgg16", "classifier.0", "C·H·W = 512·7·7 = 25,088"),
    ("resnet50c", "conv1.0", "⌊stem_width/2⌋ = ⌊64/2⌋ = 32"),
]


@pytest.mark.parametrize(("name", "path", "part"), REASONS, ids=[f"{name} {path}" for name, path, _ in REASONS])
def test_a_choice_has_its_reason(name: str, path: str, part: str) -> None:
    """Published: each paper's own rule for the choice, its numbers worked out by hand."""
    assert any(part in reason for reason in analyzer.explain(name, path).reasons), analyzer.explain(name, path).reasons


@pytest.mark.parametrize(("name", "path"), SHOWN, ids=[" ".join(pair) for pair in SHOWN])
def test_markdown_and_json_say_what_the_text_says(name: str, path: str) -> None:
    """Oracle: the text; and the schema that the package ships."""
    explained = analyzer.explain(name, path)
    arithmetic = [
        line.split(": ", 1)[1].split(" = ")
        for line in explained.markdown.split("## Why")[0].splitlines()
        if line[:2] == "- "
    ]
    assert arithmetic == [
        [side.strip() for side in " = ".join(sides).split(" = ")] for _, sides in figure_lines(explained.text)
    ]
    facts = explained.to_dict()
    schema = files("analyzer").joinpath("schemas", "explain-1.json").read_text(encoding="utf-8")
    fastjsonschema.compile(json.loads(schema))(facts)
    figures = [*facts["figures"], *(figure for part in facts["parts"] for figure in part["figures"])]
    assert all(
        evaluate_arithmetic(figure["arithmetic"]) == figure["value"] for figure in figures if "arithmetic" in figure
    )
    assert sum("arithmetic" in figure for figure in figures) >= 3
    assert facts["reasons"] == explained.reasons


def test_parts_add_up_to_the_place() -> None:
    """Oracle: addition over the JSON's parts, each as often as it has paths."""
    facts = analyzer.explain("resnet50", "stage3").to_dict()
    total = {figure["name"]: figure["value"] for figure in facts["figures"]}
    for name in ("params", "buffers", "MACs", "activations"):
        parts = ((len(part["paths"]), {f["name"]: f["value"] for f in part["figures"]}) for part in facts["parts"])
        assert sum(count * values[name] for count, values in parts) == total[name]


def test_a_stage_and_its_weight_path_are_one_place() -> None:
    named, weights = analyzer.explain("resnet50", "stage2"), analyzer.explain("resnet50", "layer2")
    assert own_figures(named) == own_figures(weights)
    assert named.reasons == weights.reasons


def test_a_wrong_path_names_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "resnet50", "layer2.0.conv9"]) == 2
    out, talk = capsys.readouterr()
    assert out == ""
    assert len(talk.splitlines()) == 1
    assert "path 'layer2.0.conv9' is not in resnet50; did you mean layer2.0.conv" in talk


@pytest.mark.parametrize("path", ["", ".", "layer2.", "stage9", "LAYER1", "x" * 10_000, "conv1\n", "⌊"])
def test_garbage_as_a_path_is_one_sentence(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["explain", "resnet18", path])
    talk = capsys.readouterr().err
    assert (status, len(talk.splitlines())) == ((0, 0) if path == "" else (2, 1))
    assert len(talk) < 400


def test_the_verb_writes_each_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the Python interface."""
    explained = analyzer.explain("resnet18", "layer2", 64)
    arguments = ["explain", "resnet18", "layer2", "--input-size", "64"]
    for form, wanted in (("text", explained.text), ("markdown", explained.markdown)):
        assert main([*arguments, "--format", form]) == 0
        assert capsys.readouterr().out == wanted + "\n"
    target = tmp_path / "told.json"
    assert main([*arguments, "--format", "json", "--output", str(target)]) == 0
    assert json.loads(target.read_text(encoding="utf-8")) == explained.to_dict()


def test_a_graph_without_a_spec_is_explained_too() -> None:
    """Closed form, by hand: a dilated, biased convolution on an oblong map, and a pool that rounds up."""
    ops: tuple[tuple[str, Op], ...] = (
        ("conv", Conv2d(2, 4, 3, stride=2, dilation=2, groups=2, bias=True)),
        ("relu", ReLU()),
        ("pool", AvgPool2d(2, stride=2, ceil_mode=True)),
        ("flatten", Flatten()),
        ("fc", Linear(4 * 2 * 3, 5)),
    )
    graph = Graph("net", tuple(sequence(*ops)))
    text = analyzer.explain(graph, "conv", (10, 15)).text
    assert "height           ⌊(n − d·(k − 1) − 1)/s⌋ + 1 = ⌊(10 − 2·(3 − 1) − 1)/2⌋ + 1 = 3" in text
    assert "width            ⌊(n − d·(k − 1) − 1)/s⌋ + 1 = ⌊(15 − 2·(3 − 1) − 1)/2⌋ + 1 = 6" in text
    assert "k·k·C_in·C_out/g + C_out = 3·3·2·4/2 + 4 = 40" in text
    analysis = analyze(graph, (10, 15))
    check_network(analysis)
    for row in analysis.rows:
        check_op(analysis, row)


def test_a_mistake_in_python_is_an_invalid_input() -> None:
    with pytest.raises(InvalidInput, match="path 'layer9' is not in resnet18; did you mean"):
        analyzer.explain("resnet18", "layer9")


def test_widest_lines_fit_a_terminal() -> None:
    spec = ResNetSpec(block="bottleneck", depths=(2, 3, 2), se_reduction=4, output_stride=8, avg_down=True)
    for path in ("", "stage2", "layer3.0", "layer3.0.conv2", "layer2.0.downsample"):
        lines = analyzer.explain(spec, path).text.splitlines()
        assert max(map(len, lines[2:])) <= 110


@pytest.mark.parametrize(
    ("text", "value"),
    [("⌊(224 + 2·3 − 7)/2⌋ + 1", 112), ("⌈(7 − 2)/2⌉", 3), ("73,984 + 2 × 70,400", 214_784), ("3·3·128·128/32", 4608)],
)
def test_the_evaluator_evaluates(text: str, value: int) -> None:
    """Closed form, by hand."""
    assert evaluate_arithmetic(text) == value
