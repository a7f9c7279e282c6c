"""A network as one readable PyTorch file, generated from its Graph: same weight names, shapes, order and arithmetic.

Classes for what repeats, loops over equal blocks, and the output shapes in comments. torch is not needed to write it.
"""

from collections.abc import Callable, Iterator

from analyzer.cost.analysis import Analysis
from analyzer.cost.tensor_lifetimes import overwriting
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import Initial
from analyzer.graph import Graph
from analyzer.ops import Conv2d, Linear, Op, ReLU
from analyzer.render.pytorch_classes import (
    assigned,
    attribute,
    definition_lines,
    docstring,
    needs_module,
    relu_name,
)
from analyzer.render.pytorch_code import Call, Item, laid
from analyzer.render.pytorch_forward import Forward
from analyzer.render.pytorch_names import fresh, parametrise
from analyzer.render.pytorch_ops import ZERO_PAD
from analyzer.render.pytorch_parts import Parts
from analyzer.render.pytorch_sequences import Writer
from analyzer.render.pytorch_words import ascii_text, class_name, counted, definition_name, wrapped
from analyzer.render.units import short

_TAKEN = {"Tensor", "OrderedDict", "ZeroPadShortcut", "torch", "nn", "functional", "start_weights"}


def pytorch_source(analysis: Analysis) -> str:
    """The text of the file; shapes in its comments are those of the analysed input size."""
    graph = analysis.network.graph
    parts = Parts(graph)
    name = network_name(analysis)
    _name_all(parts, name)
    written = [made for made in parts.definitions if made.written]
    for made in written:
        parametrise(made, parts)
    writer = Writer(parts, _shapes(analysis).__getitem__, _classifier(graph))
    sections = [definition_lines(made, writer) for made in written]
    initial = _initial(analysis)
    network = _network_lines(analysis, name, writer, bool(initial))
    body = "\n\n\n".join("\n".join(lines) for lines in (*sections, *initial, network, _trial(analysis, name)))
    pad = f"{ZERO_PAD}\n\n" if "ZeroPadShortcut(" in body else ""
    head = "\n".join([*_head(analysis), "", *_imports(body, bool(pad))])
    return f"{head}\n\n\n{pad}{body}\n"


def network_name(analysis: Analysis) -> str:
    """The class of the whole network: its title's, or its family's where it has no name."""
    network = analysis.network
    named = network.title != network.expression and not network.path
    if named:
        return class_name(network.title.partition(" (")[0])
    family = FAMILIES.get(network.family)
    return family.spec.__name__.removesuffix("Spec") if family else class_name(network.graph.kind)


def _name_all(parts: Parts, network: str) -> None:
    taken = {*_TAKEN, network}
    for made in parts.definitions:
        if made.written:
            made.name = fresh(definition_name(made), taken)
            taken.add(made.name)


def _shapes(analysis: Analysis) -> dict[str, str]:
    """Weight path of every op, block and stage → its output shape as the comments have it."""
    shapes = {row.path: row.output_shape for row in analysis.rows}
    shapes |= {span.path: analysis.rows[span.stop - 1].output_shape for span in analysis.spans}
    return {
        path: f"({', '.join(map(str, shape))})" if len(shape) > 1 else f"({shape[0]},)"
        for path, shape in shapes.items()
    }


def _classifier(graph: Graph) -> Op | None:
    last = graph.nodes[-1].op
    if isinstance(last, Graph):
        return _classifier(last)
    return last if isinstance(last, Linear) else None


def _head(analysis: Analysis) -> list[str]:
    """The module's docstring: what it is, its figures, its source."""
    network, input_shape = analysis.network, analysis.input_shape
    size = "x".join(map(str, input_shape))
    figures = f"{analysis.params:,} parameters, {short(analysis.macs, 4)} MACs for one {size} image."
    titled = wrapped(f"{network.title}: {figures}", 3)
    summary = titled[0] if len(titled) == 1 else figures
    title = f"{network.title}." if len(titled) > 1 and network.title != network.expression else ""
    notes = [title, f"{network.paper}." if network.paper else "", f"Note: {network.note}." if network.note else ""]
    how = (
        f"Written by resnet-analyzer from {analysis.variant}; it needs nothing but torch. "
        f"Comments on the right give output shapes (channels, height, width) for a {size} image."
    )
    return docstring([summary, *(line for text in (*notes, how) if text for line in wrapped(text, 0))], 0)


def _imports(body: str, padded: bool) -> list[str]:
    ordered = ["from collections import OrderedDict", ""] if "OrderedDict(" in body else []
    functional = ["from torch.nn import functional"] if padded else []
    return [*ordered, "import torch", "from torch import Tensor, nn", *functional]


