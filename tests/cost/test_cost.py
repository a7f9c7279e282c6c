"""The analysis of whole networks. Oracles: dependencies followed one by one, sums, and small networks by hand."""

from typing import Any

import pytest
from hypothesis import given

from analyzer.cost.analysis import analyze
from analyzer.cost.walk import CostCache, OpCost, cost_tree
from analyzer.errors import InvalidInput
from analyzer.families.expression import parse
from analyzer.families.registry import variant_names
from analyzer.families.spec import Spec
from analyzer.graph.graph import INPUT, Graph, Node, leaf_ops, sequence
from analyzer.graph.ops import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Multiply,
    Op,
    ReLU,
    Sigmoid,
)
from tests.support.strategies import sizable, sized, sizes, specs

COUNTS = ("params", "buffers", "macs", "activations")


def total(rows: tuple[OpCost, ...]) -> dict[str, int]:
    return {name: sum(getattr(row, name) for row in rows) for name in COUNTS}


def counts(part: Any) -> dict[str, int]:
    return {name: getattr(part, name) for name in COUNTS}


def added(parts: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(part[name] for part in parts) for name in COUNTS}


@given(sized)
def test_rows_blocks_and_stages_add_up_to_the_totals(case: tuple[Spec, tuple[int, int] | None]) -> None:
    analysis = analyze(*case)
    assert counts(analysis.totals) == total(analysis.rows) == added([counts(stage) for stage in analysis.stages])
    inside = {row.path for block in analysis.blocks for row in block.rows}
    outside = tuple(row for row in analysis.rows if row.path not in inside)
    assert counts(analysis.totals) == added([counts(block) for block in analysis.blocks] + [total(outside)])
    for stage in analysis.stages:
        own = [block for block in analysis.blocks if block.stage == stage.stage]
        assert len(own) == stage.num_blocks
        assert not own or stage.output_shape[1:] == own[-1].output_shape[1:]
    assert [analysis.flops, analysis.totals.params_bytes] == [2 * analysis.macs, 4 * analysis.params]


def ends(spec: Spec) -> tuple[str, str]:
    """The first and the last stage's name by the interface: VGG and AlexNet have no stem, `head=none` no head."""
    stages = [stage.stage for stage in analyze(spec).stages if stage.stage.startswith("stage")]
    first = "stem" if spec.family in ("resnet", "densenet", "regnet") else "stage1"
    return first, stages[-1] if spec.effective_fields()["head"] == "none" else "head"


@given(sized)
def test_rows_follow_the_graph(case: tuple[Spec, tuple[int, int] | None]) -> None:
    """Every leaf once, in order, with positive shapes; the first reads the image and the last writes the classes."""
    (spec, size), analysis = case, analyze(*case)
    assert [(row.path, row.operation) for row in analysis.rows] == list(leaf_ops(analysis.network.graph))
    assert all(side >= 1 for row in analysis.rows for shape in (*row.input_shapes, row.output_shape) for side in shape)
    assert analysis.rows[0].input_shapes == (analysis.input_shape,)
    assert analysis.input_shape[1:] == (size or (spec.default_input_size,) * 2)
    assert analysis.rows[-1].output_shape == analysis.totals.output_shape
    fields = spec.effective_fields()
    if fields["head"] == "classifier":
        assert analysis.totals.output_shape == (fields["num_classes"],)
    else:
        assert len(analysis.totals.output_shape) == (1 if fields["head"] == "pool" else 3)
    assert "" not in {stage.stage for stage in analysis.stages}
    assert (analysis.stages[0].stage, analysis.stages[-1].stage) == ends(spec)


