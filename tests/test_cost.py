"""The closed form. Oracles: brute force (windows, multiplications and dependencies counted one by one), and sums."""

from math import prod
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analyzer.cost import formulas
from analyzer.cost.analysis import analyze
from analyzer.cost.walk import Row
from analyzer.errors import InvalidInput
from analyzer.families.expression import parse
from analyzer.families.registry import variant_names
from analyzer.families.spec import Spec
from analyzer.graph import INPUT, Graph, Node, leaf_ops, sequence
from analyzer.ops import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Multiply,
    Op,
    ReLU,
    Shape,
    Sigmoid,
    ZeroPadShortcut,
)
from tests.strategies import sizes, specs

COUNTS = ("params", "buffers", "macs", "activations")

windows = st.tuples(st.integers(1, 40), st.integers(1, 7), st.integers(1, 5), st.integers(0, 4), st.integers(1, 3))


@given(windows)
def test_a_window_has_as_many_positions_as_can_be_placed(numbers: tuple[int, int, int, int, int]) -> None:
    """Brute force: slide a dilated window over the padded side and count the places where all of it fits."""
    size, kernel, stride, padding, dilation = numbers
    taps = [dilation * tap for tap in range(kernel)]
    placed = [start for start in range(0, size + 2 * padding, stride) if start + taps[-1] < size + 2 * padding]
    assert max(formulas.window_positions(size, kernel, stride, padding, dilation), 0) == len(placed)


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 7))
def test_ceil_mode_also_counts_the_last_incomplete_window(size: int, kernel: int, stride: int) -> None:
    """Brute force, as torch rounds up: one more window where the last complete one leaves something uncovered."""
    assume(size >= kernel)
    complete = [start for start in range(0, size, stride) if start + kernel <= size]
    following = complete[-1] + stride
    leaves_some = complete[-1] + kernel < size
    wanted = len(complete) + (leaves_some and following < size)
    assert formulas.ceil_positions(size, kernel, stride) == wanted


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "positions"), [(1, 2, 2, 1), (7, 2, 2, 4), (8, 2, 2, 4), (2, 3, 2, 1)]
)
def test_ceil_mode_by_hand(size: int, kernel: int, stride: int, positions: int) -> None:
    """torch.nn.AvgPool2d(kernel, stride, ceil_mode=True), torch 2.14.1."""
    assert formulas.ceil_positions(size, kernel, stride) == positions


def multiplications(conv: Conv2d, height: int, width: int) -> int:
    """Count as a padded convolution multiplies: every output element, every tap, every channel of its group."""
    count, extent = 0, conv.dilation * (conv.kernel - 1)
    of_one_group = len(range(0, conv.in_channels, conv.groups))
    for _ in range(conv.out_channels):
        for _ in range(0, height + 2 * conv.padding - extent, conv.stride):
            for _ in range(0, width + 2 * conv.padding - extent, conv.stride):
                count += conv.kernel * conv.kernel * of_one_group
    return count


@given(st.data())
def test_a_convolutions_cost_is_its_multiplications_one_by_one(data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, 4))
    conv = Conv2d(
        groups * data.draw(st.integers(1, 3)),
        groups * data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 4)),
        stride=data.draw(st.integers(1, 3)),
        padding=data.draw(st.integers(0, 2)),
        dilation=data.draw(st.integers(1, 2)),
        groups=groups,
        bias=data.draw(st.booleans()),
    )
    height, width = data.draw(st.tuples(st.integers(7, 10), st.integers(7, 10)))
    output = formulas.out_shape(conv, (conv.in_channels, height, width))
    counted = multiplications(conv, height, width)
    assert formulas.macs(conv, output) == counted
    assert (
        formulas.activations(conv, output) == counted // (conv.kernel**2 * conv.in_channels // groups) == prod(output)
    )
    weights = [
        (o, i)
        for o in range(conv.out_channels)
        for i in range(conv.in_channels)
        if o * groups // conv.out_channels == i * groups // conv.in_channels
    ]
    assert formulas.params(conv) == conv.kernel**2 * len(weights) + conv.bias * conv.out_channels


