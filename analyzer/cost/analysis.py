"""An Analysis: every op, block and stage of a network with its costs, and their totals."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyzer.cost.formulas import CONVENTION
from analyzer.cost.walk import Costed, Row, Span, Tally, Walked, tally_of, walk
from analyzer.extras import extra_imports
from analyzer.families.network import Network, Size, network
from analyzer.families.spec import Spec
from analyzer.graph import Graph, fingerprint
from analyzer.ops import Shape

if TYPE_CHECKING:
    import pandas

    from analyzer.cost.memory import Memory
    from analyzer.cost.training import Training

BYTES_PER_PARAM = 4
"""float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
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
class StageRow(Sum):
    """A stage's costs; `num_blocks` counts the repeated units in it, 0 in stem, transitions and head."""

    stage: str
    num_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow(Sum):
    """A block's costs; `path` is its weight path, `kind` its name ("bottleneck", "dense_layer", …), `rows` its ops."""

    path: str
    stage: str
    kind: str
    rows: tuple[Row, ...]
    transform: tuple[Row, ...]
    """The rows without those of a projection shortcut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """A network's costs at one input size, as plain integers."""

    network: Network
    input_shape: tuple[int, int, int]
    stages: tuple[StageRow, ...]
    totals: Sum
    walked: Walked = field(repr=False, compare=False)
    notes: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What readings of this analysis keep, so that it is worked out once."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every op with its costs, in execution order."""
        return self.walked.rows

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every sub-graph as a run of `rows`, outer ones first."""
        return self.walked.spans

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

    @property
    def peak_activation_bytes(self) -> int:
        """Peak bytes of activations in inference at batch 1 in float32, the image included."""
        return self.memory().peak_bytes

    @property
    def stored_for_training_bytes(self) -> int:
        """Bytes that autograd keeps of a forward pass at batch 1 in float32, all parameters learning."""
        return self.transfer().stored_bytes

    def memory(self, batch_size: int = 1, dtype: str = "float32") -> "Memory":
        """Bytes of parameters, buffers and activations in inference; InvalidInput for a bad batch size or dtype."""
        from analyzer.cost.memory import memory  # stands on this module

        return memory(self, batch_size, dtype)

    def transfer(
        self, mode: str = "all", *, frozen_norm: bool = False, batch_size: int = 1, dtype: str = "float32"
    ) -> "Training":
        """MACs and bytes of training "all", some stages ("stage4,head") or "new-head=256"; see `cost.training`."""
        from analyzer.cost.training import transfer  # stands on this module

        return transfer(self, mode, frozen_norm=frozen_norm, batch_size=batch_size, dtype=dtype)

    @property
    def blocks(self) -> tuple[BlockRow, ...]:
        """Every block in execution order."""
        if "blocks" not in self.notes:
            self.notes["blocks"] = self._blocks()
        return self.notes["blocks"]  # type: ignore[no-any-return]

    def _blocks(self) -> tuple[BlockRow, ...]:
        projected = {
            index for span in self.spans if span.kind == "projection" for index in range(span.start, span.stop)
        }
        return tuple(self._block(span, projected) for span in self.spans if span.block)

    def _block(self, span: Span, projected: set[int]) -> BlockRow:
        rows = self.rows[span.start : span.stop]
        transform = rows
        if not projected.isdisjoint(range(span.start, span.stop)):
            transform = tuple([row for index, row in enumerate(rows, span.start) if index not in projected])
        return BlockRow(
            path=span.path, stage=span.stage, kind=span.kind, rows=rows, transform=transform, **_sums(tally_of(rows))
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `report --format json`, valid against schemas/report-1.json."""
        from analyzer.cost.facts import memory_facts  # stands on this module

        spec = self.network.spec
        return {
            "schema": 1,
            "variant": self.variant,
            "expression": self.network.expression,
            "fingerprint": self.fingerprint,
            "family": self.network.family,
            "spec": spec.resolved() if spec else {},
            "input_shape": list(self.input_shape),
            "convention": CONVENTION,
            "totals": {name: getattr(self.totals, name) for name in _TOTALS},
            "stages": [_facts(row, _STAGE_FACTS) for row in self.stages],
            "rows": [_facts(row, _ROW_FACTS) for row in self.rows],
            "memory": memory_facts(self),
        }

    def to_frame(self) -> "pandas.DataFrame":
        """One row an op: path, stage, op, output shape, its costs, receptive field and total stride.

        Unavailable where pandas is missing.
        """
        with extra_imports("sweep"):
            import pandas  # heavy, and only this reading needs it

        return pandas.DataFrame([{name: getattr(row, name) for name in _FRAME_COLUMNS} for row in self.rows])


_TOTALS = (
    "params",
    "trainable_params",
    "buffers",
    "macs",
    "flops",
    "activations",
    "params_bytes",
    "depth",
    "receptive_field",
    "total_stride",
)
_ROW_FACTS = ("path", "stage", "op", "output_shape", "params", "macs", "activations")
_STAGE_FACTS = (
    "stage",
    "num_blocks",
    "output_shape",
    "params",
    "macs",
    "activations",
    "receptive_field",
    "total_stride",
)
_FRAME_COLUMNS = (
    "path",
    "stage",
    "op",
    "output_shape",
    "params",
    "macs",
    "flops",
    "activations",
    "receptive_field",
    "total_stride",
)


def _facts(row: Row | StageRow, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def analyze(
    variant: "str | Spec | Graph | Network", input_size: Size | None = None, costed: Costed | None = None
) -> Analysis:
    """Analyse a variant expression, a Spec or a Graph at an input size in pixels (a side, or (height, width)).

    Without a size the variant's own default is taken (224, or 32 for CIFAR nets). Closed form: torch is not needed.
    Analyses that are given the same `costed`, at first empty, work out the blocks that they share once.
    Raises InvalidInput for an unknown name, a bad field, an impossible network or a size that does not fit.
    """
    resolved = network(variant)
    shape = resolved.input_shape(input_size)
    walked = walk(resolved.graph, shape, costed)
    return Analysis(
        network=resolved,
        input_shape=shape,
        stages=tuple(
            [StageRow(stage=name, num_blocks=each.num_blocks, **_sums(each)) for name, each in walked.stages.items()]
        ),
        totals=Sum(**_sums(walked.total)),
        walked=walked,
    )


def _sums(tally: Tally) -> dict[str, Any]:
    """The fields of `Sum`."""
    return {
        "output_shape": tally.output_shape,
        "params": tally.params,
        "buffers": tally.buffers,
        "macs": tally.macs,
        "activations": tally.activations,
        "receptive_field": 1 + tally.seen.reach,
        "total_stride": tally.seen.stride,
        "depth": tally.seen.depth,
    }
