"""Repeated times of one thing, every sample kept, and their figures."""

from dataclasses import dataclass
from math import fsum, isfinite
from statistics import median, quantiles
from typing import Any

from analyzer.errors import InvalidInput

UNSTEADY = 0.05
"""Interquartile range over median from which a measurement is flagged."""

_FIGURES = ("median_ms", "p10_ms", "p90_ms", "p99_ms", "iqr_ms", "unsteady")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of one thing, the network or a stage, for one batch, in milliseconds and in the order they were taken."""

    label: str
    samples_ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.samples_ms or not all(isfinite(sample) and sample >= 0 for sample in self.samples_ms):
            raise InvalidInput(f"timing {self.label}: samples_ms must be one or more finite times, none below 0.")

    @property
    def median_ms(self) -> float:
        """Half of the samples are below."""
        return median(self.samples_ms)

    @property
    def mean_ms(self) -> float:
        """The samples' mean, which is what timm's step times are."""
        return fsum(self.samples_ms) / len(self.samples_ms)

    @property
    def p10_ms(self) -> float:
        """A tenth of the samples are below."""
        return self.percentile_ms(10)

    @property
    def p90_ms(self) -> float:
        """Nine tenths of the samples are below."""
        return self.percentile_ms(90)

    @property
    def p99_ms(self) -> float:
        """99 hundredths of the samples are below."""
        return self.percentile_ms(99)

    @property
    def iqr_ms(self) -> float:
        """Distance of the quartiles."""
        return self.percentile_ms(75) - self.percentile_ms(25)

    @property
    def unsteady(self) -> bool:
        """Whether the interquartile range is over 5 % of the median."""
        return self.iqr_ms > UNSTEADY * self.median_ms

    def percentile_ms(self, percent: int) -> float:
        """The time below which that many per cent (1 to 99) of the samples lie, interpolated between samples."""
        if len(self.samples_ms) == 1:
            return self.samples_ms[0]
        return quantiles(self.samples_ms, n=100, method="inclusive")[percent - 1]

    def to_dict(self) -> dict[str, Any]:
        """Its figures and samples, as JSON types; samples to the nanosecond."""
        figures = {name: _rounded(getattr(self, name)) for name in _FIGURES}
        samples = [_rounded(sample) for sample in self.samples_ms]
        return {"num_samples": len(samples), **figures, "samples_ms": samples}


def _rounded(value: float) -> float:
    return value if isinstance(value, bool) else round(value, 6)


def timing_from(label: str, document: dict[str, Any]) -> Timing:
    """The Timing that `to_dict` wrote; InvalidInput where its median is not that of its samples."""
    timing = Timing(label=label, samples_ms=tuple(document["samples_ms"]))
    if len(timing.samples_ms) != document["num_samples"] or abs(timing.median_ms - document["median_ms"]) > 2e-6:
        raise InvalidInput(f"timing {label}: num_samples or median_ms is not that of its samples_ms.")
    return timing
