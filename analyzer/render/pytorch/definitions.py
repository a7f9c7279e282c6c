"""Which classes and functions a network's code needs: sub-graphs that differ in numbers only become one definition.

ResNet-50 has eight different bottlenecks. The four that open a stage have a node `downsample`, with numbers that
differ, and so have the other four among themselves: two groups, alike but for that node. They become one class,

    class Bottleneck(nn.Module):
        def __init__(
            self, in_channels: int, width: int, out_channels: int, stride: int = 1, downsample: nn.Module | None = None
        ) -> None:

for a number that is the same in all of a definition's graphs is written out (the kernel's 3, the padding's 1); one that
differs, and every number of channels, becomes a parameter, and numbers that are equal in each graph become one
(`width`: conv1's outputs, bn1's channels, conv2's inputs and outputs, … ; see parameters.py). `downsample`, the node
that only some of the graphs have, is handed in; where it is None, its readers read its `fallback`, the block's input.
The four projections that are handed in differ in numbers only, and are chains: one function `projection(in_channels,
out_channels, stride=1)` that gives an nn.Sequential. A stage, a chain that stands once, needs no definition: it is
written where it is used. A dense block whose layers grow evenly becomes a class with a loop.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal, NamedTuple

from analyzer.cost.tensor_lifetimes import in_place_nodes
from analyzer.graph.graph import INPUT, Graph, Node
from analyzer.graph.ops import Concat, Op
from analyzer.render.pytorch.ops import CHANNELS, fixed_fields, variable_fields

Value = int | Op | Graph | None
"""An argument: a number, or the module to hand in."""

Form = Literal["class", "dense", "numbered", "named"]
"""A class, one with a loop over dense layers, or a function that gives a sequence of numbered or named modules."""

MAX_IDENTITIES = 8
"""Numbers that a numbered sequence may leave out; nn.Identity() stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter with its value in each of the definition's graphs; a required one has no default."""

    name: str
    role: str
    values: tuple[Value, ...]
    required: bool
    default: Value = None


class DenseBlock(NamedTuple):
    """Layers named `prefix` and a number from `start` on, each reading the block's input and all layers before it."""

    prefix: str
    start: int
    layers: tuple[Graph, ...]


@dataclass(slots=True, kw_only=True)
class Definition:
    """A class or function; its `template` is the graph with the most nodes, at the weight path `path`.

    Some of the graphs may lack the node `optional`, whose readers read `fallback` there. `codes` has the expression of
    each field of each node, and of each parameter of a node's own definition. `dense_blocks` has each graph's layers.
    """

    kind: str
    form: Form
    template: Graph
    path: str
    graphs: list[Graph] = field(default_factory=list)
    dense_blocks: list[DenseBlock] = field(default_factory=list)
    optional: str = ""
    fallback: str = ""
    name: str = ""
    is_written: bool = False
    parameters: list[Parameter] = field(default_factory=list)
    codes: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def is_class(self) -> bool:
        """Whether it is a class and not a function that gives a sequence."""
        return self.form in ("class", "dense")

    def ops(self, name: str) -> list[Op | Graph | None]:
        """What each graph has at a node; None where it lacks the node."""
        return [next((node.op for node in graph.nodes if node.name == name), None) for graph in self.graphs]


@dataclass(slots=True)
class _SubGraph:
    """A distinct sub-graph: its first weight path, its height over the ops, its uses, and whether it is a block.

    `index` is its place among its definition's graphs.
    """

    graph: Graph
    path: str
    height: int = 0
    num_uses: int = 0
    is_block: bool = False
    definition: Definition = field(init=False)
    index: int = field(init=False)


