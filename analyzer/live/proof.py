"""What a proof of equivalence found, as data; importing this needs no torch."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One tensor, or the worst of several, in two forms: errors are max|a − b| and max|a − b| / max|b|.

    `block` is a weight path, "" for the whole network; `where` names the worst parameter; `draw` counts the random
    inputs that were replaced because rounding moved a ReLU's input across zero, where no gradient exists.
    """

    identity: str
    block: str
    what: str
    where: str
    dtype: str
    mode: str
    max_abs: float
    max_rel: float
    tolerance: float
    draw: int

    @property
    def passed(self) -> bool:
        """Whether the relative error is within the tolerance; false for NaN."""
        return self.max_rel <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of a row."""
        return asdict(self) | {"passed": self.passed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A fault planted in one form of one block, which the comparison must see."""

    fault: str
    form: str
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
    """Closed-form cost of the whole network with its blocks in one form, at batch 1."""

    form: str
    title: str
    params: int
    macs: int
    num_ops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Every comparison, control and cost of one check; `reason` says why where there is nothing to prove.

    `blocks` maps the path of each grouped block to its cardinality.
    """

    variant: str
    title: str
    reason: str
    blocks: dict[str, int]
    rows: tuple[Comparison, ...]
    controls: tuple[Control, ...]
    costs: tuple[FormCost, ...]
    conditions: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether all forms agree, every planted fault was detected, and the forms cost the same."""
        agree = all(row.passed for row in self.rows)
        return agree and all(control.detected for control in self.controls) and self.costs_equal

    @property
    def costs_equal(self) -> bool:
        """Whether the forms have the same parameters and MACs."""
        return len({(cost.params, cost.macs) for cost in self.costs}) <= 1

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
        }
