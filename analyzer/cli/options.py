"""Options and arguments that several verbs share, with their parsing."""

import sys
from collections.abc import Callable, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Network, Size, network, parse_size
from analyzer.families.toml_file import network_at
from analyzer.files import write_whole

if TYPE_CHECKING:
    from analyzer.latency.predict.target import LatencyTarget
    from analyzer.latency.run_settings import RunSettings


class _SizeType(click.ParamType[Size]):
    """`224` or `320x256` (height x width)."""

    name = "SIDE|HEIGHTxWIDTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # click converts defaults, too
        return _size(value)


class _SizesType(click.ParamType[tuple[Size, ...]]):
    """`224`, `320x256`, or several joined by commas."""

    name = "SIZE[,SIZE…]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Size, ...]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # click converts defaults, too
        return tuple(_size(part) for part in value.split(","))


def _size(text: str) -> Size:
    return parse_size(text, "--input-size")


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class VariantType(click.ParamType[Network]):
    """A variant expression, or the path of a TOML file that describes a network."""

    name = "VARIANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Network:
        return network_at(value) if isinstance(value, str) else network(value)


variant_argument: Decorator = click.argument("variant", type=VariantType())
input_size_option: Decorator = click.option(
    "--input-size", type=_SizeType(), default=None, help="Input in pixels; by default 224, or 32 for CIFAR stems."
)
input_sizes_option: Decorator = click.option(
    "--input-size",
    "input_sizes",
    type=_SizesType(),
    multiple=True,
    help="Input in pixels, one or several (224,288x384); by default 224, or 32 for CIFAR stems.",
)
output_option: Decorator = click.option("--output", default=None, help="File to write, or - for standard output.")


def format_option(*formats: str) -> Decorator:
    """`--format`, the first format being the default."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Form of the output.",
    )


def write_output(content: str | bytes, output: str | None) -> None:
    """Write to the file named, or to standard output where it is None or `-`."""
    if output not in (None, "-"):
        write_whole(Path(str(output)), content)
        click.echo(f"wrote {output}", err=True)
    elif isinstance(content, bytes):
        sys.stdout.buffer.write(content)
    else:
        click.echo(content.rstrip("\n"))


Command = Callable[..., Any]


def optional_target(on_device: Mapping[str, Any], batch_size: int | None = None) -> "LatencyTarget | None":
    """The target of `device_options`, None where no device is named; InvalidInput for other options without --gpu."""
    if on_device["gpu"] is None:
        orphan = next((name for name in _DEVICE_OPTIONS if on_device[name] not in (None, False)), None)
        if orphan:
            raise InvalidInput(f"--{orphan.replace('_', '-')}: is about a predicted latency; name a device by --gpu.")
        return None
    from analyzer.latency.run_settings import RunSettings  # few commands name a device

    settings = RunSettings(
        batch_size=1 if batch_size is None else batch_size,
        precision=on_device["precision"] or "float32",
        compiled=on_device["compiled"],
        channels_last=on_device["channels_last"],
        cuda_graph=on_device["cuda_graph"],
        training=on_device["train"],
    )
    return target_on(on_device["gpu"], settings, on_device)


def target_on(gpu: str, settings: "RunSettings", options: Mapping[str, Any]) -> "LatencyTarget":
    """The target of a device and how the network runs there; `options` has --calibrate, --devices and --host-us."""
    from analyzer.latency.predict.parse_target import latency_target  # only a prediction needs the devices

    host_us = options["host_us"]
    return latency_target(
        gpu,
        settings,
        host_us=_measure_host_us() if isinstance(host_us, str) else host_us,
        calibration_file=options["calibrate"],
        devices_file=options["devices"],
    )


_DEVICE_OPTIONS = (
    "gpu",
    "calibrate",
    "devices",
    "host_us",
    "precision",
    "channels_last",
    "compiled",
    "cuda_graph",
    "train",
)


_MEASURE = "measure"


@cache
def _measure_host_us() -> float:
    """Microseconds that this machine takes to start one kernel, reported on standard error; needs torch."""
    from analyzer.extras import extra_imports

    with extra_imports("live"):
        from analyzer.live.timing.host_cost import measure_host_cost
    cost = measure_host_cost()
    click.echo(
        f"host: {cost:.1f} µs a kernel, measured on this machine's CPU; --host-us {cost:.1f} takes it again", err=True
    )
    return round(cost, 1)


class _HostMicroseconds(click.ParamType[float | str]):
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
_HOST_US = click.option(
    "--host-us",
    type=_HostMicroseconds(),
    metavar="µs|measure",
    help="What the host takes to start one kernel; or measure it on this machine, which needs torch.",
)
_GPU_HELP = "Predict latency on this GPU or CPU, such as 'RTX 4090'"
_RUN_OPTIONS = (
    click.option("--channels-last", is_flag=True, help="Keep tensors in channels-last (NHWC) layout."),
    click.option("--compiled", "--torchcompile", is_flag=True, help="Predict for torch.compile instead of eager."),
    click.option("--cuda-graph", is_flag=True, help="Predict for a CUDA graph, whose kernels cost the host nothing."),
    click.option("--train", is_flag=True, help="Predict a training step instead of inference."),
)


def _add_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def gpu_options(command: Command) -> Command:
    """Add `--gpu`, which may be given several times, and where its figures come from."""
    gpu = click.option("--gpu", "--on", multiple=True, metavar="NAME", help=f"{_GPU_HELP}; several for several.")
    return _add_options(command, gpu, _CALIBRATE, _DEVICES, _HOST_US)


def device_options(command: Command) -> Command:
    """Add one device and how the network runs on it; the command gets them as one mapping, `on_device`."""

    @wraps(command)
    def with_device(**options: Any) -> Any:
        return command(on_device={name: options.pop(name) for name in _DEVICE_OPTIONS}, **options)

    gpu = click.option("--gpu", "--on", metavar="NAME", help=f"{_GPU_HELP}.")
    names = "float32, amp, amp_bfloat16, float16 or bfloat16; by default float32."
    precision = click.option("--precision", metavar="WORD", help=f"Of the prediction: {names}")
    return _add_options(with_device, gpu, precision, *_RUN_OPTIONS, _CALIBRATE, _DEVICES, _HOST_US)
