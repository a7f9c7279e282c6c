"""Tolerances, within which a figure may differ from its baseline, and budgets, which no figure may exceed."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from analyzer.baseline.baseline import BudgetExcess, FigureChange
from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.latency.predict.parse_target import latency_target
from analyzer.latency.predict.predict import predict_latency
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import MODES, PRECISIONS, RunSettings, run_fields
from analyzer.text.units import parse_count

TOLERANCE_QUANTITIES = ("params", "macs", "activations")
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

_SCALES = {"": 1.0, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "s": 1e3}
_TIME_PATTERN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|us|µs|s)?")


class LatencyBudget(NamedTuple):
    """Most milliseconds of one batch that a target may take, under the name by which it was requested."""

    name: str
    target: LatencyTarget
    ms: float

    def excess(self, key: str, analysis: Analysis) -> BudgetExcess | None:
        """What is predicted, where it is over the budget."""
        prediction = predict_latency(analysis, self.target)
        if prediction.ms <= self.ms:
            return None
        return BudgetExcess(
            key, self.name, self.ms, prediction.ms, (prediction.low_ms, prediction.high_ms), prediction.evidence
        )


class Tolerance(NamedTuple):
    """How far a figure may be from its baseline: by a share of it, or by a number."""

    share: Decimal | None
    number: int

    def allows(self, old: int, new: int) -> bool:
        """Whether the new figure is near enough; at the bound it is."""
        allowed = abs(old) * self.share if self.share is not None else Decimal(self.number)
        return abs(new - old) <= allowed


def tolerances(texts: Iterable[str]) -> dict[str, Tolerance]:
    """`macs=1%` or `params=1k`, by quantity; InvalidInput for another form, or for a quantity given twice."""
    return {name: _tolerance(name, text) for name, text in _pairs("--tolerance", texts, TOLERANCE_QUANTITIES)}


def budgets(texts: Iterable[str], devices_file: str | None = None) -> dict[str, int | LatencyBudget]:
    """`params=26M`, `macs=4.2G` or `latency:rtx4090@256:amp=5ms`, by quantity; InvalidInput as `tolerances`."""
    options = list(texts)
    counted = [option for option in options if not option.lstrip().startswith("latency")]
    limits: dict[str, int | LatencyBudget] = {
        name: parse_count(f"--max {name}", text) for name, text in _pairs("--max", counted, BUDGETS)
    }
    if len(counted) < len(options):
        for option in options:
            if option.lstrip().startswith("latency"):
                budget = latency_budget(option, devices_file)
                if budget.name in limits:
                    raise InvalidInput(f"--max {shortened(budget.name)}: is given more than once.")
                limits[budget.name] = budget
    return limits


def _pairs(option: str, texts: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for assignment in texts:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or name not in known:
            raise InvalidInput(
                f"{option} {shortened(assignment)!r}: must be QUANTITY=NUMBER, with one of {', '.join(known)}."
            )
        if name in names:
            raise InvalidInput(f"{option} {name}: is given more than once.")
        names.add(name)
        yield name, text


def _tolerance(name: str, text: str) -> Tolerance:
    if not text.endswith("%"):
        return Tolerance(None, parse_count(f"--tolerance {name}", text))
    number = text.removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,12})?", number, re.ASCII):
        raise InvalidInput(f"--tolerance {name}={shortened(text)}: must be a share such as 1%, or a number.")
    return Tolerance(Decimal(number) / 100, 0)


def latency_budget(text: str, devices_file: str | None = None) -> LatencyBudget:
    """`latency:DEVICE@BATCH[:PRECISION][:MODE…]=TIME`; InvalidInput for another form or an unknown device or word."""
    name, equals, time = (part.strip() for part in text.partition("="))
    if not equals:
        raise _invalid_budget(text)
    return LatencyBudget(name, _target(text, name, devices_file), _ms(name, time))


def _target(text: str, name: str, devices_file: str | None) -> LatencyTarget:
    kind, device_and_batch, *settings_words = name.split(":") if ":" in name else (name, "")
    device, _, batch = device_and_batch.partition("@")
    settings = run_fields(settings_words)
    counted = re.fullmatch(r"[0-9]{1,9}", batch or "1", re.ASCII)
    if kind != "latency" or not device or not counted or settings is None:
        raise _invalid_budget(text)
    return latency_target(
        device.strip(), RunSettings(batch_size=int(batch or 1), **settings), devices_file=devices_file
    )


def _invalid_budget(text: str) -> InvalidInput:
    return InvalidInput(
        f"--max {shortened(text)!r}: must be latency:DEVICE@BATCH=TIME, as latency:rtx4090@256:amp:compiled=5ms; "
        f"after the batch may stand {', '.join((*PRECISIONS, *MODES))}."
    )


def _ms(name: str, text: str) -> float:
    match = _TIME_PATTERN.fullmatch(text)
    if match is None:
        raise InvalidInput(f"--max {shortened(name)}={shortened(text)}: must be a time such as 5ms, 800us or 1.2s.")
    return float(match[1]) * _SCALES[match[2] or ""]


def untolerated_changes(changes: Iterable[FigureChange], allowed: Mapping[str, Tolerance]) -> tuple[FigureChange, ...]:
    """The changes that no tolerance allows.

    With a tolerance a fingerprint may differ: what it stands for is compared figure by figure.
    """
    return tuple(change for change in changes if not _allowed(change, allowed))


def _allowed(change: FigureChange, allowed: Mapping[str, Tolerance]) -> bool:
    if change.quantity == "fingerprint":
        return bool(allowed)
    tolerance = allowed.get(change.quantity)
    both = isinstance(change.old, int) and isinstance(change.new, int)
    return tolerance is not None and both and tolerance.allows(change.old, change.new)


def exceeded_budgets(key: str, analysis: Analysis, limits: Mapping[str, int | LatencyBudget]) -> Iterator[BudgetExcess]:
    """Each budget that a network exceeds."""
    for quantity, budget in limits.items():
        if isinstance(budget, int):
            figure = BUDGETS[quantity](analysis)
            excess = BudgetExcess(key, quantity, budget, figure) if figure > budget else None
        else:
            excess = budget.excess(key, analysis)
        if excess:
            yield excess
