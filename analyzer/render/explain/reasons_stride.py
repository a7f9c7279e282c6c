"""Why a convolution has a stride or a dilation, and why another has none."""

from collections.abc import Iterator

from analyzer.ops import Conv2d
from analyzer.render.explain.context import Scene, map_size


def stride_reasons(scene: Scene, op: Conv2d) -> Iterator[str]:
    """Why a convolution has its stride."""
    sizes = f"{map_size(scene.input_shape)} → {map_size(scene.output_shape)}"
    if scene.stage.path == "stem":
        yield from _stem(scene, op, sizes)
    elif scene.within == "projection" and op.stride > 1:
        yield f"Stride {op.stride}, as the transform beside it: both must yield one map, {sizes}."
    elif op.stride > 1 and scene.block:
        name = scene.place.path.removeprefix(f"{scene.block.place.path}.")
        yield (
            f"{name} has stride {op.stride}: {scene.block.place.path} is the first block of "
            f"stage {scene.stage_number}, which takes the map down, {sizes}."
        )
        yield from stride_place(scene)
    elif op.stride > 1:
        yield f"Stride {op.stride} takes the map down, {sizes}."
    elif op.kernel > 1 and scene.opens_stage and scene.stage_number == 1:
        yield first_stage(scene)


def _stem(scene: Scene, op: Conv2d, sizes: str) -> Iterator[str]:
    if op.stride > 1:
        yield f"Stride {op.stride}: the stem takes the map down early, {sizes}; every later op pays for its size."
    elif scene.place.start == 0:
        yield f"Stride 1: images are small, and the stem keeps their {map_size(scene.input_shape)}."


def stride_place(scene: Scene) -> Iterator[str]:
    """Which convolution of a block has the stride, and why."""
    spec = scene.resnet
    if scene.regnet:
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


def first_stage(scene: Scene) -> str:
    """Why stage 1 has no stride."""
    before, now = map_size(scene.analysis.input_shape), map_size(scene.analysis.rows[scene.stage.start].input_shapes[0])
    if before == now:
        return f"Stage 1 has no stride: images are small, and stem and stage 1 keep their {now}."
    ops = [row.op for row in scene.analysis.rows if row.stage == "stem"]
    through = "its convolution and its pool" if "MaxPool2d" in ops else "its convolution"
    return f"Stage 1 has no stride: the stem has already taken the map from {before} to {now} by {through}."


def dilation_reasons(scene: Scene, op: Conv2d) -> Iterator[str]:
    """Why a convolution is dilated, or a stage keeps its map."""
    spec = scene.resnet
    if spec is None or spec.output_stride is None or scene.block is None or op.kernel == 1:
        return
    stage = list(spec.stages())[scene.stage_number - 1]
    if stage.stride == 1 and scene.stage_number > 1 and scene.opens_stage:
        yield no_stride(scene)
    if scene.opens_stage and stage.first_dilation < stage.dilation:
        yield f"A stage's first block keeps the dilation before it, {stage.first_dilation}; others: {stage.dilation}."
    if op.dilation > 1:
        yield (
            f"Dilation {op.dilation} takes the place of the strides left out: the {op.kernel}×{op.kernel} reads every "
            f"{_ordinal(op.dilation)} position, and sees as far as it would on a smaller map."
        )


def no_stride(scene: Scene) -> str:
    """Why a dilated stage keeps its map."""
    spec = scene.resnet
    reached = spec.output_stride if spec else None
    return (
        f"Stage {scene.stage_number} has no stride: the total stride has reached output_stride={reached}, "
        f"and the map stays {map_size(scene.output_shape)}."
    )


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
