"""VGG networks, the plain baselines (Simonyan and Zisserman 2015), with torchvision's names."""

from dataclasses import dataclass
from typing import ClassVar

from analyzer.families.spec import Choice, Family, Flag, Int, LayerList, Spec, Variant, WeightInitialisation, spec_field
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import (
    MAX_CHANNELS,
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Op,
    ReLU,
)

_POOL = "M"
_SIDE = 7
_HIDDEN = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class VGGSpec(Spec):
    """Numbers of a VGG network; a stage ends with each pool."""

    family: ClassVar[str] = "vgg"

    config: tuple[int | str, ...] = spec_field(
        LayerList("output channels of the 3×3 convolutions, M for a 2×2 pool", MAX_CHANNELS, 1000)
    )
    batch_norm: bool = spec_field(Flag("batch norm after each convolution"), False)
    head: str = spec_field(
        Choice("classifier; pool: ends after the pool; none: ends with the last stage", ("classifier", "pool", "none")),
        "classifier",
    )
    in_channels: int = spec_field(Int("channels of the input image", 1, MAX_CHANNELS), 3)
    num_classes: int = spec_field(Int("outputs of the classifier; 0 is head=pool", 0, MAX_CHANNELS), 1000)

    def _normalise(self) -> None:
        self._normalise_head(self.head, self.num_classes)

    def graph(self) -> Graph:
        """Features and head, with torchvision's names."""
        features, channels = _features(self)
        head = sequence(*_head(self, channels), after="features", stage="head")
        return Graph("vgg", (Node("features", features, (INPUT,)), *head))


def _features(spec: VGGSpec) -> tuple[Graph, int]:
    nodes: list[Node] = []
    channels, stage = spec.in_channels, 1
    for item in spec.config:
        ops: list[Op] = [MaxPool2d(2, stride=2)]
        if isinstance(item, int):
            ops = [Conv2d(channels, item, 3, padding=1, bias=True), *([BatchNorm2d(item)] if spec.batch_norm else [])]
            ops.append(ReLU())
            channels = item
        named = ((str(len(nodes) + offset), op) for offset, op in enumerate(ops))
        nodes += sequence(*named, after=nodes[-1].name if nodes else INPUT, stage=f"stage{stage}")
        stage += item == _POOL
    return Graph("features", tuple(nodes)), channels


def _head(spec: VGGSpec, channels: int) -> list[tuple[str, Op | Graph]]:
    if spec.head == "none":
        return []
    pooled: list[tuple[str, Op | Graph]] = [("avgpool", AdaptiveAvgPool2d(_SIDE)), ("flatten", Flatten())]
    classifier: tuple[tuple[str, Op], ...] = (
        ("0", Linear(channels * _SIDE * _SIDE, _HIDDEN)),
        ("1", ReLU()),
        ("2", Dropout()),
        ("3", Linear(_HIDDEN, _HIDDEN)),
        ("4", ReLU()),
        ("5", Dropout()),
        ("6", Linear(_HIDDEN, spec.num_classes)),
    )
    if spec.head == "pool":
        return pooled
    return [*pooled, ("classifier", Graph("classifier", tuple(sequence(*classifier))))]


_PAPER = "Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan and Zisserman, 2015"
_REPEATS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _vgg(depth: int, batch_norm: bool) -> Variant:
    config: list[int | str] = []
    for width, repeats in zip((64, 128, 256, 512, 512), _REPEATS[depth], strict=True):
        config += [*[width] * repeats, _POOL]
    title = f"VGG-{depth}{' with batch norm' if batch_norm else ''}"
    return Variant(title=title, paper=_PAPER, fields={"config": tuple(config), "batch_norm": batch_norm})


FAMILY = Family(
    spec=VGGSpec,
    words={},
    aliases={},
    variants={
        f"vgg{depth}{'_bn' if batch_norm else ''}": _vgg(depth, batch_norm)
        for depth in _REPEATS
        for batch_norm in (False, True)
    },
    initial=WeightInitialisation(linear_std=0.01, zero_linear_bias=True),
)
