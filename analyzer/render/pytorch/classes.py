"""Modules, classes and functions as text: numbers written out, or within a definition the words of its parameters."""

import re
from collections.abc import Callable, Mapping

from analyzer.cost.tensor_lifetimes import in_place_nodes
from analyzer.graph.graph import Graph, Node
from analyzer.graph.ops import Add, BatchNorm2d, Conv2d, Linear, Op
from analyzer.render.pytorch.code import (
    DICT,
    Argument,
    Call,
    Code,
    Repeat,
    ascii_text,
    call,
    code_lines,
    docstring,
    is_name,
    wrapped,
)
from analyzer.render.pytorch.definitions import Definition, Definitions, Parameter, Value
from analyzer.render.pytorch.forward import INDENT, Forward, attribute
from analyzer.render.pytorch.ops import module_code, variable_fields
from analyzer.render.pytorch.parameters import GROWTH

_CLASS_NAMES = {"basic": "BasicBlock", "dense": "DenseBlock"}
_SUMMARIES = {
    "dense": "Layers of which each reads the block's input and all earlier layers' outputs.",
    "dense_layer": "What one layer adds to the features that it reads.",
    "squeeze_excitation": "Squeeze-and-excitation (Hu et al. 2018): a gate for each channel.",
    "projection": "The shortcut that fits a block's input to its output.",
    "transform": "What a block adds to its shortcut.",
    "transition": "A 1x1 convolution and half the resolution, between two dense blocks.",
}


class ModuleWriter:
    """Writes modules; `shape` gives the comment of a weight path, `classifier` has `num_classes` for its outputs."""

    def __init__(self, definitions: Definitions, shape: Callable[[str], str], classifier: Linear | None) -> None:
        self.definitions = definitions
        self.shape = shape
        self.classifier = classifier

    def module(self, op: Op | Graph, in_place: bool = False, comments: Mapping[str, str] | None = None) -> Code:
        """The module of an op or a sub-graph, with its numbers; `comments` has those of the inner nodes by name."""
        if not isinstance(op, Graph):
            codes = {name: str(value) for name, value in variable_fields(op).items()}
            return module_code(op, codes | ({"out_features": "num_classes"} if op is self.classifier else {}), in_place)
        definition = self.definitions.of(op)
        if definition.is_written:
            return _call(definition, lambda parameter: self._argument(self.definitions.value(parameter, op)))
        inner_in_place = in_place_nodes(op)
        return _sequential(op, lambda node: self.module(node.op, node.name in inner_in_place), comments or {})

    def _argument(self, value: Value) -> Code:
        return str(value) if isinstance(value, int) or value is None else self.module(value)

    def _parametrised(self, definition: Definition, node: Node, in_place: bool) -> Code:
        """The module of a definition's node, in the words of its parameters."""
        codes = definition.codes
        if (node.name, "") in codes:
            return codes[node.name, ""]
        if isinstance(node.op, Graph):
            child = self.definitions.child(definition, node)
            assert child is not None
            return _call(child, lambda parameter: codes[node.name, parameter.name])
        return module_code(node.op, {name: codes[node.name, name] for name in variable_fields(node.op)}, in_place)

    def definition_lines(self, definition: Definition) -> list[str]:
        """The class or function of a definition."""
        if definition.form == "dense":
            return self._dense_lines(definition)
        if definition.form == "class":
            return self._class_lines(definition)
        graph, in_place = definition.template, in_place_nodes(definition.template)
        modules = _sequential(graph, lambda node: self._parametrised(definition, node, node.name in in_place), {})
        return [
            *_def_lines(definition.name, _declarations(definition), "nn.Sequential", 0),
            *docstring(_description(definition), 4),
            *code_lines("return ", modules, "", 4),
        ]

    def _class_lines(self, definition: Definition) -> list[str]:
        forward = Forward(
            definition.template,
            lambda name: self.shape(f"{definition.path}.{name}"),
            definition.optional,
            definition.fallback,
        )
        return class_lines(
            definition.name,
            _description(definition, f"Shapes on the right are those of {definition.path}."),
            _declarations(definition),
            module_lines(forward, lambda node: self._parametrised(definition, node, node.name in forward.in_place)),
            forward.lines(),
        )

    def _dense_lines(self, definition: Definition) -> list[str]:
        block = definition.dense_blocks[0]
        layer = self.definitions.of(block.layers[0])
        number = f"index + {block.start}" if block.start else "index"
        body = [
            f"{INDENT}for index in range(num_layers):",
            *code_lines("layer = ", _call(layer, lambda parameter: self._layer_code(definition, parameter)), "", 12),
            f'{INDENT}    self.add_module(f"{block.prefix}{{{number}}}", layer)',
        ]
        forward = ["for layer in self.children():", "    x = torch.cat([x, layer(x)], 1)", "return x"]
        description, parameters = _description(definition), _declarations(definition)
        return class_lines(definition.name, description, parameters, body, [f"{INDENT}{line}" for line in forward])

    def _layer_code(self, definition: Definition, parameter: Parameter) -> str:
        """A layer's argument, which may grow from layer to layer (evenly, as its recognition checked)."""
        code = definition.codes["", parameter.name]
        firsts = [block.layers[:2] for block in definition.dense_blocks]
        grows = any(len({self.definitions.value(parameter, layer) for layer in layers}) > 1 for layers in firsts)
        return f"{code} + index * {definition.codes['', GROWTH]}" if grows else code


