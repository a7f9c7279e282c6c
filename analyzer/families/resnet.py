"""Residual networks: ResNet (He et al. 2015), Wide ResNet (Zagoruyko and Komodakis 2016), ResNeXt (Xie et al. 2017)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from analyzer.families.fields import Choice, Int, IntList, ruled
from analyzer.families.spec import MAX_BLOCKS, MAX_STAGES, Family, Spec, Variant
from analyzer.graph import INPUT, Graph, Node, sequence
from analyzer.ops import (
    MAX_CHANNELS,
    Add,
    BatchNorm2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Op,
    ReLU,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetSpec(Spec):
    """Numbers of a residual network; a bottleneck's inner width is ⌊width · base_width / 64⌋ · cardinality."""

    family: ClassVar[str] = "resnet"

    block: str = ruled(Choice("basic: two 3×3; bottleneck: 1×1, 3×3, 1×1", ("basic", "bottleneck")))
    depths: tuple[int, ...] = ruled(IntList("blocks a stage", 1, MAX_BLOCKS, MAX_STAGES))
    widths: tuple[int, ...] | None = ruled(
        IntList("stage widths before expansion; 64, doubling", 1, MAX_CHANNELS, MAX_STAGES, optional=True), None
    )
    expansion: int | None = ruled(
        Int("output channels = width · expansion; basic 1, bottleneck 4", 1, 64, optional=True), None
    )
    cardinality: int = ruled(Int("number of paths of a bottleneck (groups of its 3×3)", 1, MAX_CHANNELS), 1)
    base_width: int = ruled(Int("width of one path at stage width 64", 1, MAX_CHANNELS), 64)
    stem: str = ruled(Choice("imagenet: 7×7/2 and max pool; cifar: 3×3", ("imagenet", "cifar")), "imagenet")
    stem_width: int = ruled(Int("channels after the stem", 1, MAX_CHANNELS), 64)
    stride_on: str = ruled(
        Choice("which convolution of a bottleneck strides: 3x3 (v1.5), 1x1 (v1)", ("3x3", "1x1")), "3x3"
    )
    in_channels: int = ruled(Int("channels of the input image", 1, MAX_CHANNELS), 3)
    num_classes: int = ruled(Int("outputs of the classifier", 1, MAX_CHANNELS), 1000)

    def _settle(self) -> None:
        if sum(self.depths) > MAX_BLOCKS:
            self._refuse("depths", f"has {sum(self.depths)} blocks; at most {MAX_BLOCKS} are allowed")
        if self.widths is not None and len(self.widths) != len(self.depths):
            self._refuse("widths", f"must have one width for each of the {len(self.depths)} stages of depths")
        self._settle_block()
        if self.widths == self._default_widths:
            self._set(widths=None)
        if self.expansion == self._default_expansion:
            self._set(expansion=None)

    def _settle_block(self) -> None:
        if self.block == "basic":
            if self.cardinality != 1:
                self._refuse("cardinality", "must be 1 with basic blocks, which have no grouped form")
            if self.base_width != 64:
                self._refuse("base_width", "must be 64 with basic blocks, whose inner width is the stage width")
        if self.block == "basic" or len(self.depths) == 1:
            self._set(stride_on="3x3")
        for width in self.stage_widths:
            if self.inner_width(width) < 1:
                self._refuse("base_width", f"leaves no channel: ⌊{width} · {self.base_width} / 64⌋ = 0")
            for name, channels in (("cardinality", self.inner_width(width)), ("widths", width * self.block_expansion)):
                if channels > MAX_CHANNELS:
                    self._refuse(name, f"gives a block {channels} channels; at most {MAX_CHANNELS} are allowed")

    @property
    def _default_widths(self) -> tuple[int, ...]:
        return tuple(64 * 2**stage for stage in range(len(self.depths)))

    @property
    def _default_expansion(self) -> int:
        return 1 if self.block == "basic" else 4

    @property
    def stage_widths(self) -> tuple[int, ...]:
        """Width of each stage before expansion."""
        return self.widths or self._default_widths

    @property
    def block_expansion(self) -> int:
        """Output channels of a block over its stage width."""
        return self.expansion or self._default_expansion

    @property
    def default_input_size(self) -> int:
        """32 for CIFAR stems, 224 for ImageNet's."""
        return 32 if self.stem == "cifar" else 224

    def inner_width(self, width: int) -> int:
        """Channels of a block's 3×3 convolutions at a stage width."""
        return width * self.base_width // 64 * self.cardinality

    def resolved(self) -> dict[str, Any]:
        """Every field with the value it takes effect with, as JSON types."""
        return super(ResNetSpec, self).resolved() | {
            "widths": list(self.stage_widths),
            "expansion": self.block_expansion,
        }

    def graph(self) -> Graph:
        """Stem, stages and head, with torchvision's names."""
        nodes = _stem(self)
        channels = self.stem_width
        for index, (width, depth) in enumerate(zip(self.stage_widths, self.depths, strict=True), 1):
            stage = _stage(self, channels, width, depth, stride=1 if index == 1 else 2)
            nodes.append(Node(f"layer{index}", stage, (nodes[-1].name,), f"stage{index}"))
            channels = width * self.block_expansion
        head = (("avgpool", GlobalAvgPool2d()), ("flatten", Flatten()), ("fc", Linear(channels, self.num_classes)))
        return Graph("resnet", (*nodes, *sequence(*head, after=nodes[-1].name, stage="head")))


