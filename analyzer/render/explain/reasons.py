"""Why a place of a network is as it is: a sentence for each choice that a reader asks about."""

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from analyzer.cost import formulas
from analyzer.explanation.figures import Explanation, channels_of, dense_input_channels, derived_channels
from analyzer.explanation.traced_int import variable
from analyzer.families.regnet import hidden_width
from analyzer.families.spec import floor_product
from analyzer.graph.ops import (
    Activation,
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Merge,
    Norm,
    ZeroPadShortcut,
)
from analyzer.render.explain.arithmetic import equation, numbers
from analyzer.render.explain.context import Nesting, PlaceContext, map_size
from analyzer.render.notation import op_notation, op_note
from analyzer.text.units import exact

_WORDS = {
    "in_channels": "input channels",
    "out_channels": "output channels",
    "channels": "channels",
    "in_features": "input features",
    "out_features": "output features",
}


def reasons(explanation: Explanation) -> list[str]:
    """Sentences, each true of this place, none said twice."""
    context = PlaceContext(Nesting(explanation.analysis), explanation.place)
    match context.place.level:
        case "op":
            sentences = _op(context)
        case "network":
            sentences = _network(context)
        case "stage":
            sentences = _stage(context)
        case _:
            sentences = _sub_graph(context)
    return list(dict.fromkeys(sentences))


def _network(context: PlaceContext) -> Iterator[str]:
    stages = {block.stage.path: block for block in reversed(context.blocks)}
    first = stages.get("stage1")
    strided = [
        block for block in context.blocks if block.opens_stage and block.input_shape[1:] != block.output_shape[1:]
    ]
    every = first is not None and first.place in [block.place for block in strided]
    if first and not every:
        yield _first_stage_stride(first)
    if strided:
        names = ", ".join(block.place.path for block in strided)
        yield f"The first block of each {'' if every else 'later '}stage halves the map: {names}."
        yield from _strided_convolution(strided[0])
    if context.resnet or context.regnet:
        yield _shortcuts(context)
        if context.resnet and context.resnet.output_stride:
            yield f"Dilation takes the place of stride from output_stride={context.resnet.output_stride} on."
    if context.densenet:
        yield _dense_layers(context)
    if not context.blocks:
        yield "It has no blocks, and no shortcuts: each stage ends with the pool that takes its map down."
    depth = context.rows[-1].receptive.depth
    yield f"Depth {depth} counts convolutions and linear layers on the longest path, as the papers do."


def _shortcuts(context: PlaceContext) -> str:
    blocks = context.blocks
    projected = [block.place.path for block in blocks if block.has_projection]
    padded = [block.place.path for block in blocks if block.zero_pad]
    if not any(block.has_addition for block in blocks):
        return "It is a plain net: no block has a shortcut."
    if context.resnet and context.resnet.shortcut == "C":
        return f"Option C: each of the {len(blocks)} blocks has a projection shortcut."
    if not projected and not padded:
        return f"All {len(blocks)} shortcuts are identities, because no block changes its input's shape."
    kind, changed = ("zero-pad (option A)", padded) if padded else ("projections (option B)", projected)
    return (
        f"Of {len(blocks)} shortcuts {len(changed)} are {kind}, where the shape changes: {', '.join(changed)}; "
        f"{len(blocks) - len(changed)} are identities."
    )


def _dense_layers(context: PlaceContext) -> str:
    spec = context.densenet
    growth = spec.growth_rate if spec else 0
    return (
        f"Dense layer l of a stage reads k₀ + k(l − 1) channels and adds k = {growth}; "
        f"each transition keeps ⌊θC⌋ of them, θ = {spec.compression if spec else 1:g}, and halves the map."
    )


def _stage(context: PlaceContext) -> Iterator[str]:
    blocks = context.blocks
    if not blocks:
        yield from _sub_graph(context) if context.stage.path.startswith("transition") else _flat_stage(context)
        return
    first = blocks[0]
    if first.place.kind == "dense_layer":
        yield from _dense_stage(context, blocks)
        return
    yield from _block_stride(first)
    yield _shortcut(first)
    if len(blocks) > 1:
        yield _shortcut(blocks[1]) + (f" The same holds up to {blocks[-1].place.path}." if len(blocks) > 2 else "")
    yield from _block_widths(blocks[-1])


