"""The forward method of a graph: chains of ops become nested calls, a line for each convolution, pool or sub-graph.

The graph conv1 → bn1 → relu → conv2 → add, whose `add` reads the input as well, is two chains: [conv1, bn1, relu,
conv2] and [add]. Within a chain each value is read by the next node alone. A chain's value is in a variable, which is
that of what the chain reads where nothing else will read that; others are called after what they are read for:

    out = self.relu(self.bn1(self.conv1(x)))
    out = self.conv2(out)
    return out + x
"""

from collections.abc import Callable, Iterator

from analyzer.cost.tensor_lifetimes import in_place_nodes
from analyzer.graph.graph import INPUT, Graph, Node
from analyzer.graph.ops import Add, Concat, Conv2d, Merge, Multiply, Pool, ReLU, Weighted, ZeroPadShortcut
from analyzer.render.pytorch.code import WIDTH, is_name, unused_name
from analyzer.render.pytorch.ops import needs_module, plain_expression

INDENT = " " * 8
GATE, SHORTCUT = "gate", "shortcut"
_HEAVY = (Weighted, Graph, ZeroPadShortcut)


class Forward:
    """One graph's forward method; `module_names` says by which name a class has each node's module, if it has one.

    `shape` is what the comments say of a node. The module of `optional` may be None; then `fallback` is read instead.
    """

    def __init__(self, graph: Graph, shape: Callable[[str], str], optional: str = "", fallback: str = "") -> None:
        self.graph = graph
        self.in_place = in_place_nodes(graph)
        self._shape = shape
        self._optional = optional
        self._fallback = fallback
        self.module_names = self._all_module_names()
        self._readers = self._all_readers()
        self._unread = {name: len(readers) for name, readers in self._readers.items()}
        self._variables = {INPUT: "x"}

    def lines(self) -> list[str]:
        """The statements, indented as a method's body."""
        return [line for chain in self._chains() for line in self._chain_lines(chain)]

    def _all_module_names(self) -> dict[str, str]:
        """Node → the name of its module; all ReLUs share one, since it has no weights."""
        own = {node.name for node in self.graph.nodes if not isinstance(node.op, ReLU) or node.name == self._optional}
        relu = next(name for name in ("relu", "activation", "rectify", "relu_") if name not in own)
        return {
            node.name: node.name if node.name in own else relu
            for node in self.graph.nodes
            if node.name == self._optional or needs_module(node.op, node.name in self.in_place)
        }

    def _reads(self, node: Node) -> tuple[str, ...]:
        return (*node.inputs, self._fallback) if node.name == self._optional else node.inputs

    def _all_readers(self) -> dict[str, list[Node]]:
        """Name of a value → nodes that read it, once for each time; the optional node reads its fallback too."""
        readers: dict[str, list[Node]] = {INPUT: [], **{node.name: [] for node in self.graph.nodes}}
        for node in self.graph.nodes:
            for name in self._reads(node):
                readers[name].append(node)
        return readers

    def _chains(self) -> Iterator[list[Node]]:
        """The nodes in chains of which each value but the last is read by the next node alone."""
        chained: set[str] = set()
        for node in self.graph.nodes:
            if node.name in chained:
                continue
            chain = [node]
            while (after := self._only_reader(chain[-1])) is not None:
                chain.append(after)
            chained.update(member.name for member in chain)
            yield chain

    def _only_reader(self, node: Node) -> Node | None:
        """The one node that reads a value and may stand in one expression with it."""
        readers = self._readers[node.name]
        if len(readers) != 1 or isinstance(readers[0].op, Merge) or self._optional in (node.name, readers[0].name):
            return None
        return readers[0]

    def _chain_lines(self, chain: list[Node]) -> Iterator[str]:
        first, last = chain[0], chain[-1]
        target = self._target(first, last)
        code = self._variables[first.inputs[0]]
        if isinstance(first.op, Add) and first.name in self.in_place:
            yield from (f"{INDENT}{target} += {self._variables[name]}" for name in first.inputs[1:])
            code = target
        elif isinstance(first.op, Merge):
            code = self._merged(first)
        for group in _grouped(chain):
            for node in group:
                code = code if isinstance(node.op, Merge) else self._applied(node, code)
            ends = group[-1] is self.graph.nodes[-1]
            if code != target or ends:
                yield self._line("return " if ends else f"{target} = ", code, group[-1])
            code = target
        self._variables[last.name] = target

    def _line(self, start: str, code: str, node: Node) -> str:
        line = f"{INDENT}{start}{code}"
        comment = f"  # {self._shape(node.name)}"
        return line + (comment if node.name != self._optional and len(line + comment) <= WIDTH else "")

    def _target(self, first: Node, last: Node) -> str:
        """The variable of a chain's value: that of what it reads, where nothing else will read that."""
        for name in self._reads(first):
            self._unread[name] -= 1
        source = first.inputs[0]
        name = _variable_name(last, self._readers[last.name])
        if not self._unread[source] and name not in (GATE, SHORTCUT):
            return self._variables[source]
        alive = {variable for value, variable in self._variables.items() if self._unread[value]}
        return unused_name(name, alive | {self._variables[value] for value in first.inputs})

    def _applied(self, node: Node, code: str) -> str:
        if node.name not in self.module_names:
            return plain_expression(node.op).format(code)
        module = attribute(self.module_names[node.name])
        if node.name == self._optional:
            return f"{self._variables[self._fallback]} if {module} is None else {module}({code})"
        return f"{module}({code})"

    def _merged(self, node: Node) -> str:
        variables = [self._variables[name] for name in node.inputs]
        if isinstance(node.op, Concat):
            return f"torch.cat([{', '.join(variables)}], 1)"
        return (" * " if isinstance(node.op, Multiply) else " + ").join(variables)


def attribute(name: str) -> str:
    """How a class refers to its module of that name."""
    return f"self.{name}" if is_name(name) else f'self.get_submodule("{name}")'


def _grouped(chain: list[Node]) -> list[list[Node]]:
    """A chain's nodes a line each: with the norm and ReLU that follow a convolution, or that come before it."""
    norm_first = not isinstance(chain[0].op, (*_HEAVY, Merge)) and isinstance(chain[-1].op, Conv2d)
    groups = [chain[:1]]
    for node in chain[1:]:
        before = groups[-1][-1].op
        ended = isinstance(before, Graph) or (norm_first and isinstance(before, Conv2d))
        starts = isinstance(node.op, (Graph, Pool)) or (not norm_first and isinstance(node.op, _HEAVY))
        if ended or starts:
            groups.append([])
        groups[-1].append(node)
    return groups


def _variable_name(last: Node, readers: list[Node]) -> str:
    """What a chain's value is called: after what it is read for."""
    if len(readers) == 1 and isinstance(readers[0].op, Multiply) and readers[0].inputs[-1] == last.name:
        return GATE
    if len(readers) == 1 and isinstance(readers[0].op, Add) and readers[0].inputs[0] != last.name:
        return SHORTCUT
    return "activated" if len(readers) > 1 and isinstance(last.op, ReLU) else "out"
