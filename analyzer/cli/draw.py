"""The verb that draws: diagram."""

import click

from analyzer.cli.options import deliver, format_option, input_size_option, output_option, variant_argument
from analyzer.cost.analysis import analyze
from analyzer.families.expression import slug
from analyzer.families.network import Network, Size


@click.command("diagram")
@variant_argument
@click.option(
    "--level",
    type=click.Choice(["network", "block"]),
    default="network",
    show_default=True,
    help="network: stages on one screen; block: every distinct block drawn open.",
)
@format_option("svg", "png", "pdf", "dot")
@output_option
@input_size_option
def diagram_verb(variant: Network, level: str, form: str, output: str | None, input_size: Size | None) -> None:
    """Draw a network; by default into VARIANT-LEVEL.svg in the current folder.

    DOT text needs no Graphviz.
    """
    from analyzer.render.dot import dot_source
    from analyzer.render.layout import render

    analysis = analyze(variant, input_size)
    dot = dot_source(analysis, level)
    content = dot if form == "dot" else render(dot, form)
    target = output or f"{slug(analysis.variant)}-{level}.{form}"
    deliver(content, target)
