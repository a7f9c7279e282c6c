"""A measured latency as data: every sample, and every condition it was taken under."""

import json
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from analyzer.errors import InvalidInput
from analyzer.files import write_whole

UNSTEADY = 0.05
"""Interquartile range over median from which a measurement is flagged."""

SPLIT_GAP = 0.05
"""Distance of the stages' sum from the whole, over the whole, from which the split is flagged."""


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
        """Its figures and samples, as JSON types."""
        figures = {
            name: getattr(self, name) for name in ("median_ms", "p10_ms", "p90_ms", "p99_ms", "iqr_ms", "unsteady")
        }
        return {"num_samples": len(self.samples_ms), **figures, "samples_ms": list(self.samples_ms)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a latency depends on besides the network; None where a machine has no such thing or does not tell.

    `machine` holds the device's own facts: threads and cores of a CPU, CUDA and cuDNN versions of a GPU.
    """

    device: str
    device_name: str
    precision: str
    autocast: str | None
    layout: str
    clock: str
    num_warm_iter: int
    torch: str
    python: str
    platform: str
    date: str
    output_finite: bool
    machine: dict[str, Any]
    mode: str = "eval, inference_mode"
    compiled: bool = False
    batch_norm_folded: bool = False
    input: str = "random normal, on the device, the same for every sample"
    caches: str = "warm"
    order: str = "whole network and split network by turns"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRecord:
    """One network's measured latency for one batch: the whole, its stages in order, and the conditions.

    The stages are timed in runs of their own, by marks at the stage borders; how far their sum is from the whole tells
    what the marks cost and how steady the machine was.
    """

    variant: str
    fingerprint: str
    input_shape: tuple[int, int, int]
    batch_size: int
    network: Timing
    stages: tuple[Timing, ...]
    conditions: Conditions

    @property
    def stage_sum_ms(self) -> float:
        """Sum of the stages' medians."""
        return sum(stage.median_ms for stage in self.stages)

    @property
    def stage_sum_ratio(self) -> float:
        """Sum of the stages' medians over the whole network's median."""
        return self.stage_sum_ms / self.network.median_ms if self.network.median_ms else 0.0

    @property
    def split_differs(self) -> bool:
        """Whether the stages' sum is more than 5 % away from the whole."""
        return abs(self.stage_sum_ratio - 1) > SPLIT_GAP

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `latency --format json`, valid against schemas/latency-1.json."""
        return {
            "schema": 1,
            "kind": "measured",
            "variant": self.variant,
            "fingerprint": self.fingerprint,
            "input_shape": list(self.input_shape),
            "batch_size": self.batch_size,
            "network": self.network.to_dict(),
            "stages": [{"stage": stage.label, **stage.to_dict()} for stage in self.stages],
            "stage_sum": {"median_ms": self.stage_sum_ms, "ratio": self.stage_sum_ratio, "differs": self.split_differs},
            "conditions": asdict(self.conditions),
        }

    def to_json(self) -> str:
        """The JSON text of `to_dict`, with a final line break."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the JSON whole or not at all; InvalidInput where it cannot be written."""
        write_whole(Path(path), self.to_json())
