"""The closed set of operations that networks are made of: plain numbers, and the facts that several modules need.

Every use (cost, module, diagram, latency) is a fold over `Op` that ends in `assert_never`, so that adding an op makes
the type checker name each function that must handle it. Most ops belong to a group, a class without fields: a fold that
treats all norms alike says `case Norm():`, and a new norm needs no change there; one that tells norms apart names each,
and the checker names the fold. What several modules ask of an op (the channels that it states, what autograd keeps,
whether it may run in place, …) is a fold at the end of this file, so that no module has a list of its own.
"""

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Literal, NamedTuple, assert_never, get_args

from analyzer.errors import InvalidInput

MAX_CHANNELS = 65_536

Shape = tuple[int, ...]
"""(C, H, W) or (features,), without the batch."""


def _require_positive(op: str, **values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise InvalidInput(f"{op}.{name} {value}: must be at least 1.")


def _require_channels(op: str, **values: int) -> None:
    for name, value in values.items():
        if not 1 <= value <= MAX_CHANNELS:
            raise InvalidInput(f"{op}.{name} {value}: must be from 1 to {MAX_CHANNELS} channels.")


def _require_padding(op: str, padding: int, maximum: int | None = None) -> None:
    if padding < 0 or (maximum is not None and padding > maximum):
        rule = "at least 0" if maximum is None else f"from 0 to half the kernel, {maximum}"
        raise InvalidInput(f"{op}.padding {padding}: must be {rule}.")


@dataclass(frozen=True, slots=True)
class _Fieldless:
    """What all ops are; those without numbers share its generated methods, which tell classes apart."""


class Weighted(_Fieldless):
    """Multiplies its input with learned weights: has MACs and activations, and adds to the depth."""

    __slots__ = ()


class Norm(_Fieldless):
    """Normalises by mean and variance, with a learned scale and shift for each of its `channels`."""

    __slots__ = ()


class Activation(_Fieldless):
    """A function of each element alone, without weights."""

    __slots__ = ()


class Pool(_Fieldless):
    """One number for each window of each channel, without weights."""

    __slots__ = ()


class Merge(_Fieldless):
    """Reads more than one input."""

    __slots__ = ()


class Rearrangement(_Fieldless):
    """Moves numbers, leaves some out or fills in zeros, and computes none."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Conv2d(Weighted):
    """Square 2-D convolution, `kernel`×`kernel`, with torch.nn.Conv2d's meaning of every number."""

    in_channels: int
    out_channels: int
    kernel: int
    _: KW_ONLY
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = False

    def __post_init__(self) -> None:
        _require_channels("Conv2d", in_channels=self.in_channels, out_channels=self.out_channels)
        _require_positive("Conv2d", kernel=self.kernel, stride=self.stride, dilation=self.dilation, groups=self.groups)
        _require_padding("Conv2d", self.padding)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise InvalidInput(
                f"Conv2d.groups {self.groups}: must divide the {self.in_channels} input "
                f"and {self.out_channels} output channels."
            )


@dataclass(frozen=True, slots=True)
class BatchNorm2d(Norm):
    """Per-channel batch normalisation with learned scale and shift (Ioffe and Szegedy, 2015)."""

    channels: int

    def __post_init__(self) -> None:
        _require_channels("BatchNorm2d", channels=self.channels)


class ReLU(Activation):
    """max(x, 0)."""

    __slots__ = ()


class Sigmoid(Activation):
    """1 / (1 + exp(-x)), the gate of squeeze-and-excitation."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class MaxPool2d(Pool):
    """Maximum over `kernel`×`kernel` windows; the output size rounds down."""

    kernel: int
    _: KW_ONLY
    stride: int
    padding: int = 0

    def __post_init__(self) -> None:
        _require_positive("MaxPool2d", kernel=self.kernel, stride=self.stride)
        _require_padding("MaxPool2d", self.padding, self.kernel // 2)


@dataclass(frozen=True, slots=True)
class AvgPool2d(Pool):
    """Mean over `kernel`×`kernel` windows, unpadded; with `ceil_mode` also of the incomplete last one's elements."""

    kernel: int
    _: KW_ONLY
    stride: int
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        _require_positive("AvgPool2d", kernel=self.kernel, stride=self.stride)


class GlobalAvgPool2d(Pool):
    """Mean over all positions: (C, H, W) to (C, 1, 1)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AdaptiveAvgPool2d(Pool):
    """Mean over a fixed number of windows: (C, H, W) to (C, `output_size`, `output_size`)."""

    output_size: int

    def __post_init__(self) -> None:
        _require_positive("AdaptiveAvgPool2d", output_size=self.output_size)


class Flatten(Rearrangement):
    """(C, H, W) to (C·H·W,)."""

    __slots__ = ()


class Dropout(_Fieldless):
    """Identity in inference; zeroes elements with probability 1/2 in training."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Linear(Weighted):
    """Fully connected: `in_features` to `out_features`, with bias."""

    in_features: int
    out_features: int

    def __post_init__(self) -> None:
        _require_positive("Linear", in_features=self.in_features, out_features=self.out_features)


class Add(Merge):
    """Elementwise sum of two or more inputs of one shape, added from left to right."""

    __slots__ = ()


class Concat(Merge):
    """Concatenation of the inputs' channels, in order."""

    __slots__ = ()


class Multiply(Merge):
    """The first input scaled channel by channel by the second, a gate of shape (C, 1, 1)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ZeroPadShortcut(Rearrangement):
    """He et al. 2015's option A: every `stride`-th position, and zeros for the added channels; no parameters."""

    in_channels: int
    out_channels: int
    _: KW_ONLY
    stride: int = 1

    def __post_init__(self) -> None:
        _require_channels("ZeroPadShortcut", in_channels=self.in_channels, out_channels=self.out_channels)
        _require_positive("ZeroPadShortcut", stride=self.stride)
        if self.out_channels < self.in_channels:
            raise InvalidInput(
                f"shortcut A: cannot zero-pad {self.in_channels} channels onto {self.out_channels}; "
                "the block's output must have at least as many channels as its input."
            )


Op = (
    Conv2d
    | BatchNorm2d
    | ReLU
    | Sigmoid
    | MaxPool2d
    | AvgPool2d
    | GlobalAvgPool2d
    | AdaptiveAvgPool2d
    | Flatten
    | Dropout
    | Linear
    | Add
    | Concat
    | Multiply
    | ZeroPadShortcut
)

OPS: tuple[type[Op], ...] = get_args(Op)
"""Every op's class."""


class Arity(NamedTuple):
    """How many inputs an op reads: `least`, or `more` of them."""

    least: int
    more: bool


_ONE, _TWO, _MANY = Arity(1, more=False), Arity(2, more=False), Arity(2, more=True)


def arity(op: Op) -> Arity:
    """How many inputs an op reads."""
    match op:
        case Add() | Concat():
            return _MANY
        case Multiply():
            return _TWO
        case Weighted() | Norm() | Activation() | Pool() | Rearrangement() | Dropout():
            return _ONE
        case _:
            assert_never(op)


def input_channels(op: Op) -> int | None:
    """The channels, or features, that an op states of its input; None where it takes any number."""
    match op:
        case Conv2d() | ZeroPadShortcut():
            return op.in_channels
        case Norm():
            return op.channels
        case Linear():
            return op.in_features
        case Activation() | Pool() | Merge() | Flatten() | Dropout():
            return None
        case _:
            assert_never(op)


def output_channels(op: Op) -> int | None:
    """The channels, or features, that an op states of its output; None where they follow from its inputs."""
    match op:
        case Conv2d() | ZeroPadShortcut():
            return op.out_channels
        case Norm():
            return op.channels
        case Linear():
            return op.out_features
        case Activation() | Pool() | Merge() | Flatten() | Dropout():
            return None
        case _:
            assert_never(op)


def tracks_statistics(op: Op) -> bool:
    """Whether a norm takes its statistics over the whole batch, and in inference the running ones of training."""
    match op:
        case BatchNorm2d():
            return True
        case Weighted() | Activation() | Pool() | Merge() | Rearrangement() | Dropout():
            return False
        case _:
            assert_never(op)


def elements_per_statistic(op: Op, shape: Shape) -> int:
    """Elements of one image that share a norm's mean and variance; 0 for an op that does not normalise."""
    match op:
        case BatchNorm2d():
            return prod(shape[1:])
        case Weighted() | Activation() | Pool() | Merge() | Rearrangement() | Dropout():
            return 0
        case _:
            assert_never(op)


Saved = Literal["inputs", "input if weights learn", "other factors", "output", "nothing"]
"""Tensors that autograd keeps for an op's gradient; "other factors": each input that another's gradient needs."""


def saved_for_backward(op: Op) -> Saved:
    """Which of its tensors an op's gradient reads, as torch keeps them."""
    match op:
        case Conv2d() | BatchNorm2d() | MaxPool2d() | AvgPool2d():
            return "inputs"
        case AdaptiveAvgPool2d():
            return "inputs" if op.output_size > 1 else "nothing"
        case Linear():
            return "input if weights learn"
        case ReLU() | Sigmoid():
            return "output"
        case Multiply():
            return "other factors"
        case GlobalAvgPool2d() | Rearrangement() | Dropout() | Add() | Concat():
            return "nothing"
        case _:
            assert_never(op)


def saves_indices(op: Op) -> bool:
    """Whether an op writes beside each output element which input it took, as torch does in inference too."""
    match op:
        case MaxPool2d():
            return True
        case AvgPool2d() | GlobalAvgPool2d() | AdaptiveAvgPool2d():
            return False
        case Weighted() | Norm() | Activation() | Merge() | Rearrangement() | Dropout():
            return False
        case _:
            assert_never(op)


def is_view(op: Op, *, training: bool) -> bool:
    """Whether an op's output is its input's memory: nothing is computed or copied."""
    match op:
        case Flatten():
            return True
        case Dropout():
            return not training
        case Weighted() | Norm() | Activation() | Pool() | Merge() | ZeroPadShortcut():
            return False
        case _:
            assert_never(op)


def runs_in_place(op: Op) -> bool:
    """Whether torchvision's networks write an op's output over its first input, where nothing else needs that."""
    match op:
        case ReLU() | Add():
            return True
        case Sigmoid() | Weighted() | Norm() | Pool() | Concat() | Multiply() | Rearrangement() | Dropout():
            return False
        case _:
            assert_never(op)


def may_be_overwritten(op: Op) -> bool:
    """Whether an op that runs in place may write over this one's output: a new tensor that its gradient does not read.

    A pool's, a product's or a padded one might be, too, but is not in the networks that ours are compared with.
    """
    match op:
        case Weighted() | Norm() | Add() | Concat():
            return True
        case Activation() | Pool() | Multiply() | Rearrangement() | Dropout():
            return False
        case _:
            assert_never(op)


def rounds(op: Op) -> bool:
    """Whether an op computes, so that its results are rounded; others choose, move or copy numbers."""
    match op:
        case Weighted() | Norm() | Sigmoid() | AvgPool2d() | GlobalAvgPool2d() | AdaptiveAvgPool2d():
            return True
        case Add() | Multiply():
            return True
        case ReLU() | MaxPool2d() | Concat() | Rearrangement() | Dropout():
            return False
        case _:
            assert_never(op)
