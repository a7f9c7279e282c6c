"""Why an op is as it is, and where its channels come from."""

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from analyzer.cost import formulas
from analyzer.cost.origins import reads, worked_out_channels
from analyzer.cost.trace import given
from analyzer.families.fields import floor_of
from analyzer.families.regnet import hidden_width
from analyzer.ops import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Multiply,
    ReLU,
    Sigmoid,
    ZeroPadShortcut,
)
from analyzer.render.explain.arithmetic import equation, numbers
from analyzer.render.explain.context import Scene, map_size
from analyzer.render.explain.reasons_stride import dilation_reasons, stride_reasons
from analyzer.render.units import exact

_WORDS = {
    "in_channels": "input channels",
    "out_channels": "output channels",
    "channels": "channels",
    "in_features": "input features",
    "out_features": "output features",
}


def op_reasons(scene: Scene) -> Iterator[str]:
    """A sentence for each choice that went into one op."""
    yield from channel_reasons(scene)
    op = scene.row.operation
    match op:
        case Conv2d():
            yield from _conv(scene, op)
        case BatchNorm2d():
            yield (
                "Batch norm learns a scale and a shift per channel; "
                "its running mean and variance and its counter of batches are buffers."
            )
        case Linear():
            yield from _linear(scene)
        case MaxPool2d() | AvgPool2d():
            yield from _pool(scene, op)
        case GlobalAvgPool2d():
            yield f"The mean over all {map_size(scene.input_shape)} positions leaves one number per channel."
        case AdaptiveAvgPool2d():
            side = op.output_size
            yield f"Whatever the input size, {side}×{side} windows cover the map, so that the classifier's inputs fit."
        case ZeroPadShortcut():
            yield _zero_pad(op)
        case Concat():
            yield "Concatenation keeps every channel that came before and adds the new ones; it computes nothing."
        case Add():
            yield "Both inputs have one shape, and the sum keeps it; by convention additions are not MACs."
        case Multiply():
            yield "The gate scales each channel by one number; by convention this is not counted as MACs."
        case Dropout():
            yield "Dropout does something in training only."
        case ReLU() | Sigmoid() | Flatten():
            yield "It has no weights, and by convention elementwise work is not counted as MACs."
        case _:
            assert_never(op)


def channel_reasons(scene: Scene) -> Iterator[str]:
    """Where the op's channels come from, as the family works them out."""
    spec = scene.analysis.network.spec
    if spec is None or isinstance(scene.row.operation, Linear):
        return
    if scene.densenet and scene.place.path.startswith("features."):
        yield from _dense_channels(scene)
        return
    if scene.regnet and scene.within == "squeeze_excitation":
        yield hidden_channels(scene)
        return
    found = worked_out_channels(spec, scene.place.path)
    said = {equation(term): [] for term in found.values()}  # type: dict[str, list[str]]
    for name, term in found.items():
        said[equation(term)].append(_WORDS[name])
    for text, words in said.items():
        yield f"{' and '.join(words).capitalize()}: {text}."


def hidden_channels(scene: Scene) -> str:
    """The hidden channels of a gate whose width follows from what its block reads (RegNetY)."""
    spec, block = scene.regnet, scene.block
    if spec is None or spec.se_ratio is None or block is None:
        return ""
    channels = block.input_shape[0]
    hidden = hidden_width(spec.se_ratio, channels)
    sign = "=" if hidden == spec.se_ratio * channels else "≈"
    return (
        f"Hidden channels: se_ratio · C of the {exact(channels)} channels that the block reads, "
        f"rounded: {spec.se_ratio:g} · {exact(channels)} {sign} {exact(hidden)}."
    )


def _dense_channels(scene: Scene) -> Iterator[str]:
    block, spec, path = scene.block, scene.densenet, scene.place.path
    name = path.rpartition(".")[2]
    if spec is None:
        return
    if block and block.place.kind == "dense_layer":
        if name in ("norm1", "conv1"):
            yield dense_reads(scene, block.place.path)
        ratio = worked_out_channels(spec, path).get("channels" if name == "norm2" else "out_channels")
        if ratio and name in ("norm2", "conv1"):
            yield f"The 1×1 makes bottleneck_ratio·k channels, so that the 3×3 is cheap: {equation(ratio)}."
        if name.startswith("conv") and scene.output_shape[0] == spec.growth_rate:
            yield f"Every dense layer adds k = {spec.growth_rate} channels, the growth rate."
    elif scene.stage.path.startswith("transition") and name == "conv":
        yield compressed(scene)