def _flat_stage(context: PlaceContext) -> Iterator[str]:
    """The reasons of a stem, a head or a plain stage: those of its convolutions, and of what changes a shape."""
    for inner in context.ops:
        operation = inner.row.operation
        if isinstance(operation, Conv2d):
            yield from _stride(inner, operation)
        elif inner.input_shape != inner.output_shape and not isinstance(operation, Flatten):
            yield from _op(inner)


def _dense_stage(context: PlaceContext, blocks: list[PlaceContext]) -> Iterator[str]:
    spec = context.densenet
    if spec is None:
        return
    if context.stage_number == 1:
        yield _first_stage_stride(blocks[0])
    stage = blocks[0].place.path.rpartition(".")[0]
    count = len(blocks)
    last = f"{stage}.denselayer{count}"
    yield _dense_layer_inputs(context, last)
    grown = (
        dense_input_channels(spec, f"{last}.norm1", stage)
        + channels_of(spec, blocks[-1].convs[-1][0].place.path)["out_channels"]
    )
    yield f"At its end it has k₀ + kL channels: {numbers(grown)} = {exact(grown)}."
    yield f"Its {count} dense layers make L(L + 1)/2 = {exact(count * (count + 1) // 2)} direct connections."


def _sub_graph(context: PlaceContext) -> Iterator[str]:
    match context.place.kind:
        case "projection":
            yield from _projection(context)
        case "squeeze_excitation":
            yield from _squeeze_excitation(context)
        case "dense_layer":
            yield _dense_layer_inputs(context, context.place.path)
            yield from _dense_widths(context)
        case _ if context.stage.path.startswith("transition"):
            yield _compression(context)
            yield f"Its 2×2 pool halves the map, {map_size(context.input_shape)} → {map_size(context.output_shape)}."
        case "basic" | "bottleneck":
            yield from _block_stride(context)
            yield _shortcut(context)
            yield from _block_widths(context)
        case _:
            yield from _flat_stage(context)


def _block_stride(block: PlaceContext) -> Iterator[str]:
    for inner, conv in block.convs:
        yield from _stride(inner, conv)
        yield from _dilation(inner, conv)


def _shortcut(block: PlaceContext) -> str:
    name, changes = block.place.path, _changes(block)
    option = block.resnet.shortcut if block.resnet else "B"
    if not block.has_addition:
        return f"{name} is a plain net's block: it has no shortcut."
    if block.has_projection and not changes:
        return f"{name} has a projection although its shapes are equal: option C projects in every block."
    if block.has_projection:
        return (
            f"{name} has a projection because shapes change, {changes}: "
            f"without it x could not be added (option {option})."
        )
    if block.zero_pad:
        return f"{name} has a zero-pad shortcut because shapes change, {changes} (option A, no parameters)."
    return f"{name} has an identity shortcut: input and output have one shape, so x is added as it is, for nothing."


def _changes(block: PlaceContext) -> str:
    before, after = block.input_shape, block.output_shape
    channels = f"{exact(before[0])} → {exact(after[0])} channels" if before[0] != after[0] else ""
    sides = f"{map_size(before)} → {map_size(after)} positions" if before[1:] != after[1:] else ""
    return ", ".join(filter(None, (channels, sides)))


def _projection(context: PlaceContext) -> Iterator[str]:
    if context.block is None:
        return
    yield _shortcut(context.block)
    spec = context.resnet
    if spec and spec.preactivation:
        yield "Pre-activation: it reads the output of the block's first BN–ReLU, and has no batch norm of its own."
    if spec and spec.avg_down and any(row.op == "AvgPool2d" for row in context.rows):
        yield "ResNet-D: a 2×2 average pool takes the stride, so that every position is read."


def _squeeze_excitation(context: PlaceContext) -> Iterator[str]:
    spec, path = context.analysis.network.spec, context.place.path
    if spec is None:
        return
    mean = f"Squeeze: each channel's mean over {map_size(context.input_shape)} goes through"
    if context.regnet:
        yield f"{mean} hidden channels and back. {_hidden_channels(context)}"
    else:
        hidden = derived_channels(spec, f"{path}.fc1").get("out_channels", 0)
        reduction = context.resnet.se_reduction if context.resnet else 1
        yield f"{mean} ⌊C/r⌋ hidden channels, r = {reduction}: {equation(hidden)}."
    yield "Excitation: a sigmoid gives each channel a gate between 0 and 1, which scales it."


