"""A place of a network with what stands around it: the ground of the reasons for its choices."""

from dataclasses import dataclass
from functools import cached_property

from analyzer.cost.analysis import Analysis
from analyzer.cost.walk import OpCost, Span
from analyzer.explanation.figures import Section, stages_of
from analyzer.families.densenet import DenseNetSpec
from analyzer.families.regnet import RegNetSpec
from analyzer.families.resnet import ResNetSpec
from analyzer.graph.ops import Add, Conv2d, Shape, ZeroPadShortcut


@dataclass(frozen=True)
class Nesting:
    """Which stage, block and innermost sub-graph each row of an analysis stands in."""

    analysis: Analysis

    @cached_property
    def stages(self) -> list[Section]:
        """Row number → stage."""
        return [stage for stage in stages_of(self.analysis) for _ in range(stage.start, stage.stop)]

    @cached_property
    def blocks(self) -> dict[int, Span]:
        """Row number → block, where there is one."""
        return {row: span for span in self.analysis.spans if span.block for row in range(span.start, span.stop)}

    @cached_property
    def parents(self) -> dict[int, Span]:
        """Row number → the innermost sub-graph around it, below the network."""
        return {row: span for span in self.analysis.spans for row in range(span.start, span.stop)}


@dataclass(frozen=True)
class PlaceContext:
    """One place of an analysed network, with what stands around it."""

    nesting: Nesting
    place: Section

    @property
    def analysis(self) -> Analysis:
        """The network's."""
        return self.nesting.analysis

    @property
    def rows(self) -> tuple[OpCost, ...]:
        """The place's ops."""
        return self.analysis.rows[self.place.start : self.place.stop]

    @property
    def row(self) -> OpCost:
        """The first of them."""
        return self.analysis.rows[self.place.start]

    @property
    def name(self) -> str:
        """The last segment of its path."""
        return self.place.path.rpartition(".")[2]

    @property
    def resnet(self) -> ResNetSpec | None:
        """The spec, where it is a residual network's."""
        spec = self.analysis.network.spec
        return spec if isinstance(spec, ResNetSpec) else None

    @property
    def densenet(self) -> DenseNetSpec | None:
        """The spec, where it is a densely connected network's."""
        spec = self.analysis.network.spec
        return spec if isinstance(spec, DenseNetSpec) else None

    @property
    def regnet(self) -> RegNetSpec | None:
        """The spec, where it is an AnyNet's or RegNet's."""
        spec = self.analysis.network.spec
        return spec if isinstance(spec, RegNetSpec) else None

    @property
    def parent_kind(self) -> str:
        """Kind of the smallest sub-graph around the place's first op; "" where there is none."""
        span = self.nesting.parents.get(self.place.start)
        return span.kind if span else ""

    @property
    def block(self) -> "PlaceContext | None":
        """The block around the place."""
        span = self.nesting.blocks.get(self.place.start) if self.place.level in ("op", "block") else None
        return self._of_span(span) if span else None

    @property
    def stage(self) -> Section:
        """The stage around the place."""
        return self.nesting.stages[self.place.start]

    @property
    def stage_number(self) -> int:
        """The number in the stage's name; 0 in stem and head."""
        return int(self.stage.path.removeprefix("stage")) if self.stage.path.startswith("stage") else 0

    @property
    def blocks(self) -> "list[PlaceContext]":
        """The blocks inside the place."""
        start, stop = self.place.start, self.place.stop
        inside = (span for span in self.analysis.spans if start <= span.start and span.stop <= stop)
        return [self._of_span(span) for span in inside if span.block]

    @property
    def opens_stage(self) -> bool:
        """Whether the place stands in the first block of its stage."""
        return self.block is not None and self.block.place.start == self.stage.start

    @property
    def input_shape(self) -> Shape:
        """What the place's first op reads."""
        return self.row.input_shapes[0]

    @property
    def output_shape(self) -> Shape:
        """What the place's last op yields."""
        return self.rows[-1].output_shape

    @property
    def has_projection(self) -> bool:
        """Whether the place has a projection shortcut."""
        inside = (self.nesting.parents.get(index) for index in range(self.place.start, self.place.stop))
        return any(span.kind == "projection" for span in inside if span)

    @property
    def zero_pad(self) -> ZeroPadShortcut | None:
        """The zero-pad shortcut inside the place."""
        return next((row.operation for row in self.rows if isinstance(row.operation, ZeroPadShortcut)), None)

    @property
    def has_addition(self) -> bool:
        """Whether the place adds a shortcut to its transform."""
        return any(isinstance(row.operation, Add) for row in self.rows)

    @property
    def ops(self) -> "list[PlaceContext]":
        """The ops inside the place."""
        rows = enumerate(self.rows, self.place.start)
        return [PlaceContext(self.nesting, Section(row.path, "op", row.op, index, index + 1)) for index, row in rows]

    @property
    def convs(self) -> "list[tuple[PlaceContext, Conv2d]]":
        """The convolutions of a block's own transform, those of projection and gate left out."""
        own = [(op, op.row.operation) for op in self.ops if op.parent_kind not in ("projection", "squeeze_excitation")]
        return [(op, conv) for op, conv in own if isinstance(conv, Conv2d)]

    def _of_span(self, span: Span) -> "PlaceContext":
        """The context of a sub-graph."""
        return PlaceContext(self.nesting, Section(span.path, "block", span.kind, span.start, span.stop))


def map_size(shape: Shape) -> str:
    """(64, 56, 48) as "56×48"."""
    return "×".join(map(str, shape[1:]))
