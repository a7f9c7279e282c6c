"""The verb list: the named variants with their totals."""

import json

import click

from analyzer.cli.options import format_option, output_option, write_output
from analyzer.cost.analysis import Analysis, analyze
from analyzer.families.registry import variants
from analyzer.text.tables import padded_table, terminal_table
from analyzer.text.units import exact, shape, short


@click.command("list")
@click.option("--family", default=None, help="Only the variants of this family.")
@format_option("table", "markdown", "json")
@output_option
def list_verb(family: str | None, output_format: str, output: str | None) -> None:
    """The named variants with their parameters, MACs and depth."""
    analyses = [analyze(name) for name, _, _ in variants(family)]
    write_output(_list_text(analyses, output_format) + "\n", output)


def _list_text(analyses: list[Analysis], output_format: str) -> str:
    if output_format == "json":
        return json.dumps(
            {"schema": 1, "variants": [_list_facts(analysis) for analysis in analyses]}, ensure_ascii=False
        )
    table = terminal_table if output_format == "table" else padded_table
    heads = ["variant", "network", "input", "parameters", "MACs", "activations", "depth"]
    return table(heads, [_list_cells(analysis) for analysis in analyses], "lllrrrr")


def _list_cells(analysis: Analysis) -> list[str]:
    return [
        analysis.variant,
        analysis.network.title,
        shape(analysis.input_shape),
        exact(analysis.params),
        short(analysis.macs, 4),
        short(analysis.activations, 4),
        str(analysis.depth),
    ]


def _list_facts(analysis: Analysis) -> dict[str, object]:
    return {
        "variant": analysis.variant,
        "title": analysis.network.title,
        "family": analysis.network.family,
        "input_shape": list(analysis.input_shape),
        "params": analysis.params,
        "macs": analysis.macs,
        "activations": analysis.activations,
        "depth": analysis.depth,
    }
