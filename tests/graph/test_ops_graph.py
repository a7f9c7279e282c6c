"""Ops and graphs: what may be built, and the fingerprint. Oracles: torch's own refusals, and plain definitions."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical
from analyzer.families.network import network
from analyzer.families.registry import variant_names
from analyzer.families.spec import Spec
from analyzer.graph.graph import INPUT, Graph, Node, fingerprint, in_channels, leaf_ops, num_ops, sequence
from analyzer.graph.ops import (
    OPS,
    Activation,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Merge,
    Multiply,
    Norm,
    Op,
    Pool,
    Rearrangement,
    ReLU,
    Weighted,
    ZeroPadShortcut,
    arity,
)
from tests.support.strategies import specs

IMPOSSIBLE_OPS: dict[str, Callable[[], Op]] = {
    "Conv2d.in_channels 0": lambda: Conv2d(0, 4, 1),
    "Conv2d.out_channels 65537": lambda: Conv2d(4, 65537, 1),
    "Conv2d.kernel 0": lambda: Conv2d(4, 4, 0),
    "Conv2d.stride -1": lambda: Conv2d(4, 4, 1, stride=-1),
    "Conv2d.padding -1": lambda: Conv2d(4, 4, 3, padding=-1),
    "Conv2d.dilation 0": lambda: Conv2d(4, 4, 3, dilation=0),
    "Conv2d.groups 3": lambda: Conv2d(4, 6, 1, groups=3),
    "Conv2d.groups 2": lambda: Conv2d(4, 5, 1, groups=2),
    "Conv2d.groups 0": lambda: Conv2d(4, 5, 1, groups=0),
    "BatchNorm2d.channels 0": lambda: BatchNorm2d(0),
    "MaxPool2d.kernel 0": lambda: MaxPool2d(0, stride=1),
    "MaxPool2d.stride 0": lambda: MaxPool2d(2, stride=0),
    "MaxPool2d.padding 2": lambda: MaxPool2d(3, stride=2, padding=2),
    "AvgPool2d.kernel -2": lambda: AvgPool2d(-2, stride=2),
    "AvgPool2d.stride 0": lambda: AvgPool2d(2, stride=0),
    "AdaptiveAvgPool2d.output_size 0": lambda: AdaptiveAvgPool2d(0),
    "Linear.in_features 0": lambda: Linear(0, 4),
    "Linear.out_features 0": lambda: Linear(4, 0),
    "ZeroPadShortcut.stride 0": lambda: ZeroPadShortcut(4, 4, stride=0),
    "cannot zero-pad 8 channels onto 4": lambda: ZeroPadShortcut(8, 4),
}


@pytest.mark.parametrize("fault", IMPOSSIBLE_OPS)
def test_an_impossible_op_is_refused_with_its_field_and_value(fault: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        IMPOSSIBLE_OPS[fault]()
    assert fault in str(refused.value)
    assert str(refused.value).endswith(".")


def node(name: str, op: Op | Graph, *inputs: str) -> Node:
    return Node(name, op, inputs)


IMPOSSIBLE_GRAPHS: dict[str, tuple[Node, ...]] = {
    "has no nodes": (),
    "'c' must be new": (node("c", ReLU(), INPUT), node("c", ReLU(), "c")),
    "'input' must be new": (node("input", ReLU(), INPUT),),
    "'' must be new": (node("", ReLU(), INPUT),),
    "'a.b' must be new, not empty and without a dot": (node("a.b", ReLU(), INPUT),),
    "reads 'later'": (node("a", ReLU(), "later"), node("later", ReLU(), INPUT)),
    "reads 'a'": (node("a", ReLU(), "a"),),
    "has 0 inputs and needs 1": (node("a", ReLU()),),
    "has 2 inputs and needs 1": (node("a", ReLU(), INPUT, INPUT),),
    "has 1 inputs and needs 2 or more": (node("a", Add(), INPUT),),
    "has 3 inputs and needs 2": (node("a", Multiply(), INPUT, INPUT, INPUT),),
    "a leads nowhere": (node("a", ReLU(), INPUT), node("b", ReLU(), INPUT)),
    "c leads nowhere": (node("a", ReLU(), INPUT), node("c", ReLU(), "a"), node("b", ReLU(), "a")),
}


@pytest.mark.parametrize("fault", IMPOSSIBLE_GRAPHS)
def test_an_impossible_graph_is_refused_with_its_node(fault: str) -> None:
    with pytest.raises(InvalidInput, match=r"^graph mine: ") as refused:
        Graph("mine", IMPOSSIBLE_GRAPHS[fault])
    assert fault in str(refused.value)


def chain(*ops: Op | Graph) -> Graph:
    return Graph("mine", tuple(sequence(*((f"op{index}", op) for index, op in enumerate(ops)))))


def test_a_merge_takes_any_number_of_inputs_and_the_same_one_twice() -> None:
    merges = [node("a", ReLU(), INPUT), node("sum", Add(), INPUT, "a", "a"), node("all", Concat(), "sum", INPUT)]
    assert [type(op) for _, op in leaf_ops(Graph("mine", tuple(merges)))] == [ReLU, Add, Concat]


def test_a_sequence_reads_one_after_the_other_and_carries_its_stage() -> None:
    assert sequence(("a", ReLU()), ("b", ReLU()), after="x", stage="stem") == [
        Node("a", ReLU(), ("x",), "stem"),
        Node("b", ReLU(), ("a",), "stem"),
    ]


def test_leaves_have_dotted_paths_in_execution_order() -> None:
    inner = chain(Conv2d(3, 4, 1), ReLU())
    assert [path for path, _ in leaf_ops(chain(inner, ReLU(), inner))] == [
        "op0.op0",
        "op0.op1",
        "op1",
        "op2.op0",
        "op2.op1",
    ]


def test_counting_shared_graphs_is_linear() -> None:
    """A graph of 2^200 ops, written down as 200 sums of itself with itself, is counted and fingerprinted at once."""
    graph = chain(ReLU())
    for _ in range(200):
        graph = chain(graph, graph)
    assert num_ops(graph) == 2**200
    assert len(fingerprint(graph)) == 12


@given(specs)
def test_counting_ops_is_counting_leaves(spec: Spec) -> None:
    graph = spec.graph()
    assert num_ops(graph) == len(list(leaf_ops(graph)))


@pytest.mark.parametrize(
    ("graph", "channels"),
    [
        (chain(ReLU(), Conv2d(5, 4, 1)), 5),
        (chain(BatchNorm2d(6), ReLU()), 6),
        (chain(Linear(7, 4)), 7),
        (chain(chain(MaxPool2d(2, stride=2), Conv2d(8, 4, 1)), Flatten()), 8),
    ],
)
def test_input_channels_are_those_of_the_first_op_that_states_them(graph: Graph, channels: int) -> None:
    assert in_channels(graph) == channels


def test_a_graph_that_states_no_channels_is_refused() -> None:
    with pytest.raises(InvalidInput, match="states its input channels"):
        in_channels(chain(ReLU()))


def test_every_merge_is_an_op_with_more_than_one_input() -> None:
    assert {op for op in OPS if issubclass(op, Merge)} == {Add, Concat, Multiply}
    assert all(arity(merge).least == 2 for merge in (Add(), Concat(), Multiply()))


def test_every_op_is_of_one_group_but_dropout() -> None:
    groups = (Weighted, Norm, Activation, Pool, Merge, Rearrangement)
    counts = {op: sum(issubclass(op, group) for group in groups) for op in OPS}
    assert [op for op, count in counts.items() if count != 1] == [Dropout]


@given(specs)
def test_equal_graphs_built_apart_have_one_fingerprint(spec: Spec) -> None:
    again = spec.with_fields()
    assert fingerprint(spec.graph()) == fingerprint(again.graph())


DIFFERENT = chain(Conv2d(3, 4, 3, padding=1), BatchNorm2d(4), MaxPool2d(2, stride=2), ReLU(), Flatten(), Linear(64, 5))
CHANGES: dict[str, Graph] = {
    "kind": replace(DIFFERENT, kind="other"),
    "name": chain(*[node.op for node in DIFFERENT.nodes[:-1]], chain(Linear(64, 5))),
    "stage": replace(DIFFERENT, nodes=(replace(DIFFERENT.nodes[0], stage="stem"), *DIFFERENT.nodes[1:])),
    "order": chain(*[DIFFERENT.nodes[index].op for index in (0, 1, 3, 2, 4, 5)]),
    "kernel": chain(Conv2d(3, 4, 1, padding=1), *[node.op for node in DIFFERENT.nodes[1:]]),
    "padding": chain(Conv2d(3, 4, 3), *[node.op for node in DIFFERENT.nodes[1:]]),
    "bias": chain(Conv2d(3, 4, 3, padding=1, bias=True), *[node.op for node in DIFFERENT.nodes[1:]]),
    "op": chain(*[node.op for node in DIFFERENT.nodes[:3]], AvgPool2d(1, stride=1), Flatten(), Linear(64, 5)),
    "features": chain(*[node.op for node in DIFFERENT.nodes[:5]], Linear(64, 6)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_any_change_changes_the_fingerprint(what: str) -> None:
    assert fingerprint(CHANGES[what]) != fingerprint(DIFFERENT)


def test_inputs_change_the_fingerprint() -> None:
    straight = Graph("mine", (node("a", ReLU(), INPUT), node("b", ReLU(), "a"), node("c", Add(), "a", "b")))
    crossed = Graph("mine", (node("a", ReLU(), INPUT), node("b", ReLU(), "a"), node("c", Add(), "b", "a")))
    assert fingerprint(straight) != fingerprint(crossed)


def test_the_named_variants_are_all_different_networks() -> None:
    assert len({fingerprint(network(name).graph) for name in variant_names()}) == len(variant_names())


PRINTS = """
import sys
from analyzer.families.expression import canonical
from analyzer.families.network import network
from analyzer.graph.graph import fingerprint
print(*(fingerprint(network(text).graph) for text in sys.stdin.read().split()))
"""


@settings(max_examples=1)
@given(st.lists(specs, min_size=40, max_size=40))
def test_fingerprints_are_the_same_in_every_process(random: list[Spec]) -> None:
    """Python shuffles sets and hashes by PYTHONHASHSEED; a fingerprint must not notice."""
    texts = [*variant_names(), *map(canonical, random)]
    here = " ".join(fingerprint(network(text).graph) for text in texts)
    for seed in ("0", "12345"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        child = subprocess.run(
            [sys.executable, "-c", PRINTS],
            input="\n".join(texts),
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert child.stdout.strip() == here
