"""How well one measured network calibrates the others: predictions scaled by ResNet-18, against every record.

`python -m benchmarks.calibrated` writes docs/latency-calibrated.md. A record counts where it has ResNet-18 and
two more.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.latency.predict.devices import Device, device_named, plain_name, read_devices
from analyzer.latency.predict.predict import predict_total
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.records.record import LatencyRecord, read_records
from analyzer.text.tables import padded_table

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "reports" / "latency"
DOCUMENT = ROOT / "docs" / "latency-calibrated.md"
CALIBRATION_NETWORK = "resnet18"
LEAD = f"""# Latency, predicted after one measurement

Written by `python -m benchmarks.calibrated` from the records in
[reports/latency](../reports/latency/README.md):
each table's {CALIBRATION_NETWORK} fixes one factor, and the other networks are predicted with it, without their own \
measurements.
"specs" is the same prediction without that factor. Cells in which the host sets the pace are left out. Devices that the
program does not know by name are described in [devices.toml](../reports/latency/devices.toml).

The CPU model is fitted to compiled runs of residual and dense networks alone. Run eagerly here, the residual
networks follow
ResNet-18; DenseNet and VGG do not: copies of concatenations cost less in eager runs, and VGG has no batch norm
to pay for.
"""


class CalibratedTimes(NamedTuple):
    """A network's measured time of one batch, and the model's, by the data sheet alone and with the one factor."""

    variant: str
    measured_ms: float
    specs_ms: float
    calibrated_ms: float


def document() -> str:
    """The whole page."""
    parts = [part for path in sorted(RECORDS.glob("*.json")) for part in _parts(path)]
    return "\n".join([LEAD, *parts])


def _parts(path: Path) -> Iterator[str]:
    records = [record for record in read_records(path) if not (record.host and record.host.host_bound)]
    for label, cells in groupby(sorted(records, key=_run_label), _run_label):
        rows = list(_rows(list(cells)))
        if len(rows) > 1:
            yield f"## {_machine(records[0])}: {label}\n\n{_table(rows)}"


def _run_label(record: LatencyRecord) -> str:
    settings = record.settings
    parts = (settings.execution.replace("_", " "), settings.precision, settings.layout.replace("_", " "))
    return ", ".join((settings.task, *parts, f"batch {settings.batch_size}"))


def _machine(record: LatencyRecord) -> str:
    conditions = record.conditions
    return f"{conditions.device_name}, torch {conditions.torch}, {conditions.date[:10]}"


def _rows(records: list[LatencyRecord]) -> Iterator[CalibratedTimes]:
    """The networks but the calibrating one; none where the device is unknown or that one was not measured."""
    device = _device(records[0].conditions.device_name)
    timed = {record.variant: (record.batch_ms, _predicted_ms(record, device)) for record in records if device}
    if CALIBRATION_NETWORK in timed:
        measured, predicted = timed.pop(CALIBRATION_NETWORK)
        for variant, (ms, specs_ms) in timed.items():
            yield CalibratedTimes(variant, ms, specs_ms, specs_ms * measured / predicted)


def _device(name: str) -> Device | None:
    for device in read_devices(RECORDS / "devices.toml").values():
        if plain_name(device.name) == plain_name(name):
            return device
    try:
        return device_named(name)
    except InvalidInput:
        return None


def _predicted_ms(record: LatencyRecord, device: Device | None) -> float:
    assert device is not None
    target = LatencyTarget(device, record.settings, host_us=0.0)
    return predict_total(analyze(record.variant, record.input_shape[1:]), target).device_ms


def _table(rows: list[CalibratedTimes]) -> str:
    heads = ["network", "measured ms", "specs ms", "%", f"with {CALIBRATION_NETWORK} ms", "%"]
    cells = [_cells(row) for row in rows]
    means = [_mean(rows, "specs_ms"), _mean(rows, "calibrated_ms")]
    cells.append(["mean error", "", "", means[0], "", means[1]])
    return padded_table(heads, cells, "lrrrrr") + "\n"


def _cells(row: CalibratedTimes) -> list[str]:
    pairs = ((row.specs_ms, _percent_off(row.specs_ms, row)), (row.calibrated_ms, _percent_off(row.calibrated_ms, row)))
    return [f"`{row.variant}`", f"{row.measured_ms:.4g}", *(text for ms, off in pairs for text in (f"{ms:.4g}", off))]


def _mean(rows: list[CalibratedTimes], name: str) -> str:
    return f"{100 * sum(abs(getattr(row, name) / row.measured_ms - 1) for row in rows) / len(rows):.1f}"


def _percent_off(ms: float, row: CalibratedTimes) -> str:
    return f"{100 * (ms / row.measured_ms - 1):+.1f}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
