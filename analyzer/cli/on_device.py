"""The options of a predicted latency, which several verbs take: a device by name, and how the network runs on it."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from analyzer.errors import InvalidInput

if TYPE_CHECKING:
    from analyzer.latency.setting import Setting

PRECISION = "float32, amp, amp_bfloat16, float16 or bfloat16"


class Asked(NamedTuple):
    """What was said of a device, None or False where nothing was; `setting` reads it."""

    gpu: str | None = None
    precision: str | None = None
    compiled: bool = False
    channels_last: bool = False
    cuda_graph: bool = False
    train: bool = False
    calibrate: str | None = None
    devices: str | None = None
    host_us: float | None = None

    def setting(self, batch_size: int | None = None) -> "Setting | None":
        """The device and the run, None where no device is named; InvalidInput for a bad one, or for a run alone."""
        if self.gpu is None:
            self._refuse_alone()
            return None
        from analyzer.latency.setting import setting_of  # only a prediction needs the devices

        return setting_of(
            self.gpu,
            batch_size=1 if batch_size is None else batch_size,
            precision=self.precision,
            compiled=self.compiled,
            channels_last=self.channels_last,
            cuda_graph=self.cuda_graph,
            training=self.train,
            calibration_file=self.calibrate,
            devices_file=self.devices,
            host_us=self.host_us,
        )

    def _refuse_alone(self) -> None:
        given = next((name for name, value in self._asdict().items() if value not in (None, False)), None)
        if given:
            raise InvalidInput(f"--{given.replace('_', '-')}: is about a predicted latency; name a device by --gpu.")


_OPTIONS = (
    click.option("--gpu", "--on", metavar="NAME", help="Predict latency on this GPU or CPU, such as 'RTX 4090'."),
    click.option("--precision", metavar="WORD", help=f"Of the prediction: {PRECISION}; by default amp, CPUs float32."),
    click.option("--compiled", "--torchcompile", is_flag=True, help="Predict for torch.compile instead of eager."),
    click.option("--channels-last", is_flag=True, help="Predict for channels-last (NHWC) layout."),
    click.option("--cuda-graph", is_flag=True, help="Predict for a CUDA graph, whose kernels cost the host nothing."),
    click.option("--train", is_flag=True, help="Predict a training step instead of inference."),
    click.option("--calibrate", metavar="FILE", help="Measured latencies of the device: our records or timm's CSV."),
    click.option("--devices", metavar="FILE.toml", help="Devices of your own, to be named by --gpu."),
    click.option("--host-us", type=float, metavar="µs", help="What the host takes to start one kernel, if measured."),
)


def device_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them together, as `asked`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        return command(asked=Asked(**{name: given.pop(name) for name in Asked._fields}), **given)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered
