"""A device and how a network runs on it: all that a predicted latency depends on besides the network."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.latency.devices import Device, device_named, devices, plain, read_devices
from analyzer.latency.predict import OpTime, checked_host, checked_run, op_times_ms, predict_analysis
from analyzer.latency.prediction import Prediction
from analyzer.latency.roofline import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A device and a run on it; `host_us` is what the host takes to start one kernel, None for the model's own.

    `factor` is what a calibration found the device to take, over what is predicted without it. `devices_file` and
    `calibration_file` are where device and calibration were read from, if anywhere.
    """

    device: Device
    run: Run
    host_us: float | None = None
    factor: float | None = None
    devices_file: str | None = None
    calibration_file: str | None = None

    @property
    def arguments(self) -> str:
        """The command line's options that make it again: `--gpu 'RTX 4090' --batch-size 256 --precision amp`."""
        run = self.run
        valued = {
            "--gpu": self.device.name,
            "--batch-size": str(run.batch_size),
            "--precision": run.precision,
            "--host-us": None if self.host_us is None else repr(self.host_us),
            "--devices": self.devices_file,
            "--calibrate": self.calibration_file,
        }
        flags = {
            "--compiled": run.compiled,
            "--channels-last": run.channels_last,
            "--cuda-graph": run.cuda_graph,
            "--train": run.training,
        }
        told = [f"{name} {shlex.quote(value)}" for name, value in valued.items() if value is not None]
        return " ".join([*told, *(name for name, given in flags.items() if given)])

    @property
    def words(self) -> tuple[str, ...]:
        """What a file name may hold: device, batch, precision and each mode that is on."""
        run = self.run
        modes = {"compiled": run.compiled, "nhwc": run.channels_last, "graph": run.cuda_graph, "train": run.training}
        on = (name for name, given in modes.items() if given)
        return self.device.name, f"batch{run.batch_size}", run.precision, *on

    def predict(self, analysis: Analysis) -> Prediction:
        """The predicted latency of one batch."""
        return predict_analysis(analysis, self.device, self.run, factor=self.factor, host_us=self.host_us)

    def op_times(self, analysis: Analysis) -> tuple[OpTime, ...]:
        """Each op's predicted time in milliseconds, summing to the whole; far less certain than that."""
        return op_times_ms(analysis, self.device, self.run, factor=self.factor, host_us=self.host_us)


def known_devices(devices_file: str | None = None) -> dict[str, Device]:
    """The shipped devices by name, and those of a TOML file before them; InvalidInput for a bad file."""
    return (read_devices(devices_file) if devices_file is not None else {}) | devices()


def device_from(name: str, devices_file: str | None = None) -> Device:
    """A device of a TOML file, or else a shipped one; InvalidInput where neither has it."""
    stated = read_devices(devices_file) if devices_file is not None else {}
    own = {plain(each): device for each, device in stated.items()}
    return own[plain(name)] if plain(name) in own else device_named(name)


def setting_of(
    gpu: str,
    *,
    batch_size: int = 1,
    precision: str = "float32",
    compiled: bool = False,
    channels_last: bool = False,
    cuda_graph: bool = False,
    training: bool = False,
    host_us: float | None = None,
    calibration_file: str | None = None,
    devices_file: str | None = None,
) -> Setting:
    """A setting from words; InvalidInput names the bad one."""
    device = device_from(gpu, devices_file)
    if not re.fullmatch(r"[^<>]{1,80}", device.name) or not device.name.isprintable():
        raise InvalidInput(f"device {shortened(device.name)!r}: a name has 1 to 80 printable characters, not < or >.")
    run = checked_run(Run(batch_size, precision, compiled, channels_last, cuda_graph, training))
    factor = None
    if calibration_file is not None:
        from analyzer.latency.calibration import calibrated_factor  # only a calibration needs it

        factor = calibrated_factor(calibration_file, device, run)
    files = {"devices_file": devices_file, "calibration_file": calibration_file}
    return Setting(device=device, run=run, host_us=checked_host(host_us), factor=factor, **files)


def setting_from(arguments: str) -> Setting:
    """The setting that tells these `arguments`; InvalidInput for others."""
    try:
        given = _given(shlex.split(arguments))
        host_us = given.pop("host_us", None)
        return setting_of(
            given.pop("gpu", ""),
            batch_size=int(given.pop("batch_size", 1)),
            host_us=None if host_us is None else float(host_us),
            **given,
        )
    except InvalidInput:
        raise
    except ValueError as error:
        raise InvalidInput(f"{shortened(arguments, 120)}: is no device and run ({shortened(error, 120)}).") from None


def _given(words: Sequence[str]) -> dict[str, Any]:
    """Keyword → text, or True of a flag."""
    found: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word not in _NAMES:
            raise ValueError(f"{word} is no option of a predicted latency")
        found[_NAMES[word]] = next(rest, "") if word in _VALUED else True
    return found


_NAMES = {
    "--gpu": "gpu",
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
def reference() -> Setting:
    """What latency is predicted for where nobody names a device: a batch of 256 in amp, eager, on an RTX 4090."""
    return setting_of("RTX 4090", batch_size=256, precision="amp")
