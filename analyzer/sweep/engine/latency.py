"""Predicted latency of many candidates: each kernel's time over arrays, by the predictor's own formula."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.latency.predict.breakdown import kernel_list
from analyzer.latency.predict.devices import rates
from analyzer.latency.predict.kernels import Kernel
from analyzer.latency.predict.parse_target import latency_target
from analyzer.latency.predict.roofline import coefficients, ideal, kernel_ms
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import MODES, PRECISIONS, RunSettings, run_fields
from analyzer.sweep.space.expression import latency_parts
from analyzer.sweep.tracing.evaluate_polynomials import CandidateArrays
from analyzer.sweep.tracing.multiset import Multiplicity, multiplicities
from analyzer.sweep.tracing.polynomial import Terms, constant, polynomial_key
from analyzer.sweep.tracing.symbol import terms_of
from analyzer.sweep.tracing.symbolic_run import Multiset

CALL = ("call",)
"""The key under which a multiset counts the kernels that the host launches."""
_OPTIONS = (*PRECISIONS, *(word for word, mode in MODES.items() if mode != "compiled"))
"""torch.compile fuses other kernels in nearly every network of a space, so that little would be shared."""
_NUMBERS = ("read", "written", "macs", "weights", "extra_bytes", "positions", "channels")


class LatencyColumn(NamedTuple):
    """A column of latencies: its target, which is a device and how networks run on it."""

    target: LatencyTarget

    @classmethod
    def of(cls, column: str) -> "LatencyColumn":
        """The target that a column names; InvalidInput for an unknown device, a bad batch size or an unknown option."""
        name, batch, options = latency_parts(column)
        settings = run_fields(options)
        if settings is None or settings.get("compiled"):
            raise InvalidInput(f"column {shortened(column)!r}: after the batch may stand {', '.join(_OPTIONS)}.")
        return cls(latency_target(name, RunSettings(batch_size=batch, **settings)))

    def kernels(self, analysis: Analysis) -> Multiset:
        """The kernels of a network, their numbers as polynomials, and under `CALL` the launches by the host."""
        network_kernels = kernel_list(analysis, self.target.run, rates(self.target.device, self.target.run.precision))
        multiset: Multiset = Counter(_kernel_key(kernel, network_kernels.nchw) for kernel in network_kernels.kernels)
        multiset[CALL] = network_kernels.calls
        return multiset

    def device_ms(
        self, arrays: CandidateArrays, kernels: Sequence[tuple[Any, Sequence[Multiplicity]]]
    ) -> NDArray[np.float64]:
        """Milliseconds of these kernels on the device, for every candidate."""
        total = np.zeros(arrays.count)
        for key, items in kernels:
            nchw, kind, side, is_stem, *numbers = key
            values = dict(zip(_NUMBERS, (_evaluate_number(arrays, dict(terms)) for terms in numbers), strict=True))
            kernel = Kernel(row=0, kind=kind, side=side, is_stem=is_stem, **values)
            total += multiplicities(arrays, items) * self._kernel_ms(kernel, nchw)
        return total

    def _kernel_ms(self, kernel: Kernel, nchw: bool) -> Any:
        peaks = rates(self.target.device, self.target.run.precision)
        efficiencies = coefficients().efficiencies(peaks, self.target.run)
        return _by_branch(
            kernel, lambda part: kernel_ms(ideal(part, peaks, self.target.run, nchw), efficiencies, larger=np.maximum)
        )

    def total_ms(self, device_ms: NDArray[np.float64], calls: NDArray[Any]) -> NDArray[np.float64]:
        """The longer of the device's time and the host's."""
        if self.target.run.cuda_graph or self.target.device.kind == "cpu":
            return device_ms
        longer: NDArray[np.float64] = np.maximum(device_ms, calls * coefficients().host_us / 1000)
        return longer


def num_calls(arrays: CandidateArrays, items: Sequence[tuple[Any, Sequence[Multiplicity]]]) -> NDArray[np.int64]:
    """Kernels that the host launches, for every candidate."""
    total = sum(multiplicities(arrays, multiplicity) for _, multiplicity in items)
    return np.broadcast_to(np.asarray(total, dtype=np.int64), (arrays.count,))


def _kernel_key(kernel: Kernel, nchw: bool) -> tuple[Any, ...]:
    numbers = [polynomial_key(terms_of(getattr(kernel, name))) for name in _NUMBERS]
    return nchw, kernel.kind, kernel.side, kernel.is_stem, *numbers


def _evaluate_number(arrays: CandidateArrays, terms: Terms) -> Any:
    """A number that all candidates share, or an array whose comparisons must come out alike for all."""
    if not terms or terms == constant(next(iter(terms.values()))):
        return next(iter(terms.values()), 0)
    return arrays.value(terms).view(_UniformArray)


class _BranchesDiffer(Exception):
    """Raised where a comparison is true for some candidates only; `mask` says which."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        super().__init__()
        self.mask = mask


class _UniformArray(np.ndarray[Any, Any]):
    """An array whose truth is that of all its elements."""

    def __bool__(self) -> bool:
        mask = np.asarray(self, dtype=bool)
        if mask.all():
            return True
        if mask.any():
            raise _BranchesDiffer(mask)
        return False


def _by_branch(kernel: Kernel, formula: Callable[[Kernel], Any]) -> Any:
    """A formula for one kernel over arrays of kernels: rows that take another branch are evaluated separately."""
    try:
        return np.asarray(formula(kernel))
    except _BranchesDiffer as difference:
        result = np.zeros(len(difference.mask))
        for rows in (difference.mask, ~difference.mask):
            arrays: dict[str, Any] = {
                name: value[rows] for name, value in kernel._asdict().items() if isinstance(value, _UniformArray)
            }
            result[rows] = _by_branch(kernel._replace(**arrays), formula)
        return result
