"""What a comparison says of predicted latency, where a device is named; empty where none is."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.explanation.difference import NetworkDifference, in_order
from analyzer.text.units import percent, ratio, significant, stage_label

if TYPE_CHECKING:
    from analyzer.latency.predict.prediction import Prediction, StageTime
    from analyzer.latency.predict.target import LatencyTarget

TableWriter = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]
_MINUS = "−"


def latency_parts(names: Sequence[str], predictions: "Sequence[Prediction]", table: TableWriter) -> list[str]:
    """A heading, the networks and their stages side by side, and what the times stand on."""
    if not predictions:
        return []
    return [
        "**Latency, predicted**",
        _totals(names, predictions, table),
        _stages(names, predictions, table),
        *_note(predictions),
    ]


def _totals(names: Sequence[str], predictions: "Sequence[Prediction]", table: TableWriter) -> str:
    from analyzer.render.latency.predicted import device_words

    heads = [
        "network",
        "on",
        "batch",
        "predicted ms",
        "ratio",
        "90 % interval, ms",
        "predicted images/s",
        "largest batch",
    ]
    first = predictions[0].ms
    rows = [
        [
            name,
            device_words(prediction),
            f"{prediction.batch_size:,}",
            significant(prediction.ms),
            ratio(prediction.ms, first) if prediction is not predictions[0] else "",
            _interval(prediction),
            significant(prediction.images_per_second),
            f"{prediction.max_batch_size:,}" if prediction.max_batch_size else "–",
        ]
        for name, prediction in zip(names, predictions, strict=True)
    ]
    return table(heads, rows, "llrrrrrr")


def _stages(names: Sequence[str], predictions: "Sequence[Prediction]", table: TableWriter) -> str:
    heads = ["stage", "network", "predicted ms", "ratio", "90 % interval, ms", "%", "bound by"]
    rows = []
    for stage in stage_names(predictions):
        times = [next((time for time in prediction.stages if time.stage == stage), None) for prediction in predictions]
        for number, (name, prediction, time) in enumerate(zip(names, predictions, times, strict=True)):
            label = "" if number else stage_label(stage)
            rows.append(
                [label, name, *_stage_cells(time, times[0] if number else None, prediction.ms, reference=not number)]
            )
    return table(heads, rows, "llrrrrl")


def stage_names(predictions: "Sequence[Prediction]") -> list[str]:
    """The stages that any of the networks has, in the order of `stage_order`."""
    return in_order(stage.stage for prediction in predictions for stage in prediction.stages)


def _interval(part: "Prediction | StageTime") -> str:
    return f"{significant(part.low_ms)}–{significant(part.high_ms)}"


def _stage_cells(time: "StageTime | None", first: "StageTime | None", whole_ms: float, reference: bool) -> list[str]:
    if time is None:
        return ["–"] * 5
    against = "" if reference else ratio(time.ms, first.ms) if first else "–"
    return [significant(time.ms), against, _interval(time), percent(time.ms, whole_ms), time.bound]


def step_cells(target: "LatencyTarget", difference: NetworkDifference) -> list[list[str]]:
    """What each step of the attribution changes in the predicted milliseconds, and last what all change together."""
    from analyzer.latency.predict.predict import predict_latency  # only a device needs it

    states = [difference.first, *(step.after for step in difference.steps)]
    times = [predict_latency(state, target).ms for state in states]
    changes = [now - was for was, now in pairwise(times)]
    return [[_signed(change)] for change in (*changes, times[-1] - times[0])]


def _signed(ms: float) -> str:
    return f"{'+' if ms > 0 else _MINUS}{significant(abs(ms))}" if ms else "0"


def latency_difference(predictions: "Sequence[Prediction]", number: int) -> list[str]:
    """How much slower or faster that network is than the first: "predicted 5.2 ms slower (+11.2 %)"."""
    if not predictions:
        return []
    was, now = predictions[0].ms, predictions[number].ms
    if was == now:
        return ["predicted to be as fast"]
    share = f"{'+' if now > was else _MINUS}{percent(abs(now - was), was)} %"
    return [f"predicted {significant(abs(now - was))} ms {'slower' if now > was else 'faster'} ({share})"]


def _note(predictions: "Sequence[Prediction]") -> list[str]:
    """Where and how the networks would run, and what the predictions stand on."""
    from analyzer.render.latency.predicted import device_words, evidence_words  # only a device needs them

    first = predictions[0]
    where = f"one batch of {first.batch_size:,} on {device_words(first)}"
    evidence = "; ".join(dict.fromkeys(map(evidence_words, predictions)))
    sure = f"with its 90 % interval; a stage's is wider than the whole's. Evidence: {evidence}"
    return [f"Latency is predicted, not measured: {where}, {sure}."]
