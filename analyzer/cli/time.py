"""The verb latency: measured on this machine (`--device`), or predicted for a device by name (`--gpu`)."""

from typing import Any

import click

from analyzer.cli.on_device import FLAGS, gpu_options, run_options
from analyzer.cli.options import VariantType, deliver, format_option, input_size_option, output_option
from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Network

FORMS = ("table", "json", "csv", "markdown")


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)


def _listed(_: click.Context, param: click.Parameter, text: str) -> tuple[str, ...]:
    """`1,256` as its words."""
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise InvalidInput(f"--{param.name}: {shortened(text)!r} must be one word, or several joined by commas.")
    return tuple(dict.fromkeys(words))


def _counts(context: click.Context, param: click.Parameter, text: str) -> tuple[int, ...]:
    """`1,256` as its numbers."""
    words = _listed(context, param, text)
    if not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words):
        raise InvalidInput(f"--batch-size: {shortened(text)!r} must be a whole number, or several joined by commas.")
    return tuple(map(int, words))


@click.command("latency")
@click.argument("variants", nargs=-1, type=VariantType(), metavar="[VARIANT…]")
@click.option("--device", default=None, metavar="cpu|cuda|cuda:N", help="Measure here; by default on the cpu.")
@gpu_options
@click.option("--batch-size", default="1", show_default=True, callback=_counts, help="Images a batch; or 1,32,256.")
@click.option(
    "--precision",
    default="float32",
    show_default=True,
    callback=_listed,
    metavar="WORD",
    help="float32, amp, amp_bfloat16, float16 or bfloat16; or several.",
)
@input_size_option
@run_options
@click.option("--num-warm-iter", type=int, default=10, show_default=True, help="Runs before the first sample.")
@click.option("--num-bench-iter", type=int, default=None, help="Samples; by default at least 50 and one second.")
@click.option(
    "--roofline", metavar="FILE", help="Draw the predicted stages under the device's roof: .svg, .html, .json."
)
@click.option("--list-devices", is_flag=True, help="List the devices that --gpu knows, with where figures come from.")
@format_option(*FORMS)
@output_option
def latency_verb(
    variants: tuple[Network, ...],
    device: str | None,
    gpu: tuple[str, ...],
    list_devices: bool,
    **options: Any,
) -> int:
    """Latency of one batch, whole and by stage: measured on this machine, or predicted for a device that is not here.

    Measured (`--device cpu`, `cuda`): medians and percentiles of synchronised runs after a warm-up; the JSON keeps
    every sample and all conditions. Predicted (`--gpu 'RTX 4090'`, no torch): from the network's kernels and the
    device's figures, with a 90 % interval and what it stands on. The two are never mixed.
    """
    if device is not None and (gpu or list_devices):
        raise InvalidInput("latency: --device measures and --gpu predicts; give one of them.")
    if list_devices:
        from analyzer.cli.time_predicted import list_devices_verb

        return list_devices_verb(options["devices"], options["form"], options["output"])
    if not variants:
        raise InvalidInput("latency: VARIANT is missing; give one, such as resnet50, or --list-devices.")
    if gpu:
        from analyzer.cli.time_predicted import predicted_verb

        return predicted_verb(variants, gpu, options)
    return _measured(variants, device or "cpu", options)


def _measured(variants: tuple[Network, ...], device: str, options: dict[str, Any]) -> int:
    """One record, as a table or JSON."""
    form, output = options.pop("form"), options.pop("output")
    for name in (*FLAGS, "roofline", "calibrate", "devices", "host_us"):
        if options.pop(name):
            raise InvalidInput(f"--{name.replace('_', '-')}: is about a predicted latency; name a device by --gpu.")
    if len(variants) > 1 or len(options["batch_size"]) > 1 or len(options["precision"]) > 1:
        raise InvalidInput("latency: measures one VARIANT, batch size and precision at a time; --gpu predicts many.")
    if form not in ("table", "json"):
        raise InvalidInput(f"--format {form}: a measured latency comes as table or json.")
    from analyzer.api import measure_latency  # loads torch, which only a measurement should pay
    from analyzer.render.latency import latency_table

    (options["batch_size"],), (options["precision"],) = options["batch_size"], options["precision"]
    record = measure_latency(variants[0], device=device, notice=_tell, **options)
    deliver(record.to_json() if form == "json" else latency_table(record), output)
    return 0
