"""The networks of a space that come nearest to a budget."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.sweep.engine.latency import LatencyColumn
from analyzer.sweep.results.summary import Columns, Progress, chunks, reason_without_networks
from analyzer.sweep.space.expression import LATENCY_COLUMN
from analyzer.sweep.space.space import Space, space
from analyzer.text.units import parse_count

_TARGET_PATTERN = re.compile(
    r"(?P<name>[a-z_]+|latency_ms:[^=]+)=(?:(?P<percent>[+-]?[0-9]+(?:\.[0-9]+)?)%|(?P<count>.+))", re.ASCII
)
TARGET_NAMES = ("params", "macs", "flops", "activations", "depth", "memory_bytes")


class Target(NamedTuple):
    """A target: the figure's name, its value, and the text that it was parsed from."""

    name: str
    value: float
    text: str


class NearCandidate(NamedTuple):
    """A candidate: its figures by name, the largest relative error (0.01: 1 %), and how many others are as near.

    `group` is the value of the column by which the search is grouped, if any.
    """

    candidate: int
    figures: dict[str, int | float]
    distance: float
    ties: int
    group: object


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestNetworks:
    """The networks nearest to the targets; with `per`, one for each value of that column."""

    space: Space
    base: Analysis
    targets: tuple[Target, ...]
    per: str | None
    found: tuple[NearCandidate, ...]


def targets_of(texts: Sequence[str], base: Analysis) -> tuple[Target, ...]:
    """Targets such as "macs=-20%" (of the base network's), "params=0%" or "macs=3.2G"; InvalidInput for others."""
    targets = tuple(_target(text, base) for text in texts)
    if not targets:
        raise InvalidInput("nearest: needs at least one target, such as macs=-20% params=0%.")
    names = [target.name for target in targets]
    if len(set(names)) < len(names):
        raise InvalidInput(f"nearest: {names[0]} is wanted more than once.")
    return targets


def _target(text: str, base: Analysis) -> Target:
    match = _TARGET_PATTERN.fullmatch(text.strip())
    if match is None or not (match["name"] in TARGET_NAMES or match["name"].startswith(LATENCY_COLUMN)):
        raise InvalidInput(
            f"nearest: {shortened(text)!r} is no target; write macs=-20% or macs=3.2G, of {', '.join(TARGET_NAMES)}, "
            f"{LATENCY_COLUMN}DEVICE@BATCH."
        )
    name = match["name"]
    if match["percent"] is None and name not in TARGET_NAMES:
        value = _milliseconds(text, match["count"])
    elif match["percent"] is None:
        value = float(parse_count(name, match["count"]))
    else:
        value = own_figure(base, name) * (1 + float(match["percent"]) / 100)
    if value <= 0:
        raise InvalidInput(f"nearest: {shortened(text)} asks for nothing; targets are above 0.")
    return Target(name, value, text.strip())


