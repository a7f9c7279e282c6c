"""What one op yields and costs: the only formulas in the project.

Conventions: MACs are multiply-accumulates of convolutions and linear layers, without biases; batch norm, pooling,
ReLU, add and concat count zero. FLOPs are 2 · MACs. Activations are output elements of convolutions and linear
layers. Parameters are learned numbers; batch norm's running statistics (and batch counter) are buffers.
"""

from math import prod
from typing import assert_never

from analyzer.errors import InvalidInput
from analyzer.graph import ops
from analyzer.graph.ops import Op, Shape, input_channels, tracks_statistics

CONVENTION = {
    "params": "learned numbers; batch norm counts 2 per channel, its running statistics are buffers",
    "macs": "multiply-accumulates of convolutions and linear layers; bias, norm, pool and add count zero",
    "flops": "2 × MACs",
    "activations": "output elements of convolutions and linear layers, batch 1",
    "receptive_field": "side in input pixels, along the longest path, before the global pool",
    "depth": "convolutions and linear layers on the longest path; shortcut projections do not count",
}


def window_positions(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Positions of a window along one side: ⌊(n + 2p − d·(k − 1) − 1) / s⌋ + 1."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def ceil_positions(size: int, kernel: int, stride: int) -> int:
    """Positions where the last, incomplete window counts too: ⌈(n − k) / s⌉ + 1, each starting inside the input."""
    positions = -((kernel - size) // stride) + 1
    return positions - 1 if (positions - 1) * stride >= size else positions


def out_shape(op: Op, *inputs: Shape) -> Shape:
    """Output shape without the batch; InvalidInput where the inputs do not fit the op or nothing is left."""
    _check(op, inputs)
    shape = inputs[0]
    match op:
        case ops.Conv2d():
            return (op.out_channels, *_sides(op, shape, op.kernel, op.stride, op.padding, op.dilation))
        case ops.Norm() | ops.Activation() | ops.Dropout() | ops.Add() | ops.Multiply():
            return shape
        case ops.MaxPool2d():
            return (shape[0], *_sides(op, shape, op.kernel, op.stride, op.padding, 1))
        case ops.AvgPool2d() if op.ceil_mode:
            sides = tuple([ceil_positions(side, op.kernel, op.stride) for side in shape[1:]])
            return (shape[0], *_non_empty_sides(op, shape, op.kernel, 0, sides))
        case ops.AvgPool2d():
            return (shape[0], *_sides(op, shape, op.kernel, op.stride, 0, 1))
        case ops.ZeroPadShortcut():
            return (op.out_channels, *_sides(op, shape, 1, op.stride, 0, 1))
        case ops.GlobalAvgPool2d():
            return (shape[0], 1, 1)
        case ops.AdaptiveAvgPool2d():
            return (shape[0], op.output_size, op.output_size)
        case ops.Concat():
            return (sum(other[0] for other in inputs), *shape[1:])
        case ops.Flatten():
            return (prod(shape),)
        case ops.Linear():
            return (op.out_features,)
        case _:
            assert_never(op)


def _check(op: Op, inputs: tuple[Shape, ...]) -> None:
    shape = inputs[0]
    if len(shape) != (1 if isinstance(op, ops.Linear) else 3):
        _check_rank(op, shape)
    required = input_channels(op)
    if required is not None and required != shape[0]:
        raise InvalidInput(f"{type(op).__name__}: its input has {shape[0]} channels or features, it needs {required}.")
    if isinstance(op, ops.Merge):
        _check_merge(op, inputs)


def _sides(op: Op, shape: Shape, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, ...]:
    sides = tuple([window_positions(side, kernel, stride, padding, dilation) for side in shape[1:]])
    return _non_empty_sides(op, shape, kernel, padding, sides)


def _non_empty_sides(op: Op, shape: Shape, kernel: int, padding: int, sides: tuple[int, ...]) -> tuple[int, ...]:
    if min(sides) < 1:
        size = "×".join(map(str, shape[1:]))
        raise InvalidInput(
            f"{type(op).__name__} with kernel {kernel} and padding {padding}: its {size} input leaves less than 1×1."
        )
    return sides


def _check_rank(op: Op, shape: Shape) -> None:
    match op:
        case ops.Linear():
            raise InvalidInput(f"Linear: its input {shape} is not flat; put a Flatten before it.")
        case ops.Conv2d() | ops.Norm() | ops.Pool() | ops.Multiply() | ops.ZeroPadShortcut():
            raise InvalidInput(f"{type(op).__name__}: its input {shape} has no height and width.")
        case ops.Activation() | ops.Add() | ops.Concat() | ops.Flatten() | ops.Dropout():
            return
        case _:
            assert_never(op)


def _check_merge(op: ops.Add | ops.Concat | ops.Multiply, inputs: tuple[Shape, ...]) -> None:
    match op:
        case ops.Add():
            _expect_equal(op, *inputs)
        case ops.Concat():
            _expect_equal(op, *(other[1:] for other in inputs))
        case ops.Multiply():
            _expect_equal(op, inputs[1], (inputs[0][0], 1, 1))
        case _:
            assert_never(op)


def _expect_equal(op: Op, *shapes: Shape) -> None:
    if any(shape != shapes[0] for shape in shapes):
        raise InvalidInput(f"{type(op).__name__}: its inputs have unequal shapes {', '.join(map(str, shapes))}.")


def params(op: Op) -> int:
    """Learned numbers of an op."""
    match op:
        case ops.Conv2d():
            weights = op.kernel * op.kernel * op.in_channels * op.out_channels // op.groups
            return weights + op.out_channels if op.bias else weights
        case ops.Linear():
            return op.in_features * op.out_features + op.out_features
        case ops.Norm():
            return 2 * op.channels
        case _:
            return _no_weights(op)


def buffers(op: Op) -> int:
    """Numbers stored but not learned: batch norm's running mean and variance, and its batch counter."""
    return 2 * op.channels + 1 if isinstance(op, ops.Norm) and tracks_statistics(op) else 0


def macs(op: Op, output: Shape) -> int:
    """Multiply-accumulates of one input (batch 1)."""
    match op:
        case ops.Conv2d():
            return op.kernel * op.kernel * op.in_channels // op.groups * prod(output)
        case ops.Linear():
            return op.in_features * op.out_features
        case ops.Norm():
            return 0
        case _:
            return _no_weights(op)


def activations(op: Op, output: Shape) -> int:
    """Output elements where the op is a convolution or linear layer (batch 1)."""
    return prod(output) if isinstance(op, ops.Weighted) else 0


def window(op: Op) -> tuple[int, int]:
    """(extent, stride) of the window through which an output element sees its input; global pools count as (1, 1)."""
    match op:
        case ops.Conv2d():
            return op.dilation * (op.kernel - 1) + 1, op.stride
        case ops.Norm() | ops.Activation() | ops.Merge() | ops.Linear():
            return 1, 1
        case ops.MaxPool2d() | ops.AvgPool2d():
            return op.kernel, op.stride
        case ops.ZeroPadShortcut():
            return 1, op.stride
        case ops.GlobalAvgPool2d() | ops.AdaptiveAvgPool2d() | ops.Flatten() | ops.Dropout():
            return 1, 1
        case _:
            assert_never(op)


def _no_weights(
    op: ops.Activation | ops.Pool | ops.Add | ops.Concat | ops.Multiply | ops.Rearrangement | ops.Dropout,
) -> int:
    """Zero, for the ops that have no weights; the parameter's type makes a new op name itself in every fold."""
    return 0
