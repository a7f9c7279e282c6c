"""Parameters of definitions: which numbers are one, what they are called, and the code of every field."""

from collections import Counter
from typing import NamedTuple

from analyzer.graph import INPUT, Graph, Node, leaf_ops
from analyzer.ops import Concat, output_channels
from analyzer.render.pytorch_ops import CHANNELS, variable_fields
from analyzer.render.pytorch_parts import Definition, Parameter, Parts, Value

GROWING = {"dense_layer": "growth_rate"}
"""Kinds whose output channels have a word of their own."""

STEP = "growth"
"""The place of a dense block's growth, which is no field of an op."""

Held = dict[str, dict[str, Node]]


class Given(NamedTuple):
    """A value in each graph, in the graphs' order, and where it stands: a node, and a field or a child's parameter."""

    node: str
    name: str
    role: str
    values: tuple[Value, ...]


def parametrise(definition: Definition, parts: Parts) -> None:
    """Give a definition its parameters and the code of its fields; its children have theirs."""
    given = _dense_values(definition, parts) if definition.form == "dense" else _values(definition, parts)
    channels = [one for one in given if one.role in CHANNELS]
    _add_channels(definition, channels)
    _add_numbers(definition, [one for role in NUMBERS_LAST for one in given if one.role == role])
    _add_modules(definition, [one for one in given if one.role == "module"])


NUMBERS_LAST = ("stride", "dilation", "groups", "padding")
"""Padding last, so that where it always equals the dilation it is called that."""


def _values(definition: Definition, parts: Parts) -> list[Given]:
    by_name = [{node.name: node for node in graph.nodes} for graph in definition.graphs]
    given: list[Given] = []
    for node in definition.template.nodes:
        ops = [nodes[node.name].op if node.name in nodes else None for nodes in by_name]
        child = parts.child(definition, node)
        if node.name == definition.optional or (isinstance(node.op, Graph) and child is None):
            given.append(Given(node.name, "", "module", tuple(ops)))
        elif child is not None:
            given += _child_values(node.name, child, [op for op in ops if isinstance(op, Graph)], parts)
        else:
            fields = [variable_fields(op) for op in ops if op is not None and not isinstance(op, Graph)]
            given += [Given(node.name, name, name, tuple(each[name] for each in fields)) for name in fields[0]]
    return given


def _child_values(node: str, child: Definition, graphs: list[Graph], parts: Parts) -> list[Given]:
    arguments = [parts.arguments(graph) for graph in graphs]
    return [
        Given(node, parameter.name, parameter.role, tuple(each[parameter.name] for each in arguments))
        for parameter in child.parameters
    ]


def _dense_values(definition: Definition, parts: Parts) -> list[Given]:
    """The first layer's arguments, and the growth; the number of layers becomes the first parameter."""
    counts = tuple(len(graph.nodes) // 2 for graph in definition.graphs)
    definition.parameters.append(_parameter(definition, "num_layers", "channels", counts))
    first = [graph.nodes[0].op for graph in definition.graphs]
    layers = [op for op in first if isinstance(op, Graph)]
    child = parts.of(layers[0])
    growths = tuple(out_channels(layer) for layer in layers)
    return [*_child_values("", child, layers, parts), Given("", STEP, "channels", growths)]


def _add_channels(definition: Definition, given: list[Given]) -> None:
    """One required parameter for each different run of channels; a fixed share of the one there is, is written so."""
    inward = tuple(_in_channels(graph) for graph in definition.graphs)
    outward = tuple(out_channels(graph) for graph in definition.graphs)
    codes: dict[tuple[Value, ...], str] = {}
    for one in given:
        if one.values not in codes:
            share = _share(inward, one.values) if inward == outward != one.values else 0
            codes[one.values] = (
                f"channels // {share}" if share else _channel_name(definition, one, inward, outward, codes)
            )
            if not share:
                definition.parameters.append(_parameter(definition, codes[one.values], "channels", one.values))
        definition.said[one.node, one.name] = codes[one.values]


def _parameter(definition: Definition, name: str, role: str, values: tuple[Value, ...], **default: Value) -> Parameter:
    by_graph = {id(graph): value for graph, value in zip(definition.graphs, values, strict=True)}
    return Parameter(name=name, role=role, values=by_graph, required=not default, default=default.get("default"))


def _share(whole: tuple[Value, ...], parts: tuple[Value, ...]) -> int:
    """The r of which every part is ⌊whole / r⌋; 0 where there is none, or 1."""
    pairs = [(a, b) for a, b in zip(whole, parts, strict=True) if isinstance(a, int) and isinstance(b, int)]
    first, part = pairs[0]
    exact = first // part if first % part == 0 else 0
    candidates = (exact, *range(2, first + 1)) if exact != 1 else ()
    return next((r for r in candidates if r and all(a // r == b for a, b in pairs)), 0)


def _channel_name(
    definition: Definition,
    one: Given,
    inward: tuple[int, ...],
    outward: tuple[int, ...],
    codes: dict[tuple[Value, ...], str],
) -> str:
    if one.values == inward:
        return "channels" if inward == outward else "in_channels"
    if one.values == outward:
        return GROWING.get(definition.kind, "out_channels")
    word = {STEP: "growth_rate"}.get(one.name, "width" if one.name in CHANNELS else one.name)
    return fresh(word, set(codes.values()))


def fresh(word: str, taken: set[str]) -> str:
    """The word, with a number from 2 on where it is taken."""
    return next(name for name in (word, *(f"{word}{number}" for number in range(2, 10_000))) if name not in taken)


def _add_numbers(definition: Definition, given: list[Given]) -> None:
    """Numbers that are the same everywhere are written out; others are parameters with a default."""
    taken = {parameter.name for parameter in definition.parameters}
    codes: dict[tuple[str, tuple[Value, ...]], str] = {}
    for one in given:
        if len(set(one.values)) == 1:
            definition.said[one.node, one.name] = str(one.values[0])
            continue
        role = "dilation" if one.role == "padding" and ("dilation", one.values) in codes else one.role
        if (role, one.values) not in codes:
            name = codes[role, one.values] = fresh(role, taken)
            taken.add(name)
            usual = 1 if 1 in one.values else Counter(one.values).most_common(1)[0][0]
            definition.parameters.append(_parameter(definition, name, role, one.values, default=usual))
        definition.said[one.node, one.name] = codes[role, one.values]


def _add_modules(definition: Definition, given: list[Given]) -> None:
    """Modules that are handed in, one parameter each; None where some graphs have none."""
    for one in given:
        word = one.name or (one.node if one.node.isidentifier() else "module")
        name = fresh(word, {parameter.name for parameter in definition.parameters})
        missing = {"default": None} if None in one.values else {}
        definition.parameters.append(_parameter(definition, name, "module", one.values, **missing))
        definition.said[one.node, one.name] = name


def _in_channels(graph: Graph) -> int:
    stated = (value for _, op in leaf_ops(graph) for name, value in variable_fields(op).items() if name in CHANNELS)
    return next(stated, 0)


def out_channels(graph: Graph) -> int:
    """Channels of the graph's output; 0 where no op states them."""
    nodes = {node.name: node for node in graph.nodes}

    def channels(name: str) -> int:
        if name == INPUT:
            return _in_channels(graph)
        node = nodes[name]
        if isinstance(node.op, Graph):
            return out_channels(node.op)
        if isinstance(node.op, Concat):
            return sum(map(channels, node.inputs))
        stated = output_channels(node.op)
        return channels(node.inputs[0]) if stated is None else stated

    return channels(graph.nodes[-1].name)
