"""Measured latencies as data: every sample, and every condition it was taken under."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import fsum
from pathlib import Path
from typing import Any

from analyzer.files import write_whole
from analyzer.latency.conditions import (
    Conditions,
    Facts,
    HostCheck,
    OutputCheck,
    ReferenceCheck,
    WarmUp,
    disturbances,
)
from analyzer.latency.plan import Settings
from analyzer.latency.text import compact
from analyzer.latency.timings import Timing

SCHEMA = 1

SPLIT_GAP = 0.05
"""Distance of the stages' sum from the whole, over the whole, from which the split is flagged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRecord:
    """One network's measured latency in one way of running it: the whole, its stages in order, and the conditions.

    `network` is the synchronised latency of one batch, `queued` the time a batch takes when batches are given without
    waiting for each other (None where a call returns only when its work is done, as on a CPU). Stages are timed in runs
    of their own, by marks at the stage borders; in training they are forward, backward and optimiser; () where the
    execution cannot be split. How far their sum is from the whole tells what the marks cost.
    """

    variant: str
    fingerprint: str
    input_shape: tuple[int, int, int]
    settings: Settings
    autocast: str | None
    network: Timing
    queued: Timing | None
    stages: tuple[Timing, ...]
    caches: str
    warm_up: WarmUp
    output: OutputCheck | None
    host: HostCheck | None
    run_memory_bytes: int | None
    reference: ReferenceCheck | None
    before: Facts
    after: Facts
    conditions: Conditions

    @property
    def batch_size(self) -> int:
        """Images a batch."""
        return self.settings.batch_size

    @property
    def precision(self) -> str:
        """Number format, in timm's word."""
        return self.settings.precision

    @property
    def channels_last(self) -> bool:
        """Whether tensors were kept in NHWC layout."""
        return self.settings.layout == "channels_last"

    @property
    def compiled(self) -> bool:
        """Whether torch.compile made it."""
        return self.settings.execution == "compiled"

    @property
    def discarded(self) -> bool:
        """Whether the machine drifted by more than 2 % meanwhile, so that the figures do not count."""
        return self.reference is not None and self.reference.discarded

    @property
    def batch_ms(self) -> float:
        """Median time of a batch when batches are queued, or one after the other where a device queues nothing."""
        return (self.queued or self.network).median_ms

    @property
    def images_per_s(self) -> float:
        """Throughput: images a second with batches queued."""
        return 1000 * self.batch_size / self.batch_ms if self.batch_ms else 0.0

    @property
    def stage_sum_ms(self) -> float:
        """Sum of the stages' medians."""
        return fsum(stage.median_ms for stage in self.stages)

    @property
    def stage_sum_ratio(self) -> float:
        """Sum of the stages' medians over the whole network's median."""
        return self.stage_sum_ms / self.network.median_ms if self.network.median_ms else 0.0

    @property
    def split_differs(self) -> bool:
        """Whether the stages' sum is more than 5 % away from the whole."""
        return bool(self.stages) and abs(self.stage_sum_ratio - 1) > SPLIT_GAP

    @property
    def disturbances(self) -> tuple[str, ...]:
        """What of the device's state makes the figures doubtful, a sentence each."""
        return tuple(disturbances(self.before, self.after))

    def to_dict(self) -> dict[str, Any]:
        """One of the `records` of schemas/latency-1.json: all but the conditions, which a measurement's cells share."""
        return {
            "variant": self.variant,
            "fingerprint": self.fingerprint,
            "input_shape": list(self.input_shape),
            **asdict(self.settings),
            "autocast": self.autocast,
            "network": self.network.to_dict(),
            "queued": self.queued and self.queued.to_dict(),
            "images_per_s": round(self.images_per_s, 3),
            "stages": [{"stage": stage.label, **stage.to_dict()} for stage in self.stages],
            "stage_sum": self._stage_sum(),
            "caches": self.caches,
            "warm_up": asdict(self.warm_up),
            "output": self.output and {**asdict(self.output), "agrees": self.output.agrees},
            "host": self.host and {**asdict(self.host), "ratio": self.host.ratio, "host_bound": self.host.host_bound},
            "run_memory_bytes": self.run_memory_bytes,
            "reference": self.reference
            and {**asdict(self.reference), "drift": self.reference.drift, "discarded": self.reference.discarded},
            "before": self.before,
            "after": self.after,
        }

    def _stage_sum(self) -> dict[str, Any] | None:
        if not self.stages:
            return None
        return {
            "median_ms": round(self.stage_sum_ms, 6),
            "ratio": round(self.stage_sum_ratio, 6),
            "differs": self.split_differs,
        }

    def to_json(self) -> str:
        """The JSON text of a measurement of this one cell, with a final line break."""
        return Measurement(conditions=self.conditions, records=(self,)).to_json()

    def save(self, path: str | Path) -> None:
        """Write the JSON whole or not at all; InvalidInput where it cannot be written."""
        write_whole(Path(path), self.to_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A cell that could not be measured, and why in one sentence."""

    variant: str
    settings: Settings
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """All cells of one call: the conditions they share, a record each, and what could not be measured.

    `cut_short` says why it ended before all was measured; what is there is complete.
    """

    conditions: Conditions
    records: tuple[LatencyRecord, ...] = ()
    failures: tuple[Failure, ...] = field(default=())
    cut_short: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `latency --format json`, valid against schemas/latency-1.json."""
        return {
            "schema": SCHEMA,
            "kind": "measured",
            "status": "complete" if self.cut_short is None else "cut short",
            "cut_short": self.cut_short,
            "conditions": asdict(self.conditions),
            "records": [record.to_dict() for record in self.records],
            "failures": list(self._failures()),
        }

    def _failures(self) -> Iterator[dict[str, Any]]:
        for failure in self.failures:
            yield {"variant": failure.variant, **asdict(failure.settings), "reason": failure.reason}

    def to_json(self) -> str:
        """The JSON text of `to_dict`, samples on one line, with a final line break."""
        return compact(self.to_dict()) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the JSON whole or not at all; InvalidInput where it cannot be written."""
        write_whole(Path(path), self.to_json())


def read_records(path: str | Path) -> tuple[LatencyRecord, ...]:
    """The records of a file that `latency` wrote, those discarded for drift left out; torch is not needed.

    Raises InvalidInput in one sentence where the file is missing, damaged, of another kind or newer, or where nothing
    in it counts.
    """
    from analyzer.latency.reading import counted, read_measurement

    return counted(Path(path), read_measurement(Path(path)))
