"""What `analyze` returns: a network's costs, its memory and training, and both as JSON and table."""

from typing import TYPE_CHECKING, Any

from analyzer.cost.formulas import CONVENTION
from analyzer.cost.network_costs import NetworkCosts, StageCost
from analyzer.cost.walk import CostCache, OpCost
from analyzer.extras import extra_imports
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph

if TYPE_CHECKING:
    import pandas

    from analyzer.cost.memory import Memory
    from analyzer.cost.training import Training


class Analysis(NetworkCosts):
    """A network's costs at one input size, as plain integers, and what follows from them for memory and training."""

    @property
    def peak_activation_bytes(self) -> int:
        """Peak bytes of activations in inference at batch 1 in float32, the image included."""
        return self.memory().peak_bytes

    @property
    def stored_for_training_bytes(self) -> int:
        """Bytes that autograd stores in a forward pass at batch 1 in float32, all parameters learning."""
        return self.transfer().stored_bytes

    def memory(self, batch_size: int = 1, dtype: str = "float32") -> "Memory":
        """Bytes of parameters, buffers and activations in inference; InvalidInput for a bad batch size or dtype."""
        from analyzer.cost.memory import memory  # at start-up most commands need none of it

        return memory(self, batch_size, dtype)

    def transfer(
        self, mode: str = "all", *, frozen_norm: bool = False, batch_size: int = 1, dtype: str = "float32"
    ) -> "Training":
        """MACs and bytes of training "all", some stages ("stage4,head") or "new-head=256"; see `cost.training`."""
        from analyzer.cost.training import transfer

        return transfer(self, mode, frozen_norm=frozen_norm, batch_size=batch_size, dtype=dtype)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `report --format json`, valid against schemas/report-1.json."""
        from analyzer.cost.memory_json import memory_facts

        spec = self.network.spec
        return {
            "schema": 1,
            "variant": self.variant,
            "expression": self.network.expression,
            "fingerprint": self.fingerprint,
            "family": self.network.family,
            "spec": spec.effective_fields() if spec else {},
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
            import pandas  # heavy, and only this method needs it

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


def _facts(row: OpCost | StageCost, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def analyze(
    variant: "str | Spec | Graph | Network", input_size: Size | None = None, costed: CostCache | None = None
) -> Analysis:
    """Analyse a variant expression, a Spec or a Graph at an input size in pixels (a side, or (height, width)).

    Without a size the variant's own default is taken (224, or 32 for CIFAR nets). Closed form: torch is not needed.
    Analyses with the same `costed`, at first empty, compute the blocks that they share once.
    Raises InvalidInput for an unknown name, a bad field, an impossible network or a size that does not fit.
    """
    return Analysis.of(variant, input_size, costed)
