"""The verb explain: where each number comes from."""

import json

import click

from analyzer.cli.options import format_option, input_size_option, output_option, variant_argument, write_output
from analyzer.cost.analysis import analyze
from analyzer.families.network import Network, Size


@click.command("explain")
@variant_argument
@click.argument("path", default="")
@input_size_option
@format_option("text", "markdown", "json")
@output_option
def explain_verb(variant: Network, path: str, input_size: Size | None, output_format: str, output: str | None) -> None:
    """How each number comes about: formulas with their numbers filled in, and the reason for each choice.

    PATH is a stage (stage2), or the weight path of a stage, block or op (layer2.0.conv2); without it, the network.
    """
    from analyzer.render.explain.explain import explanation

    explained = explanation(analyze(variant, input_size), path)
    if output_format == "json":
        write_output(json.dumps(explained.to_dict(), ensure_ascii=False) + "\n", output)
    else:
        write_output((explained.text if output_format == "text" else explained.markdown) + "\n", output)
