"""A network's costs as data: every op, block and stage at one input size, and their totals."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from analyzer.cost.walk import CostCache, CostTree, OpCost, Span, StageTotals, cost_tree, total_costs
from analyzer.families.network import Network, Size, network
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph, fingerprint
from analyzer.graph.memo import Memoizable
from analyzer.graph.ops import Shape

BYTES_PER_PARAM = 4
"""float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTotals:
    """Costs of a run of ops at batch 1: a block, a stage or a whole network.

    Shape, receptive field, total stride and depth are those at the end of the run, counted from the network's input.
    """

    output_shape: Shape
    params: int
    buffers: int
    macs: int
    activations: int
    receptive_field: int
    total_stride: int
    depth: int

    @property
    def flops(self) -> int:
        """2 × MACs."""
        return 2 * self.macs

    @property
    def trainable_params(self) -> int:
        """Parameters that training changes: all of them."""
        return self.params

    @property
    def params_bytes(self) -> int:
        """Bytes of the parameters in float32, buffers not counted."""
        return BYTES_PER_PARAM * self.params


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost(CostTotals):
    """A stage's costs; `num_blocks` counts the repeated units in it, 0 in stem, transitions and head."""

    stage: str
    num_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCost(CostTotals):
    """A block's costs; `path` is its weight path, `kind` its name ("bottleneck", "dense_layer", …), `rows` its ops."""

    path: str
    stage: str
    kind: str
    rows: tuple[OpCost, ...]
    transform: tuple[OpCost, ...]
    """The rows without those of a projection shortcut."""


@dataclass(frozen=True, kw_only=True)
class NetworkCosts(Memoizable):
    """A network's costs at one input size, as plain integers; results computed from them are cached with them."""

    network: Network
    input_shape: tuple[int, int, int]
    stages: tuple[StageCost, ...]
    totals: CostTotals
    cost_tree: CostTree = field(repr=False, compare=False)

    @classmethod
    def of(
        cls, variant: str | Spec | Graph | Network, input_size: Size | None = None, costed: CostCache | None = None
    ) -> Self:
        """The costs of a variant expression, a Spec or a Graph, as `analyze` has them; InvalidInput as there."""
        resolved = network(variant)
        shape = resolved.input_shape(input_size)
        tree = cost_tree(resolved.graph, shape, costed)
        stages = [
            StageCost(stage=name, num_blocks=totals.num_blocks, **_totals_fields(totals))
            for name, totals in tree.stages.items()
        ]
        return cls(
            network=resolved,
            input_shape=shape,
            stages=tuple(stages),
            totals=CostTotals(**_totals_fields(tree.total)),
            cost_tree=tree,
        )

    @property
    def rows(self) -> tuple[OpCost, ...]:
        """Every op with its costs, in execution order."""
        return self.cost_tree.rows

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every sub-graph as a run of `rows`, outer ones first."""
        return self.cost_tree.spans

    @property
    def variant(self) -> str:
        """The canonical expression: a name where the network has one."""
        return self.network.expression

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that tell this Graph from every other."""
        return fingerprint(self.network.graph)

    @property
    def params(self) -> int:
        """Learned numbers."""
        return self.totals.params

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers at batch 1."""
        return self.totals.macs

    @property
    def flops(self) -> int:
        """2 × MACs."""
        return self.totals.flops

    @property
    def activations(self) -> int:
        """Output elements of convolutions and linear layers at batch 1."""
        return self.totals.activations

    @property
    def depth(self) -> int:
        """Convolutions and linear layers on the longest path."""
        return self.totals.depth

    @property
    def receptive_field(self) -> int:
        """Side in input pixels, along the longest path, before the global pool."""
        return self.totals.receptive_field

    @cached_property
    def blocks(self) -> tuple[BlockCost, ...]:
        """Every block in execution order."""
        projected = {
            index for span in self.spans if span.kind == "projection" for index in range(span.start, span.stop)
        }
        return tuple(self._block(span, projected) for span in self.spans if span.block)

    def _block(self, span: Span, projected: set[int]) -> BlockCost:
        rows = self.rows[span.start : span.stop]
        transform = rows
        if not projected.isdisjoint(range(span.start, span.stop)):
            transform = tuple([row for index, row in enumerate(rows, span.start) if index not in projected])
        return BlockCost(
            path=span.path,
            stage=span.stage,
            kind=span.kind,
            rows=rows,
            transform=transform,
            **_totals_fields(total_costs(rows)),
        )


def _totals_fields(totals: StageTotals) -> dict[str, Any]:
    """The fields of `CostTotals`."""
    return {
        "output_shape": totals.output_shape,
        "params": totals.params,
        "buffers": totals.buffers,
        "macs": totals.macs,
        "activations": totals.activations,
        "receptive_field": 1 + totals.receptive.reach,
        "total_stride": totals.receptive.stride,
        "depth": totals.receptive.depth,
    }
