"""The verb that measures latency."""

import click

from analyzer.cli.options import deliver, format_option, input_size_option, output_option, variant_argument
from analyzer.families.network import Network, Size
from analyzer.render.latency import latency_table


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)


@click.command("latency")
@variant_argument
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda|cuda:N", help="Where to run.")
@click.option("--batch-size", type=int, default=1, show_default=True, help="Images a batch.")
@click.option(
    "--precision",
    default="float32",
    show_default=True,
    metavar="WORD",
    help="float32, amp, amp_bfloat16, float16 or bfloat16.",
)
@input_size_option
@click.option("--channels-last", is_flag=True, help="Keep tensors in channels-last (NHWC) layout.")
@click.option("--num-warm-iter", type=int, default=10, show_default=True, help="Runs before the first sample.")
@click.option("--num-bench-iter", type=int, default=None, help="Samples; by default at least 50 and one second.")
@format_option("table", "json")
@output_option
def latency_verb(variant: Network, form: str, output: str | None, input_size: Size | None, **options: object) -> int:
    """Measure the latency of one batch on this machine, whole and by stage.

    Medians and percentiles of synchronised runs after a warm-up; the JSON keeps every sample and all conditions.
    """
    from analyzer.api import measure_latency  # loads torch, which only this verb's run should pay

    record = measure_latency(variant, input_size=input_size, notice=_tell, **options)  # type: ignore[arg-type]
    deliver(record.to_json() if form == "json" else latency_table(record), output)
    return 0
