"""A network as one readable PyTorch file, generated from its Graph: same weight names, shapes, order and arithmetic.

Classes for what repeats, loops over equal blocks, and the output shapes in comments. torch is not needed to write it.
"""

from collections.abc import Callable, Iterator

from analyzer.cost.analysis import Analysis
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import WeightInitialisation
from analyzer.graph.graph import Graph, Node
from analyzer.graph.ops import Conv2d, Linear, Op
from analyzer.render.pytorch.classes import ModuleWriter, class_lines, class_name, definition_name, module_lines
from analyzer.render.pytorch.code import Code, ascii_text, call, code_lines, docstring, unused_name, wrapped
from analyzer.render.pytorch.definitions import Definitions
from analyzer.render.pytorch.forward import Forward
from analyzer.render.pytorch.ops import ZERO_PAD
from analyzer.render.pytorch.parameters import add_parameters
from analyzer.text.units import short

_IMPORTED = {"Tensor", "OrderedDict", "ZeroPadShortcut", "torch", "nn", "functional", "start_weights"}


def pytorch_source(analysis: Analysis) -> str:
    """The text of the file; shapes in its comments are those of the analysed input size."""
    graph = analysis.network.graph
    definitions = Definitions(graph)
    name = network_name(analysis)
    names = {*_IMPORTED, name}
    for definition in definitions.written:
        definition.name = unused_name(definition_name(definition), names)
        names.add(definition.name)
        add_parameters(definition, definitions)
    writer = ModuleWriter(definitions, _shape_texts(analysis), _classifier(graph))
    start = _start_weights(analysis)
    sections = [
        *map(writer.definition_lines, definitions.written),
        start,
        _network_lines(analysis, name, writer, ["        start_weights(self)"] if start else []),
        _main_lines(analysis, name),
    ]
    body = "\n\n\n".join("\n".join(lines) for lines in sections if lines)
    padding = f"{ZERO_PAD}\n\n" if "ZeroPadShortcut(" in body else ""
    head = "\n".join([*_module_docstring(analysis), "", *_imports(body, bool(padding))])
    return f"{head}\n\n\n{padding}{body}\n"


def network_name(analysis: Analysis) -> str:
    """The class of the whole network: its title's, or its family's where it has no name."""
    network = analysis.network
    named = network.title != network.expression and not network.path
    if named:
        return class_name(network.title.partition(" (")[0])
    family = FAMILIES.get(network.family)
    return family.spec.__name__.removesuffix("Spec") if family else class_name(network.graph.kind)


def _shape_texts(analysis: Analysis) -> Callable[[str], str]:
    """Weight path of any op, block or stage → its output shape as the comments have it."""
    rows = analysis.rows
    shapes = {row.path: row.output_shape for row in rows}
    shapes |= {span.path: rows[span.stop - 1].output_shape for span in analysis.spans}
    return lambda path: str(shapes[path])


def _classifier(graph: Graph) -> Linear | None:
    last = graph.nodes[-1].op
    if isinstance(last, Graph):
        return _classifier(last)
    return last if isinstance(last, Linear) else None


def _module_docstring(analysis: Analysis) -> list[str]:
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


def _network_lines(analysis: Analysis, name: str, writer: ModuleWriter, last: list[str]) -> list[str]:
    notes = _stage_notes(analysis, writer.shape)

    def module(node: Node) -> Code:
        start = f"{node.name}."
        inner = {path.removeprefix(start): note for path, note in notes.items() if path.startswith(start)}
        return writer.module(node.op, node.name in forward.in_place, inner)

    forward = Forward(analysis.network.graph, writer.shape)
    classes = [f"num_classes: int = {writer.classifier.out_features}"] if writer.classifier else []
    body = [*module_lines(forward, module, notes), *last]
    return class_lines(name, [_images_to_output(analysis)], classes, body, forward.lines())


def _images_to_output(analysis: Analysis) -> str:
    channels, output = analysis.input_shape[0], analysis.totals.output_shape
    shape = f"(N, {output[0]})" if len(output) == 1 else f"(N, {output[0]}, H', W')"
    return f"(N, {channels}, H, W) images to {shape} {'scores' if _classifier(analysis.network.graph) else 'features'}."