def _dense_widths(context: PlaceContext) -> Iterator[str]:
    spec = context.densenet
    if spec is None:
        return
    inner = derived_channels(spec, f"{context.place.path}.conv1").get("out_channels")
    if inner:
        yield f"The 1×1 makes bottleneck_ratio·k channels, so that the 3×3 is cheap: {numbers(inner)} = {exact(inner)}."
    yield f"It adds k = {spec.growth_rate} channels, the growth rate, to those before it."


def _block_widths(block: PlaceContext) -> Iterator[str]:
    spec = block.analysis.network.spec
    if spec is None:
        return
    convs = block.convs
    for (inner, _), word in ((convs[-2], "Inner width"), (convs[-1], "Output channels")):
        width = derived_channels(spec, inner.place.path).get("out_channels")
        if width:
            yield f"{word}: {equation(width)}."
    yield from (_cardinality(conv) for _, conv in convs if conv.groups > 1)
    if block.place.kind == "bottleneck":
        narrow, wide = convs[0][1].out_channels, block.output_shape[0]
        cheap = (
            "where it is cheap, " if narrow < wide else "cheap by its groups alone, " if convs[1][1].groups > 1 else ""
        )
        yield f"A bottleneck: 1×1 to {exact(narrow)} channels, 3×3 there, {cheap}and 1×1 to {exact(wide)}."


def _op(context: PlaceContext) -> Iterator[str]:
    """A sentence for each choice that went into one op."""
    yield from _channel_reasons(context)
    op = context.row.operation
    match op:
        case Conv2d():
            yield from _conv(context, op)
        case Linear():
            yield from _linear(context)
        case MaxPool2d() | AvgPool2d():
            yield from _pool(context, op)
        case GlobalAvgPool2d():
            yield f"The mean over all {map_size(context.input_shape)} positions leaves one number per channel."
        case ZeroPadShortcut():
            yield _zero_pad(op)
        case Norm() | Activation() | Merge() | AdaptiveAvgPool2d() | Flatten() | Dropout():
            yield op_note(op)
        case _:
            assert_never(op)


def _channel_reasons(context: PlaceContext) -> Iterator[str]:
    """Where the op's channels come from, as the family works them out."""
    spec = context.analysis.network.spec
    if spec is None or isinstance(context.row.operation, Linear):
        return
    if context.densenet and context.place.path.startswith("features."):
        yield from _dense_channels(context)
        return
    if context.regnet and context.parent_kind == "squeeze_excitation":
        yield _hidden_channels(context)
        return
    names: dict[str, list[str]] = {}
    for name, term in derived_channels(spec, context.place.path).items():
        names.setdefault(equation(term), []).append(_WORDS[name])
    for text, words in names.items():
        yield f"{' and '.join(words).capitalize()}: {text}."


def _hidden_channels(context: PlaceContext) -> str:
    """The hidden channels of a gate whose width follows from what its block reads (RegNetY)."""
    spec, block = context.regnet, context.block
    if spec is None or spec.se_ratio is None or block is None:
        return ""
    channels = block.input_shape[0]
    hidden = hidden_width(spec.se_ratio, channels)
    sign = "=" if hidden == spec.se_ratio * channels else "≈"
    return (
        f"Hidden channels: se_ratio · C of the {exact(channels)} channels that the block reads, "
        f"rounded: {spec.se_ratio:g} · {exact(channels)} {sign} {exact(hidden)}."
    )


def _dense_channels(context: PlaceContext) -> Iterator[str]:
    block, spec, path = context.block, context.densenet, context.place.path
    name = path.rpartition(".")[2]
    if spec is None:
        return
    if block and block.place.kind == "dense_layer":
        if name in ("norm1", "conv1"):
            yield _dense_layer_inputs(context, block.place.path)
        ratio = derived_channels(spec, path).get("channels" if name == "norm2" else "out_channels")
        if ratio and name in ("norm2", "conv1"):
            yield f"The 1×1 makes bottleneck_ratio·k channels, so that the 3×3 is cheap: {equation(ratio)}."
        if name.startswith("conv") and context.output_shape[0] == spec.growth_rate:
            yield f"Every dense layer adds k = {spec.growth_rate} channels, the growth rate."
    elif context.stage.path.startswith("transition") and name == "conv":
        yield _compression(context)


