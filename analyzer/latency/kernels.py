"""The kernels that a network runs as: one an op when eager; bytes and MACs of each for one image."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple, assert_never

from analyzer.cost.analysis import Analysis
from analyzer.cost.walk import Row
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
    Op,
    ReLU,
    Sigmoid,
    ZeroPadShortcut,
)


class Kernel(NamedTuple):
    """One kernel: the row (index into `Analysis.rows`) that it belongs to, and what it does for one image.

    `moved` are elements of activations read and written, `weights` elements read once a batch.
    """

    row: int
    kind: str
    macs: int
    moved: int
    weights: int


def eager_kernels(rows: Sequence[Row]) -> list[Kernel]:
    """One kernel an op; Flatten, and Dropout in inference, run none."""
    named = [(index, row, kind_of(row.operation)) for index, row in enumerate(rows)]
    return [Kernel(index, kind, row.macs, moved(row), row.params) for index, row, kind in named if kind]


def moved(row: Row) -> int:
    """Elements that an op reads and writes for one image."""
    return sum(map(prod, row.input_shapes)) + prod(row.output_shape)


def kind_of(op: Op) -> str:
    """The kind of kernel that an op runs as; empty where it runs none."""
    match op:
        case Conv2d():
            return "grouped convolution" if op.groups > 1 else "convolution"
        case BatchNorm2d():
            return "batch norm"
        case ReLU():
            return "relu"
        case Sigmoid() | Multiply():
            return "gate"
        case MaxPool2d() | AvgPool2d() | GlobalAvgPool2d() | AdaptiveAvgPool2d():
            return "pool"
        case Linear():
            return "linear"
        case Add():
            return "add"
        case Concat() | ZeroPadShortcut():
            return "concat"
        case Flatten() | Dropout():
            return ""
        case _:
            assert_never(op)


def kernels_of(analysis: Analysis) -> list[Kernel]:
    """The kernels of one forward pass, in order."""
    return eager_kernels(analysis.rows)
