"""Ops, blocks and stages in the papers' notation."""

from collections.abc import Sequence
from typing import assert_never

from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BlockCost, StageCost
from analyzer.graph.ops import (
    Activation,
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
    Norm,
    Op,
    Pool,
    ReLU,
    Sigmoid,
    Weighted,
    ZeroPadShortcut,
)


def op_notation(op: Op) -> str:
    """An op as the papers write it: "3×3 conv, 128, /2", "3×3 max pool, /2", "fc, 1000"."""
    match op:
        case Conv2d():
            suffixes = f"{_stride_suffix(op.stride)}{_dilation_suffix(op)}{_groups_suffix(op)}"
            return f"{op.kernel}×{op.kernel} conv, {op.out_channels}{suffixes}"
        case MaxPool2d():
            return f"{op.kernel}×{op.kernel} max pool{_stride_suffix(op.stride)}"
        case AvgPool2d():
            return f"{op.kernel}×{op.kernel} average pool{_stride_suffix(op.stride)}"
        case GlobalAvgPool2d():
            return "global average pool"
        case AdaptiveAvgPool2d():
            return f"average pool to {op.output_size}×{op.output_size}"
        case Linear():
            return f"fc, {op.out_features}"
        case BatchNorm2d():
            return "batch norm"
        case ZeroPadShortcut():
            return f"zero-pad, {op.out_channels}{_stride_suffix(op.stride)}"
        case ReLU() | Sigmoid() | Flatten() | Dropout() | Add() | Concat() | Multiply():
            return type(op).__name__ if isinstance(op, ReLU) else type(op).__name__.lower()
        case _:
            assert_never(op)


def _stride_suffix(stride: int) -> str:
    return f", /{stride}" if stride > 1 else ""


def _dilation_suffix(op: Conv2d) -> str:
    return f", dilation {op.dilation}" if op.dilation > 1 else ""


def _groups_suffix(op: Conv2d) -> str:
    return f", {op.groups} groups" if op.groups > 1 else ""


def short_words(op: Op) -> str:
    """An op where there is little room."""
    return "BN" if isinstance(op, BatchNorm2d) else op_notation(op)


def goes_without_saying(op: Op) -> bool:
    """Whether a one-line account of a stage or block leaves an op out."""
    match op:
        case Norm() | Activation() | Add() | Concat() | Flatten() | Dropout():
            return True
        case Weighted() | Pool() | Multiply() | ZeroPadShortcut():
            return False
        case _:
            assert_never(op)


_NOT_COUNTED = "It has no weights, and by convention elementwise work is not counted as MACs."


def op_note(op: Op) -> str:
    """What an op does with weights and costs, in one sentence; nothing where that depends on where it stands."""
    match op:
        case BatchNorm2d():
            return (
                "Batch norm learns a scale and a shift per channel; "
                "its running mean and variance and its counter of batches are buffers."
            )
        case AdaptiveAvgPool2d():
            side = op.output_size
            return f"Whatever the input size, {side}×{side} windows cover the map, so that the classifier's inputs fit."
        case Concat():
            return "Concatenation keeps every channel that came before and adds the new ones; it computes nothing."
        case Add():
            return "Both inputs have one shape, and the sum keeps it; by convention additions are not MACs."
        case Multiply():
            return "The gate scales each channel by one number; by convention this is not counted as MACs."
        case Dropout():
            return "Dropout does something in training only."
        case ReLU() | Sigmoid() | Flatten():
            return _NOT_COUNTED
        case Conv2d() | Linear() | MaxPool2d() | AvgPool2d() | GlobalAvgPool2d() | ZeroPadShortcut():
            return ""
        case _:
            assert_never(op)


def stage_contents(analysis: Analysis, stage: StageCost, blocks: Sequence[BlockCost]) -> str:
    """What a stage is made of: "bottleneck 64 → 256 × 3", "6 dense layers, k = 32", or a stem's ops."""
    own = [block for block in blocks if block.stage == stage.stage]
    if own and own[0].kind == "dense_layer":
        return f"{len(own)} dense layers, k = {own[0].output_shape[0]}"
    if own:
        return f"{block_notation(own[0])} × {len(own)}"
    rows = [row.operation for row in analysis.rows if row.stage == stage.stage]
    return " · ".join(op_notation(op) for op in rows if not goes_without_saying(op)) or "batch norm, ReLU"


def block_notation(block: BlockCost) -> str:
    """A block by its widths: "bottleneck 128 → 256, 32 groups", "basic 64", "dense layer, k = 32"."""
    convs = block_convs(block)
    out_channels = block.output_shape[0]
    if block.kind == "dense_layer":
        return f"dense layer, k = {out_channels}"
    if not convs:
        return f"{block.kind} {out_channels}"
    inner = convs[0].out_channels
    widths = str(inner) if inner == out_channels else f"{inner} → {out_channels}"
    groups = max(conv.groups for conv in convs)
    return f"{block.kind} {widths}" + (f", {groups} groups" if groups > 1 else "")


def block_convs(block: BlockCost) -> list[Conv2d]:
    """The convolutions of a block's transform, the shortcut's projection left out."""
    return [row.operation for row in block.transform if isinstance(row.operation, Conv2d)]


def shortcut_notation(block: BlockCost) -> str:
    """The block's shortcut in the paper's words, "none" in a plain net; a dense layer's is its concatenation."""
    if block.kind == "dense_layer":
        return "concatenation"
    if len(block.transform) < len(block.rows):
        return "projection"
    operations = {type(row.operation) for row in block.rows}
    if ZeroPadShortcut in operations:
        return "zero-pad"
    return "identity" if Add in operations else "none"