COSTS: list[tuple[Op, tuple[Shape, ...], Shape, int, int, int, int]] = [
    # op, inputs, output, params, buffers, macs, activations
    (Linear(5, 3), ((5,),), (3,), 5 * 3 + 3, 0, 5 * 3, 3),
    (BatchNorm2d(4), ((4, 5, 6),), (4, 5, 6), 4 + 4, 4 + 4 + 1, 0, 0),
    (ReLU(), ((4, 5, 6),), (4, 5, 6), 0, 0, 0, 0),
    (MaxPool2d(3, stride=2, padding=1), ((4, 5, 6),), (4, 3, 3), 0, 0, 0, 0),
    (AvgPool2d(2, stride=2), ((4, 5, 6),), (4, 2, 3), 0, 0, 0, 0),
    (AvgPool2d(2, stride=2, ceil_mode=True), ((4, 5, 6),), (4, 3, 3), 0, 0, 0, 0),
    (GlobalAvgPool2d(), ((4, 5, 6),), (4, 1, 1), 0, 0, 0, 0),
    (AdaptiveAvgPool2d(7), ((4, 5, 6),), (4, 7, 7), 0, 0, 0, 0),
    (Flatten(), ((4, 5, 6),), (120,), 0, 0, 0, 0),
    (Add(), ((4, 5, 6), (4, 5, 6)), (4, 5, 6), 0, 0, 0, 0),
    (Concat(), ((4, 5, 6), (3, 5, 6), (1, 5, 6)), (8, 5, 6), 0, 0, 0, 0),
    (Multiply(), ((4, 5, 6), (4, 1, 1)), (4, 5, 6), 0, 0, 0, 0),
    (ZeroPadShortcut(4, 8, stride=2), ((4, 5, 6),), (8, 3, 3), 0, 0, 0, 0),
]


@pytest.mark.parametrize("case", COSTS, ids=lambda case: repr(case[0]))
def test_an_op_costs_what_its_definition_says(case: tuple[Any, ...]) -> None:
    op, shapes, output, *counts = case
    assert formulas.out_shape(op, *shapes) == output
    assert [
        formulas.params(op),
        formulas.buffers(op),
        formulas.macs(op, output),
        formulas.activations(op, output),
    ] == counts


UNFIT: list[tuple[Op, tuple[Shape, ...], str]] = [
    (Conv2d(3, 4, 1), ((4, 5, 5),), "Conv2d: its input has 4 channels or features, it needs 3"),
    (Conv2d(3, 4, 7), ((3, 5, 9),), "Conv2d with kernel 7 and padding 0: its 5×9 input leaves less than 1×1"),
    (Conv2d(3, 4, 3, dilation=3), ((3, 6, 6),), "leaves less than 1×1"),
    (Conv2d(3, 4, 1), ((3,),), "Conv2d: its input (3,) has no height and width"),
    (MaxPool2d(2, stride=2), ((3, 1, 9),), "MaxPool2d with kernel 2 and padding 0: its 1×9 input leaves less than 1×1"),
    (AvgPool2d(5, stride=2, ceil_mode=True), ((3, 1, 1),), "leaves less than 1×1"),
    (AvgPool2d(2, stride=2), ((3, 1, 1),), "leaves less than 1×1"),
    (GlobalAvgPool2d(), ((3,),), "has no height and width"),
    (BatchNorm2d(3), ((3,),), "has no height and width"),
    (BatchNorm2d(3), ((4, 1, 1),), "it needs 3"),
    (Linear(7, 2), ((4, 7, 7),), "Linear: its input (4, 7, 7) is not flat"),
    (Linear(7, 2), ((8,),), "Linear: its input has 8 channels or features, it needs 7"),
    (Add(), ((4, 5, 5), (4, 5, 6)), "Add: its inputs have unequal shapes (4, 5, 5), (4, 5, 6)"),
    (Add(), ((4, 5, 5), (5, 5, 5)), "unequal shapes"),
    (Concat(), ((4, 5, 5), (4, 6, 5)), "unequal shapes"),
    (Multiply(), ((4, 5, 5), (4, 5, 5)), "unequal shapes"),
    (ZeroPadShortcut(4, 8), ((3, 5, 5),), "it needs 4"),
]