def _network_lines(analysis: Analysis, name: str, writer: Writer, started: bool) -> list[str]:
    graph = analysis.network.graph
    in_place, relu = overwriting(graph), relu_name(graph)
    notes = _stage_notes(analysis, writer.shape)
    lines: list[str] = []
    for node in graph.nodes:
        if node.name in notes:
            lines.append(f"        # {notes[node.name]}")
        if needs_module(node, node.name in in_place):
            own = relu if isinstance(node.op, ReLU) else node.name
            inner = {
                path.removeprefix(f"{node.name}."): note
                for path, note in notes.items()
                if path.startswith(f"{node.name}.")
            }
            lines += assigned(own, writer.module(node.op, node.name in in_place, inner), lines)
    classes = (
        ["num_classes: int = " + str(writer.classifier.out_features)] if isinstance(writer.classifier, Linear) else []
    )
    forward = Forward(
        graph=graph,
        attribute=lambda node: attribute(relu if isinstance(node.op, ReLU) else node.name),
        shape=writer.shape,
    )
    return [
        f"class {name}(nn.Module):",
        *docstring([_promise(analysis)], 4),
        "",
        *laid("def ", Call("__init__", tuple(map(Item, ["self", *classes]))), " -> None:", 4),
        "        super().__init__()",
        *lines,
        *(["        start_weights(self)"] if started else []),
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        *forward.lines(),
    ]


def _promise(analysis: Analysis) -> str:
    channels, output = analysis.input_shape[0], analysis.totals.output_shape
    shape = f"(N, {output[0]})" if len(output) == 1 else f"(N, {output[0]}, H', W')"
    return f"(N, {channels}, H, W) images to {shape} {'scores' if _classifier(analysis.network.graph) else 'features'}."


def _stage_notes(analysis: Analysis, shape: Callable[[str], str]) -> dict[str, str]:
    """Path of the outermost node that begins a stage → the comment above it; within a sequence it tells the shape."""
    kinds = {block.stage: block.kind for block in analysis.blocks}
    blocks = {row.stage: f": {counted(row.num_blocks, kinds[row.stage])}" for row in analysis.stages if row.num_blocks}
    ends = {row.stage: row.path for row in analysis.rows}
    notes: dict[str, str] = {}
    for path, stage in reversed(list(_beginnings(analysis.network.graph))):
        sequence = path.rpartition(".")[0]
        output = f" -> {shape(ends[stage])}" if sequence and ends[stage].startswith(f"{sequence}.") else ""
        notes[path] = f"{ascii_text(stage)}{blocks.get(stage, '')}{output}"
    return notes


def _beginnings(graph: Graph, prefix: str = "", before: str = "") -> Iterator[tuple[str, str]]:
    """(path, stage) of the outermost nodes whose stage is another than that of the node before."""
    for node in graph.nodes:
        if isinstance(node.op, Graph) and not node.stage:
            inner = list(_beginnings(node.op, f"{prefix}{node.name}.", before))
            before = inner[-1][1] if inner else before
            yield from inner
        elif node.stage not in ("", before):
            before = node.stage
            yield prefix + node.name, before


def _initial(analysis: Analysis) -> list[list[str]]:
    """The function that starts the weights as torchvision does; none where torch's own start is meant."""
    family = FAMILIES.get(analysis.network.family)
    initial = family.initial if family else Initial()
    ops = [row.operation for row in analysis.rows]
    conv, linear = _conv_start(ops, initial), _linear_start(ops, initial)
    if not conv and not linear:
        return []
    loop = "elif" if conv else "if"
    return [
        [
            "def start_weights(net: nn.Module) -> None:",
            f'    """{_START[initial.conv_fan]}"""',
            "    for module in net.modules():",
            *(["        if isinstance(module, nn.Conv2d):", *conv] if conv else []),
            *([f"        {loop} isinstance(module, nn.Linear):", *linear] if linear else []),
        ]
    ]


_START = {
    "fan_out": "Kaiming normal convolutions (He et al. 2015), scaled by fan-out.",
    "fan_in": "Kaiming normal convolutions (He et al. 2015), scaled by fan-in.",
    "": "Linear layers; convolutions start as torch starts them.",
}


def _conv_start(ops: list[Op], initial: Initial) -> list[str]:
    convs = [op for op in ops if isinstance(op, Conv2d)]
    if not initial.conv_fan or not convs:
        return []
    arguments = (Item("module.weight"), Item(f'"{initial.conv_fan}"', "mode="), Item('"relu"', "nonlinearity="))
    lines = laid("", Call("nn.init.kaiming_normal_", arguments), "", 12)
    if initial.zero_conv_bias and any(conv.bias for conv in convs):
        lines += ["            if module.bias is not None:", "                nn.init.zeros_(module.bias)"]
    return lines


def _linear_start(ops: list[Op], initial: Initial) -> list[str]:
    if not any(isinstance(op, Linear) for op in ops):
        return []
    normal = f"            nn.init.normal_(module.weight, 0, {initial.linear_std})"
    zeros = "            nn.init.zeros_(module.bias)"
    return [*([normal] if initial.linear_std is not None else []), *([zeros] if initial.zero_linear_bias else [])]


def _trial(analysis: Analysis, name: str) -> list[str]:
    """What running the file shows: the output's shape and the number of parameters."""
    image = ", ".join(map(str, (1, *analysis.input_shape)))
    output = ", ".join(map(str, (1, *analysis.totals.output_shape)))
    return [
        'if __name__ == "__main__":',
        f"    net = {name}().eval()",
        "    with torch.no_grad():",
        f"        print(net(torch.randn({image})).shape)  # torch.Size([{output}])",
        f"    print(sum(weight.numel() for weight in net.parameters()))  # {analysis.params}",
    ]
