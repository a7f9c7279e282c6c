"""One op as PyTorch code: the module that it needs, if any, and the expression that applies it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import assert_never

from analyzer.ops import (
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
    Merge,
    Multiply,
    Norm,
    Op,
    Pool,
    ReLU,
    Sigmoid,
    Weighted,
    ZeroPadShortcut,
)
from analyzer.render.pytorch_code import Call, Item, call

CHANNELS = ("in_channels", "out_channels", "channels", "in_features", "out_features")
"""Fields of ops that become a definition's first parameters."""

NUMBERS = ("stride", "padding", "dilation", "groups")
"""Fields of convolutions and zero-pad shortcuts that become parameters where they vary."""

_DEFAULTS = {"stride": "1", "padding": "0", "dilation": "1", "groups": "1"}


def variable_fields(op: Op) -> dict[str, int]:
    """The fields of an op that may become parameters, with their values; those of all other ops are written out."""
    match op:
        case Weighted() | Norm() | ZeroPadShortcut():
            return {item.name: getattr(op, item.name) for item in fields(op) if item.name in (*CHANNELS, *NUMBERS)}
        case Activation() | Pool() | Merge() | Flatten() | Dropout():
            return {}
        case _:
            assert_never(op)


def fixed_text(op: Op) -> str:
    """What is written out of an op whatever its parameters are: its type and its other fields."""
    names = variable_fields(op)
    fixed = [f"{item.name}={getattr(op, item.name)}" for item in fields(op) if item.name not in names]
    return f"{type(op).__name__}({','.join(fixed)})"


def module_code(op: Op, said: Mapping[str, str], in_place: bool = False) -> Call:
    """The module of an op; `said` has the code of each of its variable fields."""
    match op:
        case Conv2d():
            optional = {name: said[name] for name in NUMBERS if said[name] != _DEFAULTS[name]}
            bias = {} if op.bias else {"bias": "False"}
            return call("nn.Conv2d", said["in_channels"], said["out_channels"], str(op.kernel), **optional, **bias)
        case BatchNorm2d():
            return call("nn.BatchNorm2d", said["channels"])
        case Linear():
            return call("nn.Linear", said["in_features"], said["out_features"])
        case ZeroPadShortcut():
            stride = {} if said["stride"] == "1" else {"stride": said["stride"]}
            return call("ZeroPadShortcut", said["in_channels"], said["out_channels"], **stride)
        case ReLU():
            return call("nn.ReLU", inplace="True") if in_place else call("nn.ReLU")
        case MaxPool2d():
            padding = {"padding": str(op.padding)} if op.padding else {}
            return call("nn.MaxPool2d", str(op.kernel), stride=str(op.stride), **padding)
        case AvgPool2d():
            return _average_pool(op)
        case GlobalAvgPool2d():
            return call("nn.AdaptiveAvgPool2d", "1")
        case AdaptiveAvgPool2d():
            return call("nn.AdaptiveAvgPool2d", str(op.output_size))
        case Sigmoid() | Flatten() | Dropout():
            return Call(f"nn.{type(op).__name__}", ())
        case Add() | Concat() | Multiply():
            raise TypeError(f"{type(op).__name__} is written as an expression")
        case _:
            assert_never(op)


def _average_pool(op: AvgPool2d) -> Call:
    pool = call("nn.AvgPool2d", str(op.kernel), stride=str(op.stride))
    ceiling = (Item("True", "ceil_mode="), Item("False", "count_include_pad=")) if op.ceil_mode else ()
    return Call(pool.head, (*pool.items, *ceiling))


Expression = Callable[[str], str]


def plain_expression(op: Op, in_place: bool) -> Expression | None:
    """How to apply an op that needs no module of its own in a class; None for one that does."""
    match op:
        case Sigmoid():
            return "torch.sigmoid({})".format
        case Flatten():
            return "torch.flatten({}, 1)".format
        case ReLU() if not in_place:
            return "torch.relu({})".format
        case _:
            return None


ZERO_PAD = '''\
class ZeroPadShortcut(nn.Module):
    """Every stride-th position, and zeros for the added channels: no parameters.

    Option A of He et al. 2015.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.added_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, self.added_channels))
'''
"""The module that torch.nn lacks."""
