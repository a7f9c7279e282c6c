"""Measured latencies as data, written and read back: every sample with its conditions."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from math import fsum, isfinite
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar

from analyzer.errors import InvalidInput, shortened
from analyzer.files import require_writable, write_whole
from analyzer.latency.records.conditions import (
    Conditions,
    Facts,
    HostCheck,
    OutputCheck,
    ReferenceCheck,
    WarmUp,
    disturbances,
)
from analyzer.latency.run_settings import RunSettings

MAX_IQR_RATIO = 0.05
"""Interquartile range over median from which a measurement is flagged."""

_FIGURES = ("median_ms", "p10_ms", "p90_ms", "p99_ms", "iqr_ms", "unsteady")

SCHEMA = 1
SPLIT_GAP = 0.05
"""Distance of the stages' sum from the whole, over the whole, from which the split is flagged."""
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of the network or a stage for one batch, in milliseconds, in the order of the samples."""

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
        return self.iqr_ms > MAX_IQR_RATIO * self.median_ms

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRecord:
    """One network's measured latency in one way of running it: the whole, its stages in order, and the conditions.

    `network` is the synchronised latency of one batch, `queued` the time of a batch when batches are queued without
    waiting for each other (None where a call returns only when its work is done, as on a CPU). Stages are timed in runs
    of their own, by marks at the stage borders; in training they are forward, backward and optimiser; () where the
    execution cannot be split. The distance of their sum from the whole is the cost of the marks.
    """

    variant: str
    fingerprint: str
    input_shape: tuple[int, int, int]
    settings: RunSettings
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
        """Number format, by timm's name."""
        return self.settings.precision

    @property
    def channels_last(self) -> bool:
        """Whether tensors were in NHWC layout."""
        return self.settings.channels_last

    @property
    def compiled(self) -> bool:
        """Whether it was compiled by torch.compile."""
        return self.settings.compiled

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
        """What makes the figures doubtful in the device's state, a sentence each."""
        return tuple(disturbances(self.before, self.after))

    def to_dict(self) -> dict[str, Any]:
        """One of the `records` of schemas/latency-1.json: all but the conditions, which a measurement's cells share."""
        return {
            "variant": self.variant,
            "fingerprint": self.fingerprint,
            "input_shape": list(self.input_shape),
            **self.settings.to_dict(),
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
    settings: RunSettings
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """All cells of one call: the conditions they share, a record each, and what could not be measured.

    `cut_short` says why it ended before all was measured; its records are complete.
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
            yield {"variant": failure.variant, **failure.settings.to_dict(), "reason": failure.reason}

    def to_json(self) -> str:
        """The JSON text of `to_dict`, samples on one line, with a final line break."""
        return compact_json(self.to_dict()) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the JSON whole or not at all; InvalidInput where it cannot be written."""
        write_whole(Path(path), self.to_json())


def compact_json(value: Any, indent: str = "") -> str:
    """JSON text, two spaces a level, whose lists of plain values stay on one line; NaN is refused."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{_plain(name)}: {compact_json(item, deeper)}" for name, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "[\n" + ",\n".join(deeper + compact_json(item, deeper) for item in value) + f"\n{indent}]"
    return _plain(value)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_records(path: str | Path) -> tuple[LatencyRecord, ...]:
    """The records of a file that `latency` wrote, those discarded for drift left out; torch is not needed.

    Raises InvalidInput in one sentence where the file is missing, damaged, of another kind or newer, or where no
    record in it counts.
    """
    return _counting_records(Path(path), read_measurement(Path(path)))


def read_measurement(path: Path) -> Measurement:
    """The measurement in a file of `latency`; InvalidInput with one sentence where it is none."""
    document = _read_json(path)
    try:
        return _measurement(_validated_document(path, document))
    except InvalidInput as error:
        if str(error).startswith("latency record"):
            raise
        raise InvalidInput(f"latency record {path}: {error}") from None


def _counting_records(path: Path, measurement: Measurement) -> tuple[LatencyRecord, ...]:
    """The records that count; InvalidInput where there are none."""
    counted = tuple(record for record in measurement.records if not record.discarded)
    if not counted:
        reason = "every record in it was discarded for drift" if measurement.records else "holds no record"
        raise InvalidInput(f"latency record {path}: {reason}.")
    return counted


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"latency record {path}: does not exist.") from None
    except OSError as error:
        raise InvalidInput(f"latency record {path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        position = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidInput(f"latency record {path}: is no JSON{position}, as `latency` writes it.") from None


@cache
def _validator() -> Callable[[Any], Any]:
    import fastjsonschema  # only a record that is read needs it

    schema = json.loads((Path(__file__).parents[2] / "schemas" / "latency-1.json").read_text(encoding="utf-8"))
    validate: Callable[[Any], Any] = fastjsonschema.compile(schema)
    return validate


def _validated_document(path: Path, document: Any) -> dict[str, Any]:
    import fastjsonschema

    version = document.get("schema") if isinstance(document, dict) else None
    if isinstance(version, int) and version > SCHEMA:
        raise InvalidInput(
            f"latency record {path}: schema {version} is newer than this program's {SCHEMA}; update resnet-analyzer."
        )
    try:
        valid: dict[str, Any] = _validator()(document)
    except fastjsonschema.JsonSchemaException as error:
        if not isinstance(document, dict) or not {"schema", "records"} <= document.keys():
            raise InvalidInput(f"latency record {path}: is no record of latencies, as `latency` writes it.") from None
        raise InvalidInput(f"latency record {path}: {shortened(error, 160)}.") from None
    return valid


def _measurement(document: dict[str, Any]) -> Measurement:
    conditions = _dataclass_from(Conditions, document["conditions"])
    return Measurement(
        conditions=conditions,
        records=tuple(_record(entry, conditions) for entry in document["records"]),
        failures=tuple(_failure(entry) for entry in document["failures"]),
        cut_short=document["cut_short"],
    )


def _dataclass_from(kind: type[_Record], document: dict[str, Any]) -> _Record:
    """A dataclass from an object that has its fields, and figures derived from them."""
    return kind(**{item.name: document[item.name] for item in fields(kind) if item.name in document})  # type: ignore[arg-type]


def _settings(document: dict[str, Any]) -> RunSettings:
    return RunSettings.from_words(**{name: document[name] for name in RunSettings().to_dict() if name in document})


def _optional(kind: type[_Record], document: dict[str, Any] | None) -> _Record | None:
    return None if document is None else _dataclass_from(kind, document)


def _failure(document: dict[str, Any]) -> Failure:
    return Failure(variant=document["variant"], settings=_settings(document), reason=document["reason"])


def _record(document: dict[str, Any], conditions: Conditions) -> LatencyRecord:
    channels, height, width = document["input_shape"]
    return LatencyRecord(
        variant=document["variant"],
        fingerprint=document["fingerprint"],
        input_shape=(channels, height, width),
        settings=_settings(document),
        autocast=document["autocast"],
        network=timing_from("network", document["network"]),
        queued=_queued_timing(document["queued"]),
        stages=tuple(timing_from(stage["stage"], stage) for stage in document["stages"]),
        caches=document["caches"],
        warm_up=_dataclass_from(WarmUp, document["warm_up"]),
        output=_optional(OutputCheck, document["output"]),
        host=_optional(HostCheck, document["host"]),
        run_memory_bytes=document["run_memory_bytes"],
        reference=_optional(ReferenceCheck, document["reference"]),
        before=document["before"],
        after=document["after"],
        conditions=conditions,
    )


def _queued_timing(document: dict[str, Any] | None) -> Timing | None:
    return None if document is None else timing_from("queued", document)


class RecordFile:
    """One measurement's file in a folder, made with its first record and replaced whole as it grows.

    `path` is None until then. Raises InvalidInput at once where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None
        require_writable(folder / "record.json")

    def keep(self, measurement: Measurement) -> None:
        """Write what has been measured so far; nothing where there is no record."""
        if not measurement.records:
            return
        self.path = self.path or self._new_path(measurement)
        measurement.save(self.path)

    def _new_path(self, measurement: Measurement) -> Path:
        """A new file, named by date and device, created at once."""
        conditions = measurement.conditions
        stem = f"{re.sub(r'[^0-9T]', '', conditions.date[:16])}-{_slug(conditions.device_name)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            path = self.folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
            try:
                path.touch(exist_ok=False)
            except FileExistsError:
                continue
            return path
        raise FileExistsError(17, "no name is left", str(self.folder / stem))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("(r)", "").replace("(tm)", "")).strip("-")[:40]
