"""Simpler rules on the same rows: one quantity scaled to each table, and rooflines that fit nothing."""

from collections.abc import Callable

import numpy as np

from analyzer.latency.predict.devices import rates
from analyzer.latency.predict.kernels import eager_kernels
from analyzer.latency.predict.roofline import kernel_bytes
from tools.latency_fit.judge import HeldOutErrors, fold_of
from tools.latency_fit.tables import PublishedLatency

FIXED_SHARE = 0.75
"""Of its peaks that PyTorch's own estimator takes any op to reach."""

QUANTITIES: dict[str, Callable[[PublishedLatency], float]] = {
    "FLOPs only": lambda case: case.run.batch_size * case.analysis.macs,
    "activations only": lambda case: case.run.batch_size * case.analysis.activations,
    "parameters only": lambda case: case.run.batch_size * case.analysis.params,
}


def baselines(judged: HeldOutErrors) -> list[HeldOutErrors]:
    """The same rows by each simple rule; scales come from the other folds of the same table."""
    scaled = [_scaled(judged.cases, title, quantity) for title, quantity in QUANTITIES.items()]
    plain = np.log([roofline_ms(case) / case.batch_ms for case in judged.cases])
    return [
        *scaled,
        HeldOutErrors("plain roofline at 100 %", judged.cases, plain),
        HeldOutErrors("plain roofline at 75 %", judged.cases, plain - np.log(FIXED_SHARE)),
    ]


def _scaled(cases: list[PublishedLatency], title: str, quantity: Callable[[PublishedLatency], float]) -> HeldOutErrors:
    fold = fold_of(cases)
    rates_of = np.array([np.log(case.batch_ms / quantity(case)) for case in cases])
    errors = np.zeros(len(cases))
    for index, case in enumerate(cases):
        others = [
            rates_of[position]
            for position, other in enumerate(cases)
            if other.table == case.table and fold[other.model] != fold[case.model]
        ]
        errors[index] = np.median(others) - rates_of[index]
    return HeldOutErrors(title, cases, errors)


def roofline_ms(case: PublishedLatency) -> float:
    """Each op at the longer of its FLOPs and its bytes at the device's peaks."""
    peaks, total = rates(case.device, case.run.precision), 0.0
    for kernel in eager_kernels(case.analysis):
        arithmetic = 2 * case.run.batch_size * kernel.macs / peaks.flops
        total += max(arithmetic, kernel_bytes(kernel._replace(extra_bytes=0), case.run) / peaks.memory)
    return 1000 * total