def dense_reads(scene: Scene, layer: str) -> str:
    """What a dense layer reads."""
    spec, (stage, _, name) = scene.analysis.network.spec, layer.rpartition(".")
    if spec is None:
        return ""
    term = reads(spec, f"{layer}.norm1", stage)
    number = name.removeprefix("denselayer")
    if number == "1":
        return f"Dense layer 1 of its stage reads the stage's input alone, k₀ = {exact(term)} channels."
    return (
        f"Dense layer {number} reads everything before it in its stage, k₀ + k(l − 1) channels: "
        f"{numbers(term)} = {exact(term)}."
    )


def compressed(scene: Scene) -> str:
    """What a transition keeps."""
    spec = scene.densenet
    channels = next(row.operation.in_channels for row in scene.rows if isinstance(row.operation, Conv2d))
    if spec is None:
        return ""
    if spec.compression == 1:
        return f"θ = 1: the transition keeps all {exact(channels)} channels (no compression)."
    kept = floor_of(spec.compression, given(channels, "C"))
    return f"Compression θ = {spec.compression:g}: ⌊θC⌋ = {numbers(kept)} = {exact(kept)} channels are kept."


def _conv(scene: Scene, op: Conv2d) -> Iterator[str]:
    yield from stride_reasons(scene, op)
    yield from dilation_reasons(scene, op)
    if op.groups > 1:
        yield grouped(op)
    if op.kernel > 1 and op.stride == 1 and scene.input_shape[1:] == scene.output_shape[1:]:
        yield f"Padding {op.padding} keeps the map at {map_size(scene.output_shape)}."
    rows = scene.analysis.rows
    after = rows[scene.place.stop].operation if scene.place.stop < len(rows) else None
    if not op.bias and isinstance(after, BatchNorm2d) and after.channels == op.out_channels:
        yield "It has no bias: the batch norm after it shifts each channel anyway."


def grouped(op: Conv2d) -> str:
    """What a grouped convolution saves."""
    ours, whole = formulas.params(replace(op, bias=False)), formulas.params(replace(op, groups=1, bias=False))
    return (
        f"Cardinality {op.groups}: each of the {op.groups} groups turns {op.in_channels // op.groups} channels into "
        f"{op.out_channels // op.groups}; ungrouped it would have {exact(whole)} weights instead of {exact(ours)}."
    )


def _linear(scene: Scene) -> Iterator[str]:
    before = scene.analysis.rows[scene.place.start - 1] if scene.place.start else None
    if before and isinstance(before.operation, Flatten):
        shape = tuple(given(size, symbol) for size, symbol in zip(before.input_shapes[0], "CHW", strict=False))
        (features,) = formulas.out_shape(Flatten(), shape)
        yield f"{scene.name} has one input for each number of the flattened map: {equation(features)}."
    else:
        yield f"{scene.name} reads the {exact(scene.input_shape[0])} features of the layer before it."
    if scene.place.stop == len(scene.analysis.rows):
        yield f"It has one output, and one bias, for each of {exact(scene.output_shape[0])} classes."


def _pool(scene: Scene, op: MaxPool2d | AvgPool2d) -> Iterator[str]:
    sizes = f"{map_size(scene.input_shape)} → {map_size(scene.output_shape)}"
    if scene.within == "projection":
        yield (
            f"ResNet-D: a pool takes the projection's stride, {sizes}; a strided 1×1 would never read 3 of 4 positions."
        )
    elif scene.stage.path == "stem":
        yield f"The stem's pool takes the map down, {sizes}, before the blocks, where most of the work is."
    else:
        yield f"The pool takes the map down, {sizes}."
    if isinstance(op, MaxPool2d) and scene.resnet and not op.padding:
        yield "It is unpadded (stem_pool=valid)."


def _zero_pad(op: ZeroPadShortcut) -> str:
    taken = f"every {'2nd' if op.stride == 2 else f'{op.stride}th'} position" if op.stride > 1 else "x as it is"
    added = given(op.out_channels, "C_out") - given(op.in_channels, "C_in")
    return f"Option A, no parameters: it takes {taken} and adds {numbers(added)} = {exact(added)} channels of zeros."
