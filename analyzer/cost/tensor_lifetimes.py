"""Which storages an eager run of a network makes, which ops share one, and how long each lives.

Every memory figure is computed from these. Convention: ops run one after the other in the rows' order, as torch runs
them eagerly. A ReLU or an addition overwrites its first input where nothing else needs that (`in_place_nodes`);
Flatten, and Dropout in inference, pass on the storage that they read. A storage lives until the last op that reads it
is done. As in Python, whoever calls a sub-graph (stage, block, shortcut) holds its input until the whole sub-graph is
done, and the network's caller holds the image to the end.

ResNet-18 begins conv1, bn1, relu, maxpool, and then its first stage, whose input is the pool's output:

    >>> from analyzer.cost.analysis import analyze
    >>> analysis = analyze("resnet18")
    >>> lifetimes = tensor_lifetimes(analysis)
    >>> lifetimes.writes[:4]  # the storage that each op writes; 0 is the image, and relu overwrites bn1's output
    (1, 2, 2, 3)
    >>> lifetimes.storages[3]  # the pool's output: made by op 3, and held until the stage is done, with op 17
    Storage(shape=(64, 56, 56), born=3, dies=17)
    >>> analysis.rows[17].path, lifetimes.reads[9]  # though the last to read it is op 9, the first block's addition
    ('layer1.1.relu2', (7, 3))

During bn1 three storages live, the image, its input and its output, which is the peak of inference, in float32 bytes:

    >>> from math import prod
    >>> max(live_bytes_by_op(lifetimes, [4 * prod(storage.shape) for storage in lifetimes.storages]))
    7024640
    >>> 4 * (3 * 224 * 224 + 2 * 64 * 112 * 112)
    7024640
"""

from collections.abc import Sequence
from typing import NamedTuple

from analyzer.cost.network_costs import NetworkCosts
from analyzer.graph.graph import INPUT, Graph, Node
from analyzer.graph.memo import memoized_per_object
from analyzer.graph.ops import Dropout, Op, Shape, is_view, may_be_overwritten, runs_in_place


class Storage(NamedTuple):
    """One piece of memory: its shape, the op that makes it (-1: the image) and the last op during which it lives."""

    shape: Shape
    born: int
    dies: int


class TensorLifetimes(NamedTuple):
    """The storages of an eager run, and for each row the storages that it reads and the one that holds its output."""

    storages: tuple[Storage, ...]
    reads: tuple[tuple[int, ...], ...]
    writes: tuple[int, ...]


def tensor_lifetimes(costs: NetworkCosts, *, training: bool = False) -> TensorLifetimes:
    """The storages of one forward pass, image first, then in the order of the ops that make them; linear in the ops.

    Training differs in dropout alone, which makes a storage of its own then.
    """
    return _lifetimes(costs, training and any(isinstance(row.operation, Dropout) for row in costs.rows))


@memoized_per_object
def _lifetimes(costs: NetworkCosts, training: bool) -> TensorLifetimes:
    rows, trace = costs.rows, _LifetimeRecorder(training)
    trace.run_graph(costs.network.graph, 0)
    shapes = [costs.input_shape, *[rows[index].output_shape for index in trace.born[1:]]]
    lives = zip(shapes, trace.born, trace.dies, strict=True)
    return TensorLifetimes(tuple(Storage(*life) for life in lives), tuple(trace.reads), tuple(trace.writes))


class _LifetimeRecorder:
    """The lists that a walk over the graph fills."""

    def __init__(self, training: bool) -> None:
        self.training = training
        self.born: list[int] = [-1]
        self.dies: list[int] = [-1]
        self.reads: list[tuple[int, ...]] = []
        self.writes: list[int] = []
        self._overwriting: dict[int, frozenset[str]] = {}

    def run_graph(self, graph: Graph, source: int) -> int:
        """Run a sub-graph on a storage, which is held until the end; the storage of its output."""
        if id(graph) not in self._overwriting:
            self._overwriting[id(graph)] = in_place_nodes(graph)
        in_place = self._overwriting[id(graph)]
        values = {INPUT: source}
        for node in graph.nodes:
            if isinstance(node.op, Graph):
                values[node.name] = self.run_graph(node.op, values[node.inputs[0]])
            else:
                reads = tuple([values[name] for name in node.inputs])
                values[node.name] = self._run_op(
                    reads, is_view(node.op, training=self.training) or node.name in in_place
                )
        self.dies[source] = len(self.reads) - 1
        return values[graph.nodes[-1].name]

    def _run_op(self, reads: tuple[int, ...], shared: bool) -> int:
        index = len(self.reads)
        for source in reads:
            self.dies[source] = index
        written = reads[0] if shared else len(self.born)
        if not shared:
            self.born.append(index)
            self.dies.append(index)
        self.reads.append(reads)
        self.writes.append(written)
        return written


def in_place_nodes(graph: Graph) -> frozenset[str]:
    """Nodes of a graph, not of its sub-graphs, that write over their first input: ReLUs and additions that may.

    A node may where nothing else reads that input, the gradient of the op that made it does not need it, and it is
    of the same stage, so that every stage's output stays whole.
    """
    by_name = {node.name: node for node in graph.nodes}
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for source in node.inputs:
            readers[source] = readers.get(source, 0) + 1
    able = (node for node in graph.nodes if not isinstance(node.op, Graph) and runs_in_place(node.op))
    return frozenset(node.name for node in able if _owns_input(node, by_name, readers))


def _owns_input(node: Node, by_name: dict[str, Node], readers: dict[str, int]) -> bool:
    source = node.inputs[0]
    if source not in by_name or readers[source] > 1 or not may_be_overwritten(_last_op(by_name[source].op)):
        return False
    return _last_stage(by_name[source]) == node.stage


def _last_stage(node: Node) -> str:
    """The stage of a node's output: its own, or that of the last op in it."""
    inner = _last_stage(node.op.nodes[-1]) if isinstance(node.op, Graph) else ""
    return inner or node.stage


def _last_op(op: Op | Graph) -> Op:
    return _last_op(op.nodes[-1].op) if isinstance(op, Graph) else op


def live_bytes_by_op(
    lifetimes: TensorLifetimes, sizes: Sequence[int], stored: frozenset[int] = frozenset()
) -> list[int]:
    """The sum of `sizes` (one a storage) over the storages that live during each op; those in `stored` never die."""
    change = [0] * (len(lifetimes.reads) + 1)
    for index, (storage, size) in enumerate(zip(lifetimes.storages, sizes, strict=True)):
        change[max(storage.born, 0)] += size
        if index not in stored:
            change[storage.dies + 1] -= size
    alive, level = [], 0
    for step in change[:-1]:
        level += step
        alive.append(level)
    return alive


def storage_owners(lifetimes: TensorLifetimes, step: int) -> dict[int, int]:
    """Storage → the op whose output it holds when op `step` is done (-1: the image), of those that live during it."""
    last_writer = {0: -1}
    for index, written in enumerate(lifetimes.writes[: step + 1]):
        last_writer[written] = index
    return {index: op for index, op in last_writer.items() if lifetimes.storages[index].dies >= step}
