"""Oracle: published. Formulas of papers and tutorials with their numbers filled in, against our closed form."""

from collections.abc import Callable

import pytest

from analyzer.cost import formulas
from analyzer.cost.analysis import analyze
from analyzer.families.densenet import DenseNetSpec
from analyzer.families.expression import parse
from analyzer.graph.ops import Conv2d
from tests.support.oracles import PublishedEntry, entry_label, published_entries


def facts(*topics: str) -> list[PublishedEntry]:
    return [
        dict(part.split("=") for part in row["given"].split()) | row
        for row in published_entries("layer_facts")
        if row["topic"] in topics
    ]


def fact_name(entry: PublishedEntry) -> str:
    return entry_label(entry, "topic", "given")


@pytest.mark.parametrize("entry", facts("window"), ids=fact_name)
def test_a_window_moves_to_the_published_number_of_positions(entry: PublishedEntry) -> None:
    positions = formulas.window_positions(int(entry["n"]), int(entry["f"]), int(entry["s"]), int(entry["p"]))
    assert positions == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("conv params"), ids=fact_name)
def test_a_convolution_has_the_published_parameters(entry: PublishedEntry) -> None:
    bias, groups = entry["bias"] == "true", int(entry["groups"])
    conv = Conv2d(int(entry["cin"]), int(entry["cout"]), int(entry["k"]), groups=groups, bias=bias)
    assert formulas.params(conv) == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("dense connections"), ids=fact_name)
def test_dense_layers_have_the_published_number_of_connections(entry: PublishedEntry) -> None:
    """Each concat joins one more source to what went before: layer l reads the block's input and l − 1 layers."""
    analysis = analyze(f"densenet:depths={entry['L']},growth_rate=1,init_features=1", 32)
    reads = [row.input_shapes[0][0] for row in analysis.rows if row.path.endswith(".norm1")]
    assert sum(reads) == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("dense input channels"), ids=fact_name)
def test_a_dense_layer_reads_the_published_number_of_channels(entry: PublishedEntry) -> None:
    analysis = analyze(f"densenet:depths={entry['l']},growth_rate={entry['k']},init_features={entry['k0']}", 32)
    last = [row for row in analysis.rows if row.path.endswith(".norm1")][-1]
    assert last.input_shapes[0][0] == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("transition channels"), ids=fact_name)
def test_a_transition_leaves_the_published_number_of_channels(entry: PublishedEntry) -> None:
    spec = DenseNetSpec(
        depths=(1, 1), growth_rate=1, init_features=int(entry["m"]) - 1, compression=float(entry["theta"])
    )
    transition = next(stage for stage in analyze(spec, 32).stages if stage.stage == "transition1")
    assert transition.output_shape[0] == int(entry["expected"])


DEPTHS: dict[str, Callable[[PublishedEntry], str]] = {
    "depth 6n+2": lambda entry: f"resnet:block=basic,depths={entry['n']}-{entry['n']}-{entry['n']},stem=cifar",
    "depth 9n+2": lambda entry: f"resnet:block=bottleneck,depths={entry['n']}-{entry['n']}-{entry['n']},stem=cifar",
    "residual depth": lambda entry: (
        f"resnet:block={'basic' if entry['convs_per_block'] == '2' else 'bottleneck'},depths={entry['layers']}"
    ),
    "dense depth": lambda entry: f"densenet:depths={entry['blocks']}",
}


@pytest.mark.parametrize("entry", facts(*DEPTHS), ids=fact_name)
def test_a_network_has_the_published_depth(entry: PublishedEntry) -> None:
    assert analyze(DEPTHS[entry["topic"]](entry)).depth == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("dense layers a block"), ids=fact_name)
def test_a_densenet_of_the_published_blocks_has_its_depth(entry: PublishedEntry) -> None:
    ratio, expected = "4" if entry["bottleneck"] == "true" else "none", entry["expected"]
    spec = f"densenet:depths={expected}-{expected}-{expected},growth_rate=12,stem=cifar,bottleneck_ratio={ratio}"
    assert analyze(spec).depth == int(entry["L"])


@pytest.mark.parametrize("entry", facts("wide blocks a group"), ids=fact_name)
def test_a_wide_resnet_of_the_published_depth_has_its_blocks(entry: PublishedEntry) -> None:
    blocks = int(entry["expected"])
    assert parse(f"wrn{entry['depth']}_{entry['k']}").effective_fields()["depths"] == [blocks] * 3


@pytest.mark.parametrize("entry", facts("dense blocks"), ids=fact_name)
def test_a_densenet_has_the_published_dense_layers_a_block(entry: PublishedEntry) -> None:
    blocks = [stage.num_blocks for stage in analyze(entry["name"]).stages if stage.num_blocks]
    assert "-".join(map(str, blocks)) == entry["expected"]


@pytest.mark.parametrize("entry", facts("option A adds parameters"), ids=fact_name)
def test_option_a_adds_the_published_number_of_parameters(entry: PublishedEntry) -> None:
    with_a, plain = (analyze(f"resnet{entry['n']}:shortcut={letter}") for letter in ("A", "none"))
    assert with_a.params - plain.params == int(entry["expected"])


@pytest.mark.parametrize("entry", facts("option C adds projections"), ids=fact_name)
def test_option_c_adds_the_published_number_of_projections(entry: PublishedEntry) -> None:
    of_b, of_c = (
        sum(span.kind == "projection" for span in analyze(f"resnet{entry['n']}:shortcut={letter}").spans)
        for letter in ("B", "C")
    )
    assert of_c - of_b == int(entry["expected"])


def test_every_topic_has_its_test() -> None:
    tested = {"window", "conv params", "dense connections", "dense input channels", "transition channels", *DEPTHS}
    tested |= {"dense layers a block", "wide blocks a group", "dense blocks"}
    tested |= {"option A adds parameters", "option C adds projections"}
    assert {entry["topic"] for entry in published_entries("layer_facts")} == tested
