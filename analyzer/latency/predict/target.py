"""A latency target: the device and run settings on which a prediction depends besides the network."""

import shlex
from dataclasses import dataclass

from analyzer.latency.predict.devices import Device
from analyzer.latency.run_settings import RunSettings


@dataclass(frozen=True, slots=True)
class LatencyTarget:
    """A device and a run on it; `host_us` is the host's time to launch one kernel, None for the model's own.

    `factor` is measured over predicted time, from a calibration. `devices_file` and
    `calibration_file` are where device and calibration were read from, if anywhere.
    """

    device: Device
    run: RunSettings
    host_us: float | None = None
    factor: float | None = None
    devices_file: str | None = None
    calibration_file: str | None = None

    @property
    def arguments(self) -> str:
        """The command line's options that describe it: `--gpu 'RTX 4090' --batch-size 256 --precision amp`."""
        run = self.run
        with_values = {
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
        options = [f"{name} {shlex.quote(value)}" for name, value in with_values.items() if value is not None]
        return " ".join([*options, *(name for name, is_on in flags.items() if is_on)])

    @property
    def words(self) -> tuple[str, ...]:
        """The parts of a file name: device, batch, precision and each mode that is on."""
        run = self.run
        modes = {"compiled": run.compiled, "nhwc": run.channels_last, "graph": run.cuda_graph, "train": run.training}
        return (
            self.device.name,
            f"batch{run.batch_size}",
            run.precision,
            *(name for name, is_on in modes.items() if is_on),
        )
