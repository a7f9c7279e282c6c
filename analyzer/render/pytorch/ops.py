"""One op as PyTorch code: the module that it needs, if any, and the expression that applies it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import assert_never

from analyzer.graph import ops
from analyzer.graph.graph import Graph
from analyzer.graph.ops import OPS, Op
from analyzer.render.pytorch.code import Call, call

CHANNELS = ("in_channels", "out_channels", "channels", "in_features", "out_features")
"""Fields of ops that become a definition's first parameters."""

_DEFAULTS = {"stride": "1", "padding": "0", "dilation": "1", "groups": "1"}
"""Other fields that become parameters where they vary, in torch's order."""

_FIELDS = {op: [item.name for item in fields(op)] for op in OPS}
_VARIABLE = {
    op: [name for name in names if name in CHANNELS or (name in _DEFAULTS and not issubclass(op, ops.Norm))]
    for op, names in _FIELDS.items()
    if not set(CHANNELS).isdisjoint(names)
}
"""Fields that may become parameters, of the ops that have channels; all others are written out."""
_FIXED = {op: [name for name in names if name not in _VARIABLE.get(op, ())] for op, names in _FIELDS.items()}


def variable_fields(op: Op) -> dict[str, int]:
    """The fields of an op that may become parameters, with their values."""
    return {name: getattr(op, name) for name in _VARIABLE.get(type(op), ())}


def fixed_fields(op: Op) -> tuple[object, ...]:
    """What is written out of an op whatever its parameters are: its type and its other fields."""
    return (type(op), *[getattr(op, name) for name in _FIXED[type(op)]])


def module_code(op: Op, codes: Mapping[str, str], in_place: bool = False) -> Call:
    """The module of an op; `codes` has the expression for each of its variable fields."""
    match op:
        case ops.Conv2d():
            optional = {name: codes[name] for name, default in _DEFAULTS.items() if codes[name] != default}
            bias = {} if op.bias else {"bias": "False"}
            return call("nn.Conv2d", codes["in_channels"], codes["out_channels"], str(op.kernel), **optional, **bias)
        case ops.BatchNorm2d():
            return call("nn.BatchNorm2d", codes["channels"])
        case ops.Linear():
            return call("nn.Linear", codes["in_features"], codes["out_features"])
        case ops.ZeroPadShortcut():
            stride = {} if codes["stride"] == "1" else {"stride": codes["stride"]}
            return call("ZeroPadShortcut", codes["in_channels"], codes["out_channels"], **stride)
        case ops.ReLU():
            return call("nn.ReLU", inplace="True") if in_place else call("nn.ReLU")
        case ops.MaxPool2d():
            padding = {"padding": str(op.padding)} if op.padding else {}
            return call("nn.MaxPool2d", str(op.kernel), stride=str(op.stride), **padding)
        case ops.AvgPool2d():
            ceiling = {"ceil_mode": "True", "count_include_pad": "False"} if op.ceil_mode else {}
            return call("nn.AvgPool2d", str(op.kernel), stride=str(op.stride), **ceiling)
        case ops.GlobalAvgPool2d():
            return call("nn.AdaptiveAvgPool2d", "1")
        case ops.AdaptiveAvgPool2d():
            return call("nn.AdaptiveAvgPool2d", str(op.output_size))
        case ops.Sigmoid() | ops.Flatten() | ops.Dropout():
            return Call(f"nn.{type(op).__name__}")
        case ops.Add() | ops.Concat() | ops.Multiply():
            raise TypeError(f"{type(op).__name__} is written as an expression")
        case _:
            assert_never(op)


def needs_module(op: Op | Graph, in_place: bool) -> bool:
    """Whether a class has a module for an op or a sub-graph; merges and plain expressions need none."""
    return not isinstance(op, ops.Merge) and (in_place or not plain_expression(op))


def plain_expression(op: Op | Graph) -> str:
    """How to apply an op of one input without a module, {} standing for the input; "" where it needs one."""
    match op:
        case ops.Sigmoid():
            return "torch.sigmoid({})"
        case ops.Flatten():
            return "torch.flatten({}, 1)"
        case ops.ReLU():
            return "torch.relu({})"
        case _:
            return ""


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
