"""The verb that proves ResNeXt's three forms equal."""

import json
import sys

import click

from analyzer.cli.options import VariantType, deliver, format_option, output_option
from analyzer.families.network import Network


@click.command("equivalence")
@click.argument("variant", type=VariantType(), default="resnext50_32x4d")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(["float64", "float32"]),
    default=("float64", "float32"),
    help="Compare in this type only; may be given twice. By default in both.",
)
@format_option("markdown", "json")
@output_option
def equivalence_verb(variant: Network, dtypes: tuple[str, ...], form: str, output: str | None) -> int:
    """Grouped convolution, split–transform–merge and split–concat are one function: proved on every block.

    The forms of each block share weights; outputs, gradients and running statistics are compared in evaluation and
    training mode against a bound on rounding, and planted faults must be seen. Exit status 1 where anything differs.
    """
    from analyzer.api import check_equivalence  # loads torch, which only this verb's run should pay
    from analyzer.render.equivalence import markdown_proof

    proof = check_equivalence(variant, dtypes=tuple(dict.fromkeys(dtypes)), progress=_progress)
    text = json.dumps(proof.to_dict(), indent=2, ensure_ascii=False) if form == "json" else markdown_proof(proof)
    deliver(text + "\n" if form == "json" else text, output)
    return 0 if proof.passed else 1


def _progress(done: int, total: int, path: str) -> None:
    """Overwrite one line on a terminal; say nothing into a pipe."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[Kblock {done} of {total}: {path}" if done <= total else "\r\033[K", err=True, nl=False)