def _dense_layer_inputs(context: PlaceContext, layer: str) -> str:
    """What a dense layer reads."""
    spec, (stage, _, name) = context.analysis.network.spec, layer.rpartition(".")
    if spec is None:
        return ""
    term = dense_input_channels(spec, f"{layer}.norm1", stage)
    number = name.removeprefix("denselayer")
    if number == "1":
        return f"Dense layer 1 of its stage reads the stage's input alone, k₀ = {exact(term)} channels."
    return (
        f"Dense layer {number} reads everything before it in its stage, k₀ + k(l − 1) channels: "
        f"{numbers(term)} = {exact(term)}."
    )


def _compression(context: PlaceContext) -> str:
    """What a transition keeps."""
    spec = context.densenet
    channels = next(row.operation.in_channels for row in context.rows if isinstance(row.operation, Conv2d))
    if spec is None:
        return ""
    if spec.compression == 1:
        return f"θ = 1: the transition keeps all {exact(channels)} channels (no compression)."
    rest = floor_product(spec.compression, variable(channels, "C"))
    return f"Compression θ = {spec.compression:g}: ⌊θC⌋ = {numbers(rest)} = {exact(rest)} channels are kept."


def _conv(context: PlaceContext, op: Conv2d) -> Iterator[str]:
    yield from _stride(context, op)
    yield from _dilation(context, op)
    if op.groups > 1:
        yield _cardinality(op)
    if op.kernel > 1 and op.stride == 1 and context.input_shape[1:] == context.output_shape[1:]:
        yield f"Padding {op.padding} keeps the map at {map_size(context.output_shape)}."
    rows = context.analysis.rows
    after = rows[context.place.stop].operation if context.place.stop < len(rows) else None
    if not op.bias and isinstance(after, Norm) and after.channels == op.out_channels:
        yield f"It has no bias: the {op_notation(after)} after it shifts each channel anyway."


def _cardinality(op: Conv2d) -> str:
    """What a grouped convolution saves."""
    ours, whole = formulas.params(replace(op, bias=False)), formulas.params(replace(op, groups=1, bias=False))
    return (
        f"Cardinality {op.groups}: each of the {op.groups} groups turns {op.in_channels // op.groups} channels into "
        f"{op.out_channels // op.groups}; ungrouped it would have {exact(whole)} weights instead of {exact(ours)}."
    )


def _linear(context: PlaceContext) -> Iterator[str]:
    before = context.analysis.rows[context.place.start - 1] if context.place.start else None
    if before and isinstance(before.operation, Flatten):
        shape = tuple(variable(size, symbol) for size, symbol in zip(before.input_shapes[0], "CHW", strict=False))
        (features,) = formulas.out_shape(Flatten(), shape)
        yield f"{context.name} has one input for each number of the flattened map: {equation(features)}."
    else:
        yield f"{context.name} reads the {exact(context.input_shape[0])} features of the layer before it."
    if context.place.stop == len(context.analysis.rows):
        yield f"It has one output, and one bias, for each of {exact(context.output_shape[0])} classes."


def _pool(context: PlaceContext, op: MaxPool2d | AvgPool2d) -> Iterator[str]:
    sizes = f"{map_size(context.input_shape)} → {map_size(context.output_shape)}"
    if context.parent_kind == "projection":
        yield (
            f"ResNet-D: a pool takes the projection's stride, {sizes}; a strided 1×1 would never read 3 of 4 positions."
        )
    elif context.stage.path == "stem":
        yield f"The stem's pool takes the map down, {sizes}, before the blocks, where most of the work is."
    else:
        yield f"The pool takes the map down, {sizes}."
    if isinstance(op, MaxPool2d) and context.resnet and not op.padding:
        yield "It is unpadded (stem_pool=valid)."


