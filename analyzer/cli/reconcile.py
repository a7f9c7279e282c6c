"""The verb reconcile: which convention of which tool or paper gives a published number."""

import json

import click

from analyzer.cli.options import format_option, input_size_option, output_option, variant_argument, write_output
from analyzer.cost.analysis import analyze
from analyzer.families.network import Network, Size

_KINDS = ("params", "macs", "activations", "bytes")
"""Those of `analyzer.literature.reconcile`, which `--help` need not load."""


@click.command("reconcile")
@variant_argument
@click.argument("number", nargs=-1, required=True, metavar="NUMBER")
@click.option("--quantity", type=click.Choice(_KINDS), default=None, help="What the number is of, where that is known.")
@input_size_option
@format_option("text", "json")
@output_option
def reconcile_verb(
    variant: Network,
    number: tuple[str, ...],
    quantity: str | None,
    input_size: Size | None,
    output_format: str,
    output: str | None,
) -> int:
    """Which convention of which tool or paper gives a published NUMBER.

    NUMBER is a count (25557032), which must agree to the unit, or digits and a unit (4.1G, 25.6M, 97.8MB), which must
    agree as printed, rounded or cut off. A paper's known error is told as such. Exit status 1 where nothing gives the
    number; the nearest counts are shown then.
    """
    from analyzer.literature.reconcile import parse_printed_number, reconcile

    result = reconcile(analyze(variant, input_size), parse_printed_number(" ".join(number), quantity))
    if output_format == "json":
        write_output(json.dumps(result.to_dict(), ensure_ascii=False) + "\n", output)
    else:
        from analyzer.render.report.reconcile import reconcile_text

        write_output(reconcile_text(result), output)
    return 0 if result.explained else 1
