"""The closed set of operations that networks are made of: plain numbers, no behaviour.

Every reader (cost, module, diagram, latency) is a fold over `Op` that ends in `assert_never`,
so that adding an op makes the type checker name each place that must learn it.
"""

from dataclasses import KW_ONLY, dataclass

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


def _require_padding(op: str, padding: int, most: int | None = None) -> None:
    if padding < 0 or (most is not None and padding > most):
        rule = "at least 0" if most is None else f"from 0 to half the kernel, {most}"
        raise InvalidInput(f"{op}.padding {padding}: must be {rule}.")


@dataclass(frozen=True, slots=True)
class _Fieldless:
    """An op without numbers; sub-classes share its generated methods, which tell classes apart."""


@dataclass(frozen=True, slots=True)
class Conv2d:
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
class BatchNorm2d:
    """Per-channel batch normalisation with learned scale and shift (Ioffe and Szegedy, 2015)."""

    channels: int

    def __post_init__(self) -> None:
        _require_channels("BatchNorm2d", channels=self.channels)


class ReLU(_Fieldless):
    """max(x, 0)."""

    __slots__ = ()


class Sigmoid(_Fieldless):
    """1 / (1 + exp(-x)), the gate of squeeze-and-excitation."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class MaxPool2d:
    """Maximum over `kernel`×`kernel` windows; the output size rounds down."""

    kernel: int
    _: KW_ONLY
    stride: int
    padding: int = 0

    def __post_init__(self) -> None:
        _require_positive("MaxPool2d", kernel=self.kernel, stride=self.stride)
        _require_padding("MaxPool2d", self.padding, self.kernel // 2)


@dataclass(frozen=True, slots=True)
class AvgPool2d:
    """Mean over `kernel`×`kernel` windows, unpadded; `ceil_mode` keeps the incomplete last one, over what is there."""

    kernel: int
    _: KW_ONLY
    stride: int
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        _require_positive("AvgPool2d", kernel=self.kernel, stride=self.stride)


class GlobalAvgPool2d(_Fieldless):
    """Mean over all positions: (C, H, W) to (C, 1, 1)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AdaptiveAvgPool2d:
    """Mean over a fixed number of windows: (C, H, W) to (C, `output_size`, `output_size`)."""

    output_size: int

    def __post_init__(self) -> None:
        _require_positive("AdaptiveAvgPool2d", output_size=self.output_size)


class Flatten(_Fieldless):
    """(C, H, W) to (C·H·W,)."""

    __slots__ = ()


class Dropout(_Fieldless):
    """Identity in inference; zeroes elements with probability 1/2 in training."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Linear:
    """Fully connected: `in_features` to `out_features`, with bias."""

    in_features: int
    out_features: int

    def __post_init__(self) -> None:
        _require_positive("Linear", in_features=self.in_features, out_features=self.out_features)


class Add(_Fieldless):
    """Elementwise sum of two or more inputs of one shape, added from left to right."""

    __slots__ = ()


class Concat(_Fieldless):
    """Concatenation of the inputs' channels, in order."""

    __slots__ = ()


class Multiply(_Fieldless):
    """The first input scaled channel by channel by the second, a gate of shape (C, 1, 1)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ZeroPadShortcut:
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

MERGES = (Add, Concat, Multiply)
"""Ops with more than one input."""
