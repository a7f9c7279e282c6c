"""The verb equivalence: identities proved, ResNeXt's three forms, and the others that a network has a place for."""

import json
import sys

import click

from analyzer.cli.options import VariantType, format_option, output_option, write_output
from analyzer.families.network import Network


@click.command("equivalence")
@click.argument("variant", type=VariantType(), default="resnext50_32x4d")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(["float64", "float32", "bfloat16", "float16"]),
    help="Compare in this type only; may be given several times. By default in float64 and float32.",
)
@click.option(
    "--full",
    is_flag=True,
    help="Every type, the whole network's gradients in both modes, and every fault in every type; takes minutes.",
)
@format_option("text", "markdown", "json")
@output_option
def equivalence_verb(
    variant: Network, dtypes: tuple[str, ...], full: bool, output_format: str, output: str | None
) -> int:
    """Grouped convolution, split–transform–merge and split–concat are one function, and the other identities.

    The three forms of every block share weights; outputs, gradients and running statistics are compared in evaluation
    and training mode against a bound on rounding. Then each other identity that the network has a place for (batch norm
    folds, a concatenation is a sum, …) is proved on it, and of those it lacks is said why. Planted faults must be seen.
    Exit status 1 where anything differs.
    """
    from analyzer.api import check_equivalence  # loads torch, which only this verb's run should pay
    from analyzer.render.equivalence.equivalence import markdown_proof, text_proof

    compared = dtypes or (("float64", "float32", "bfloat16", "float16") if full else ("float64", "float32"))
    proof = check_equivalence(variant, dtypes=tuple(dict.fromkeys(compared)), full=full, progress=_progress)
    if output_format == "json":
        write_output(json.dumps(proof.to_dict(), indent=2, ensure_ascii=False) + "\n", output)
    else:
        write_output(markdown_proof(proof) if output_format == "markdown" else text_proof(proof), output)
    return 0 if proof.passed else 1


def _progress(done: int, total: int, path: str) -> None:
    """Overwrite one line on a terminal; say nothing into a pipe."""
    if sys.stderr.isatty():
        words = (
            f"block {done} of {total}: {path}" if done <= total else "" if path == "done" else "the other identities"
        )
        click.echo(f"\r\033[K{words}", err=True, nl=False)
