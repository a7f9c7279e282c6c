"""Ops, blocks and stages in the papers' notation."""

from collections.abc import Sequence
from typing import assert_never

from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BlockCost, StageCost
from analyzer.graph import ops
from analyzer.graph.ops import Op


def op_notation(op: Op) -> str:
    """An op as the papers write it: "3×3 conv, 128, /2", "3×3 max pool, /2", "fc, 1000"."""
    match op:
        case ops.Conv2d():
            suffixes = f"{_stride_suffix(op.stride)}{_dilation_suffix(op)}{_groups_suffix(op)}"
            return f"{op.kernel}×{op.kernel} conv, {op.out_channels}{suffixes}"
        case ops.MaxPool2d():
            return f"{op.kernel}×{op.kernel} max pool{_stride_suffix(op.stride)}"
        case ops.AvgPool2d():
            return f"{op.kernel}×{op.kernel} average pool{_stride_suffix(op.stride)}"
        case ops.GlobalAvgPool2d():
            return "global average pool"
        case ops.AdaptiveAvgPool2d():
            return f"average pool to {op.output_size}×{op.output_size}"
        case ops.Linear():
            return f"fc, {op.out_features}"
        case ops.BatchNorm2d():
            return "batch norm"
        case ops.ZeroPadShortcut():
            return f"zero-pad, {op.out_channels}{_stride_suffix(op.stride)}"
        case ops.ReLU() | ops.Sigmoid() | ops.Flatten() | ops.Dropout() | ops.Add() | ops.Concat() | ops.Multiply():
            return type(op).__name__ if isinstance(op, ops.ReLU) else type(op).__name__.lower()
        case _:
            assert_never(op)


def _stride_suffix(stride: int) -> str:
    return f", /{stride}" if stride > 1 else ""


def _dilation_suffix(op: ops.Conv2d) -> str:
    return f", dilation {op.dilation}" if op.dilation > 1 else ""


def _groups_suffix(op: ops.Conv2d) -> str:
    return f", {op.groups} groups" if op.groups > 1 else ""


def short_words(op: Op) -> str:
    """An op where there is little room."""
    return "BN" if isinstance(op, ops.BatchNorm2d) else op_notation(op)


def goes_without_saying(op: Op) -> bool:
    """Whether a one-line account of a stage or block leaves an op out."""
    match op:
        case ops.Norm() | ops.Activation() | ops.Add() | ops.Concat() | ops.Flatten() | ops.Dropout():
            return True
        case ops.Weighted() | ops.Pool() | ops.Multiply() | ops.ZeroPadShortcut():
            return False
        case _:
            assert_never(op)


_NOT_COUNTED = "It has no weights, and by convention elementwise work is not counted as MACs."


def op_note(op: Op) -> str:
    """What an op does with weights and costs, in one sentence; nothing where that depends on where it stands."""
    match op:
        case ops.BatchNorm2d():
            return (
                "Batch norm learns a scale and a shift per channel; "
                "its running mean and variance and its counter of batches are buffers."
            )
        case ops.AdaptiveAvgPool2d():
            side = op.output_size
            return f"Whatever the input size, {side}×{side} windows cover the map, so that the classifier's inputs fit."
        case ops.Concat():
            return "Concatenation keeps every channel that came before and adds the new ones; it computes nothing."
        case ops.Add():
            return "Both inputs have one shape, and the sum keeps it; by convention additions are not MACs."
        case ops.Multiply():
            return "The gate scales each channel by one number; by convention this is not counted as MACs."
        case ops.Dropout():
            return "Dropout does something in training only."
        case ops.ReLU() | ops.Sigmoid() | ops.Flatten():
            return _NOT_COUNTED
        case (
            ops.Conv2d()
            | ops.Linear()
            | ops.MaxPool2d()
            | ops.AvgPool2d()
            | ops.GlobalAvgPool2d()
            | ops.ZeroPadShortcut()
        ):
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
    return " · ".join(op_notation(op) for op in rows if not goes_without_saying(op)) or ", ".join(
        map(op_notation, rows)
    )


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


def block_convs(block: BlockCost) -> list[ops.Conv2d]:
    """The convolutions of a block's transform, the shortcut's projection left out."""
    return [row.operation for row in block.transform if isinstance(row.operation, ops.Conv2d)]


def shortcut_notation(block: BlockCost) -> str:
    """The block's shortcut in the paper's words, "none" in a plain net; a dense layer's is its concatenation."""
    if block.kind == "dense_layer":
        return "concatenation"
    if len(block.transform) < len(block.rows):
        return "projection"
    operations = {type(row.operation) for row in block.rows}
    if ops.ZeroPadShortcut in operations:
        return "zero-pad"
    return "identity" if ops.Add in operations else "none"
