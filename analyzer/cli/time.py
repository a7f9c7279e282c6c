"""The verb latency: measured on this machine (`time_measured`), or predicted for a named device (`time_predicted`)."""

from typing import Any

import click
from click.core import ParameterSource

from analyzer.cli.on_device import gpu_options
from analyzer.cli.options import Decorator, VariantType, format_option, input_size_option, output_option
from analyzer.cli.time_options import measuring_options
from analyzer.errors import InvalidInput
from analyzer.families.network import Network, Size

variants_argument: Decorator = click.argument("variants", nargs=-1, type=VariantType(), metavar="[VARIANT…]")
PREDICTED = ("calibrate", "devices", "host_us", "roofline")
"""Options that only a prediction takes."""
SHARED = ("task", "execution", "layout", "precision", "batch_size", "compiled", "channels_last", "cuda_graph", "train")
"""Options that both halves take: how the network runs."""


@click.command("latency")
@variants_argument
@click.option("--device", default=None, metavar="cpu|cuda|cuda:N", help="Measure here; by default on the CPU.")
@gpu_options
@measuring_options
@click.option("--cuda-graph", is_flag=True, help="Replayed from a CUDA graph: --execution cuda_graph.")
@click.option("--train", is_flag=True, help="A training step: --bench training.")
@input_size_option
@click.option(
    "--roofline", metavar="FILE", help="Draw the predicted stages under the device's roof: .svg, .html, .json"
)
@click.option("--list-devices", is_flag=True, help="List the devices that --gpu knows, and where figures come from.")
@format_option("table", "json", "csv", "markdown")
@output_option
@click.pass_context
def latency_verb(
    context: click.Context,
    /,
    variants: tuple[Network, ...],
    device: str | None,
    gpu: tuple[str, ...],
    list_devices: bool,
    form: str,
    output: str | None,
    input_size: Size | None,
    **options: Any,
) -> int:
    """Latency of one batch, whole and by stage: measured on this machine, or predicted for a device that is not here.

    Measured (`--device cpu`, `cuda`): medians and percentiles of synchronised runs after a warm-up, and throughput;
    several networks are measured by turns. The JSON keeps every sample and all conditions; csv has timm's columns.
    Predicted (`--gpu 'RTX 4090'`, no torch): from the network's kernels and the device's figures, with a 90 % interval
    and what it stands on. Options with LIST take several values joined by commas. The two are never mixed.
    """
    if device is not None and (gpu or list_devices):
        raise InvalidInput("latency: --device measures and --gpu predicts; give one of them.")
    if list_devices:
        from analyzer.cli.time_predicted import list_devices_verb

        return list_devices_verb(options["devices"], form, output)
    if not variants:
        raise InvalidInput("latency: VARIANT is missing; give one, such as resnet50, or --list-devices.")
    _take_flags(options)
    if gpu:
        _refuse(context, [name for name in options if name not in (*PREDICTED, *SHARED)], "measured", "leave out --gpu")
        from analyzer.cli.time_predicted import predicted_verb

        return predicted_verb(variants, gpu, input_size, form, output, options)
    _refuse(context, PREDICTED, "predicted", "name a device by --gpu")
    if form == "markdown":
        raise InvalidInput("--format markdown: a measured latency comes as table, json or csv.")
    from analyzer.cli.time_measured import measured

    return measured(variants, form, output, input_size, {**options, "device": device or "cpu"})


def _take_flags(options: dict[str, Any]) -> None:
    """`--train` and `--cuda-graph` as the lists that they stand for."""
    if options.pop("train"):
        options["task"] = ("training",)
    if options.pop("cuda_graph"):
        if options["execution"] is not None or options["compiled"]:
            raise InvalidInput("--cuda-graph does not go with --execution or --compiled; name cuda_graph in its list.")
        options["execution"] = ("cuda_graph",)


def _refuse(context: click.Context, names: Any, kind: str, instead: str) -> None:
    """InvalidInput where an option is given that is about the other half."""
    for param in context.command.params:
        if param.name in names and context.get_parameter_source(param.name) == ParameterSource.COMMANDLINE:
            raise InvalidInput(f"{param.opts[0]}: is about a {kind} latency; {instead}.")