def seen_by_one_output(graph: Graph, low: int, high: int) -> tuple[int, int]:
    """Brute force along one side: the input positions, unbounded, that the output positions low … high depend on."""
    needed: dict[str, tuple[int, int]] = {graph.nodes[-1].name: (low, high)}
    for node in reversed(graph.nodes):
        if node.name not in needed:
            continue
        low, high = needed[node.name]
        if isinstance(node.op, Graph):
            low, high = seen_by_one_output(node.op, low, high)
        elif isinstance(node.op, Conv2d):
            low, high = low * node.op.stride - node.op.padding, high * node.op.stride - node.op.padding
            high += node.op.dilation * (node.op.kernel - 1)
        elif isinstance(node.op, MaxPool2d | AvgPool2d):
            padding = node.op.padding if isinstance(node.op, MaxPool2d) else 0
            low, high = low * node.op.stride - padding, high * node.op.stride - padding + node.op.kernel - 1
        for name in node.inputs:
            before = needed.get(name, (low, high))
            needed[name] = min(low, before[0]), max(high, before[1])
    return needed[INPUT]


def spatial(graph: Graph) -> Graph:
    """The graph without its global or adaptive pool, or its flattening, and what follows."""
    ends = GlobalAvgPool2d | AdaptiveAvgPool2d | Flatten
    last = next((index for index, node in enumerate(graph.nodes) if isinstance(node.op, ends)), len(graph.nodes))
    return Graph(graph.kind, graph.nodes[:last])


@given(specs)
def test_the_receptive_field_is_what_one_output_depends_on(spec: Spec) -> None:
    graph = spec.graph()
    first, last = seen_by_one_output(spatial(graph), 0, 0)
    assert analyze(spec).receptive_field == last - first + 1
    assert analyze(spec).totals.total_stride == seen_by_one_output(spatial(graph), 1, 1)[0] - first


@pytest.mark.parametrize("name", variant_names())
def test_a_named_variants_receptive_field_is_what_one_output_depends_on(name: str) -> None:
    first, last = seen_by_one_output(spatial(parse(name).graph()), 0, 0)
    assert analyze(name).receptive_field == last - first + 1


@given(sizable)
def test_parameters_do_not_depend_on_the_input_size(spec: Spec) -> None:
    small, large = analyze(spec, 33), analyze(spec, (64, 47))
    assert [row.params for row in small.rows] == [row.params for row in large.rows]
    assert small.macs < large.macs


@given(sizable, sizes)
def test_swapping_height_and_width_swaps_every_shape(spec: Spec, size: tuple[int, int]) -> None:
    one, other = analyze(spec, size), analyze(spec, size[::-1])
    assert one.macs == other.macs
    assert [(row.output_shape[0], *row.output_shape[:0:-1]) for row in one.rows] == [
        row.output_shape for row in other.rows
    ]


def chain(*ops: Op | Graph, kind: str = "mine") -> Graph:
    return Graph(kind, tuple(sequence(*((f"op{index}", op) for index, op in enumerate(ops)))))


def gated(channels: int) -> Graph:
    """A squeeze-and-excitation gate, whose own path looks at everything and yet does not count as reach or depth."""
    nodes = (
        Node("squeeze", GlobalAvgPool2d(), (INPUT,)),
        Node("down", Conv2d(channels, 1, 1, bias=True), ("squeeze",)),
        Node("up", Conv2d(1, channels, 1, bias=True), ("down",)),
        Node("gate", Sigmoid(), ("up",)),
        Node("scale", Multiply(), (INPUT, "gate")),
    )
    return Graph("se", nodes)


def test_a_users_own_graph_is_analysed_like_a_variant() -> None:
    """By hand: 3→4 3×3 with bias on 9×9, a gate of 4·1+1 and 1·4+4 parameters, 4→2 classes."""
    graph = chain(Conv2d(3, 4, 3, stride=2, bias=True), gated(4), AdaptiveAvgPool2d(1), Flatten(), Linear(4, 2))
    analysis = analyze(graph, 9)
    assert (analysis.variant, analysis.network.family, analysis.network.spec) == ("mine", "mine", None)
    assert analysis.params == (3 * 4 * 9 + 4) + (4 + 1) + (4 + 4) + (4 * 2 + 2)
    assert analysis.macs == 3 * 4 * 9 * 4 * 4 + 4 + 4 + 4 * 2
    assert (analysis.receptive_field, analysis.totals.total_stride, analysis.depth) == (3, 2, 2)
    assert [row.path for row in analysis.rows][1:3] == ["op1.squeeze", "op1.down"]
    assert analysis.to_dict()["spec"] == {}


