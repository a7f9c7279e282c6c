"""Residual networks: ResNet, pre-activation and -B/-C/-D, Wide ResNet, ResNeXt, SE, CIFAR and plain nets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from analyzer.families.residual_block import ResidualBlockSpec, residual_block
from analyzer.families.spec import (
    MAX_BLOCKS,
    MAX_STAGES,
    Choice,
    Family,
    Flag,
    Int,
    IntList,
    OneOf,
    Spec,
    Variant,
    spec_field,
    variants_by_pattern,
)
from analyzer.graph import ops
from analyzer.graph.graph import Graph, Node, sequence
from analyzer.graph.ops import MAX_CHANNELS, Op


class _Stage(NamedTuple):
    """A stage's numbers after the output stride is settled; its first block has `first_dilation`."""

    width: int
    depth: int
    stride: int
    first_dilation: int
    dilation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetSpec(Spec):
    """Numbers of a residual network; a bottleneck's inner width is ⌊width · base_width / 64⌋ · cardinality."""

    family: ClassVar[str] = "resnet"

    block: str = spec_field(Choice("basic: two 3×3; bottleneck: 1×1, 3×3, 1×1", ("basic", "bottleneck")))
    depths: tuple[int, ...] = spec_field(IntList("blocks a stage", 1, MAX_BLOCKS, MAX_STAGES))
    widths: tuple[int, ...] | None = spec_field(
        IntList("stage widths before expansion; 64, doubling", 1, MAX_CHANNELS, MAX_STAGES, optional=True), None
    )
    expansion: int | None = spec_field(
        Int("output channels = width · expansion; basic 1, bottleneck 4", 1, 64, optional=True), None
    )
    cardinality: int = spec_field(Int("number of paths of a bottleneck (groups of its 3×3)", 1, MAX_CHANNELS), 1)
    base_width: int = spec_field(Int("width of one path at stage width 64", 1, MAX_CHANNELS), 64)
    stem: str = spec_field(
        Choice("imagenet: 7×7/2 and pool; cifar: 3×3; deep: three 3×3 and pool", ("imagenet", "cifar", "deep")),
        "imagenet",
    )
    stem_width: int = spec_field(Int("channels after the stem", 1, MAX_CHANNELS), 64)
    stem_pool: str = spec_field(
        Choice("the stem's 3×3/2 max pool: padded by 1, valid (unpadded), none", ("padded", "valid", "none")), "padded"
    )
    shortcut: str = spec_field(
        Choice(
            "A: zero-pad, B: projection where shapes change, C: projection everywhere, none: plain net",
            ("A", "B", "C", "none"),
            (("zero_pad", "A"), ("projection", "B")),
        ),
        "B",
    )
    stride_on: str = spec_field(
        Choice("which convolution of a bottleneck strides: 3x3 (v1.5), 1x1 (v1)", ("3x3", "1x1")), "3x3"
    )
    avg_down: bool = spec_field(Flag("a 2×2 average pool takes the projection's stride (ResNet-D)"), False)
    preactivation: bool = spec_field(Flag("BN–ReLU–conv order (v2)"), False)
    se_reduction: int | None = spec_field(
        Int("squeeze-and-excitation with ⌊C/r⌋ hidden channels; none: without", 1, MAX_CHANNELS, optional=True), None
    )
    output_stride: int | None = spec_field(
        OneOf("dilation replaces stride once this total stride is reached", (4, 8, 16, 32)), None
    )
    conv_bias: bool = spec_field(Flag("convolutions have biases"), False)
    head: str = spec_field(
        Choice("classifier; pool: ends after the pool; none: ends with the last stage", ("classifier", "pool", "none")),
        "classifier",
    )
    head_pool: int | None = spec_field(
        Int("global: mean of the map; or the window of an average pool", 1, 1024, optional=True, word="global"), None
    )
    in_channels: int = spec_field(Int("channels of the input image", 1, MAX_CHANNELS), 3)
    num_classes: int = spec_field(Int("outputs of the classifier; 0 is head=pool", 0, MAX_CHANNELS), 1000)

    def _normalise(self) -> None:
        if sum(self.depths) > MAX_BLOCKS:
            self._refuse("depths", f"has {sum(self.depths)} blocks; at most {MAX_BLOCKS} are allowed")
        if self.widths is not None and len(self.widths) != len(self.depths):
            self._refuse("widths", f"must have one width for each of the {len(self.depths)} stages of depths")
        self._normalise_stem_and_head()
        self._normalise_block()
        self._normalise_stride()
        if self.widths == self._default_widths:
            self._set(widths=None)
        if self.expansion == self._default_expansion:
            self._set(expansion=None)

    def _normalise_stem_and_head(self) -> None:
        if self.stem == "cifar":
            self._set(stem_pool="padded")
        if self.stem == "deep" and self.stem_width % 2:
            self._refuse("stem_width", "must be even with stem=deep, whose first convolutions have half of it")
        self._normalise_head(self.head, self.num_classes)
        if self.head == "none":
            self._set(head_pool=None)
        if self.head_pool is not None and self._final_side < self.head_pool:
            side = self._final_side
            self._refuse("head_pool", f"is wider than the last map, {side}×{side} at {self.default_input_size} pixels")

    def _normalise_block(self) -> None:
        if self.block == "basic":
            if self.cardinality != 1:
                self._refuse("cardinality", "must be 1 with basic blocks, which have no grouped form")
            if self.base_width != 64:
                self._refuse("base_width", "must be 64 with basic blocks, whose inner width is the stage width")
        if self.block == "basic" or len(self.depths) == 1:
            self._set(stride_on="3x3")
        if self.shortcut in ("A", "none"):
            self._set(avg_down=False)
        for width in self.stage_widths:
            self._check_width(width)
        if self.shortcut == "A":
            self._check_zero_pad()

    def _check_zero_pad(self) -> None:
        channels = self.stem_width
        for width in self.stage_widths:
            outer = width * self.block_expansion
            if outer < channels:
                self._refuse("shortcut", f"cannot zero-pad {channels} channels onto {outer}; stages must not narrow")
            channels = outer

    def _check_width(self, width: int) -> None:
        inner, outer = self.inner_width(width), width * self.block_expansion
        if inner < 1:
            self._refuse("base_width", f"leaves no channel: ⌊{width} · {self.base_width} / 64⌋ = 0")
        for name, channels in (("cardinality", inner), ("widths", outer)):
            if channels > MAX_CHANNELS:
                self._refuse(name, f"gives a block {channels} channels; at most {MAX_CHANNELS} are allowed")
        if self.se_reduction is not None and outer < self.se_reduction:
            self._refuse("se_reduction", f"leaves no hidden channel: ⌊{outer} / {self.se_reduction}⌋ = 0")

    def _normalise_stride(self) -> None:
        reached = self._stem_stride * 2 ** (len(self.depths) - 1)
        if self.output_stride is not None and not self._stem_stride <= self.output_stride <= reached:
            self._refuse("output_stride", f"is not reached: stem and stages go from {self._stem_stride} to {reached}")
        if self.output_stride == reached:
            self._set(output_stride=None)

    @property
    def _default_widths(self) -> tuple[int, ...]:
        return tuple(64 * 2**stage for stage in range(len(self.depths)))

    @property
    def _default_expansion(self) -> int:
        return 1 if self.block == "basic" else 4

    @property
    def _stem_stride(self) -> int:
        if self.stem == "cifar":
            return 1
        return 2 if self.stem_pool == "none" else 4

    @property
    def _final_side(self) -> int:
        """Side of the last stage's map at the default input size."""
        side = self.default_input_size
        if self.stem != "cifar":
            side = (side - 1) // 2 + 1
            side = {"padded": (side - 1) // 2 + 1, "valid": (side - 3) // 2 + 1, "none": side}[self.stem_pool]
        for stage in self.stages():
            side = (side - 1) // stage.stride + 1
        return side

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
        """32 for CIFAR stems, 64 for the tutorial's nets (unpadded stem pool, windowed head pool), otherwise 224."""
        if self.stem == "cifar":
            return 32
        return 64 if self.stem_pool == "valid" and self.head_pool is not None else 224

    def inner_width(self, width: int) -> int:
        """Channels of a block's 3×3 convolutions at a stage width."""
        return width * self.base_width // 64 * self.cardinality

    def stages(self) -> Iterator[_Stage]:
        """Each stage's numbers: dilation takes the place of stride once the output stride is reached."""
        reached, dilation = self._stem_stride, 1
        for index, (width, depth) in enumerate(zip(self.stage_widths, self.depths, strict=True)):
            before, stride = dilation, 2 if index else 1
            if self.output_stride is not None and reached * stride > self.output_stride:
                dilation, stride = dilation * stride, 1
            reached *= stride
            yield _Stage(width, depth, stride, before, dilation)

    def effective_fields(self) -> dict[str, Any]:
        """Every field with the value it takes effect with, as JSON types."""
        return super(ResNetSpec, self).effective_fields() | {
            "widths": list(self.stage_widths),
            "expansion": self.block_expansion,
        }

    def graph(self) -> Graph:
        """Stem, stages and head, with torchvision's names."""
        nodes = _stem(self)
        channels = self.stem_width
        for index, stage in enumerate(self.stages(), 1):
            nodes.append(Node(f"layer{index}", _stage(self, channels, stage), (nodes[-1].name,), f"stage{index}"))
            channels = stage.width * self.block_expansion
        nodes += sequence(*_head(self, channels), after=nodes[-1].name, stage="head")
        return Graph("resnet", tuple(nodes))


def _stem(spec: ResNetSpec) -> list[Node]:
    pairs: list[tuple[str, Op | Graph]] = [("conv1", _stem_convs(spec))]
    if not spec.preactivation:
        pairs += [("bn1", ops.BatchNorm2d(spec.stem_width)), ("relu", ops.ReLU())]
    if spec.stem != "cifar" and spec.stem_pool != "none":
        pairs.append(("maxpool", ops.MaxPool2d(3, stride=2, padding=1 if spec.stem_pool == "padded" else 0)))
    return sequence(*pairs, stage="stem")


def _stem_convs(spec: ResNetSpec) -> ops.Conv2d | Graph:
    width, half, bias = spec.stem_width, spec.stem_width // 2, spec.conv_bias
    if spec.stem == "cifar":
        return ops.Conv2d(spec.in_channels, width, 3, padding=1, bias=bias)
    if spec.stem == "imagenet":
        return ops.Conv2d(spec.in_channels, width, 7, stride=2, padding=3, bias=bias)
    deep: tuple[tuple[str, Op], ...] = (
        ("0", ops.Conv2d(spec.in_channels, half, 3, stride=2, padding=1, bias=bias)),
        ("1", ops.BatchNorm2d(half)),
        ("2", ops.ReLU()),
        ("3", ops.Conv2d(half, half, 3, padding=1, bias=bias)),
        ("4", ops.BatchNorm2d(half)),
        ("5", ops.ReLU()),
        ("6", ops.Conv2d(half, width, 3, padding=1, bias=bias)),
    )
    return Graph("deep_stem", tuple(sequence(*deep)))


def _stage(spec: ResNetSpec, channels: int, stage: _Stage) -> Graph:
    first = _block(spec, channels, stage.width, stage.stride, stage.first_dilation)
    rest = first
    if stage.depth > 1:
        rest = _block(spec, stage.width * spec.block_expansion, stage.width, 1, stage.dilation)
    return Graph("stage", tuple(sequence(*((str(i), rest if i else first) for i in range(stage.depth)))))


def _block(spec: ResNetSpec, channels: int, width: int, stride: int, dilation: int) -> Graph:
    return residual_block(
        ResidualBlockSpec(
            block=spec.block,
            in_channels=channels,
            inner_channels=spec.inner_width(width),
            out_channels=width * spec.block_expansion,
            stride=stride,
            dilation=dilation,
            groups=spec.cardinality,
            stride_on=spec.stride_on,
            shortcut=spec.shortcut,
            avg_down=spec.avg_down,
            preactivation=spec.preactivation,
            se_reduction=spec.se_reduction,
            bias=spec.conv_bias,
        )
    )


def _head(spec: ResNetSpec, channels: int) -> list[tuple[str, Op]]:
    if spec.head == "none":
        return []
    pairs: list[tuple[str, Op]] = (
        [("norm", ops.BatchNorm2d(channels)), ("relu", ops.ReLU())] if spec.preactivation else []
    )
    window = spec.head_pool
    pairs.append(("avgpool", ops.GlobalAvgPool2d() if window is None else ops.AvgPool2d(window, stride=window)))
    pairs.append(("flatten", ops.Flatten()))
    if spec.head == "classifier":
        positions = 1 if window is None else (spec._final_side // window) ** 2
        pairs.append(("fc", ops.Linear(channels * positions, spec.num_classes)))
    return pairs


_HE = "Deep Residual Learning for Image Recognition, He et al., 2015"
_HE_V2 = "Identity Mappings in Deep Residual Networks, He et al., 2016"
_XIE = "Aggregated Residual Transformations for Deep Neural Networks, Xie et al., 2017"
_ZAGORUYKO = "Wide Residual Networks, Zagoruyko and Komodakis, 2016"
_TRICKS = "Bag of Tricks for Image Classification with Convolutional Neural Networks, He T. et al., 2019"
_HU = "Squeeze-and-Excitation Networks, Hu et al., 2018"
_V1 = "v1: the stride sits on the first 1×1, as in the paper"
_V15 = "v1.5: the stride sits on the 3×3, as in PyTorch"
_V2 = "v2: batch norm and ReLU come before each convolution"
_WRN_DEPTH = "the paper's {} counts three projections, which depth here does not, and no classifier"
_MISTAKE = "the tutorial's widths 4-8-16-32 are a mistake for 64-128-256-512, kept as published"

_DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


def _net(title: str, paper: str, depth: int, note: str = "", **more: Any) -> Variant:
    block = "basic" if depth < 50 else "bottleneck"
    return Variant(title=title, paper=paper, note=note, fields={"block": block, "depths": _DEPTHS[depth], **more})


def _resnet(depth: int) -> Variant:
    return _net(f"ResNet-{depth}", _HE, depth, _V15 if depth >= 50 else "")


def _resnext(depth: int, cardinality: int, base_width: int, paper: str = _XIE, **more: Any) -> Variant:
    title = f"{'SE-' if more else ''}ResNeXt-{depth} ({cardinality}×{base_width}d)"
    return _net(title, paper, depth, _V15, cardinality=cardinality, base_width=base_width, **more)


def _wide(depth: int) -> Variant:
    return _net(f"Wide ResNet-{depth}-2", _ZAGORUYKO, depth, _V15, base_width=128)


def _tricks(letter: str, depth: int) -> Variant:
    note = "a deep stem of three 3×3" + ("; an average pool takes the projections' stride" if letter == "D" else "")
    return _net(f"ResNet-{depth}-{letter}", _TRICKS, depth, note, stem="deep", avg_down=letter == "D")


def _tutorial(depth: int, note: str = "", **more: Any) -> Variant:
    description = "a Keras tutorial's net for 64×64 images of 6 classes: biases, unpadded stem pool, 2×2 average pool, "
    description += "which has a window, so that receptive field and total stride count it"
    fields = {"stride_on": "1x1", "stem_pool": "valid", "conv_bias": True, "head_pool": 2, "num_classes": 6, **more}
    return _net(f"Tutorial ResNet-{depth}", _HE, depth, "; ".join(filter(None, (description, note))), **fields)


def _cifar(title: str, paper: str, depths: int, note: str = "", **fields: Any) -> Variant:
    common_fields = {
        "block": "basic",
        "widths": (16, 32, 64),
        "stem_width": 16,
        "stem": "cifar",
        "num_classes": 10,
        **fields,
    }
    return Variant(title=f"{title} (CIFAR)", paper=paper, fields={"depths": (depths,) * 3, **common_fields}, note=note)


def _cifar_resnet(depth: int) -> Variant | None:
    if (depth - 2) % 6 or depth < 8:
        return None
    return _cifar(f"ResNet-{depth}", _HE, (depth - 2) // 6, shortcut="A")


def _cifar_plain(depth: int) -> Variant | None:
    if (depth - 2) % 6 or depth < 8:
        return None
    return _cifar(f"Plain-{depth}", _HE, (depth - 2) // 6, shortcut="none")


def _cifar_preact(depth: int) -> Variant | None:
    if (depth - 2) % 9 or depth < 11:
        return None
    return _cifar(f"Pre-activation ResNet-{depth}", _HE_V2, (depth - 2) // 9, block="bottleneck", preactivation=True)


def _cifar_wide(depth: int, factor: int) -> Variant | None:
    if (depth - 4) % 6 or depth < 10 or factor < 1:
        return None
    widths = (16 * factor, 32 * factor, 64 * factor)
    note = _WRN_DEPTH.format(depth)
    return _cifar(f"WRN-{depth}-{factor}", _ZAGORUYKO, (depth - 4) // 6, note, widths=widths, preactivation=True)


def _cifar_resnext(cardinality: int, base_width: int) -> Variant | None:
    if cardinality < 1 or base_width < 1:
        return None
    fields: dict[str, Any] = {"block": "bottleneck", "widths": (64, 128, 256), "stem_width": 64}
    title = f"ResNeXt-29 ({cardinality}×{base_width}d)"
    return _cifar(title, _XIE, 3, **fields, cardinality=cardinality, base_width=base_width)


_PATTERNS = (
    (r"resnet(\d+)", _cifar_resnet),
    (r"plain(\d+)", _cifar_plain),
    (r"preact_resnet(\d+)", _cifar_preact),
    (r"wrn(\d+)_(\d+)", _cifar_wide),
    (r"resnext29_(\d+)x(\d+)d", _cifar_resnext),
)


def pattern(name: str) -> Variant | None:
    """The CIFAR net of a name that carries its numbers, with or without `_cifar`: resnet20_cifar, wrn28_10."""
    for expression, build in _PATTERNS:
        match = re.fullmatch(expression, name.removesuffix("_cifar"), re.ASCII)
        if match and all(len(number) <= 5 for number in match.groups()):
            return build(*map(int, match.groups()))
    return None


VARIANTS: dict[str, Variant] = {
    **{f"resnet{depth}": _resnet(depth) for depth in (18, 34, 50, 101, 152)},
    "resnext50_32x4d": _resnext(50, 32, 4),
    "resnext101_32x4d": _resnext(101, 32, 4),
    "resnext101_32x8d": _resnext(101, 32, 8),
    "resnext101_64x4d": _resnext(101, 64, 4),
    "wide_resnet50_2": _wide(50),
    "wide_resnet101_2": _wide(101),
    "resnet200": _resnet(200),
    **{f"resnet{depth}_v1": _net(f"ResNet-{depth} v1", _HE, depth, _V1, stride_on="1x1") for depth in (50, 101, 152)},
    "resnet50c": _tricks("C", 50),
    **{f"resnet{depth}d": _tricks("D", depth) for depth in (18, 34, 50, 101, 152, 200)},
    **{
        f"resnetv2_{depth}": _net(f"ResNetV2-{depth}", _HE_V2, depth, _V2, preactivation=True)
        for depth in (50, 101, 152, 200)
    },
    **{
        f"plain{depth}": _net(f"Plain-{depth}", _HE, depth, "a plain net: no shortcuts", shortcut="none")
        for depth in (18, 34)
    },
    **{f"seresnet{depth}": _net(f"SE-ResNet-{depth}", _HU, depth, _V15, se_reduction=16) for depth in (50, 101, 152)},
    **{f"seresnext{depth}_32x4d": _resnext(depth, 32, 4, _HU, se_reduction=16) for depth in (50, 101)},
    "tutorial_resnet50": _tutorial(50),
    "tutorial_resnet101": _tutorial(101, _MISTAKE, widths=(4, 8, 16, 32)),
    "tutorial_resnet152": _tutorial(152),
    **variants_by_pattern(pattern, *(f"resnet{depth}_cifar" for depth in (20, 32, 44, 56, 110, 1202))),
    **variants_by_pattern(pattern, *(f"plain{depth}_cifar" for depth in (20, 32, 44, 56, 110))),
    **variants_by_pattern(pattern, "preact_resnet164_cifar", "preact_resnet1001_cifar"),
    **variants_by_pattern(pattern, "wrn16_8_cifar", "wrn28_10_cifar", "wrn40_4_cifar"),
    **variants_by_pattern(pattern, "resnext29_8x64d_cifar", "resnext29_16x64d_cifar"),
}

ALIASES = {"resnet50b": "resnet50"}


FAMILY = Family(
    spec=ResNetSpec,
    words={"groups": "cardinality", "width_per_group": "base_width", "layers": "depths"},
    aliases=ALIASES,
    variants=VARIANTS,
    pattern=pattern,
)
