"""Which classes and functions a network's code needs: sub-graphs that differ in numbers only become one definition.

A number that is the same in all of a definition's graphs is written out; one that differs, and every number of
channels, becomes a parameter, and numbers that are always equal become one. A node that only some of the graphs have
(a projection shortcut) becomes an optional module that is handed in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations

from analyzer.cost.tensor_lifetimes import overwriting
from analyzer.graph import INPUT, Graph, Node
from analyzer.ops import Op
from analyzer.render.pytorch_dense import dense_block
from analyzer.render.pytorch_ops import fixed_text

Value = int | Op | Graph | None
"""An argument: a number, or the module to hand in."""

MAX_IDENTITIES = 8
"""Places that a numbered sequence may leave out; nn.Identity() stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter with its value in each graph, by the graph's id; a required one has no default."""

    name: str
    role: str
    values: dict[int, Value]
    required: bool = True
    default: Value = None


@dataclass(slots=True, kw_only=True)
class Definition:
    """A class or function: `form` is class, dense (a loop of layers and concats), numbered or named (a sequence).

    `template` is the graph with the most nodes; its node `optional` is missing in some of the others, where its
    readers read `instead`. `said` has the code of each field of each node, and of each child's parameters.
    """

    kind: str
    form: str
    graphs: list[Graph]
    template: Graph
    path: str
    optional: str = ""
    instead: str = ""
    name: str = ""
    written: bool = False
    parameters: list[Parameter] = field(default_factory=list)
    said: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def is_class(self) -> bool:
        """Whether it is a class and not a function that gives a sequence."""
        return self.form in ("class", "dense")


@dataclass(slots=True)
class Found:
    """The distinct sub-graphs of a network, by id: first path, height over the ops, uses; and a stage's units."""

    same: dict[int, Graph] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    heights: dict[int, int] = field(default_factory=dict)
    uses: dict[int, int] = field(default_factory=dict)
    units: set[int] = field(default_factory=set)
    _equal: dict[Graph, Graph] = field(default_factory=dict)

    def look(self, graph: Graph, prefix: str = "") -> int:
        """Note everything in a graph; its height."""
        inner = [(node.op, prefix + node.name) for node in graph.nodes if isinstance(node.op, Graph)]
        heights = [self._note(child, path, graph.kind == "stage") for child, path in inner]
        return 1 + max(heights, default=0)

    def _note(self, graph: Graph, path: str, unit: bool) -> int:
        if id(graph) not in self.same:
            known = self.same[id(graph)] = self._equal.setdefault(graph, graph)
            height = self.look(graph, f"{path}.")
            self.heights.setdefault(id(known), height)
            self.paths.setdefault(id(known), path)
        known = self.same[id(graph)]
        self.uses[id(known)] = self.uses.get(id(known), 0) + 1
        if unit:
            self.units.add(id(known))
        return self.heights[id(known)]

    def distinct(self) -> list[Graph]:
        """Every distinct sub-graph, those without sub-graphs first."""
        return sorted(self._equal, key=lambda graph: self.heights[id(graph)])


class Parts:
    """All definitions of a network's sub-graphs, each after those that it uses."""

    def __init__(self, graph: Graph) -> None:
        self.found = Found()
        self.found.look(graph)
        heights = self.found.heights
        made = _merged(list(_grouped(self.found)))
        self.definitions = sorted(made, key=lambda made: max(heights[id(graph)] for graph in made.graphs))
        self._of = {id(graph): made for made in self.definitions for graph in made.graphs}
        self._mark(graph)

    def of(self, graph: Graph) -> Definition:
        """The definition of a sub-graph."""
        return self._of[id(self.found.same[id(graph)])]

    def arguments(self, graph: Graph) -> dict[str, Value]:
        """The parameters of a sub-graph's definition with their values for it."""
        key = id(self.found.same[id(graph)])
        return {parameter.name: parameter.values[key] for parameter in self.of(graph).parameters}

    def child(self, definition: Definition, node: Node) -> Definition | None:
        """The one definition of a node in all of a definition's graphs; None for ops, and where there are several."""
        used = {id(made): made for made in map(self.of, _held(definition, node.name))}
        return next(iter(used.values())) if len(used) == 1 and node.name != definition.optional else None

    def _mark(self, graph: Graph) -> None:
        """Mark the definitions that are written out; a sequence that is used once stands where it is used."""
        for child in {id(node.op): node.op for node in graph.nodes if isinstance(node.op, Graph)}.values():
            made = self.of(child)
            leaves = not any(isinstance(node.op, Graph) for node in child.nodes)
            if made.is_class or (leaves and self.found.uses[id(self.found.same[id(child)])] + len(made.graphs) > 2):
                self._write(made)
            else:
                self._mark(child)

    def _write(self, definition: Definition) -> None:
        if definition.written:
            return
        definition.written = True
        for node in definition.template.nodes:
            child = self.child(definition, node) if isinstance(node.op, Graph) else None
            if child is not None:
                self._write(child)
            elif isinstance(node.op, Graph):
                for held in _held(definition, node.name):
                    self._mark(Graph("handed in", (Node("module", held, (INPUT,)),)))