def _call(definition: Definition, code_of: Callable[[Parameter], Code]) -> Call:
    """The call of a definition: required numbers by position, others by name where they are not the default."""
    arguments = []
    for parameter in definition.parameters:
        code = code_of(parameter)
        if parameter.required and parameter.role != "module":
            arguments.append(Argument(code))
        elif code != str(parameter.default):
            arguments.append(Argument(code, f"{parameter.name}="))
    return Call(definition.name, tuple(arguments))


def class_lines(
    name: str, description: list[str], parameters: list[str], body: list[str], forward: list[str]
) -> list[str]:
    """A class with its __init__, which has that body, and its forward method."""
    return [
        f"class {name}(nn.Module):",
        *docstring(description, 4),
        "",
        *_def_lines("__init__", ["self", *parameters], "None", 4),
        f"{INDENT}super().__init__()",
        *body,
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        *forward,
    ]


def _def_lines(name: str, parameters: list[str], returned: str, indent: int) -> list[str]:
    return code_lines("def ", call(name, *parameters), f" -> {returned}:", indent)


def _declarations(definition: Definition) -> list[str]:
    """The parameters as a `def` has them, those with a default last."""
    declared = []
    for parameter in sorted(definition.parameters, key=lambda parameter: not parameter.required):
        kind = "int" if parameter.role != "module" else "nn.Module" if parameter.required else "nn.Module | None"
        declared.append(f"{parameter.name}: {kind}" + ("" if parameter.required else f" = {parameter.default}"))
    return declared


def module_lines(
    forward: Forward, code_of: Callable[[Node], Code], comments: Mapping[str, str] | None = None
) -> list[str]:
    """The statements that register a class's modules, with a comment above those nodes that have one."""
    lines: list[str] = []
    registered: set[str] = set()
    for node in forward.graph.nodes:
        if comments and node.name in comments:
            lines.append(f"{INDENT}# {comments[node.name]}")
        name = forward.module_names.get(node.name)
        if name is None or name in registered:
            continue
        registered.add(name)
        if is_name(name):
            lines += code_lines(f"{attribute(name)} = ", code_of(node), "", 8)
        else:
            lines += code_lines("", call("self.add_module", f'"{name}"', code_of(node)), "", 8)
    return lines


def _sequential(graph: Graph, code_of: Callable[[Node], Code], comments: Mapping[str, str]) -> Code:
    """nn.Sequential of the modules of a graph's nodes, with their names; runs of equal blocks become a loop."""
    names = [node.name for node in graph.nodes]
    notes = [(comments[name],) if name in comments else () for name in names]
    modules = [code_of(node) for node in graph.nodes]
    if names[0].isdecimal():
        arguments: list[Argument] = []
        for name, module, note in zip(names, modules, notes, strict=True):
            arguments += [Argument("nn.Identity()")] * (int(name) - len(arguments))
            arguments.append(Argument(module, "", note))
        return Call("nn.Sequential", tuple(_repeated(arguments)))
    plain = all(map(is_name, names))
    keys = [f"{name}=" if plain else f'"{name}": ' for name in names]
    entries = tuple(map(Argument, modules, keys, notes))
    return call("nn.Sequential", Call("OrderedDict", entries) if plain else call("OrderedDict", Call(DICT, entries)))


def _repeated(arguments: list[Argument]) -> list[Argument]:
    runs: list[list[Argument]] = []
    for argument in arguments:
        is_block = isinstance(argument.value, Call) and not argument.value.head.startswith("nn.")
        if runs and is_block and argument.value == runs[-1][0].value and not argument.comments:
            runs[-1].append(argument)
        else:
            runs.append([argument])
    return [run[0] if len(run) == 1 else Argument(Repeat(run[0].value, len(run)), "", run[0].comments) for run in runs]


def class_name(text: str) -> str:
    """A text as the name of a class, "wide resnet" as WideResnet; digits that meet are kept apart."""
    words = [word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text) if word]
    joined = ""
    for word in words:
        joined += ("_" if joined[-1:].isdigit() and word[0].isdigit() else "") + word
    return joined if joined[:1].isalpha() else f"Net{joined}"


def _function_name(text: str) -> str:
    """A kind as a function's name: letters, digits and underscores, a letter first."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name if name[:1].isalpha() else f"part_{name}"


def definition_name(definition: Definition) -> str:
    """What a definition is called, before names are made different."""
    kind = definition.kind
    return _CLASS_NAMES.get(kind, class_name(kind)) if definition.is_class else _function_name(kind)


def _description(definition: Definition, more: str = "") -> list[str]:
    """The docstring of a definition: a summary that fits on one line, then `more`."""
    graph = definition.template
    summary = _SUMMARIES.get(definition.kind) or _convolutions(graph)
    norm_first = isinstance(graph.nodes[0].op, BatchNorm2d) and any(isinstance(node.op, Add) for node in graph.nodes)
    early = "Norm and ReLU come before each convolution. " if norm_first else ""
    return [summary, *(wrapped(early + more, 4) if early or more else [])]


def _convolutions(graph: Graph) -> str:
    """The convolutions of a graph by their kernels, and whether a shortcut goes around them."""
    convs = [node.op for node in graph.nodes if isinstance(node.op, Conv2d)]
    if not convs:
        return f"{ascii_text(graph.kind).replace('_', ' ').capitalize()[:60]}."
    kernels = [f"{conv.kernel}x{conv.kernel}" for conv in convs]
    listed = f"{', '.join(kernels[:-1])} and {kernels[-1]}" if len(kernels) > 1 else kernels[0]
    listed = listed if len(listed) <= 40 else f"{len(kernels)}"
    shortcut = ", and a shortcut around them" if any(isinstance(node.op, Add) for node in graph.nodes) else ""
    return f"{listed} convolution{'s' if len(kernels) > 1 else ''}{shortcut}."
