"""Definitions as text: classes with their forward method, and functions that give a sequence."""

from collections.abc import Iterator, Mapping
from keyword import iskeyword

from analyzer.cost.tensor_lifetimes import overwriting
from analyzer.graph import Graph, Node
from analyzer.ops import MERGES, ReLU
from analyzer.render.pytorch_code import Call, Code, Item, laid
from analyzer.render.pytorch_dense import dense_block
from analyzer.render.pytorch_forward import Forward
from analyzer.render.pytorch_names import STEP
from analyzer.render.pytorch_ops import module_code, plain_expression, variable_fields
from analyzer.render.pytorch_parts import Definition, Parameter
from analyzer.render.pytorch_sequences import Writer, sequential
from analyzer.render.pytorch_words import about

BODY = " " * 8


def definition_lines(made: Definition, writer: Writer) -> list[str]:
    """The class or function of a definition."""
    if made.form == "dense":
        return _dense_lines(made, writer)
    if made.form == "class":
        return _class_lines(made, writer)
    return _function_lines(made, writer)


def signature(head: str, own: list[str], parameters: list[Parameter], result: str, indent: int) -> list[str]:
    """The lines of a `def`, those parameters with a default last."""
    ordered = sorted(parameters, key=lambda parameter: not parameter.required)
    items = tuple(Item(text) for text in (*own, *map(_declared, ordered)))
    return laid("def ", Call(head, items), f" -> {result}:", indent)


def _declared(parameter: Parameter) -> str:
    if parameter.role == "module":
        return f"{parameter.name}: nn.Module" + ("" if parameter.required else " | None = None")
    return f"{parameter.name}: int" + ("" if parameter.required else f" = {parameter.default}")


def docstring(text: list[str], indent: int) -> list[str]:
    """A docstring of one summary line, and more after a blank one."""
    margin = " " * indent
    summary, *more = text
    if not more:
        return [f'{margin}"""{summary}"""']
    return [f'{margin}"""{summary}', "", *(f"{margin}{line}".rstrip() for line in more), f'{margin}"""']


def _function_lines(made: Definition, writer: Writer) -> list[str]:
    in_place = overwriting(made.template)
    values = [_said_module(made, node, writer, node.name in in_place) for node in made.template.nodes]
    return [
        *signature(made.name, [], made.parameters, "nn.Sequential", 0),
        *docstring(about(made, ""), 4),
        *laid("return ", sequential(made.template, values, {}), "", 4),
    ]


def _said_module(made: Definition, node: Node, writer: Writer, in_place: bool) -> Code:
    """The module of a node, in the words of its definition's parameters."""
    if (node.name, "") in made.said:
        return made.said[node.name, ""]
    child = writer.parts.child(made, node) if isinstance(node.op, Graph) else None
    if child is not None:
        return _child_call(made, node.name, child, {})
    assert not isinstance(node.op, Graph)
    said = {name: made.said[node.name, name] for name in variable_fields(node.op)}
    return module_code(node.op, said, in_place)


def _child_call(made: Definition, node: str, child: Definition, changed: Mapping[str, str]) -> Call:
    items = []
    for parameter in child.parameters:
        code = changed.get(parameter.name) or made.said[node, parameter.name]
        if parameter.required and parameter.role != "module":
            items.append(Item(code))
        elif code != str(parameter.default):
            items.append(Item(code, f"{parameter.name}="))
    return Call(child.name, tuple(items))


def _class_lines(made: Definition, writer: Writer) -> list[str]:
    in_place = overwriting(made.template)
    relu = relu_name(made.template)
    lines: list[str] = []
    for node in made.template.nodes:
        if needs_module(node, node.name in in_place):
            own = relu if isinstance(node.op, ReLU) else node.name
            lines += assigned(own, _said_module(made, node, writer, node.name in in_place), lines)
    forward = Forward(
        graph=made.template,
        attribute=lambda node: attribute(relu if isinstance(node.op, ReLU) else node.name),
        shape=lambda name: writer.shape(f"{made.path}.{name}"),
        optional=made.optional,
        instead=made.instead,
    )
    return [
        f"class {made.name}(nn.Module):",
        *docstring(about(made, f"Shapes on the right are those of {made.path}."), 4),
        "",
        *signature("__init__", ["self"], made.parameters, "None", 4),
        f"{BODY}super().__init__()",
        *lines,
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        *forward.lines(),
    ]


def needs_module(node: Node, in_place: bool) -> bool:
    """Whether a class has a module for this node."""
    if isinstance(node.op, Graph):
        return True
    return not isinstance(node.op, MERGES) and plain_expression(node.op, in_place) is None


def relu_name(graph: Graph) -> str:
    """The name of the one module that all ReLUs of a class share; it has no weights."""
    taken = {node.name for node in graph.nodes if not isinstance(node.op, ReLU)}
    return next(name for name in ("relu", "activation", "rectify", "relu_") if name not in taken)


def attribute(name: str) -> str:
    """How a class refers to its module of that name."""
    return f"self.{name}" if name.isidentifier() and not iskeyword(name) else f'self.get_submodule("{name}")'


def assigned(name: str, code: Code, before: list[str]) -> Iterator[str]:
    """The statement that registers a module; nothing where it stands already, as for the ReLU that all share."""
    if attribute(name) == f"self.{name}":
        lines = laid(f"self.{name} = ", code, "", 8)
    else:
        lines = laid("", Call("self.add_module", (Item(f'"{name}"'), Item(code))), "", 8)
    if lines[0] not in before:
        yield from lines


def _dense_lines(made: Definition, writer: Writer) -> list[str]:
    block = dense_block(made.template)
    assert block is not None
    layer = writer.parts.of(block.layers[0])
    growing = {
        parameter.name: f"{made.said['', parameter.name]} + index * {made.said['', STEP]}"
        for parameter in layer.parameters
        if _grows(made, parameter, writer)
    }
    number = f"index + {block.start}" if block.start else "index"
    return [
        f"class {made.name}(nn.Module):",
        *docstring(about(made, ""), 4),
        "",
        *signature("__init__", ["self"], made.parameters, "None", 4),
        f"{BODY}super().__init__()",
        f"{BODY}for index in range(num_layers):",
        *laid("layer = ", _child_call(made, "", layer, growing), "", 12),
        f'{BODY}    self.add_module(f"{block.prefix}{{{number}}}", layer)',
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        f"{BODY}for layer in self.children():",
        f"{BODY}    x = torch.cat([x, layer(x)], 1)",
        f"{BODY}return x",
    ]


def _grows(made: Definition, parameter: Parameter, writer: Writer) -> bool:
    """Whether a layer's argument grows from layer to layer, by the block's growth (as its recognition checked)."""
    for graph in made.graphs:
        block = dense_block(graph)
        values = {writer.parts.arguments(layer)[parameter.name] for layer in block.layers} if block else set()
        if len(values) > 1:
            return True
    return False