@pytest.mark.parametrize(
    ("op", "shapes", "message"), UNFIT, ids=[f"{type(op).__name__} {message}" for op, _, message in UNFIT]
)
def test_an_input_that_does_not_fit_is_refused(op: Op, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        formulas.out_shape(op, *shapes)
    assert message in str(refused.value)


def total(rows: tuple[Row, ...]) -> dict[str, int]:
    return {name: sum(getattr(row, name) for row in rows) for name in COUNTS}


def counts(part: Any) -> dict[str, int]:
    return {name: getattr(part, name) for name in COUNTS}


def added(parts: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(part[name] for part in parts) for name in COUNTS}


@given(specs, sizes)
def test_rows_blocks_and_stages_add_up_to_the_totals(spec: Spec, size: tuple[int, int]) -> None:
    analysis = analyze(spec, size)
    assert counts(analysis.totals) == total(analysis.rows) == added([counts(stage) for stage in analysis.stages])
    inside = {row.path for block in analysis.blocks for row in block.rows}
    outside = tuple(row for row in analysis.rows if row.path not in inside)
    assert counts(analysis.totals) == added([counts(block) for block in analysis.blocks] + [total(outside)])
    for stage in analysis.stages:
        own = [block for block in analysis.blocks if block.stage == stage.stage]
        assert len(own) == stage.num_blocks
        assert not own or stage.output_shape[1:] == own[-1].output_shape[1:]
    assert [analysis.flops, analysis.totals.params_bytes] == [2 * analysis.macs, 4 * analysis.params]


@given(specs, sizes)
def test_rows_follow_the_graph(spec: Spec, size: tuple[int, int]) -> None:
    """Every leaf once, in order, with positive shapes; the first reads the image and the last writes the classes."""
    analysis = analyze(spec, size)
    assert [(row.path, row.operation) for row in analysis.rows] == list(leaf_ops(analysis.network.graph))
    assert all(side >= 1 for row in analysis.rows for shape in (*row.input_shapes, row.output_shape) for side in shape)
    assert analysis.rows[0].input_shapes == (analysis.input_shape,)
    assert analysis.input_shape[1:] == size
    assert analysis.rows[-1].output_shape == analysis.totals.output_shape == (analysis.network.spec.num_classes,)  # type: ignore[union-attr]
    assert "" not in {stage.stage for stage in analysis.stages}
    assert (analysis.stages[0].stage, analysis.stages[-1].stage) == ("stem", "head")


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
    """The graph without its global pool and what follows."""
    last = next(index for index, node in enumerate(graph.nodes) if isinstance(node.op, GlobalAvgPool2d))
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


@given(specs)
def test_parameters_do_not_depend_on_the_input_size(spec: Spec) -> None:
    small, large = analyze(spec, 33), analyze(spec, (64, 47))
    assert [row.params for row in small.rows] == [row.params for row in large.rows]
    assert small.macs < large.macs


@given(specs, sizes)
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
    told = analysis.to_dict()
    assert [(row["path"], row["op"], row["params"], row["macs"]) for row in told["rows"]] == [
        (row.path, row.op, row.params, row.macs) for row in analysis.rows
    ]
    assert [tuple(stage["output_shape"]) for stage in told["stages"]] == [
        stage.output_shape for stage in analysis.stages
    ]
    assert told["totals"]["params"] == sum(row["params"] for row in told["rows"])
    assert told["expression"] == told["variant"] == analysis.variant


def test_a_frame_has_one_row_an_op() -> None:
    analysis = analyze("resnet18")
    frame = analysis.to_frame()
    assert frame.shape == (len(analysis.rows), 10)
    assert frame.macs.sum() == analysis.macs
    assert list(frame.path) == [row.path for row in analysis.rows]
