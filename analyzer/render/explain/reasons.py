"""Why a place of a network is as it is: a sentence for each choice that a reader asks about."""

from collections.abc import Iterator

from analyzer.cost.explain import Explanation
from analyzer.cost.origins import channels_of, reads, worked_out_channels
from analyzer.ops import Conv2d, Flatten
from analyzer.render.explain.arithmetic import equation, numbers
from analyzer.render.explain.context import Plan, Scene, map_size
from analyzer.render.explain.reasons_op import compressed, dense_reads, grouped, hidden_channels, op_reasons
from analyzer.render.explain.reasons_stride import dilation_reasons, first_stage, stride_place, stride_reasons
from analyzer.render.units import exact


def reasons(explanation: Explanation) -> list[str]:
    """Sentences, each true of this place, none said twice."""
    scene = Scene(Plan(explanation.analysis), explanation.place)
    match scene.place.level:
        case "op":
            found = op_reasons(scene)
        case "network":
            found = _network(scene)
        case "stage":
            found = _stage(scene)
        case _:
            found = _sub_graph(scene)
    return list(dict.fromkeys(found))


def _network(scene: Scene) -> Iterator[str]:
    stages = {block.stage.path: block for block in reversed(scene.blocks)}
    first = stages.get("stage1")
    strided = [block for block in scene.blocks if block.opens_stage and block.input_shape[1:] != block.output_shape[1:]]
    every = first is not None and first.place in [block.place for block in strided]
    if first and not every:
        yield first_stage(first)
    if strided:
        names = ", ".join(block.place.path for block in strided)
        yield f"The first block of each {'' if every else 'later '}stage halves the map: {names}."
        yield from stride_place(strided[0])
    if scene.resnet or scene.regnet:
        yield _shortcuts(scene)
        if scene.resnet and scene.resnet.output_stride:
            yield f"Dilation takes the place of stride from output_stride={scene.resnet.output_stride} on."
    if scene.densenet:
        yield _dense(scene)
    if not scene.blocks:
        yield "It has no blocks, and no shortcuts: each stage ends with the pool that takes its map down."
    depth = scene.rows[-1].seen.depth
    yield f"Depth {depth} counts convolutions and linear layers on the longest path, as the papers do."


def _shortcuts(scene: Scene) -> str:
    blocks = scene.blocks
    projected = [block.place.path for block in blocks if block.has_projection]
    padded = [block.place.path for block in blocks if block.zero_pad]
    if not any(block.adds for block in blocks):
        return "It is a plain net: no block has a shortcut."
    if scene.resnet and scene.resnet.shortcut == "C":
        return f"Option C: each of the {len(blocks)} blocks has a projection shortcut."
    if not projected and not padded:
        return f"All {len(blocks)} shortcuts are identities, because no block changes its input's shape."
    kind, changed = ("zero-pad (option A)", padded) if padded else ("projections (option B)", projected)
    return (
        f"Of {len(blocks)} shortcuts {len(changed)} are {kind}, where the shape changes: {', '.join(changed)}; "
        f"{len(blocks) - len(changed)} are identities."
    )


def _dense(scene: Scene) -> str:
    spec = scene.densenet
    growth = spec.growth_rate if spec else 0
    return (
        f"Dense layer l of a stage reads k₀ + k(l − 1) channels and adds k = {growth}; "
        f"each transition keeps ⌊θC⌋ of them, θ = {spec.compression if spec else 1:g}, and halves the map."
    )


def _stage(scene: Scene) -> Iterator[str]:
    blocks = scene.blocks
    if not blocks:
        yield from _sub_graph(scene) if scene.stage.path.startswith("transition") else _flat_stage(scene)
        return
    first = blocks[0]
    if first.place.kind == "dense_layer":
        yield from _dense_stage(scene, blocks)
        return
    yield from _block_stride(first)
    yield _shortcut(first)
    if len(blocks) > 1:
        yield _shortcut(blocks[1]) + (f" The same holds up to {blocks[-1].place.path}." if len(blocks) > 2 else "")
    yield from _block_widths(blocks[-1])


def _flat_stage(scene: Scene) -> Iterator[str]:
    """The reasons of a stem, a head or a plain stage: those of its convolutions, and of what changes a shape."""
    for inner in scene.ops:
        operation = inner.row.operation
        if isinstance(operation, Conv2d):
            yield from stride_reasons(inner, operation)
        elif inner.input_shape != inner.output_shape and not isinstance(operation, Flatten):
            yield from op_reasons(inner)