class Definitions:
    """All definitions of a network's sub-graphs; those that are `written` out come after those that they use."""

    def __init__(self, graph: Graph) -> None:
        self._by_id: dict[int, _SubGraph] = {}
        distinct: dict[Graph, _SubGraph] = {}
        self._visit(graph, "", distinct)
        definitions = _merged(self._grouped(sorted(distinct.values(), key=lambda sub: sub.height)))
        for definition in definitions:
            for index, member in enumerate(definition.graphs):
                sub = self._by_id[id(member)]
                sub.definition, sub.index = definition, index
        self._mark(_sub_graphs(graph))
        self.written = sorted((one for one in definitions if one.is_written), key=self._height)

    def of(self, graph: Graph) -> Definition:
        """The definition of a sub-graph."""
        return self._by_id[id(graph)].definition

    def value(self, parameter: Parameter, graph: Graph) -> Value:
        """The value of a parameter of a sub-graph's definition for that sub-graph."""
        return parameter.values[self._by_id[id(graph)].index]

    def child(self, definition: Definition, node: Node) -> Definition | None:
        """The one definition of a node in all of a definition's graphs; None for ops, and where there are several."""
        if not isinstance(node.op, Graph) or node.name == definition.optional:
            return None
        first, *others = [self.of(op) for op in definition.ops(node.name) if isinstance(op, Graph)]
        return first if all(other is first for other in others) else None

    def _height(self, definition: Definition) -> int:
        return max(self._by_id[id(graph)].height for graph in definition.graphs)

    def _visit(self, graph: Graph, prefix: str, distinct: dict[Graph, _SubGraph]) -> int:
        """Record everything in a graph; its height."""
        height = 0
        for node in graph.nodes:
            if isinstance(node.op, Graph):
                sub = self._by_id.get(id(node.op))
                if sub is None:
                    path = prefix + node.name
                    sub = self._by_id[id(node.op)] = distinct.setdefault(node.op, _SubGraph(node.op, path))
                    sub.height = self._visit(node.op, f"{path}.", distinct)
                sub.num_uses += 1
                sub.is_block |= graph.kind == "stage"
                height = max(height, sub.height)
        return height + 1

    def _grouped(self, sub_graphs: list[_SubGraph]) -> list[Definition]:
        """One definition for all that differ in numbers only; `sub_graphs` has those within others first."""
        definitions: dict[Hashable, Definition] = {}
        for sub in sub_graphs:
            graph = sub.graph
            block = self._dense_block(graph)
            form = "dense" if block else _form(graph, sub.is_block)
            first = block and (block.prefix, block.start, id(self.of(block.layers[0])))
            key = (form, graph.kind, first or _signature(graph))
            if key not in definitions:
                kind = "dense" if block else graph.kind
                definitions[key] = Definition(kind=kind, form=form, template=graph, path=sub.path)
            sub.definition = definitions[key]
            sub.definition.graphs.append(graph)
            sub.definition.dense_blocks += [block] if block else []
        return list(definitions.values())

    def _dense_block(self, graph: Graph) -> DenseBlock | None:
        """The layers of a graph that is nothing but a dense block which grows evenly; None for any other graph."""
        layers: list[Graph] = []
        joined = INPUT
        for layer, concat in zip(graph.nodes[::2], graph.nodes[1::2], strict=False):
            reads_all = layer.inputs == (joined,) and concat.inputs == (joined, layer.name)
            if not isinstance(layer.op, Graph) or not isinstance(concat.op, Concat) or not reads_all:
                return None
            layers.append(layer.op)
            joined = concat.name
        numbering = _numbering([node.name for node in graph.nodes[::2]])
        if len(graph.nodes) % 2 or numbering is None:
            return None
        subs = [self._by_id[id(layer)] for layer in layers]
        alike = all(sub.definition is subs[0].definition and sub.height == 1 for sub in subs)
        return DenseBlock(*numbering, tuple(layers)) if alike and _grow_evenly(layers) else None

    def _mark(self, graphs: Iterable[Graph]) -> None:
        """Mark the definitions that are written out; a sequence that is used once stands where it is used."""
        for graph in {id(graph): graph for graph in graphs}.values():
            definition, inner = self.of(graph), list(_sub_graphs(graph))
            repeats = self._by_id[id(graph)].num_uses > 1 or len(definition.graphs) > 1
            if definition.is_class or (repeats and not inner):
                self._mark_written(definition)
            else:
                self._mark(inner)

    def _mark_written(self, definition: Definition) -> None:
        if definition.is_written:
            return
        definition.is_written = True
        for node in definition.template.nodes:
            child = self.child(definition, node)
            if child is not None:
                self._mark_written(child)
            elif isinstance(node.op, Graph):
                self._mark(op for op in definition.ops(node.name) if isinstance(op, Graph))


def _sub_graphs(graph: Graph) -> Iterator[Graph]:
    return (node.op for node in graph.nodes if isinstance(node.op, Graph))


