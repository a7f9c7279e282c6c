"""The options of a predicted latency, which several verbs take: a device by name, and how the network runs on it."""

from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from analyzer.errors import InvalidInput, shortened

if TYPE_CHECKING:
    from analyzer.latency.setting import Setting

Command = Callable[..., Any]


class Asked(NamedTuple):
    """What was said of a device, None or False where nothing was; `setting` reads it."""

    gpu: str | None = None
    calibrate: str | None = None
    devices: str | None = None
    host_us: float | str | None = None
    precision: str | None = None
    channels_last: bool = False
    compiled: bool = False
    cuda_graph: bool = False
    train: bool = False

    def setting(self, batch_size: int | None = None) -> "Setting | None":
        """The device and the run, None where no device is named; InvalidInput for a bad one, or for a run alone."""
        if self.gpu is None:
            self._refuse_alone()
            return None
        from analyzer.latency.setting import setting_of  # only a prediction needs the devices

        return setting_of(
            self.gpu,
            batch_size=1 if batch_size is None else batch_size,
            precision=self.precision or "float32",
            compiled=self.compiled,
            channels_last=self.channels_last,
            cuda_graph=self.cuda_graph,
            training=self.train,
            calibration_file=self.calibrate,
            devices_file=self.devices,
            host_us=_measured_us() if isinstance(self.host_us, str) else self.host_us,
        )

    def _refuse_alone(self) -> None:
        given = next((name for name, value in self._asdict().items() if value not in (None, False)), None)
        if given:
            raise InvalidInput(f"--{given.replace('_', '-')}: is about a predicted latency; name a device by --gpu.")


_MEASURE = "measure"


@cache
def _measured_us() -> float:
    """What this machine takes to start one kernel, told on standard error; needs torch."""
    from analyzer.extras import extra_imports

    with extra_imports("live"):
        from analyzer.live.host_cost import measure_host_cost
    cost = measure_host_cost()
    click.echo(
        f"host: {cost:.1f} µs a kernel, measured on this machine's CPU; --host-us {cost:.1f} takes it again", err=True
    )
    return round(cost, 1)


class _HostType(click.ParamType[float | str]):
    """Microseconds, or the word that has them measured."""

    name = "µs|measure"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        if value == _MEASURE:
            return _MEASURE
        try:
            return float(value)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"--host-us {shortened(value)!r}: must be microseconds such as 12.5, or the word measure."
            ) from None


_CALIBRATE = click.option(
    "--calibrate", metavar="FILE", help="Measured latencies of the device: our records or timm's CSV."
)
_DEVICES = click.option("--devices", metavar="FILE.toml", help="Devices of your own, to be named by --gpu.")
_HOST = click.option(
    "--host-us",
    type=_HostType(),
    metavar="µs|measure",
    help="What the host takes to start one kernel; or measure it on this machine, which needs torch.",
)
_GPU_HELP = "Predict latency on this GPU or CPU, such as 'RTX 4090'"
_RUN = (
    click.option("--channels-last", is_flag=True, help="Keep tensors in channels-last (NHWC) layout."),
    click.option("--compiled", "--torchcompile", is_flag=True, help="Predict for torch.compile instead of eager."),
    click.option("--cuda-graph", is_flag=True, help="Predict for a CUDA graph, whose kernels cost the host nothing."),
    click.option("--train", is_flag=True, help="Predict a training step instead of inference."),
)


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def gpu_options(command: Command) -> Command:
    """Add `--gpu`, which may be given several times, and where its figures come from."""
    gpu = click.option("--gpu", "--on", multiple=True, metavar="NAME", help=f"{_GPU_HELP}; several for several.")
    return _with(command, gpu, _CALIBRATE, _DEVICES, _HOST)


def device_options(command: Command) -> Command:
    """Add one device and its run; the command gets them together, as `asked`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        return command(asked=Asked(**{name: given.pop(name) for name in Asked._fields}), **given)

    gpu = click.option("--gpu", "--on", metavar="NAME", help=f"{_GPU_HELP}.")
    words = "float32, amp, amp_bfloat16, float16 or bfloat16; by default float32."
    precision = click.option("--precision", metavar="WORD", help=f"Of the prediction: {words}")
    return _with(gathered, gpu, precision, *_RUN, _CALIBRATE, _DEVICES, _HOST)
