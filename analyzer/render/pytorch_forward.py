"""The forward method of a Graph: chains of ops become nested calls, a line for each convolution, pool or sub-graph."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from analyzer.cost.storage import overwriting
from analyzer.graph import INPUT, Graph, Node
from analyzer.ops import Add, Concat, Conv2d, Merge, Multiply, Pool, ReLU, Weighted, ZeroPadShortcut
from analyzer.render.pytorch_code import WIDTH
from analyzer.render.pytorch_names import fresh
from analyzer.render.pytorch_ops import plain_expression

_HEAVY = (Weighted, Graph, ZeroPadShortcut)
INDENT = " " * 8
GATE, SHORTCUT = "gate", "shortcut"


@dataclass(slots=True, kw_only=True)
class Forward:
    """One graph's forward method; `attribute` names each node's module, `shape` is what the comments say of a node."""

    graph: Graph
    attribute: Callable[[Node], str]
    shape: Callable[[str], str]
    optional: str = ""
    instead: str = ""
    _variables: dict[str, str] = field(default_factory=lambda: {INPUT: "x"})
    _waiting: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The statements, indented as a method's body."""
        readers = _readers(self.graph, self.optional, self.instead)
        self._waiting = {name: len(found) for name, found in readers.items()}
        said: list[str] = []
        for chain in _chains(self.graph, readers, self.optional):
            said += self._chain(chain, readers)
        return said

    def _chain(self, chain: list[Node], readers: dict[str, list[Node]]) -> Iterator[str]:
        last = chain[-1]
        target = self._target(chain, readers)
        code = self._variables[chain[0].inputs[0]]
        for place, group in enumerate(_lines(chain)):
            merge = group[0] if place == 0 and isinstance(group[0].op, Merge) else None
            if merge is not None:
                if self._adds_in_place(merge):
                    yield from (f"{INDENT}{target} += {self._variables[name]}" for name in merge.inputs[1:])
                    code, group = target, group[1:]
                else:
                    code, group = self._merged(merge), group[1:] or [merge]
            for node in group:
                code = code if node is merge else self._applied(node, code)
            ends = group[-1:] == [self.graph.nodes[-1]] or (not group and last is self.graph.nodes[-1])
            if group or ends:
                yield self._line("return " if ends else f"{target} = ", code, (group or [last])[-1])
            code = target
        self._variables[last.name] = target

    def _line(self, start: str, code: str, node: Node) -> str:
        line = f"{INDENT}{start}{code}"
        comment = f"  # {self.shape(node.name)}"
        return line + (comment if node.name != self.optional and len(line + comment) <= WIDTH else "")

    def _target(self, chain: list[Node], readers: dict[str, list[Node]]) -> str:
        """The variable of a chain's value: that of what it reads, where nothing else will read that."""
        first, last = chain[0], chain[-1]
        for name in (*first.inputs, *([self.instead] if first.name == self.optional else [])):
            self._waiting[name] -= 1
        role = _role(last, readers[last.name])
        if not self._waiting[first.inputs[0]] and role not in (GATE, SHORTCUT):
            return self._variables[first.inputs[0]]
        alive = {self._variables[name] for name, count in self._waiting.items() if count and name in self._variables}
        return fresh(role, alive | {self._variables[name] for name in first.inputs})

    def _applied(self, node: Node, code: str) -> str:
        if node.name == self.optional:
            own = self.attribute(node)
            return f"{self._variables[self.instead]} if {own} is None else {own}({code})"
        plain = None if isinstance(node.op, Graph) else plain_expression(node.op, node.name in overwriting(self.graph))
        return plain(code) if plain else f"{self.attribute(node)}({code})"

    def _merged(self, node: Node) -> str:
        read = [self._variables[name] for name in node.inputs]
        if isinstance(node.op, Concat):
            return f"torch.cat([{', '.join(read)}], 1)"
        return (" * " if isinstance(node.op, Multiply) else " + ").join(read)

    def _adds_in_place(self, node: Node) -> bool:
        return isinstance(node.op, Add) and node.name in overwriting(self.graph)


def _readers(graph: Graph, optional: str, instead: str) -> dict[str, list[Node]]:
    """Name of a value → nodes that read it, once for each time; the optional node's stand-in is read by it."""
    readers: dict[str, list[Node]] = {INPUT: [], **{node.name: [] for node in graph.nodes}}
    for node in graph.nodes:
        for name in (*node.inputs, *([instead] if node.name == optional else [])):
            readers[name].append(node)
    return readers


def _chains(graph: Graph, readers: dict[str, list[Node]], optional: str) -> Iterator[list[Node]]:
    """The nodes in runs of which each value but the last is read by the next node alone."""
    placed: set[str] = set()
    for node in graph.nodes:
        chain = [node]
        while node.name not in placed and node.name != optional and len(found := readers[chain[-1].name]) == 1:
            if isinstance(found[0].op, Merge) or found[0].name == optional:
                break
            chain.append(found[0])
        if node.name not in placed:
            yield chain
            placed.update(member.name for member in chain)


def _lines(chain: Sequence[Node]) -> list[list[Node]]:
    """A chain's nodes a line each: with the norm and ReLU that follow a convolution, or that come before it."""
    before = not isinstance(chain[0].op, _HEAVY) and isinstance(chain[-1].op, Conv2d) and not _is_merge(chain[0])
    groups: list[list[Node]] = [[]]
    for node in chain:
        held = groups[-1]
        ended = bool(held) and (isinstance(held[-1].op, Graph) or (before and isinstance(held[-1].op, Conv2d)))
        starts = isinstance(node.op, Graph | Pool) or (not before and isinstance(node.op, _HEAVY))
        if held and (ended or starts):
            groups.append([])
        groups[-1].append(node)
    return groups


def _is_merge(node: Node) -> bool:
    return isinstance(node.op, Merge)


def _role(last: Node, readers: list[Node]) -> str:
    """What a value is called: after what it is read for."""
    if len(readers) == 1 and isinstance(readers[0].op, Multiply) and readers[0].inputs[-1] == last.name:
        return GATE
    if len(readers) == 1 and isinstance(readers[0].op, Add) and readers[0].inputs[0] != last.name:
        return SHORTCUT
    return "activated" if len(readers) > 1 and isinstance(last.op, ReLU) else "out"
