"""Networks side by side as the plain facts of `compare --format json`."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from analyzer.cost.analysis import Analysis
from analyzer.cost.attribution import Step, quantities
from analyzer.cost.difference import Difference, Part, stage_figures
from analyzer.render.compare import Compared

if TYPE_CHECKING:
    from analyzer.latency.target import LatencyTarget


def document(found: Compared) -> dict[str, Any]:
    """Networks with totals and stages; each difference to the first, whole, by field, and by stage and kind of op."""
    networks = [_network(analysis) for analysis in found.analyses]
    differences = [_difference(difference) for difference in found.differences]
    for network, prediction in zip(networks, found.predictions, strict=False):
        network["latency"] = prediction.to_dict()
    if found.target:
        for told, difference in zip(differences, found.differences, strict=True):
            _add_latency(found.target, told, difference)
    return {"schema": 1, "networks": networks, "differences": differences}


def _add_latency(target: "LatencyTarget", told: dict[str, Any], difference: Difference) -> None:
    """What the difference, and each step of it, changes in the predicted milliseconds."""
    from analyzer.latency.predict import predict_latency  # only a device needs it

    states = [difference.first, *(step.after for step in difference.steps)]
    times = [predict_latency(state, target).ms for state in states]
    told["predicted_ms"] = predict_latency(difference.second, target).ms - times[0]
    for step, (was, now) in zip(told["by_field"] or (), pairwise(times), strict=True):
        step["predicted_ms"] = now - was


def _network(analysis: Analysis) -> dict[str, Any]:
    return {
        "variant": analysis.variant,
        "title": analysis.network.title,
        "fingerprint": analysis.fingerprint,
        "family": analysis.network.family,
        "input_shape": list(analysis.input_shape),
        "totals": quantities(analysis) | {"depth": analysis.depth, "receptive_field": analysis.receptive_field},
        "stages": [
            {"stage": stage, **figures._asdict(), "output_shape": list(figures.output_shape)}
            for stage, figures in stage_figures(analysis).items()
        ],
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "first": difference.first.variant,
        "second": difference.second.variant,
        "equal": difference.equal,
        "totals": {name: now - was for name, (was, now) in difference.totals.items()},
        "by_field": [_step(step) for step in difference.steps] if difference.by_field else None,
        "by_part": [_part(part) for part in difference.parts],
    }


def _step(step: Step) -> dict[str, Any]:
    changes = [change._asdict() for change in step.changes]
    return {"changes": changes, **({"why_together": step.why} if step.why else {}), "shares": step.shares}


def _part(part: Part) -> dict[str, Any]:
    kind = {"op": part.kind.op} | (
        {"kernel": part.kind.kernel, "grouped": part.kind.grouped} if part.kind.kernel else {}
    )
    return {"stage": part.stage, **kind, **{name: list(pair) for name, pair in part.counts.items()}}