def _zero_pad(op: ZeroPadShortcut) -> str:
    positions = f"every {'2nd' if op.stride == 2 else f'{op.stride}th'} position" if op.stride > 1 else "x as it is"
    added = variable(op.out_channels, "C_out") - variable(op.in_channels, "C_in")
    return (
        f"Option A, no parameters: it takes {positions} and adds {numbers(added)} = {exact(added)} channels of zeros."
    )


def _stride(context: PlaceContext, op: Conv2d) -> Iterator[str]:
    """Why a convolution has its stride."""
    sizes = f"{map_size(context.input_shape)} → {map_size(context.output_shape)}"
    if context.stage.path == "stem":
        yield from _stem(context, op, sizes)
    elif context.parent_kind == "projection" and op.stride > 1:
        yield f"Stride {op.stride}, as the transform beside it: both must yield one map, {sizes}."
    elif op.stride > 1 and context.block:
        name = context.place.path.removeprefix(f"{context.block.place.path}.")
        yield (
            f"{name} has stride {op.stride}: {context.block.place.path} is the first block of "
            f"stage {context.stage_number}, which takes the map down, {sizes}."
        )
        yield from _strided_convolution(context)
    elif op.stride > 1:
        yield f"Stride {op.stride} takes the map down, {sizes}."
    elif op.kernel > 1 and context.opens_stage and context.stage_number == 1:
        yield _first_stage_stride(context)


def _stem(context: PlaceContext, op: Conv2d, sizes: str) -> Iterator[str]:
    if op.stride > 1:
        yield f"Stride {op.stride}: the stem takes the map down early, {sizes}; every later op pays for its size."
    elif context.place.start == 0:
        yield f"Stride 1: images are small, and the stem keeps their {map_size(context.input_shape)}."


def _strided_convolution(context: PlaceContext) -> Iterator[str]:
    """Which convolution of a block has the stride, and why."""
    spec = context.resnet
    if context.regnet:
        yield "The 3×3 has the stride, in the first block of every stage, stage 1 included."
    if spec is None:
        return
    if spec.block == "basic":
        yield "In a basic block the first 3×3 has the stride."
    elif spec.stride_on == "3x3":
        yield (
            "The 3×3 has the stride (v1.5, stride_on=3x3, as in PyTorch): "
            "its windows overlap, and every position is read; the paper's first 1×1 (v1) would skip 3 of 4."
        )
    else:
        yield (
            "The first 1×1 has the stride (v1, stride_on=1x1, as in the paper): "
            "the 3×3 then works on the smaller map, but 3 of 4 positions of the input are never read."
        )


def _first_stage_stride(context: PlaceContext) -> str:
    """Why stage 1 has no stride."""
    before, now = (
        map_size(context.analysis.input_shape),
        map_size(context.analysis.rows[context.stage.start].input_shapes[0]),
    )
    if before == now:
        return f"Stage 1 has no stride: images are small, and stem and stage 1 keep their {now}."
    ops = [row.op for row in context.analysis.rows if row.stage == "stem"]
    through = "its convolution and its pool" if "MaxPool2d" in ops else "its convolution"
    return f"Stage 1 has no stride: the stem has already taken the map from {before} to {now} by {through}."


def _dilation(context: PlaceContext, op: Conv2d) -> Iterator[str]:
    """Why a convolution is dilated, or a stage keeps its map."""
    spec = context.resnet
    if spec is None or spec.output_stride is None or context.block is None or op.kernel == 1:
        return
    stage = list(spec.stages())[context.stage_number - 1]
    if stage.stride == 1 and context.stage_number > 1 and context.opens_stage:
        yield _no_stride(context)
    if context.opens_stage and stage.first_dilation < stage.dilation:
        yield f"A stage's first block keeps the dilation before it, {stage.first_dilation}; others: {stage.dilation}."
    if op.dilation > 1:
        yield (
            f"Dilation {op.dilation} takes the place of the strides left out: the {op.kernel}×{op.kernel} reads every "
            f"{_ordinal(op.dilation)} position, and sees as far as it would on a smaller map."
        )


def _no_stride(context: PlaceContext) -> str:
    """Why a dilated stage keeps its map."""
    spec = context.resnet
    reached = spec.output_stride if spec else None
    return (
        f"Stage {context.stage_number} has no stride: the total stride has reached output_stride={reached}, "
        f"and the map stays {map_size(context.output_shape)}."
    )


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