def _milliseconds(text: str, number: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", number, re.ASCII):
        raise InvalidInput(
            f"nearest: {shortened(text)!r} must be milliseconds, such as 2.5, or a change, such as -20%."
        )
    return float(number)


def own_figure(base: Analysis, name: str) -> int | float:
    """A figure of the base network: latency in milliseconds, memory in bytes, others as they are named."""
    if name.startswith(LATENCY_COLUMN):
        from analyzer.latency.predict.predict import predict_total  # only latency needs it

        column = LatencyColumn.of(name)
        return predict_total(base, column.target).ms
    return base.memory().total_bytes if name == "memory_bytes" else int(getattr(base, name))


def fields_around(base: Analysis) -> dict[str, Any]:
    """The fields to search by default: every depth up to 2 more or fewer, and widths from half to 1.5 times.

    Widths are rounded to multiples of 8, or of what a stage's group width asks for; a dense network's growth rate
    varies in their place. InvalidInput where the family has no depths.
    """
    spec = base.network.spec
    fields = spec.effective_fields() if spec else {}
    if "depths" not in fields:
        raise InvalidInput(f"nearest: say with --set what may vary; {base.variant} has no depths that could.")
    varied: dict[str, Any] = {"depths": [f"{max(depth - 2, 1)}..{depth + 2}" for depth in fields["depths"]]}
    if "growth_rate" in fields:
        rate = fields["growth_rate"]
        return varied | {"growth_rate": f"{max(rate // 2, 1)}..{rate * 3 // 2}"}
    steps = spec.width_steps(len(fields["widths"])) if spec else ()
    widths = zip(fields["widths"], steps, strict=True)
    return varied | {"widths": [f"multiple({width} * scale, {step})" for width, step in widths]}


def neighbourhood(base: Analysis, fields: Mapping[str, Any], **more: Any) -> Space:
    """The space of the base network's fields, with some of them varied; `more` as in `space`."""
    if not fields:
        fields = fields_around(base)
        if "widths" in fields:
            more["variables"] = {"scale": {"from": 0.5, "to": 1.5, "step": 0.01}} | dict(more.get("variables") or {})
    return space(title=f"around {base.variant}", variant=base.network.expression, fields=fields, **more)


def nearest(
    base: Analysis,
    within: Space,
    targets: tuple[Target, ...],
    *,
    per: str | None = None,
    progress: Progress | None = None,
) -> NearestNetworks:
    """The candidates with the least largest error, then the least sum of errors, then the first in the space.

    With `per`, the nearest for each value of that column. InvalidInput where the space holds no network.
    """
    best: dict[object, NearCandidate] = {}
    ask = [target.name for target in targets if target.name == "memory_bytes" or target.name not in TARGET_NAMES]
    for columns in chunks(within, ask, progress):
        if per is not None and per not in columns:
            raise InvalidInput(f"nearest: {shortened(per)!r} is no column; there are {', '.join(columns)}.")
        for group, rows in _groups(columns, per):
            improve(best, group, columns, rows, targets)
    if not best:
        raise InvalidInput(reason_without_networks(within))
    return NearestNetworks(space=within, base=base, targets=targets, per=per, found=tuple(best.values()))


def _groups(columns: Columns, per: str | None) -> list[tuple[object, NDArray[np.int64]]]:
    count = len(columns["index"])
    if per is None:
        return [(None, np.arange(count))] if count else []
    values, codes = np.unique(columns[per], return_inverse=True)
    return [(value.item(), np.flatnonzero(codes == code)) for code, value in enumerate(values)]


def improve(
    best: dict[object, NearCandidate],
    group: object,
    columns: Columns,
    rows: NDArray[np.int64],
    targets: Sequence[Target],
) -> None:
    """Put the nearest of these rows into `best`, where it is nearer than the best of its group so far."""
    errors = np.array([np.abs(_figure(columns, target.name)[rows] / target.value - 1) for target in targets])
    max_errors, total_errors = errors.max(axis=0), errors.sum(axis=0)
    order = np.lexsort((columns["index"][rows], total_errors, max_errors))
    first = order[0]
    num_equal = int(np.sum((max_errors == max_errors[first]) & (total_errors == total_errors[first])))
    row = int(rows[first])
    figures = {name: _figure(columns, name)[row].item() for name in _names(targets)}
    candidate = NearCandidate(int(columns["index"][row]), figures, float(max_errors[first]), num_equal - 1, group)
    previous = best.get(group)
    if previous is None:
        best[group] = candidate
        return
    previous_errors = (abs(previous.figures[target.name] / target.value - 1) for target in targets)
    previous_total = reduce(add, previous_errors)  # rounds like NumPy: `sum` does not from Python 3.12 on
    if (candidate.distance, float(total_errors[first])) < (previous.distance, previous_total):
        best[group] = candidate
    elif (candidate.distance, float(total_errors[first])) == (previous.distance, previous_total):
        best[group] = previous._replace(ties=previous.ties + num_equal)


def _names(targets: Sequence[Target]) -> list[str]:
    return list(dict.fromkeys(["params", "macs", "activations", "depth", *(target.name for target in targets)]))


def _figure(columns: Columns, name: str) -> NDArray[Any]:
    return 2 * columns["macs"] if name == "flops" else columns[name]
