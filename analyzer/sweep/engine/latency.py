"""Predicted latency of many candidates: each kernel's time over arrays, by the predictor's own formula."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.latency.predict.breakdown import launched
from analyzer.latency.predict.devices import rates
from analyzer.latency.predict.kernels import Kernel
from analyzer.latency.predict.parse_target import latency_target
from analyzer.latency.predict.roofline import coefficients, ideal, kernel_ms
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import MODES, PRECISIONS, RunSettings, run_fields
from analyzer.sweep.space.expression import latency_parts
from analyzer.sweep.tracing.evaluate_polynomials import Arrays
from analyzer.sweep.tracing.multiset import Item, times_held
from analyzer.sweep.tracing.polynomial import Terms, constant, frozen
from analyzer.sweep.tracing.symbol import terms_of
from analyzer.sweep.tracing.symbolic_run import Bag

CALL = ("call",)
"""Stands for a kernel that the host starts."""
_WORDS = (*PRECISIONS, *(word for word, mode in MODES.items() if mode != "compiled"))
"""torch.compile fuses other kernels in nearly every network of a space, so that little would be shared."""
_NUMBERS = ("read", "written", "macs", "weights", "extra_bytes", "positions", "channels")


class Mode(NamedTuple):
    """A column of latencies: the device and how networks are run on it."""

    target: LatencyTarget

    @classmethod
    def of(cls, column: str) -> "Mode":
        """The mode of a column; InvalidInput for an unknown device, a bad batch size, or other words than a run has."""
        name, batch, words = latency_parts(column)
        given = run_fields(words)
        if given is None or given.get("compiled"):
            raise InvalidInput(f"column {shortened(column)!r}: after the batch may stand {', '.join(_WORDS)}.")
        return cls(latency_target(name, RunSettings(batch_size=batch, **given)))

    def kernels(self, analysis: Analysis) -> Bag:
        """The kernels of a network, each number of theirs a polynomial, and the calls that start them."""
        found = launched(analysis, self.target.run, rates(self.target.device, self.target.run.precision))
        bag: Bag = Counter(_thing(kernel, found.nchw) for kernel in found.kernels)
        bag[CALL] = found.calls
        return bag

    def device_ms(self, arrays: Arrays, kernels: Sequence[tuple[Any, Sequence[Item]]]) -> NDArray[np.float64]:
        """Milliseconds of these kernels on the device, for every candidate."""
        total = np.zeros(arrays.count)
        for thing, items in kernels:
            nchw, kind, side, is_stem, *numbers = thing
            values = dict(zip(_NUMBERS, (_whole(arrays, dict(terms)) for terms in numbers), strict=True))
            kernel = Kernel(row=0, kind=kind, side=side, is_stem=is_stem, **values)
            total += times_held(arrays, items) * self._kernel_ms(kernel, nchw)
        return total

    def _kernel_ms(self, kernel: Kernel, nchw: bool) -> Any:
        peaks = rates(self.target.device, self.target.run.precision)
        efficiencies = coefficients().efficiencies(peaks, self.target.run)
        return _in_parts(
            kernel, lambda part: kernel_ms(ideal(part, peaks, self.target.run, nchw), efficiencies, larger=np.maximum)
        )

    def total_ms(self, device_ms: NDArray[np.float64], calls: NDArray[Any]) -> NDArray[np.float64]:
        """The longer of the device's time and the host's."""
        if self.target.run.cuda_graph or self.target.device.kind == "cpu":
            return device_ms
        longer: NDArray[np.float64] = np.maximum(device_ms, calls * coefficients().host_us / 1000)
        return longer


def calls(arrays: Arrays, items: Sequence[tuple[Any, Sequence[Item]]]) -> NDArray[np.int64]:
    """How many kernels the host starts, for every candidate."""
    total = sum(times_held(arrays, each) for _, each in items)
    return np.broadcast_to(np.asarray(total, dtype=np.int64), (arrays.count,))


def _thing(kernel: Kernel, nchw: bool) -> tuple[Any, ...]:
    numbers = [frozen(terms_of(getattr(kernel, name))) for name in _NUMBERS]
    return nchw, kernel.kind, kernel.side, kernel.is_stem, *numbers


def _whole(arrays: Arrays, terms: Terms) -> Any:
    """A number that all candidates share, or an array that decides as one."""
    if not terms or terms == constant(next(iter(terms.values()))):
        return next(iter(terms.values()), 0)
    return arrays.value(terms).view(_Alike)


class _Differs(Exception):
    """Raised where candidates decide differently."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        super().__init__()
        self.mask = mask


class _Alike(np.ndarray[Any, Any]):
    """An array whose truth is that of all its elements."""

    def __bool__(self) -> bool:
        mask = np.asarray(self, dtype=bool)
        if mask.all():
            return True
        if mask.any():
            raise _Differs(mask)
        return False


def _in_parts(kernel: Kernel, work: Callable[[Kernel], Any]) -> Any:
    """What a formula for one kernel gives for arrays of them: those that take other branches are worked out apart."""
    try:
        return np.asarray(work(kernel))
    except _Differs as differs:
        found = np.zeros(len(differs.mask))
        for rows in (differs.mask, ~differs.mask):
            arrays: dict[str, Any] = {
                name: each[rows] for name, each in kernel._asdict().items() if isinstance(each, _Alike)
            }
            found[rows] = _in_parts(kernel._replace(**arrays), work)
        return found