def _dense_stage(scene: Scene, blocks: list[Scene]) -> Iterator[str]:
    spec = scene.densenet
    if spec is None:
        return
    if scene.stage_number == 1:
        yield first_stage(blocks[0])
    stage = blocks[0].place.path.rpartition(".")[0]
    count = len(blocks)
    last = f"{stage}.denselayer{count}"
    yield dense_reads(scene, last)
    grown = reads(spec, f"{last}.norm1", stage) + channels_of(spec, blocks[-1].convs[-1][0].place.path)["out_channels"]
    yield f"At its end it has k₀ + kL channels: {numbers(grown)} = {exact(grown)}."
    yield f"Its {count} dense layers make L(L + 1)/2 = {exact(count * (count + 1) // 2)} direct connections."


def _sub_graph(scene: Scene) -> Iterator[str]:
    match scene.place.kind:
        case "projection":
            yield from _projection(scene)
        case "squeeze_excitation":
            yield from _squeeze(scene)
        case "dense_layer":
            yield dense_reads(scene, scene.place.path)
            yield from _dense_widths(scene)
        case _ if scene.stage.path.startswith("transition"):
            yield compressed(scene)
            yield f"Its 2×2 pool halves the map, {map_size(scene.input_shape)} → {map_size(scene.output_shape)}."
        case "basic" | "bottleneck":
            yield from _block_stride(scene)
            yield _shortcut(scene)
            yield from _block_widths(scene)
        case _:
            yield from _flat_stage(scene)


def _block_stride(block: Scene) -> Iterator[str]:
    for inner, conv in block.convs:
        yield from stride_reasons(inner, conv)
        yield from dilation_reasons(inner, conv)


def _shortcut(block: Scene) -> str:
    name, changes = block.place.path, _changes(block)
    option = block.resnet.shortcut if block.resnet else "B"
    if not block.adds:
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


def _changes(block: Scene) -> str:
    before, after = block.input_shape, block.output_shape
    channels = f"{exact(before[0])} → {exact(after[0])} channels" if before[0] != after[0] else ""
    sides = f"{map_size(before)} → {map_size(after)} positions" if before[1:] != after[1:] else ""
    return ", ".join(filter(None, (channels, sides)))


def _projection(scene: Scene) -> Iterator[str]:
    if scene.block is None:
        return
    yield _shortcut(scene.block)
    spec = scene.resnet
    if spec and spec.preactivation:
        yield "Pre-activation: it reads the output of the block's first BN–ReLU, and has no batch norm of its own."
    if spec and spec.avg_down and any(row.op == "AvgPool2d" for row in scene.rows):
        yield "ResNet-D: a 2×2 average pool takes the stride, so that every position is read."


def _squeeze(scene: Scene) -> Iterator[str]:
    spec, path = scene.analysis.network.spec, scene.place.path
    if spec is None:
        return
    mean = f"Squeeze: each channel's mean over {map_size(scene.input_shape)} goes through"
    if scene.regnet:
        yield f"{mean} hidden channels and back. {hidden_channels(scene)}"
    else:
        hidden = worked_out_channels(spec, f"{path}.fc1").get("out_channels", 0)
        reduction = scene.resnet.se_reduction if scene.resnet else 1
        yield f"{mean} ⌊C/r⌋ hidden channels, r = {reduction}: {equation(hidden)}."
    yield "Excitation: a sigmoid gives each channel a gate between 0 and 1, which scales it."


def _dense_widths(scene: Scene) -> Iterator[str]:
    spec = scene.densenet
    if spec is None:
        return
    inner = worked_out_channels(spec, f"{scene.place.path}.conv1").get("out_channels")
    if inner:
        yield f"The 1×1 makes bottleneck_ratio·k channels, so that the 3×3 is cheap: {numbers(inner)} = {exact(inner)}."
    yield f"It adds k = {spec.growth_rate} channels, the growth rate, to those before it."


def _block_widths(block: Scene) -> Iterator[str]:
    spec = block.analysis.network.spec
    if spec is None:
        return
    convs = block.convs
    for (inner, _), word in ((convs[-2], "Inner width"), (convs[-1], "Output channels")):
        width = worked_out_channels(spec, inner.place.path).get("out_channels")
        if width:
            yield f"{word}: {equation(width)}."
    yield from (grouped(conv) for _, conv in convs if conv.groups > 1)
    if block.place.kind == "bottleneck":
        narrow, wide = convs[0][1].out_channels, block.output_shape[0]
        cheap = (
            "where it is cheap, " if narrow < wide else "cheap by its groups alone, " if convs[1][1].groups > 1 else ""
        )
        yield f"A bottleneck: 1×1 to {exact(narrow)} channels, 3×3 there, {cheap}and 1×1 to {exact(wide)}."
