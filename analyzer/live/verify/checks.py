"""The result of a verification as plain values; importing this needs no torch."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One quantity as we and an oracle compute it; `passed` is None where it cannot judge, and `note` says why."""

    oracle: str
    tool: str
    quantity: str
    ours: float | None = None
    theirs: float | None = None
    difference: float | None = None
    passed: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One network against every oracle, at one input shape (C, H, W)."""

    variant: str
    input_shape: tuple[int, int, int]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no oracle disagrees."""
        return not self.num(passed=False)

    def num(self, passed: bool | None) -> int:
        """Number of checks that passed (True), failed (False) or judge nothing (None)."""
        return sum(check.passed is passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """JSON types: variant, input_shape, passed and the checks; a network of schemas/verify-1.json."""
        return {
            "variant": self.variant,
            "input_shape": list(self.input_shape),
            "passed": self.passed,
            "checks": [{name: _plain(value) for name, value in asdict(check).items()} for check in self.checks],
        }


def _plain(value: object) -> object:
    """The value as JSON, which lacks infinity and not-a-number: they become text."""
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def number_check(oracle: str, tool: str, quantity: str, ours: float, theirs: float) -> Check:
    """A check of one number, which must be equal to the unit."""
    passed, difference = ours == theirs, ours - theirs
    return Check(
        oracle=oracle, tool=tool, quantity=quantity, ours=ours, theirs=theirs, difference=difference, passed=passed
    )


def entries_check(oracle: str, tool: str, quantity: str, ours: dict[Any, Any], theirs: dict[Any, Any]) -> Check:
    """A check of many values under their keys: how many on either side, how many differ, and the first of those."""
    keys = [key for key in {**ours, **theirs} if key not in ours or key not in theirs or ours[key] != theirs[key]]
    note = f"{keys[0]}: {ours.get(keys[0], 'none')} here, {theirs.get(keys[0], 'none')} there" if keys else ""
    return Check(
        oracle=oracle,
        tool=tool,
        quantity=quantity,
        ours=len(ours),
        theirs=len(theirs),
        difference=len(keys),
        passed=not keys,
        note=note,
    )


def unjudged_check(oracle: str, tool: str, quantity: str, ours: float, theirs: float, note: str) -> Check:
    """Two numbers that need not be equal, and why; not judged."""
    return Check(
        oracle=oracle, tool=tool, quantity=quantity, ours=ours, theirs=theirs, difference=ours - theirs, note=note
    )


def silent_check(oracle: str, tool: str, quantity: str, note: str) -> Check:
    """A row for an oracle that cannot be asked here, and why."""
    return Check(oracle=oracle, tool=tool, quantity=quantity, note=note)
