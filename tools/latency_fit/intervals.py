"""The half widths of the 90 % intervals, from errors on held-out rows, and the share of rows that they cover."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.latency_fit.judge import HeldOutErrors, Vector, fold_of, small_batches
from tools.latency_fit.search import FittedModel, round_significant
from tools.latency_fit.stages import stage_errors

COVERAGE = 0.9
WithinInterval = NDArray[np.bool_]


def half_width(errors: Vector) -> float:
    """The |log error| that nine tenths of the rows stay within."""
    return round_significant(float(np.quantile(np.abs(errors), COVERAGE)), 3)


def half_widths(
    model: FittedModel, validated: dict[str, HeldOutErrors], across: Sequence[HeldOutErrors]
) -> dict[str, float]:
    """Kind of evidence → half width, as a logarithm.

    "gpu", "training" and "cpu": the device was measured in that mode. "alike": another GPU like those (GeForce);
    "unlike": one of another class or under a power cap. "calibrated": one measured network fixed the factor. "host":
    launching kernels takes longer, and the host's cost is known. "stage": the error that a stage's share adds.
    """
    alike, unlike = split_by_likeness(across)
    calibrated = [
        judged.calibrated_on("resnet50").errors for judged in across if len(judged.calibrated_on("resnet50").cases) > 0
    ]
    host = np.concatenate([judged.errors for judged in small_batches(model)])
    return {
        "gpu": half_width(validated["GPU inference"].errors),
        "training": half_width(validated["training step"].errors),
        "cpu": half_width(validated["CPU inference"].errors),
        "alike": half_width(_joined_errors(alike)),
        "unlike": half_width(_joined_errors(unlike)),
        "calibrated": half_width(np.concatenate(calibrated)),
        "host": half_width(host),
        "stage": half_width(stage_errors(model)),
    }


def split_by_likeness(across: Sequence[HeldOutErrors]) -> tuple[list[HeldOutErrors], list[HeldOutErrors]]:
    """Errors on devices that are like those of the fit, and those that are not; training steps left out."""
    alike = [judged for judged in across if judged.title.startswith("RTX")]
    unlike = [judged for judged in across if not judged.title.startswith("RTX") and "training" not in judged.title]
    return alike, unlike


def _joined_errors(judged: Sequence[HeldOutErrors]) -> Vector:
    return np.concatenate([member.errors for member in judged])


def coverage(validated: dict[str, HeldOutErrors], across: Sequence[HeldOutErrors]) -> dict[str, float]:
    """Per cent of held-out rows within intervals that come from other rows alone, pooled and by kind."""
    within = {title: _within_fold_intervals(judged) for title, judged in validated.items()}
    for name, group in zip(("GPUs like the fitted", "other GPUs"), split_by_likeness(across), strict=True):
        within[name] = np.concatenate([_within_other_intervals(group, index) for index in range(len(group))])
    pooled = np.concatenate(list(within.values()))
    return {name: 100 * float(np.mean(rows)) for name, rows in {**within, "all, pooled": pooled}.items()}


def _within_fold_intervals(judged: HeldOutErrors) -> WithinInterval:
    """Whether each row lies within the interval of the other folds."""
    fold = fold_of(judged.cases)
    folds = np.array([fold[case.model] for case in judged.cases])
    widths = {number: half_width(judged.errors[folds != number]) for number in set(folds.tolist())}
    return np.asarray(np.abs(judged.errors) <= np.array([widths[number] for number in folds.tolist()]))


def _within_other_intervals(group: Sequence[HeldOutErrors], index: int) -> WithinInterval:
    others = _joined_errors([judged for other_index, judged in enumerate(group) if other_index != index])
    return np.asarray(np.abs(group[index].errors) <= half_width(others))
