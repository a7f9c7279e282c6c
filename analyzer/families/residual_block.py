"""The residual block in all its forms: basic and bottleneck, v1 and pre-activation, with every shortcut (He et al.)."""

from typing import Any, NamedTuple

from analyzer.graph import ops
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.memo import memoized
from analyzer.graph.ops import Op


class ResidualBlockSpec(NamedTuple):
    """One block's numbers; `inner_channels` are its 3×3 convolutions', `shortcut` is the paper's letter or none."""

    block: str
    in_channels: int
    inner_channels: int
    out_channels: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    stride_on: str = "3x3"
    shortcut: str = "B"
    avg_down: bool = False
    preactivation: bool = False
    se_reduction: int | None = None
    bias: bool = False


def residual_block(spec: ResidualBlockSpec) -> Graph:
    """Transform and shortcut as a Graph, with torchvision's names; the same value for the same plain numbers."""
    return _block(*spec)


@memoized
def _block(*numbers: Any) -> Graph:
    spec = ResidualBlockSpec(*numbers)
    return Graph(spec.block, tuple(_preactivation_nodes(spec) if spec.preactivation else _postactivation_nodes(spec)))


def _postactivation_nodes(spec: ResidualBlockSpec) -> list[Node]:
    """Conv–BN–ReLU order; the last ReLU comes after the addition."""
    convs = _convs(spec)
    pairs: list[tuple[str, Op | Graph]] = []
    for number, conv in enumerate(convs, 1):
        pairs += [(f"conv{number}", conv), (f"bn{number}", ops.BatchNorm2d(conv.out_channels))]
        if number < len(convs):
            pairs.append((f"relu{number}", ops.ReLU()))
    nodes = sequence(*pairs, *_gate(spec))
    nodes += _shortcut_and_sum(spec, nodes[-1].name, INPUT)
    return nodes + sequence((f"relu{len(convs)}", ops.ReLU()), after=nodes[-1].name)


def _preactivation_nodes(spec: ResidualBlockSpec) -> list[Node]:
    """BN–ReLU–conv order (He et al. 2016): a projection starts after the first BN–ReLU, an identity at the input."""
    pairs: list[tuple[str, Op | Graph]] = []
    for number, conv in enumerate(_convs(spec), 1):
        pairs += [
            (f"bn{number}", ops.BatchNorm2d(conv.in_channels)),
            (f"relu{number}", ops.ReLU()),
            (f"conv{number}", conv),
        ]
    nodes = sequence(*pairs, *_gate(spec))
    return nodes + _shortcut_and_sum(spec, nodes[-1].name, "relu1")


def _convs(spec: ResidualBlockSpec) -> list[ops.Conv2d]:
    inner, bias = spec.inner_channels, spec.bias
    if spec.block == "basic":
        return [_conv3x3(spec, spec.in_channels, inner, spec.stride), _conv3x3(spec, inner, spec.out_channels)]
    early, late = (spec.stride, 1) if spec.stride_on == "1x1" else (1, spec.stride)
    return [
        ops.Conv2d(spec.in_channels, inner, 1, stride=early, bias=bias),
        _conv3x3(spec, inner, inner, late),
        ops.Conv2d(inner, spec.out_channels, 1, bias=bias),
    ]


def _conv3x3(spec: ResidualBlockSpec, in_channels: int, out_channels: int, stride: int = 1) -> ops.Conv2d:
    return ops.Conv2d(
        in_channels,
        out_channels,
        3,
        stride=stride,
        padding=spec.dilation,
        dilation=spec.dilation,
        groups=spec.groups,
        bias=spec.bias,
    )


def _gate(spec: ResidualBlockSpec) -> list[tuple[str, Op | Graph]]:
    """Squeeze-and-excitation (Hu et al. 2018), both 1×1 convolutions with bias."""
    if spec.se_reduction is None:
        return []
    channels, hidden = spec.out_channels, spec.out_channels // spec.se_reduction
    squeeze: tuple[tuple[str, Op], ...] = (
        ("avgpool", ops.GlobalAvgPool2d()),
        ("fc1", ops.Conv2d(channels, hidden, 1, bias=True)),
        ("relu", ops.ReLU()),
        ("fc2", ops.Conv2d(hidden, channels, 1, bias=True)),
        ("sigmoid", ops.Sigmoid()),
    )
    gated = (*sequence(*squeeze), Node("scale", ops.Multiply(), (INPUT, "sigmoid")))
    return [("se", Graph("squeeze_excitation", gated))]


def _shortcut_and_sum(spec: ResidualBlockSpec, transformed: str, activated: str) -> list[Node]:
    """The shortcut and the addition; a plain net has neither."""
    if spec.shortcut == "none":
        return []
    if spec.shortcut != "C" and spec.stride == 1 and spec.in_channels == spec.out_channels:
        return [Node("add", ops.Add(), (transformed, INPUT))]
    if spec.shortcut == "A":
        padded = ops.ZeroPadShortcut(spec.in_channels, spec.out_channels, stride=spec.stride)
        return [Node("downsample", padded, (INPUT,)), Node("add", ops.Add(), (transformed, "downsample"))]
    return [Node("downsample", _projection(spec), (activated,)), Node("add", ops.Add(), (transformed, "downsample"))]


def _projection(spec: ResidualBlockSpec) -> Graph:
    """1×1 convolution and BN (no BN with pre-activation); with `avg_down` a pool takes the stride (ResNet-D).

    The names count from 0, and from 1 with `avg_down`, where timm has the name 0 for the pool.
    """
    pool: list[tuple[str, Op]] = []
    if spec.avg_down and spec.stride > 1:
        pool = [("0", ops.AvgPool2d(2, stride=spec.stride, ceil_mode=True))]
    first, stride = (1, 1) if spec.avg_down else (0, spec.stride)
    conv = ops.Conv2d(spec.in_channels, spec.out_channels, 1, stride=stride, bias=spec.bias)
    norm: list[tuple[str, Op]] = [] if spec.preactivation else [(f"{first + 1}", ops.BatchNorm2d(spec.out_channels))]
    return Graph("projection", tuple(sequence(*pool, (f"{first}", conv), *norm)))
