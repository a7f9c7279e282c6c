"""Numbers that differ become a definition's parameters: which are one, what they are called, and each field's code.

Two bottlenecks, of 64 and 128 channels inside: conv1 reads 256 and 512 channels and gives 64 and 128; bn1 has 64 and
128. (256, 512) is what the blocks read and give, so it becomes the parameter `channels`; (64, 128) becomes `width`, and
is written so wherever those two values stand: nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width). A kernel of 3 in
both stays 3. Strides of 1 and 2 become `stride: int = 1`.
"""

from collections import Counter
from typing import NamedTuple

from analyzer.graph.graph import INPUT, Graph, leaf_ops
from analyzer.graph.ops import Concat, input_channels, output_channels
from analyzer.render.pytorch.code import is_name, unused_name
from analyzer.render.pytorch.definitions import Definition, Definitions, Parameter, Value
from analyzer.render.pytorch.ops import CHANNELS, variable_fields

GROWTH = "growth_rate"

_OUTPUT_NAMES = {"dense_layer": GROWTH}
"""Kinds whose output channels have a name of their own."""

_ORDER = ("channels", "stride", "dilation", "groups", "padding", "module")
"""Roles in the parameters' order; padding after dilation, so that where it always equals that it is called that."""


class FieldValues(NamedTuple):
    """A field of a node's op, or a parameter of its definition, with its role and its value in each graph."""

    node: str
    field: str
    role: str
    values: tuple[Value, ...]


def add_parameters(definition: Definition, definitions: Definitions) -> None:
    """Give a definition its parameters and the code of its fields, and before that the definitions that it uses."""
    if definition.codes:
        return
    blocks = definition.dense_blocks
    fields = _dense_fields(definition, definitions) if blocks else _fields(definition, definitions)
    inward = tuple(map(_in_channels, definition.graphs))
    outward = tuple(map(_out_channels, definition.graphs))
    for one in sorted(fields, key=lambda one: _ORDER.index(one.role)):
        definition.codes[one.node, one.field] = _code(definition, one, inward, outward)
    if blocks:
        counts = tuple(len(block.layers) for block in blocks)
        definition.parameters.insert(0, Parameter(name="num_layers", role="channels", values=counts, required=True))


def _fields(definition: Definition, definitions: Definitions) -> list[FieldValues]:
    fields: list[FieldValues] = []
    for node in definition.template.nodes:
        ops = definition.ops(node.name)
        child = definitions.child(definition, node)
        if child is not None:
            fields += _child_fields(node.name, child, [op for op in ops if isinstance(op, Graph)], definitions)
        elif node.name == definition.optional or isinstance(node.op, Graph):
            fields.append(FieldValues(node.name, "", "module", tuple(ops)))
        else:
            for name in variable_fields(node.op):
                role = "channels" if name in CHANNELS else name
                fields.append(FieldValues(node.name, name, role, tuple(getattr(op, name) for op in ops)))
    return fields


def _child_fields(node: str, child: Definition, graphs: list[Graph], definitions: Definitions) -> list[FieldValues]:
    add_parameters(child, definitions)
    return [
        FieldValues(node, parameter.name, parameter.role, tuple(definitions.value(parameter, one) for one in graphs))
        for parameter in child.parameters
    ]


def _dense_fields(definition: Definition, definitions: Definitions) -> list[FieldValues]:
    """The first layer's parameters, and by how many channels each layer's input is wider than the one's before."""
    layers = [block.layers[0] for block in definition.dense_blocks]
    growth = FieldValues("", GROWTH, "channels", tuple(map(_out_channels, layers)))
    return [*_child_fields("", definitions.of(layers[0]), layers, definitions), growth]


def _code(definition: Definition, one: FieldValues, inward: tuple[int, ...], outward: tuple[int, ...]) -> str:
    """A number that is the same in all graphs, a fixed share of the channels, or a parameter: a new one if need be."""
    role, values = one.role, one.values
    if role == "channels":
        share = _share(inward, values) if inward == outward else 0
        if share:
            return f"channels // {share}"
    elif role != "module" and len(set(values)) == 1:
        return str(values[0])
    roles = {"module": (), "padding": ("padding", "dilation")}.get(role, (role,))
    known = (parameter for parameter in definition.parameters if parameter.role in roles and parameter.values == values)
    parameter = next(known, None) or _new_parameter(definition, one, _name(definition.kind, one, inward, outward))
    return parameter.name


def _new_parameter(definition: Definition, one: FieldValues, name: str) -> Parameter:
    """Channels are required, and modules but where a graph has none; other numbers have a default."""
    default: Value = None
    if one.role not in ("channels", "module"):
        default = 1 if 1 in one.values else Counter(one.values).most_common(1)[0][0]
    parameter = Parameter(
        name=unused_name(name, {parameter.name for parameter in definition.parameters}),
        role=one.role,
        values=one.values,
        required=one.role == "channels" or (one.role == "module" and None not in one.values),
        default=default,
    )
    definition.parameters.append(parameter)
    return parameter


def _name(kind: str, one: FieldValues, inward: tuple[int, ...], outward: tuple[int, ...]) -> str:
    if one.role == "module":
        return one.field or (one.node if is_name(one.node) else "module")
    if one.role != "channels":
        return one.role
    if one.values == inward:
        return "channels" if inward == outward else "in_channels"
    if one.values == outward:
        return _OUTPUT_NAMES.get(kind, "out_channels")
    return "width" if one.field in CHANNELS else one.field


def _share(channels: tuple[int, ...], values: tuple[Value, ...]) -> int:
    """The r from 2 on of which every value is ⌊channels / r⌋; 0 where there is none."""
    pairs = [(whole, part) for whole, part in zip(channels, values, strict=True) if isinstance(part, int)]
    least = max(2, *(whole // (part + 1) + 1 for whole, part in pairs))
    most = min(whole // part for whole, part in pairs)
    exact = most if pairs[0][0] == pairs[0][1] * most else least
    return exact if least <= most else 0


def _in_channels(graph: Graph) -> int:
    """Channels of the graph's input; 0 where no op states them."""
    return next((channels for _, op in leaf_ops(graph) if (channels := input_channels(op))), 0)


def _out_channels(graph: Graph) -> int:
    """Channels of the graph's output; 0 where no op states them."""
    nodes = {node.name: node for node in graph.nodes}

    def channels(name: str) -> int:
        if name == INPUT:
            return _in_channels(graph)
        node = nodes[name]
        if isinstance(node.op, Graph):
            return _out_channels(node.op)
        if isinstance(node.op, Concat):
            return sum(map(channels, node.inputs))
        return output_channels(node.op) or channels(node.inputs[0])

    return channels(graph.nodes[-1].name)
