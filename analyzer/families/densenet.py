"""Densely connected networks: DenseNet, -B, -C and -BC (Huang et al. 2017)."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

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
    floor_product,
    spec_field,
    variants_by_pattern,
)
from analyzer.graph import ops
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.memo import memoized
from analyzer.graph.ops import MAX_CHANNELS, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseNetSpec(Spec):
    """Numbers of a densely connected network; dense layer l of a block reads k₀ + k(l−1) channels and adds k."""

    family: ClassVar[str] = "densenet"

    depths: tuple[int, ...] = spec_field(IntList("dense layers a block", 1, MAX_BLOCKS, MAX_STAGES))
    growth_rate: int = spec_field(Int("k: channels that each dense layer adds", 1, MAX_CHANNELS), 32)
    init_features: int = spec_field(Int("channels after the stem", 1, MAX_CHANNELS), 64)
    bottleneck_ratio: int | None = spec_field(
        Int("a dense layer's 1×1 makes ratio · k channels; none: no 1×1", 1, 1024, optional=True), 4
    )
    compression: float = spec_field(Ratio("θ: a transition has ⌊θC⌋ channels; 1.0: no compression"), 0.5)
    stem: str = spec_field(Choice("imagenet: 7×7/2 and max pool; cifar: 3×3", ("imagenet", "cifar")), "imagenet")
    head: str = spec_field(
        Choice("classifier; pool: ends after the pool; none: ends with the last stage", ("classifier", "pool", "none")),
        "classifier",
    )
    in_channels: int = spec_field(Int("channels of the input image", 1, MAX_CHANNELS), 3)
    num_classes: int = spec_field(Int("outputs of the classifier; 0 is head=pool", 0, MAX_CHANNELS), 1000)

    def _normalise(self) -> None:
        if sum(self.depths) > MAX_BLOCKS:
            self._refuse("depths", f"has {sum(self.depths)} dense layers; at most {MAX_BLOCKS} are allowed")
        if (self.bottleneck_ratio or 1) * self.growth_rate > MAX_CHANNELS:
            self._refuse("bottleneck_ratio", f"times growth_rate={self.growth_rate} is over {MAX_CHANNELS} channels")
        self._normalise_head(self.head, self.num_classes)
        self._set(compression=float(self.compression) if len(self.depths) > 1 else 0.5)
        self._check_channels()

    def _check_channels(self) -> None:
        channels = self.init_features
        for index, depth in enumerate(self.depths, 1):
            channels += depth * self.growth_rate
            if channels > MAX_CHANNELS:
                rule = f"makes {channels} channels in {depth} dense layers; at most {MAX_CHANNELS} are allowed"
                self._refuse("growth_rate", rule)
            if index < len(self.depths):
                compressed = _transition_channels(self, channels)
                if compressed < 1:
                    self._refuse("compression", f"leaves none of {channels} channels; ⌊θC⌋ must be at least 1")
                channels = compressed

    @property
    def default_input_size(self) -> int:
        """32 for CIFAR stems, 224 for ImageNet's."""
        return 32 if self.stem == "cifar" else 224

    def graph(self) -> Graph:
        """Features, final norm and head, with torchvision's names."""
        features, channels = _features(self)
        head = sequence(*_head(self, channels), after="features", stage="head")
        return Graph("densenet", (Node("features", features, (INPUT,)), *head))


def _head(spec: DenseNetSpec, channels: int) -> list[tuple[str, Op]]:
    if spec.head == "none":
        return []
    pooled: list[tuple[str, Op]] = [
        ("relu", ops.ReLU()),
        ("avgpool", ops.GlobalAvgPool2d()),
        ("flatten", ops.Flatten()),
    ]
    classifier: list[tuple[str, Op]] = [("classifier", ops.Linear(channels, spec.num_classes))]
    return pooled + (classifier if spec.head == "classifier" else [])


def _features(spec: DenseNetSpec) -> tuple[Graph, int]:
    nodes = _stem(spec)
    channels = spec.init_features
    for index, depth in enumerate(spec.depths, 1):
        block = _dense_block(spec, channels, depth)
        nodes.append(Node(f"denseblock{index}", block, (nodes[-1].name,), f"stage{index}"))
        channels += depth * spec.growth_rate
        if index < len(spec.depths):
            compressed = _transition_channels(spec, channels)
            nodes.append(
                Node(f"transition{index}", _transition(channels, compressed), (nodes[-1].name,), f"transition{index}")
            )
            channels = compressed
    if spec.head != "none":
        nodes += sequence(("norm5", ops.BatchNorm2d(channels)), after=nodes[-1].name, stage="head")
    return Graph("features", tuple(nodes)), channels


