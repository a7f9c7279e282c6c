"""AlexNet in its one-tower form, as torchvision has it (Krizhevsky 2014)."""

from dataclasses import dataclass
from typing import ClassVar

from analyzer.families.spec import Choice, Family, Int, Spec, Variant, WeightInitialisation, spec_field
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import MAX_CHANNELS, AdaptiveAvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Op, ReLU

_SIDE = 6
_HIDDEN = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class AlexNetSpec(Spec):
    """Numbers of an AlexNet; its stages end with its three pools."""

    family: ClassVar[str] = "alexnet"

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
        head = sequence(*_head(self), after="features", stage="head")
        return Graph("alexnet", (Node("features", _features(self), (INPUT,)), *head))


def _features(spec: AlexNetSpec) -> Graph:
    stages: tuple[tuple[Op, ...], ...] = (
        (Conv2d(spec.in_channels, 64, 11, stride=4, padding=2, bias=True), ReLU()),
        (Conv2d(64, 192, 5, padding=2, bias=True), ReLU()),
        (
            *(Conv2d(192, 384, 3, padding=1, bias=True), ReLU()),
            *(Conv2d(384, 256, 3, padding=1, bias=True), ReLU()),
            *(Conv2d(256, 256, 3, padding=1, bias=True), ReLU()),
        ),
    )
    nodes: list[Node] = []
    for number, ops in enumerate(stages, 1):
        named = ((str(len(nodes) + offset), op) for offset, op in enumerate((*ops, MaxPool2d(3, stride=2))))
        nodes += sequence(*named, after=nodes[-1].name if nodes else INPUT, stage=f"stage{number}")
    return Graph("features", tuple(nodes))


def _head(spec: AlexNetSpec) -> list[tuple[str, Op | Graph]]:
    if spec.head == "none":
        return []
    pooled: list[tuple[str, Op | Graph]] = [("avgpool", AdaptiveAvgPool2d(_SIDE)), ("flatten", Flatten())]
    classifier: tuple[tuple[str, Op], ...] = (
        ("0", Dropout()),
        ("1", Linear(256 * _SIDE * _SIDE, _HIDDEN)),
        ("2", ReLU()),
        ("3", Dropout()),
        ("4", Linear(_HIDDEN, _HIDDEN)),
        ("5", ReLU()),
        ("6", Linear(_HIDDEN, spec.num_classes)),
    )
    if spec.head == "pool":
        return pooled
    return [*pooled, ("classifier", Graph("classifier", tuple(sequence(*classifier))))]


_PAPER = "One weird trick for parallelizing convolutional neural networks, Krizhevsky, 2014"

FAMILY = Family(
    spec=AlexNetSpec,
    words={},
    aliases={},
    initial=WeightInitialisation(conv_fan=""),
    variants={"alexnet": Variant(title="AlexNet", paper=_PAPER, fields={}, note="one tower, as in torchvision")},
)
