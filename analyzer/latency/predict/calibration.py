"""A device's own factor, from networks measured on it: our records, or a table with timm's columns."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.latency.predict.devices import Device, plain_name
from analyzer.latency.predict.predict import predict_total
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import PRECISIONS, RunSettings


class MeasuredNetwork(NamedTuple):
    """One measured network: how it ran, and its milliseconds for one batch; `host_bound`: the GPU was waiting."""

    analysis: Analysis
    run: RunSettings
    batch_ms: float
    host_bound: bool = False


def calibrated_factor(path: str | Path, device: Device, run: RunSettings) -> float:
    """The median of measured / predicted over the file's networks, of those that ran as `run` does where there are any.

    Raises InvalidInput in one sentence where the file is damaged, of another device, or has no network to compare with.
    """
    file = Path(path)
    networks = list(_from_table(file, device, run) if file.suffix == ".csv" else _from_records(file, device))
    same_mode = [network for network in networks if _mode(network.run) == _mode(run)] or networks
    device_bound = [network for network in same_mode if not network.host_bound]
    if not device_bound:
        why = "starting the kernels took longer than computing them" if same_mode else "it holds no network known here"
        raise InvalidInput(f"calibration {shortened(file, 200)}: {why}, so it says nothing of {device.name}.")
    return median([_ratio(network, device) for network in device_bound])


def _ratio(measured: MeasuredNetwork, device: Device) -> float:
    target = LatencyTarget(device, measured.run, host_us=0.0)
    return measured.batch_ms / predict_total(measured.analysis, target).device_ms


def _mode(run: RunSettings) -> tuple[object, ...]:
    return run.precision == "float32", run.compiled, run.channels_last, run.training


def _from_records(path: Path, device: Device) -> Iterator[MeasuredNetwork]:
    from analyzer.latency.records.record import read_records  # a table does not need it

    for record in read_records(path):
        if plain_name(record.conditions.device_name) != plain_name(device.name):
            measured_on = shortened(record.conditions.device_name)
            raise InvalidInput(
                f"calibration {shortened(path, 200)}: was measured on {measured_on}, not on {device.name}."
            )
        analysis = analyze(record.variant, record.input_shape[1:])
        if analysis.fingerprint != record.fingerprint:
            variant = shortened(record.variant)
            raise InvalidInput(
                f"calibration {shortened(path, 200)}: its {variant} is another network than {variant} here."
            )
        host_bound = record.host is not None and bool(record.host.host_bound) and not record.settings.cuda_graph
        yield MeasuredNetwork(analysis, record.settings, record.batch_ms, host_bound)


def _from_table(path: Path, device: Device, run: RunSettings) -> Iterator[MeasuredNetwork]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"calibration {shortened(path, 200)}: cannot be read ({shortened(error, 120)}).") from None
    if not rows or not {"model", "param_count"} <= set(rows[0]):
        raise InvalidInput(f"calibration {shortened(path, 200)}: has no columns model and param_count, as timm's have.")
    return _known_rows(path, _of_device(path, rows, device), run)


def _of_device(path: Path, rows: Iterable[dict[str, str]], device: Device) -> list[dict[str, str]]:
    """The rows of that device; all where the table names none, as timm's own do not."""
    rows_of_device = [
        row for row in rows if not row.get("device") or plain_name(row["device"]) == plain_name(device.name)
    ]
    if not rows_of_device:
        raise InvalidInput(f"calibration {shortened(path, 200)}: has no row of {device.name}.")
    return rows_of_device


def _known_rows(path: Path, rows: Iterable[dict[str, str]], run: RunSettings) -> Iterator[MeasuredNetwork]:
    """Rows whose name is a network here of as many parameters."""
    kind = "train" if run.training else "infer"
    for row in rows:
        try:
            analysis = analyze(row["model"], int(float(row[f"{kind}_img_size"])))
        except KeyError as error:
            raise InvalidInput(f"calibration {shortened(path, 200)}: has no column {error.args[0]}.") from None
        except (InvalidInput, ValueError, TypeError):
            continue
        if abs(analysis.params / 1e6 - float(row["param_count"])) < 0.006:
            batch, step = int(float(row[f"{kind}_batch_size"])), float(row[f"{kind}_step_time"])
            yield MeasuredNetwork(analysis, _row_run(row, run)._replace(batch_size=batch), step)


def _row_run(row: dict[str, str], run: RunSettings) -> RunSettings:
    """The settings that a row states in its own columns, otherwise those of `run`."""
    precision = {"fp32": "float32"}.get(row.get("precision", ""), row.get("precision", ""))
    return run._replace(
        precision=precision if precision in PRECISIONS else run.precision,
        compiled=row["compiled"] == "1" if row.get("compiled") else run.compiled,
        channels_last=row["layout"] == "nhwc" if row.get("layout") else run.channels_last,
    )
