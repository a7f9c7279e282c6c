"""Reading measurements back, with every way in which a file can be wrong told in one sentence."""

import json
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from analyzer.errors import InvalidInput, shortened
from analyzer.latency.conditions import Conditions, HostCheck, OutputCheck, ReferenceCheck, WarmUp
from analyzer.latency.plan import Settings
from analyzer.latency.record import SCHEMA, Failure, LatencyRecord, Measurement
from analyzer.latency.timings import Timing, timing_from

_Part = TypeVar("_Part")


def read_measurement(path: Path) -> Measurement:
    """The measurement in a file of `latency`; InvalidInput with one sentence where it is none."""
    document = _document(path)
    try:
        return _measurement(_valid(path, document))
    except InvalidInput as error:
        if str(error).startswith("latency record"):
            raise
        raise InvalidInput(f"latency record {path}: {error}") from None


def counted(path: Path, measurement: Measurement) -> tuple[LatencyRecord, ...]:
    """The records that count; InvalidInput where there are none."""
    kept = tuple(record for record in measurement.records if not record.discarded)
    if not kept:
        why = "every record in it was discarded for drift" if measurement.records else "holds no record"
        raise InvalidInput(f"latency record {path}: {why}.")
    return kept


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"latency record {path}: does not exist.") from None
    except OSError as error:
        raise InvalidInput(f"latency record {path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidInput(f"latency record {path}: is no JSON{where}, as `latency` writes it.") from None


@cache
def _validator() -> Callable[[Any], Any]:
    import fastjsonschema  # only a record that is read needs it

    schema = json.loads((Path(__file__).parents[1] / "schemas" / "latency-1.json").read_text(encoding="utf-8"))
    validate: Callable[[Any], Any] = fastjsonschema.compile(schema)
    return validate


def _valid(path: Path, document: Any) -> dict[str, Any]:
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
    conditions = _part(Conditions, document["conditions"])
    return Measurement(
        conditions=conditions,
        records=tuple(_record(found, conditions) for found in document["records"]),
        failures=tuple(_failure(found) for found in document["failures"]),
        cut_short=document["cut_short"],
    )


def _part(kind: type[_Part], document: dict[str, Any]) -> _Part:
    """A dataclass from an object that has its fields, and figures derived from them."""
    return kind(**{each.name: document[each.name] for each in fields(kind) if each.name in document})  # type: ignore[arg-type]


def _optional(kind: type[_Part], document: dict[str, Any] | None) -> _Part | None:
    return None if document is None else _part(kind, document)


def _failure(document: dict[str, Any]) -> Failure:
    return Failure(variant=document["variant"], settings=_part(Settings, document), reason=document["reason"])


def _record(document: dict[str, Any], conditions: Conditions) -> LatencyRecord:
    channels, height, width = document["input_shape"]
    return LatencyRecord(
        variant=document["variant"],
        fingerprint=document["fingerprint"],
        input_shape=(channels, height, width),
        settings=_part(Settings, document),
        autocast=document["autocast"],
        network=timing_from("network", document["network"]),
        queued=_queued(document["queued"]),
        stages=tuple(timing_from(stage["stage"], stage) for stage in document["stages"]),
        caches=document["caches"],
        warm_up=_part(WarmUp, document["warm_up"]),
        output=_optional(OutputCheck, document["output"]),
        host=_optional(HostCheck, document["host"]),
        run_memory_bytes=document["run_memory_bytes"],
        reference=_optional(ReferenceCheck, document["reference"]),
        before=document["before"],
        after=document["after"],
        conditions=conditions,
    )


def _queued(document: dict[str, Any] | None) -> Timing | None:
    return None if document is None else timing_from("queued", document)
