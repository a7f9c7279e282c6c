"""Modules where they are used, with their numbers written out: calls of definitions, and sequences in place."""

from collections.abc import Callable, Iterator, Mapping

from analyzer.cost.tensor_lifetimes import overwriting
from analyzer.graph import Graph
from analyzer.ops import Linear, Op
from analyzer.render.pytorch_code import DICT, Call, Code, Item, Repeat, call
from analyzer.render.pytorch_ops import module_code, variable_fields
from analyzer.render.pytorch_parts import Definition, Parts, Value


class Writer:
    """Writes modules; `shape` gives the comment of a weight path, `classifier` has `num_classes` for its outputs."""

    def __init__(self, parts: Parts, shape: Callable[[str], str], classifier: Op | None) -> None:
        self.parts = parts
        self.shape = shape
        self.classifier = classifier

    def module(self, held: Op | Graph, in_place: bool = False, above: Mapping[str, str] | None = None) -> Code:
        """The expression that makes an op's module or a sub-graph's; `above` has comments by name of an inner node."""
        if not isinstance(held, Graph):
            return module_code(held, self._said(held), in_place)
        made = self.parts.of(held)
        return self._made(made, held) if made.written else self._sequence(held, above or {})

    def _said(self, op: Op) -> dict[str, str]:
        said = {name: str(value) for name, value in variable_fields(op).items()}
        return said | {"out_features": "num_classes"} if isinstance(op, Linear) and op is self.classifier else said

    def _made(self, made: Definition, graph: Graph) -> Call:
        arguments = self.parts.arguments(graph)
        items = []
        for parameter in made.parameters:
            value = arguments[parameter.name]
            if parameter.required and parameter.role != "module":
                items.append(Item(str(value)))
            elif parameter.required or value != parameter.default:
                items.append(Item(self._value(value), f"{parameter.name}="))
        return Call(made.name, tuple(items))

    def _value(self, value: Value) -> Code:
        return str(value) if isinstance(value, int) or value is None else self.module(value)

    def _sequence(self, graph: Graph, above: Mapping[str, str]) -> Code:
        in_place = overwriting(graph)
        return sequential(graph, [self.module(node.op, node.name in in_place) for node in graph.nodes], above)


def sequential(graph: Graph, values: list[Code], above: Mapping[str, str]) -> Code:
    """nn.Sequential of the modules of a graph's nodes, with their names; runs of equal blocks become a loop."""
    names = [node.name for node in graph.nodes]
    comments = [(above[name],) if name in above else () for name in names]
    if not names[0].isdecimal():
        words = all(name.isidentifier() for name in names)
        keys = [f"{name}=" if words else f'"{name}": ' for name in names]
        entries = tuple(Item(value, key, note) for key, value, note in zip(keys, values, comments, strict=True))
        ordered = Call("OrderedDict", entries) if words else call("OrderedDict", Call(DICT, entries))
        return call("nn.Sequential", ordered)
    items: list[Item] = []
    for name, value, note in zip(names, values, comments, strict=True):
        items += [Item("nn.Identity()") for _ in range(int(name) - len(items))]
        items.append(Item(value, "", note))
    return Call("nn.Sequential", tuple(_repeated(items)))


def _repeated(items: list[Item]) -> Iterator[Item]:
    run: list[Item] = []
    for item in items:
        if run and (item.value != run[0].value or item.above or not _is_block(item.value)):
            yield _loop(run)
            run = []
        run.append(item)
    yield _loop(run)


def _loop(run: list[Item]) -> Item:
    return run[0] if len(run) == 1 else Item(Repeat(run[0].value, len(run)), "", run[0].above)


def _is_block(code: Code) -> bool:
    return isinstance(code, Call) and not code.head.startswith("nn.")