def _stem(spec: DenseNetSpec) -> list[Node]:
    if spec.stem == "cifar":
        return sequence(("conv0", ops.Conv2d(spec.in_channels, spec.init_features, 3, padding=1)), stage="stem")
    return sequence(
        ("conv0", ops.Conv2d(spec.in_channels, spec.init_features, 7, stride=2, padding=3)),
        ("norm0", ops.BatchNorm2d(spec.init_features)),
        ("relu0", ops.ReLU()),
        ("pool0", ops.MaxPool2d(3, stride=2, padding=1)),
        stage="stem",
    )


def _dense_block(spec: DenseNetSpec, channels: int, depth: int) -> Graph:
    nodes: list[Node] = []
    joined = INPUT
    for index in range(1, depth + 1):
        nodes.append(
            Node(f"denselayer{index}", _dense_layer(channels, spec.growth_rate, spec.bottleneck_ratio), (joined,))
        )
        nodes.append(Node(f"concat{index}", ops.Concat(), (joined, f"denselayer{index}")))
        joined, channels = f"concat{index}", channels + spec.growth_rate
    return Graph("stage", tuple(nodes))


@memoized
def _dense_layer(channels: int, growth_rate: int, bottleneck_ratio: int | None) -> Graph:
    pairs: list[tuple[str, Op]] = [("norm1", ops.BatchNorm2d(channels)), ("relu1", ops.ReLU())]
    if bottleneck_ratio is None:
        pairs.append(("conv1", ops.Conv2d(channels, growth_rate, 3, padding=1)))
    else:
        inner = bottleneck_ratio * growth_rate
        pairs += [("conv1", ops.Conv2d(channels, inner, 1)), ("norm2", ops.BatchNorm2d(inner)), ("relu2", ops.ReLU())]
        pairs.append(("conv2", ops.Conv2d(inner, growth_rate, 3, padding=1)))
    return Graph("dense_layer", tuple(sequence(*pairs)))


@memoized
def _transition(channels: int, out_channels: int) -> Graph:
    return Graph(
        "transition",
        tuple(
            sequence(
                ("norm", ops.BatchNorm2d(channels)),
                ("relu", ops.ReLU()),
                ("conv", ops.Conv2d(channels, out_channels, 1)),
                ("pool", ops.AvgPool2d(2, stride=2)),
            )
        ),
    )


def _transition_channels(spec: DenseNetSpec, channels: int) -> int:
    """⌊θC⌋, a transition's output channels."""
    return floor_product(spec.compression, channels)


_HUANG = "Densely Connected Convolutional Networks, Huang et al., 2017"


def _densenet(depth: int, *depths: int, note: str = "", **fields: Any) -> Variant:
    return Variant(title=f"DenseNet-{depth}", paper=_HUANG, fields={"depths": depths, **fields}, note=note)


def _cifar(title: str, depths: int, growth_rate: int, **more: Any) -> Variant:
    fields = {"depths": (depths,) * 3, "growth_rate": growth_rate, "stem": "cifar", "num_classes": 10, **more}
    return Variant(title=f"{title} (k = {growth_rate}, CIFAR)", paper=_HUANG, fields=fields)


def pattern(name: str) -> Variant | None:
    """The CIFAR net of a name that carries depth and growth rate, with or without `_cifar`: densenet_bc100_k12."""
    match = re.fullmatch(r"densenet(_bc)?(\d{1,5})_k(\d{1,5})", name.removesuffix("_cifar"), re.ASCII)
    if match is None:
        return None
    depth, growth_rate = int(match[2]), int(match[3])
    per_layer = 6 if match[1] else 3
    if depth < 4 + per_layer or (depth - 4) % per_layer or growth_rate < 1:
        return None
    if match[1]:
        return _cifar(f"DenseNet-BC-{depth}", (depth - 4) // 6, growth_rate, init_features=2 * growth_rate)
    plain = {"init_features": 16, "bottleneck_ratio": None, "compression": 1.0}
    return _cifar(f"DenseNet-{depth}", (depth - 4) // 3, growth_rate, **plain)


FAMILY = Family(
    spec=DenseNetSpec,
    words={
        "layers": "depths",
        "block_config": "depths",
        "bn_size": "bottleneck_ratio",
        "num_init_features": "init_features",
    },
    aliases={},
    variants={
        "densenet121": _densenet(121, 6, 12, 24, 16),
        "densenet161": _densenet(161, 6, 12, 36, 24, growth_rate=48, init_features=96),
        "densenet169": _densenet(169, 6, 12, 32, 32),
        "densenet201": _densenet(201, 6, 12, 48, 32),
        "densenet264": _densenet(264, 6, 12, 64, 48, note="by the paper's own rule its depth is 265, not 264"),
        **variants_by_pattern(pattern, "densenet40_k12_cifar", "densenet100_k12_cifar", "densenet100_k24_cifar"),
        **variants_by_pattern(
            pattern, "densenet_bc100_k12_cifar", "densenet_bc250_k24_cifar", "densenet_bc190_k40_cifar"
        ),
    },
    pattern=pattern,
    initial=WeightInitialisation(conv_fan="fan_in", zero_linear_bias=True),
)
