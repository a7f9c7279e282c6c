"""AnyNet and RegNet networks of X and Y blocks (Radosavovic et al. 2020), with torchvision's names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from analyzer.families.spec import (
    MAX_BLOCKS,
    MAX_STAGES,
    Choice,
    Family,
    Int,
    IntList,
    Ratio,
    Spec,
    Variant,
    WeightInitialisation,
    spec_field,
)
from analyzer.graph import ops
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.memo import memoized
from analyzer.graph.ops import MAX_CHANNELS, Op

_MILLION = 10**6


class _Block(NamedTuple):
    """One block's numbers: its 3×3 has `groups` groups of `group_width` channels; `hidden` is its gate's width."""

    in_channels: int
    out_channels: int
    groups: int
    group_width: int
    stride: int
    hidden: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegNetSpec(Spec):
    """Numbers of an AnyNet, of which a RegNet is one; a stage's inner width is ⌊width / bottleneck ratio⌋."""

    family: ClassVar[str] = "regnet"

    depths: tuple[int, ...] = spec_field(IntList("blocks a stage", 1, MAX_BLOCKS, MAX_STAGES))
    widths: tuple[int, ...] = spec_field(IntList("output channels of each stage", 1, MAX_CHANNELS, MAX_STAGES))
    bottleneck_ratios: tuple[int, ...] = spec_field(
        IntList("b of each stage, or one for all: inner width = ⌊width / b⌋", 1, 1024, MAX_STAGES), (1,)
    )
    group_widths: tuple[int, ...] | None = spec_field(
        IntList(
            "channels of a group of each stage's 3×3, or one for all; all in one group",
            1,
            MAX_CHANNELS,
            MAX_STAGES,
            optional=True,
        ),
        None,
    )
    se_ratio: float | None = spec_field(
        Ratio("squeeze-and-excitation: hidden channels over the block's input channels; none: X blocks", optional=True),
        None,
    )
    stem_width: int = spec_field(Int("channels after the stem", 1, MAX_CHANNELS), 32)
    head: str = spec_field(
        Choice("classifier; pool: ends after the pool; none: ends with the last stage", ("classifier", "pool", "none")),
        "classifier",
    )
    in_channels: int = spec_field(Int("channels of the input image", 1, MAX_CHANNELS), 3)
    num_classes: int = spec_field(Int("outputs of the classifier; 0 is head=pool", 0, MAX_CHANNELS), 1000)

    def _normalise(self) -> None:
        if sum(self.depths) > MAX_BLOCKS:
            self._refuse("depths", f"has {sum(self.depths)} blocks; at most {MAX_BLOCKS} are allowed")
        if len(self.widths) != len(self.depths):
            self._refuse("widths", f"must have one width for each of the {len(self.depths)} stages of depths")
        self._normalise_lists()
        self._check_blocks()
        self._normalise_head(self.head, self.num_classes)
        if self.se_ratio is not None:
            self._set(se_ratio=float(self.se_ratio))

    def _normalise_lists(self) -> None:
        """One number where all stages have it, and none where all are in one group."""
        for name in ("bottleneck_ratios", "group_widths"):
            values = getattr(self, name)
            if values is not None and len(values) not in (1, len(self.depths)):
                self._refuse(name, f"must have one number, or one for each of the {len(self.depths)} stages of depths")
        if self.bottleneck_ratios == self.bottleneck_ratios[:1] * len(self.depths):
            self._set(bottleneck_ratios=self.bottleneck_ratios[:1])
        inner = self.inner_widths
        if self.group_widths == inner or (self.group_widths == inner[:1] and inner == inner[:1] * len(inner)):
            self._set(group_widths=None)
        elif self.group_widths and self.group_widths == self.group_widths[:1] * len(self.depths):
            self._set(group_widths=self.group_widths[:1])

    def _check_blocks(self) -> None:
        for width, inner in zip(self.widths, self.inner_widths, strict=True):
            if inner < 1:
                self._refuse("bottleneck_ratios", f"leaves none of {width} channels; ⌊width / b⌋ must be at least 1")
        for inner, group in zip(self.inner_widths, self._per_stage(self.group_widths or ()), strict=False):
            if inner % group:
                self._refuse("group_widths", f"must divide the inner widths, of which {inner} is no multiple")
        if self.se_ratio is not None:
            for channels in (self.stem_width, *self.widths[:-1], *(self.widths[-1:] if self.depths[-1] > 1 else ())):
                if hidden_width(self.se_ratio, channels) < 1:
                    self._refuse("se_ratio", f"leaves no hidden channel of a block that reads {channels}")

    def _per_stage(self, values: tuple[int, ...]) -> tuple[int, ...]:
        """One value for each stage."""
        return values * len(self.depths) if len(values) == 1 else values

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """Channels of each stage's 3×3 convolutions."""
        ratios = self._per_stage(self.bottleneck_ratios)
        return tuple(width // ratio for width, ratio in zip(self.widths, ratios, strict=False))

    def width_steps(self, count: int) -> tuple[int, ...]:
        """What each stage's width may be a multiple of, so that its group width divides the inner width; 8 without."""
        if self.group_widths is None:
            return (8,) * count
        pairs = zip(self._per_stage(self.group_widths), self._per_stage(self.bottleneck_ratios), strict=True)
        return tuple(group * ratio for group, ratio in pairs)

    def effective_fields(self) -> dict[str, Any]:
        """Every field with the value it takes effect with, as JSON types."""
        return super(RegNetSpec, self).effective_fields() | {
            "group_widths": list(self.group_widths or self.inner_widths)
        }

    def stages(self) -> Iterator[tuple[int, _Block, _Block]]:
        """Each stage's depth, its first block and its others."""
        channels = self.stem_width
        for index, width in enumerate(self.widths):
            inner = self.inner_widths[index]
            group = inner if self.group_widths is None else self._per_stage(self.group_widths)[index]
            groups = 1 if self.group_widths is None else inner // group
            first, more = (
                _Block(in_channels, width, groups, group, stride, self._hidden(in_channels))
                for in_channels, stride in ((channels, 2), (width, 1))
            )
            yield self.depths[index], first, more
            channels = width

    def _hidden(self, channels: int) -> int | None:
        return None if self.se_ratio is None else hidden_width(self.se_ratio, channels)

    def graph(self) -> Graph:
        """Stem, trunk and head, with torchvision's names."""
        stem = Node(
            "stem", _conv(ops.Conv2d(self.in_channels, self.stem_width, 3, stride=2, padding=1)), (INPUT,), "stem"
        )
        trunk = Node("trunk_output", _trunk(self), (stem.name,))
        head = sequence(*_head(self), after=trunk.name, stage="head")
        return Graph("regnet", (stem, trunk, *head))


def hidden_width(ratio: float, channels: int) -> int:
    """`ratio` · channels as Python rounds it, halves to the even number; the ratio is the decimal that is written."""
    share = round(ratio * _MILLION) * channels
    return (2 * share + _MILLION - 1 + share // _MILLION % 2) // (2 * _MILLION)


def _trunk(spec: RegNetSpec) -> Graph:
    nodes: list[Node] = []
    for number, (depth, first, more) in enumerate(spec.stages(), 1):
        blocks = ((f"block{number}-{index}", _block(*(more if index else first))) for index in range(depth))
        reads = (nodes[-1].name if nodes else INPUT,)
        nodes.append(Node(f"block{number}", Graph("stage", tuple(sequence(*blocks))), reads, f"stage{number}"))
    return Graph("trunk", tuple(nodes))


@memoized
def _block(*numbers: Any) -> Graph:
    """An X block, or with a gate after its 3×3 a Y block; the projection stands first, as torchvision computes it."""
    spec = _Block(*numbers)
    inner, out = spec.groups * spec.group_width, spec.out_channels
    grouped = ops.Conv2d(inner, inner, 3, stride=spec.stride, padding=1, groups=spec.groups)
    transform: list[tuple[str, Op | Graph]] = [
        ("a", _conv(ops.Conv2d(spec.in_channels, inner, 1))),
        ("b", _conv(grouped)),
        *([] if spec.hidden is None else [("se", _gate(inner, spec.hidden))]),
        ("c", _conv(ops.Conv2d(inner, out, 1), relu=False)),
    ]
    changes = spec.stride > 1 or spec.in_channels != out
    projection = [Node("proj", _projection(spec), (INPUT,))] if changes else []
    nodes = [
        *projection,
        Node("f", Graph("transform", tuple(sequence(*transform))), (INPUT,)),
        Node("add", ops.Add(), ("f", "proj" if changes else INPUT)),
        Node("activation", ops.ReLU(), ("add",)),
    ]
    return Graph("bottleneck", tuple(nodes))


def _projection(spec: _Block) -> Graph:
    conv = ops.Conv2d(spec.in_channels, spec.out_channels, 1, stride=spec.stride)
    return Graph("projection", tuple(sequence(("0", conv), ("1", ops.BatchNorm2d(spec.out_channels)))))


def _conv(conv: ops.Conv2d, relu: bool = True) -> Graph:
    """A convolution with its batch norm and, mostly, ReLU."""
    pairs: list[tuple[str, Op]] = [("0", conv), ("1", ops.BatchNorm2d(conv.out_channels))]
    return Graph("convolution", tuple(sequence(*pairs, *([("2", ops.ReLU())] if relu else []))))


def _gate(channels: int, hidden: int) -> Graph:
    """Squeeze-and-excitation (Hu et al. 2018), both 1×1 convolutions with bias."""
    squeeze: tuple[tuple[str, Op], ...] = (
        ("avgpool", ops.GlobalAvgPool2d()),
        ("fc1", ops.Conv2d(channels, hidden, 1, bias=True)),
        ("activation", ops.ReLU()),
        ("fc2", ops.Conv2d(hidden, channels, 1, bias=True)),
        ("scale_activation", ops.Sigmoid()),
    )
    scaled = Node("scale", ops.Multiply(), (INPUT, "scale_activation"))
    return Graph("squeeze_excitation", (*sequence(*squeeze), scaled))


def _head(spec: RegNetSpec) -> list[tuple[str, Op]]:
    if spec.head == "none":
        return []
    pooled: list[tuple[str, Op]] = [("avgpool", ops.GlobalAvgPool2d()), ("flatten", ops.Flatten())]
    return pooled + ([("fc", ops.Linear(spec.widths[-1], spec.num_classes))] if spec.head == "classifier" else [])


_PAPER = "Designing Network Design Spaces, Radosavovic et al., 2020"
_WIDER_THAN_PAPER = "torchvision's, with a stage or two wider than the paper's"
_NOT_IN_PAPER = "torchvision's; the paper's end at 32 GF"

_NETS: tuple[tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...], str], ...] = (
    ("Y-400MF", (1, 3, 6, 6), (48, 104, 208, 440), (8,), ""),
    ("Y-800MF", (1, 3, 8, 2), (64, 144, 320, 784), (16,), _WIDER_THAN_PAPER),
    ("Y-1.6GF", (2, 6, 17, 2), (48, 120, 336, 888), (24,), ""),
    ("Y-3.2GF", (2, 5, 13, 1), (72, 216, 576, 1512), (24,), ""),
    ("Y-8GF", (2, 4, 10, 1), (224, 448, 896, 2016), (56,), _WIDER_THAN_PAPER),
    ("Y-16GF", (2, 4, 11, 1), (224, 448, 1232, 3024), (112,), ""),
    ("Y-32GF", (2, 5, 12, 1), (232, 696, 1392, 3712), (232,), ""),
    ("Y-128GF", (2, 7, 17, 1), (528, 1056, 2904, 7392), (264,), _NOT_IN_PAPER),
    ("X-400MF", (1, 2, 7, 12), (32, 64, 160, 400), (16,), _WIDER_THAN_PAPER),
    ("X-800MF", (1, 3, 7, 5), (64, 128, 288, 672), (16,), ""),
    ("X-1.6GF", (2, 4, 10, 2), (72, 168, 408, 912), (24,), ""),
    ("X-3.2GF", (2, 6, 15, 2), (96, 192, 432, 1008), (48,), ""),
    ("X-8GF", (2, 5, 15, 1), (80, 240, 720, 1920), (80, 120, 120, 120), ""),
    ("X-16GF", (2, 6, 13, 1), (256, 512, 896, 2048), (128,), ""),
    ("X-32GF", (2, 7, 13, 1), (336, 672, 1344, 2520), (168,), ""),
)
"""Name after RegNet, depths, widths, group widths, and what a reader should know; Y nets have a gate of ratio 1/4."""


def _regnet(name: str, depths: tuple[int, ...], widths: tuple[int, ...], groups: tuple[int, ...], note: str) -> Variant:
    gate = {"se_ratio": 0.25} if name.startswith("Y") else {}
    fields = {"depths": depths, "widths": widths, "group_widths": groups, **gate}
    return Variant(title=f"RegNet{name}", paper=_PAPER, fields=fields, note=note)


FAMILY = Family(
    spec=RegNetSpec,
    words={"group_width": "group_widths", "bottleneck_ratio": "bottleneck_ratios"},
    aliases={},
    variants={f"regnet_{net[0].lower().replace('-', '_').replace('.', '_')}": _regnet(*net) for net in _NETS},
    initial=WeightInitialisation(linear_std=0.01, zero_linear_bias=True, zero_conv_bias=False),
)
