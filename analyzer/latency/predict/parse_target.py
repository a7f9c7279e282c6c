"""Latency targets from names, numbers, files and the command line's options, all checked."""

import re
import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any

from analyzer.cost.memory import checked_batch
from analyzer.errors import InvalidInput, shortened
from analyzer.latency.predict.devices import Device, device_named, devices, plain_name, read_devices
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import PRECISIONS, RunSettings, check_word

MAX_HOST_US = 10_000


def latency_target(
    device: str | Device,
    run: RunSettings,
    *,
    host_us: float | None = None,
    calibration_file: str | None = None,
    devices_file: str | None = None,
) -> LatencyTarget:
    """A device, or one by its name, and a run that is modelled; InvalidInput otherwise.

    `calibration_file` is a measured record or a table with timm's columns, `devices_file` a TOML file of devices.
    """
    if not isinstance(device, Device):
        device = _printable(device_from(device, devices_file))
    run = checked_run(run)
    factor = None
    if calibration_file is not None:
        from analyzer.latency.predict.calibration import calibrated_factor  # only a calibration needs it

        factor = calibrated_factor(calibration_file, device, run)
    return LatencyTarget(device, run, _checked_host(host_us), factor, devices_file, calibration_file)


def checked_run(run: RunSettings) -> RunSettings:
    """The run itself; InvalidInput for a bad batch size or precision, or a mode that is not modelled."""
    checked_batch(run.batch_size)
    check_word("precision", run.precision, PRECISIONS)
    if run.training and run.compiled:
        raise InvalidInput("compiled: a compiled training step is not predicted, only an eager one.")
    return run


def _checked_host(host_us: float | None) -> float | None:
    if host_us is not None and not 0 <= host_us <= MAX_HOST_US:
        raise InvalidInput(f"host_us {shortened(host_us)}: must be microseconds from 0 to {MAX_HOST_US:,}.")
    return host_us


def _printable(device: Device) -> Device:
    if not re.fullmatch(r"[^<>]{1,80}", device.name) or not device.name.isprintable():
        raise InvalidInput(f"device {shortened(device.name)!r}: a name has 1 to 80 printable characters, not < or >.")
    return device


def known_devices(devices_file: str | None = None) -> dict[str, Device]:
    """The shipped devices by name, and those of a TOML file before them; InvalidInput for a bad file."""
    return (read_devices(devices_file) if devices_file is not None else {}) | devices()


def device_from(name: str, devices_file: str | None = None) -> Device:
    """A device of a TOML file, or else a shipped one; InvalidInput where neither has it."""
    devices_of_file = read_devices(devices_file) if devices_file is not None else {}
    by_plain_name = {plain_name(device_name): device for device_name, device in devices_of_file.items()}
    return by_plain_name[plain_name(name)] if plain_name(name) in by_plain_name else device_named(name)


def target_from(arguments: str) -> LatencyTarget:
    """The target whose `arguments` these are; InvalidInput for others."""
    try:
        options = _options(shlex.split(arguments))
        run = {name: options.pop(name) for name in RunSettings._fields if name in options}
        host_us = options.pop("host_us", None)
        return latency_target(
            options.pop("device", ""),
            RunSettings(**run | {"batch_size": int(run.get("batch_size", 1))}),
            host_us=None if host_us is None else float(host_us),
            **options,
        )
    except InvalidInput:
        raise
    except ValueError as error:
        raise InvalidInput(f"{shortened(arguments, 120)}: is no device and run ({shortened(error, 120)}).") from None


def _options(arguments: Sequence[str]) -> dict[str, Any]:
    """Keyword → text, or True of a flag."""
    options: dict[str, Any] = {}
    remaining = iter(arguments)
    for argument in remaining:
        if argument not in _NAMES:
            raise ValueError(f"{argument} is no option of a predicted latency")
        options[_NAMES[argument]] = next(remaining, "") if argument in _VALUED else True
    return options


_NAMES = {
    "--gpu": "device",
    "--batch-size": "batch_size",
    "--precision": "precision",
    "--host-us": "host_us",
    "--devices": "devices_file",
    "--calibrate": "calibration_file",
    "--compiled": "compiled",
    "--channels-last": "channels_last",
    "--cuda-graph": "cuda_graph",
    "--train": "training",
}
_VALUED = tuple(_NAMES)[:6]


@cache
def reference_target() -> LatencyTarget:
    """The target of predictions where no device is named: a batch of 256 in amp, eager, on an RTX 4090."""
    return latency_target("RTX 4090", RunSettings(256, "amp"))