def test_a_spec_and_its_graph_and_its_name_cost_the_same() -> None:
    spec = parse("resnet18")
    assert analyze(spec).rows == analyze("resnet18").rows == analyze(spec.graph()).rows


def test_a_graph_may_label_its_ops_inside_its_blocks() -> None:
    """Stage labels are inherited downwards and may be overridden; a block counts where its first op is."""
    block = Graph("unit", (Node("conv", Conv2d(3, 3, 1), (INPUT,), "inner"),))
    stage = Graph("stage", (Node("0", block, (INPUT,)), Node("1", block, ("0",))))
    analysis = analyze(Graph("mine", (Node("body", stage, (INPUT,), "outer"),)), 4)
    assert [(row.stage, row.num_blocks) for row in analysis.stages] == [("inner", 2)]
    assert [block.path for block in analysis.blocks] == ["body.0", "body.1"]


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (chain(Conv2d(3, 4, 1), chain(ReLU(), Conv2d(5, 4, 1))), "op1.op1: Conv2d: its input has 4 channels"),
        (chain(Conv2d(3, 4, 1), Linear(4, 2)), "op1: Linear: its input (4, 9, 9) is not flat"),
        (chain(Conv2d(3, 4, 1), Flatten(), Conv2d(324, 4, 1)), "op2: Conv2d: its input (324,) has no height"),
        (chain(ReLU()), "states its input channels"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused_with_the_path_of_the_op(graph: Graph, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        analyze(graph, 9)
    assert message in str(refused.value)


def test_a_graph_of_too_many_ops_is_refused_however_small_it_is_written() -> None:
    graph = chain(ReLU())
    for _ in range(15):
        graph = chain(graph, graph)
    with pytest.raises(InvalidInput, match="mine: 32768 ops are over the bound of 20000 ops in all"):
        analyze(graph)


def test_an_input_too_small_is_refused_with_the_op_that_ran_out() -> None:
    with pytest.raises(
        InvalidInput, match=r"^features\.transition\d\.pool: AvgPool2d .* its 1×1 input leaves less than 1×1"
    ):
        analyze("densenet121", 8)


@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_the_smallest_and_the_largest_input_are_taken(name: str) -> None:
    smallest = {"resnet50": 1, "densenet121": 29}[name]  # densenet121's min_size in torchvision's weights
    assert analyze(name, smallest).totals.output_shape == (1000,)
    assert analyze(name, 16_384).macs > 5000 * analyze(name, 224).macs


@given(specs)
def test_the_json_says_what_the_rows_say(spec: Spec) -> None:
    analysis = analyze(spec)
    document = analysis.to_dict()
    assert [(row["path"], row["op"], row["params"], row["macs"]) for row in document["rows"]] == [
        (row.path, row.op, row.params, row.macs) for row in analysis.rows
    ]
    assert [tuple(stage["output_shape"]) for stage in document["stages"]] == [
        stage.output_shape for stage in analysis.stages
    ]
    assert document["totals"]["params"] == sum(row["params"] for row in document["rows"])
    assert document["expression"] == document["variant"] == analysis.variant


def test_a_frame_has_one_row_an_op() -> None:
    analysis = analyze("resnet18")
    frame = analysis.to_frame()
    assert frame.shape == (len(analysis.rows), 10)
    assert frame.macs.sum() == analysis.macs
    assert list(frame.path) == [row.path for row in analysis.rows]


def test_costs_kept_under_anothers_identity_are_not_taken() -> None:
    """Closed form: identities are given anew in another process, so that a pickled analysis keeps strangers' costs."""
    graph, other, shape = parse("resnet18").graph(), parse("resnet34").graph(), (3, 224, 224)
    cache: CostCache = {}
    cost_tree(other, shape, cache)
    stale: CostCache = {(id(graph), shape): cache[id(other), shape]}
    assert cost_tree(graph, shape, stale).total == cost_tree(graph, shape).total != cost_tree(other, shape).total