def _numbering(names: list[str]) -> tuple[str, int] | None:
    """("denselayer", 1) of ["denselayer1", "denselayer2", …]; None where the names do not count up."""
    prefix = names[0].rstrip("0123456789")
    digits = names[0][len(prefix) :]
    if not digits or names != [f"{prefix}{int(digits) + index}" for index in range(len(names))]:
        return None
    return prefix, int(digits)


def _grow_evenly(layers: list[Graph]) -> bool:
    """Whether, from layer to layer, some channels grow by as many as a layer adds, and no other number changes."""
    first, second = _numbers(layers[0]), _numbers(layers[:2][-1])
    growth = next((value for name, value in reversed(first) if name in CHANNELS), 0)
    steps = [after - before for (_, before), (_, after) in zip(first, second, strict=True)]
    if any(step not in (0, growth if name in CHANNELS else 0) for (name, _), step in zip(first, steps, strict=True)):
        return False
    return growth > 0 and all(
        _numbers(layer) == [(name, value + index * step) for (name, value), step in zip(first, steps, strict=True)]
        for index, layer in enumerate(layers)
    )


def _numbers(graph: Graph) -> list[tuple[str, int]]:
    """The variable fields of a graph's ops with their values."""
    return [item for node in graph.nodes if not isinstance(node.op, Graph) for item in variable_fields(node.op).items()]


def _form(graph: Graph, is_block: bool) -> Form:
    """A block is a class; other chains whose nodes have numbers or plain names are sequences."""
    before = (INPUT, *(node.name for node in graph.nodes))
    if any(node.inputs != (name,) for name, node in zip(before, graph.nodes, strict=False)):
        return "class"
    if _is_numbered(before[1:]):
        return "numbered"
    named = all(node.name.replace("-", "_").isidentifier() for node in graph.nodes)
    return "named" if named and not is_block else "class"


def _is_numbered(names: Sequence[str]) -> bool:
    """Whether the names count up as torch.nn.Sequential's do, but for a few numbers."""
    if not all(name.isdecimal() and name.isascii() and str(int(name)) == name for name in names):
        return False
    numbers = list(map(int, names))
    return numbers == sorted(numbers) and numbers[-1] < len(numbers) + MAX_IDENTITIES


def _signature(graph: Graph) -> Hashable:
    """What two graphs must share to be one definition: all but their numbers."""
    return tuple(map(_node_signature, graph.nodes)), in_place_nodes(graph)


def _node_signature(node: Node) -> Hashable:
    return node.name, node.inputs, node.op.kind if isinstance(node.op, Graph) else fixed_fields(node.op)


def _merged(definitions: list[Definition]) -> list[Definition]:
    """Classes of one kind that differ in one optional node become one."""
    for pair in combinations(definitions, 2):
        small, large = sorted(pair, key=lambda definition: len(definition.template.nodes))
        done = small.optional or large.optional or not small.graphs or not large.graphs
        if done or (small.kind, small.form, large.form) != (large.kind, "class", "class"):
            continue
        optional = _optional_node(small.template, large.template)
        if optional is not None:
            large.optional, large.fallback = optional
            large.graphs += small.graphs
            small.graphs = []
    return [definition for definition in definitions if definition.graphs]


def _optional_node(small: Graph, large: Graph) -> tuple[str, str] | None:
    """(the one node that only `large` has, what its readers read in `small`); None where more differs."""
    names = {node.name for node in small.nodes}
    extra = [node for node in large.nodes if node.name not in names]
    if len(extra) != 1 or len(large.nodes) != len(small.nodes) + 1 or len(extra[0].inputs) != 1:
        return None
    optional = extra[0].name
    others = [node for node in large.nodes if node.name != optional]
    inputs = [pair for a, b in zip(small.nodes, others, strict=True) for pair in zip(a.inputs, b.inputs, strict=False)]
    fallback = next((name for name, read in inputs if read == optional), "")
    rewired = [replace(node, inputs=tuple(fallback if x == optional else x for x in node.inputs)) for node in others]
    alike = list(map(_node_signature, rewired)) == list(map(_node_signature, small.nodes))
    in_place = in_place_nodes(small) == in_place_nodes(large) - {optional}
    return (optional, fallback) if fallback and alike and in_place else None
