"""The results of a proof of equivalence as data; importing this needs no torch."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorComparison:
    """One tensor, or the worst of several, computed in two ways: errors are max|a − b| and max|a − b| / max|b|.

    `block` is a weight path, "" for the whole network; `where` names the worst tensor. A `tolerance` of None means
    that the error is reported and not judged. `crossed` counts the ReLUs' inputs that rounding moved across zero, where
    no gradient exists: there both ways take the same side.
    """

    identity: str
    block: str
    what: str
    where: str
    dtype: str
    mode: str
    max_abs: float
    max_rel: float
    tolerance: float | None
    crossed: int = 0

    @property
    def passed(self) -> bool:
        """Whether the relative error is within the tolerance, if it is judged; false for NaN."""
        return self.tolerance is None or self.max_rel <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of a row."""
        return asdict(self) | {"passed": self.passed}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultControl:
    """A fault planted in one way of computing a block, which the comparison must see."""

    fault: str
    identity: str
    block: str
    dtype: str
    max_rel: float
    tolerance: float

    @property
    def detected(self) -> bool:
        """Whether the output differs by more than the tolerance."""
        return not self.max_rel <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of a control."""
        return asdict(self) | {"detected": self.detected}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCost:
    """Closed-form cost of the whole network with its blocks in one form, at batch 1.

    `biases` are those of `params` that are convolutions' biases: in form (a) each path has its own for the last 1×1.
    """

    form: str
    title: str
    params: int
    biases: int
    macs: int
    num_ops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Two formulas that are one function, in a sentence, and why; `reason` says why it does not apply to a network.

    `found` adds facts of this network that errors do not show: how many batch norms fold, how many MACs each way has.
    """

    name: str
    title: str
    formula: str
    why: str
    reason: str = ""
    found: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of an identity; its reason is null where it applies to the network."""
        return asdict(self) | {"reason": self.reason or None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorHistogram:
    """How far the numbers of some tensors are from their references: |a − b| / max|b|, in bins of quarter decades.

    `equal` counts those that are so bit for bit; `bins` maps the exponent of ten at which a bin begins to its count.
    """

    identity: str
    what: str
    equal: int
    bins: dict[float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCheck:
    """One block's forms compared number by number; `fault` names what was planted in forms (a) and (b), if anything."""

    fault: str
    rows: tuple[TensorComparison, ...]
    spreads: tuple[ErrorHistogram, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is within its bound."""
        return all(row.passed for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Every comparison, control and cost of one check; `reason` says why there are no three forms, if so.

    `blocks` maps the path of each grouped block to its cardinality; `identities` are all others.
    """

    variant: str
    title: str
    reason: str
    blocks: dict[str, int]
    rows: tuple[TensorComparison, ...]
    controls: tuple[FaultControl, ...]
    costs: tuple[FormCost, ...]
    identities: tuple[Identity, ...]
    conditions: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether all with a tolerance agrees, every planted fault was detected, and the forms' costs are equal."""
        agree = all(row.passed for row in self.rows)
        return agree and all(control.detected for control in self.controls) and self.costs_equal

    @property
    def costs_equal(self) -> bool:
        """Whether the forms have the same MACs, and the same parameters but for convolutions' biases."""
        return len({(cost.params - cost.biases, cost.macs) for cost in self.costs}) <= 1

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `equivalence --format json`, valid against schemas/equivalence-1.json."""
        return {
            "schema": 1,
            "variant": self.variant,
            "passed": self.passed,
            "nothing_to_prove": self.reason or None,
            "blocks": self.blocks,
            "conditions": self.conditions,
            "rows": [row.to_dict() for row in self.rows],
            "controls": [control.to_dict() for control in self.controls],
            "costs": [asdict(cost) for cost in self.costs],
            "identities": [item.to_dict() for item in self.identities],
        }
