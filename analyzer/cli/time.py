"""The verb latency: what it takes; how it is measured stands in `time_measured`."""

import click

from analyzer.cli.options import Decorator, VariantType, format_option, input_size_option, output_option
from analyzer.cli.time_options import measuring_options
from analyzer.families.network import Network, Size

variants_argument: Decorator = click.argument("variants", nargs=-1, required=True, type=VariantType())


@click.command("latency")
@variants_argument
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda|cuda:N", help="Where to run.")
@measuring_options
@input_size_option
@format_option("table", "json", "csv")
@output_option
def latency_verb(
    variants: tuple[Network, ...], form: str, output: str | None, input_size: Size | None, **options: object
) -> int:
    """Measure the latency of networks on this machine, whole and by stage.

    Medians and percentiles of synchronised runs after a warm-up, and throughput; several networks are measured by
    turns. Options with LIST take several values joined by commas, and every combination is measured. The JSON keeps
    every sample and all conditions; csv has timm's columns.
    """
    from analyzer.cli.time_measured import measured

    return measured(variants, form, output, input_size, options)