def _stem(spec: ResNetSpec) -> list[Node]:
    kernel, stride = (3, 1) if spec.stem == "cifar" else (7, 2)
    conv = Conv2d(spec.in_channels, spec.stem_width, kernel, stride=stride, padding=kernel // 2)
    nodes = sequence(("conv1", conv), ("bn1", BatchNorm2d(spec.stem_width)), ("relu", ReLU()), stage="stem")
    if spec.stem == "imagenet":
        nodes += sequence(("maxpool", MaxPool2d(3, stride=2, padding=1)), after="relu", stage="stem")
    return nodes


def _stage(spec: ResNetSpec, channels: int, width: int, depth: int, stride: int) -> Graph:
    first = _block(spec, channels, width, stride)
    rest = _block(spec, width * spec.block_expansion, width, 1) if depth > 1 else first
    return Graph("stage", tuple(sequence(*((str(i), rest if i else first) for i in range(depth)))))


def _block(spec: ResNetSpec, channels: int, width: int, stride: int) -> Graph:
    out_channels = width * spec.block_expansion
    convs = _transform(spec, channels, width, stride)
    nodes: list[Node] = []
    for number, conv in enumerate(convs, 1):
        pairs: list[tuple[str, Op]] = [(f"conv{number}", conv), (f"bn{number}", BatchNorm2d(conv.out_channels))]
        if number < len(convs):
            pairs.append((f"relu{number}", ReLU()))
        nodes += sequence(*pairs, after=nodes[-1].name if nodes else INPUT)
    last, shortcut = nodes[-1].name, INPUT
    if stride != 1 or channels != out_channels:
        shortcut = "downsample"
        nodes.append(Node(shortcut, _projection(channels, out_channels, stride), (INPUT,)))
    nodes.append(Node("add", Add(), (last, shortcut)))
    nodes.append(Node(f"relu{len(convs)}", ReLU(), ("add",)))
    return Graph(spec.block, tuple(nodes))


def _transform(spec: ResNetSpec, channels: int, width: int, stride: int) -> list[Conv2d]:
    inner, out_channels = spec.inner_width(width), width * spec.block_expansion
    if spec.block == "basic":
        return [_conv3x3(channels, width, stride), _conv3x3(width, out_channels)]
    early, late = (stride, 1) if spec.stride_on == "1x1" else (1, stride)
    return [
        Conv2d(channels, inner, 1, stride=early),
        _conv3x3(inner, inner, late, spec.cardinality),
        Conv2d(inner, out_channels, 1),
    ]


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1, groups: int = 1) -> Conv2d:
    return Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, groups=groups)


def _projection(in_channels: int, out_channels: int, stride: int) -> Graph:
    conv = Conv2d(in_channels, out_channels, 1, stride=stride)
    return Graph("projection", tuple(sequence(("0", conv), ("1", BatchNorm2d(out_channels)))))


_HE = "Deep Residual Learning for Image Recognition, He et al., 2015"
_XIE = "Aggregated Residual Transformations for Deep Neural Networks, Xie et al., 2017"
_ZAGORUYKO = "Wide Residual Networks, Zagoruyko and Komodakis, 2016"
_V15 = "v1.5: the stride sits on the 3×3, as in PyTorch"


def _basic(title: str, *depths: int) -> Variant:
    return Variant(title=title, paper=_HE, fields={"block": "basic", "depths": depths})


def _bottleneck(title: str, *depths: int, paper: str = _HE, note: str = _V15, **more: Any) -> Variant:
    return Variant(title=title, paper=paper, note=note, fields={"block": "bottleneck", "depths": depths, **more})


def _resnext(depth: int, *depths: int, cardinality: int, base_width: int) -> Variant:
    title = f"ResNeXt-{depth} ({cardinality}×{base_width}d)"
    return _bottleneck(title, *depths, paper=_XIE, cardinality=cardinality, base_width=base_width)


FAMILY = Family(
    spec=ResNetSpec,
    words={"groups": "cardinality", "width_per_group": "base_width", "layers": "depths"},
    aliases={"resnet50b": "resnet50"},
    variants={
        "resnet18": _basic("ResNet-18", 2, 2, 2, 2),
        "resnet34": _basic("ResNet-34", 3, 4, 6, 3),
        "resnet50": _bottleneck("ResNet-50", 3, 4, 6, 3),
        "resnet101": _bottleneck("ResNet-101", 3, 4, 23, 3),
        "resnet152": _bottleneck("ResNet-152", 3, 8, 36, 3),
        "resnext50_32x4d": _resnext(50, 3, 4, 6, 3, cardinality=32, base_width=4),
        "resnext101_32x4d": _resnext(101, 3, 4, 23, 3, cardinality=32, base_width=4),
        "resnext101_32x8d": _resnext(101, 3, 4, 23, 3, cardinality=32, base_width=8),
        "resnext101_64x4d": _resnext(101, 3, 4, 23, 3, cardinality=64, base_width=4),
        "wide_resnet50_2": _bottleneck("Wide ResNet-50-2", 3, 4, 6, 3, paper=_ZAGORUYKO, base_width=128),
        "wide_resnet101_2": _bottleneck("Wide ResNet-101-2", 3, 4, 23, 3, paper=_ZAGORUYKO, base_width=128),
    },
)