def _stage_notes(analysis: Analysis, shape: Callable[[str], str]) -> dict[str, str]:
    """Path of the outermost node that begins a stage → the comment above it; within a sequence it tells the shape."""
    kinds = {block.stage: block.kind for block in analysis.blocks}
    blocks = {
        row.stage: f": {_num_blocks_text(row.num_blocks, kinds[row.stage])}"
        for row in analysis.stages
        if row.num_blocks
    }
    ends = {row.stage: row.path for row in analysis.rows}
    notes: dict[str, str] = {}
    for path, stage in reversed(list(_stage_starts(analysis.network.graph))):
        sequence = path.rpartition(".")[0]
        output = f" -> {shape(ends[stage])}" if sequence and ends[stage].startswith(f"{sequence}.") else ""
        notes[path] = f"{ascii_text(stage)}{blocks.get(stage, '')}{output}"
    return notes


def _num_blocks_text(number: int, kind: str) -> str:
    """A number of blocks: "3 bottlenecks", "6 dense layers", "2 basic blocks"."""
    word = "basic block" if kind == "basic" else ascii_text(kind.replace("_", " "))
    return f"{number} {word}{'s' if number > 1 else ''}"


def _stage_starts(graph: Graph, prefix: str = "", before: str = "") -> Iterator[tuple[str, str]]:
    """(path, stage) of the outermost nodes whose stage is another than that of the node before."""
    for node in graph.nodes:
        if isinstance(node.op, Graph) and not node.stage:
            inner = list(_stage_starts(node.op, f"{prefix}{node.name}.", before))
            before = inner[-1][1] if inner else before
            yield from inner
        elif node.stage not in ("", before):
            before = node.stage
            yield prefix + node.name, before


def _start_weights(analysis: Analysis) -> list[str]:
    """The function that starts the weights as torchvision does; none where torch's own start is meant."""
    family = FAMILIES.get(analysis.network.family)
    initial = family.initial if family else WeightInitialisation()
    ops = [row.operation for row in analysis.rows]
    conv, linear = _conv_start(ops, initial), _linear_start(ops, initial)
    if not conv and not linear:
        return []
    return [
        "def start_weights(net: nn.Module) -> None:",
        f'    """{_START_SUMMARIES[initial.conv_fan]}"""',
        "    for module in net.modules():",
        *(["        if isinstance(module, nn.Conv2d):", *conv] if conv else []),
        *([f"        {'elif' if conv else 'if'} isinstance(module, nn.Linear):", *linear] if linear else []),
    ]


_START_SUMMARIES = {
    "fan_out": "Kaiming normal convolutions (He et al. 2015), scaled by fan-out.",
    "fan_in": "Kaiming normal convolutions (He et al. 2015), scaled by fan-in.",
    "": "Linear layers; convolutions start as torch starts them.",
}


def _conv_start(ops: list[Op], initial: WeightInitialisation) -> list[str]:
    convs = [op for op in ops if isinstance(op, Conv2d)]
    if not initial.conv_fan or not convs:
        return []
    normal = call("nn.init.kaiming_normal_", "module.weight", mode=f'"{initial.conv_fan}"', nonlinearity='"relu"')
    lines = code_lines("", normal, "", 12)
    if initial.zero_conv_bias and any(conv.bias for conv in convs):
        lines += ["            if module.bias is not None:", "                nn.init.zeros_(module.bias)"]
    return lines


def _linear_start(ops: list[Op], initial: WeightInitialisation) -> list[str]:
    if not any(isinstance(op, Linear) for op in ops):
        return []
    normal = f"            nn.init.normal_(module.weight, 0, {initial.linear_std})"
    zeros = "            nn.init.zeros_(module.bias)"
    return [*([normal] if initial.linear_std is not None else []), *([zeros] if initial.zero_linear_bias else [])]


def _main_lines(analysis: Analysis, name: str) -> list[str]:
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
