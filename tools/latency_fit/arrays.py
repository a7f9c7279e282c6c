"""Cases as arrays: every kernel's ideal times of every case, so that a fit evaluates them all at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.latency.predict.breakdown import kernel_list, stage_kernels
from analyzer.latency.predict.devices import rates
from analyzer.latency.predict.roofline import Efficiencies, PeakTimes, ideal, kernel_ms
from tools.latency_fit.tables import PublishedLatency

Vector = NDArray[np.float64]


class Batch:
    """Cases with their kernels' ideal times as arrays; `log_ms` are the logarithms of the published times."""

    def __init__(self, cases: Sequence[PublishedLatency]) -> None:
        self.cases = list(cases)
        self.log_ms: Vector = np.log([case.batch_ms for case in cases])
        columns: list[tuple[Any, ...]] = []
        for index, case in enumerate(self.cases):
            columns += [(index, times, *parts) for times, parts in _peak_times(case)]
        table = np.array(columns, dtype=float).T
        self._case = table[0].astype(int)
        self._times = table[1]
        self._ideal = PeakTimes(*table[2:])

    def log_predicted(self, eff: Efficiencies) -> Vector:
        """Logarithms of the device's milliseconds."""
        ms = kernel_ms(self._ideal, eff, np.maximum) * self._times
        sums = np.bincount(self._case, ms, minlength=len(self.cases))
        return np.asarray(np.log(sums))

    def errors(self, eff: Efficiencies) -> Vector:
        """log(predicted / published) of every case."""
        return self.log_predicted(eff) - self.log_ms


def _peak_times(case: PublishedLatency) -> list[tuple[int, PeakTimes]]:
    peaks = rates(case.device, case.run.precision)
    kernels = kernel_list(case.analysis, case.run, peaks)
    return [
        (times, ideal(kernel, peaks, case.run, kernels.nchw))
        for kernel, _, times in stage_kernels(case.analysis, kernels)
    ]
