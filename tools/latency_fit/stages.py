"""Errors of predicted stages against measured ones, beyond the error of the whole network."""

import csv
from math import fsum, log

import numpy as np

from analyzer.latency.predict.breakdown import kernel_list, stage_kernels
from analyzer.latency.predict.devices import rates
from analyzer.latency.predict.roofline import Efficiencies, ideal, kernel_ms
from tools.latency_fit.judge import Vector
from tools.latency_fit.search import FittedModel
from tools.latency_fit.tables import FOLDER, PublishedLatency, published_latency

SMALLEST = 0.02
"""Share of the whole from which a stage is judged."""


def stage_errors(model: FittedModel) -> Vector:
    """log(predicted share / measured share) of the stages that we measured."""
    measured: dict[str, dict[str, float]] = {}
    cases: dict[str, PublishedLatency] = {}
    with (FOLDER / "measured_stages.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            case = published_latency({**row, "model": row["expression"], "family": "", "batch_ms": row["ms"]})
            key = f"{case.model} {case.table} {case.run}"
            cases[key] = case
            measured.setdefault(key, {})[row["stage"]] = case.batch_ms
    shares = [_share_errors(cases[key], stages, model.classes["gpu"]) for key, stages in measured.items()]
    return np.array([error for errors in shares for error in errors])


def _share_errors(case: PublishedLatency, measured: dict[str, float], eff: Efficiencies) -> list[float]:
    predicted = stage_times(case, eff)
    measured_ms, predicted_ms = fsum(measured.values()), fsum(predicted.values())
    shares = {stage: ms / measured_ms for stage, ms in measured.items() if ms > SMALLEST * measured_ms}
    return [log(predicted[stage] / predicted_ms / share) for stage, share in shares.items()]


def stage_times(case: PublishedLatency, eff: Efficiencies) -> dict[str, float]:
    """Stage → predicted milliseconds."""
    peaks = rates(case.device, case.run.precision)
    kernels = kernel_list(case.analysis, case.run, peaks)
    times: dict[str, float] = {}
    for kernel, stage, count in stage_kernels(case.analysis, kernels):
        times[stage] = times.get(stage, 0.0) + count * kernel_ms(ideal(kernel, peaks, case.run, kernels.nchw), eff)
    return times
