"""What may differ, and what may not be exceeded: tolerances by quantity, and budgets."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.cost.counts import count_of
from analyzer.errors import InvalidInput, shortened
from analyzer.regression import Change, Excess

if TYPE_CHECKING:
    from analyzer.regression.latency_limits import LatencyBudget

TOLERATED = ("params", "macs", "activations")
"""Quantities that may be given a tolerance."""

BUDGETS: Mapping[str, Callable[[Analysis], int]] = {
    "params": lambda analysis: analysis.params,
    "macs": lambda analysis: analysis.macs,
    "flops": lambda analysis: analysis.flops,
    "activations": lambda analysis: analysis.activations,
    "depth": lambda analysis: analysis.depth,
    "params_bytes": lambda analysis: analysis.totals.params_bytes,
    "peak_activation_bytes": lambda analysis: analysis.peak_activation_bytes,
}
"""Quantity → its figure of the whole network; bytes are those of float32, one input."""


class Tolerance(NamedTuple):
    """How far a figure may be from its baseline: by a share of it, or by a number."""

    share: Decimal | None
    number: int

    def allows(self, old: int, new: int) -> bool:
        """Whether the new figure is near enough; at the bound it is."""
        allowed = abs(old) * self.share if self.share is not None else Decimal(self.number)
        return abs(new - old) <= allowed


def tolerances(words: Iterable[str]) -> dict[str, Tolerance]:
    """`macs=1%` or `params=1k`, by quantity; InvalidInput for another form, or for a quantity given twice."""
    return {name: _tolerance(name, text) for name, text in _pairs("--tolerance", words, TOLERATED)}


def budgets(words: Iterable[str], devices_file: str | None = None) -> "dict[str, int | LatencyBudget]":
    """`params=26M`, `macs=4.2G` or `latency:rtx4090@256:amp=5ms`, by quantity; InvalidInput as `tolerances`."""
    given = list(words)
    counted = [word for word in given if not word.lstrip().startswith("latency")]
    found: dict[str, int | LatencyBudget] = {
        name: count_of(f"--max {name}", text) for name, text in _pairs("--max", counted, BUDGETS)
    }
    if len(counted) < len(given):
        from analyzer.regression.latency_limits import latency_budget  # few runs budget latency

        for word in given:
            if word.lstrip().startswith("latency"):
                budget = latency_budget(word, devices_file)
                if budget.name in found:
                    raise InvalidInput(f"--max {shortened(budget.name)}: is given more than once.")
                found[budget.name] = budget
    return found


def _pairs(option: str, words: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or name not in known:
            raise InvalidInput(
                f"{option} {shortened(word)!r}: must be QUANTITY=NUMBER, with one of {', '.join(known)}."
            )
        if name in seen:
            raise InvalidInput(f"{option} {name}: is given more than once.")
        seen.add(name)
        yield name, text


def _tolerance(name: str, text: str) -> Tolerance:
    if not text.endswith("%"):
        return Tolerance(None, count_of(f"--tolerance {name}", text))
    number = text.removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,12})?", number, re.ASCII):
        raise InvalidInput(f"--tolerance {name}={shortened(text)}: must be a share such as 1%, or a number.")
    return Tolerance(Decimal(number) / 100, 0)


def beyond(changes: Iterable[Change], allowed: Mapping[str, Tolerance]) -> tuple[Change, ...]:
    """The changes that no tolerance allows.

    With a tolerance a fingerprint may differ: what it stands for is compared figure by figure.
    """
    return tuple(change for change in changes if not _allowed(change, allowed))


def _allowed(change: Change, allowed: Mapping[str, Tolerance]) -> bool:
    if change.quantity == "fingerprint":
        return bool(allowed)
    tolerance = allowed.get(change.quantity)
    both = isinstance(change.old, int) and isinstance(change.new, int)
    return tolerance is not None and both and tolerance.allows(change.old, change.new)


def over(key: str, analysis: Analysis, limits: "Mapping[str, int | LatencyBudget]") -> Iterator[Excess]:
    """Each budget that a network exceeds."""
    for quantity, budget in limits.items():
        if isinstance(budget, int):
            figure = BUDGETS[quantity](analysis)
            excess = Excess(key, quantity, budget, figure) if figure > budget else None
        else:
            excess = budget.excess(key, analysis)
        if excess:
            yield excess