def _held(definition: Definition, name: str) -> list[Graph]:
    """The sub-graphs that a definition's graphs have at a node."""
    nodes = (node for graph in definition.graphs for node in graph.nodes if node.name == name)
    return [node.op for node in nodes if isinstance(node.op, Graph)]


def _grouped(found: Found) -> Iterator[Definition]:
    groups: dict[object, list[Graph]] = {}
    forms = {id(graph): _form(graph, id(graph) in found.units) for graph in found.distinct()}
    for graph in found.distinct():
        form = forms[id(graph)]
        groups.setdefault((form, graph.kind, _signature(graph, form)), []).append(graph)
    for graphs in groups.values():
        first = graphs[0]
        yield Definition(
            kind=first.kind, form=forms[id(first)], graphs=graphs, template=first, path=found.paths[id(first)]
        )


def _form(graph: Graph, unit: bool) -> str:
    if dense_block(graph) is not None:
        return "dense"
    before = (INPUT, *(node.name for node in graph.nodes))
    if any(node.inputs != (name,) for name, node in zip(before, graph.nodes, strict=False)):
        return "class"
    if _numbered([node.name for node in graph.nodes]):
        return "numbered"
    named = all(node.name.replace("-", "_").isidentifier() for node in graph.nodes)
    return "named" if named and not unit else "class"


def _numbered(names: list[str]) -> bool:
    """Whether the names count up as torch.nn.Sequential's do, but for a few places."""
    if not all(name.isdecimal() and name.isascii() and str(int(name)) == name for name in names):
        return False
    numbers = list(map(int, names))
    return numbers == sorted(numbers) and numbers[-1] < len(numbers) + MAX_IDENTITIES


def _signature(graph: Graph, form: str) -> object:
    """What two graphs must share to be one definition: all but their numbers."""
    if form == "dense":
        block = dense_block(graph)
        return block and (block.prefix, block.start, _signature(block.layers[0], ""))
    return tuple(map(_node_signature, graph.nodes)), overwriting(graph)


def _node_signature(node: Node) -> tuple[object, ...]:
    return node.name, node.inputs, f"graph {node.op.kind}" if isinstance(node.op, Graph) else fixed_text(node.op)


def _merged(made: list[Definition]) -> Iterator[Definition]:
    """Classes of one kind that differ in one optional node become one."""
    gone: set[int] = set()
    for first, second in combinations(made, 2):
        if (
            {id(first), id(second)} & gone
            or first.form != "class"
            or (first.kind, first.form) != (second.kind, second.form)
        ):
            continue
        small, large = sorted((first, second), key=lambda definition: len(definition.template.nodes))
        instead = _optional(small.template, large.template)
        if instead and not small.optional and not large.optional:
            large.optional, large.instead = instead
            large.graphs = [*large.graphs, *small.graphs]
            gone.add(id(small))
    yield from (definition for definition in made if id(definition) not in gone)


def _optional(small: Graph, large: Graph) -> tuple[str, str] | None:
    """(the one node that only `large` has, what its readers read in `small`); None where more differs."""
    names = {node.name for node in small.nodes}
    extra = [node for node in large.nodes if node.name not in names]
    if len(extra) != 1 or len(large.nodes) != len(small.nodes) + 1 or len(extra[0].inputs) != 1:
        return None
    without = [node for node in large.nodes if node is not extra[0]]
    instead = {
        ours
        for node, other in zip(small.nodes, without, strict=True)
        for ours, theirs in zip(node.inputs, other.inputs, strict=False)
        if theirs == extra[0].name
    }
    if len(instead) != 1:
        return None
    (name,) = instead
    rewired = [replace(node, inputs=tuple(name if x == extra[0].name else x for x in node.inputs)) for node in without]
    alike = list(map(_node_signature, rewired)) == list(map(_node_signature, small.nodes))
    same = overwriting(small) == overwriting(large) - {extra[0].name}
    return (extra[0].name, name) if alike and same else None
