"""The verb compare: networks side by side, and what their differences are due to."""

import json
from collections.abc import Mapping
from typing import Any

import click

from analyzer.cli.options import (
    VariantType,
    device_options,
    format_option,
    input_size_option,
    optional_target,
    output_option,
    write_output,
)
from analyzer.cost.analysis import analyze
from analyzer.families.network import Network, Size


@click.command("compare")
@click.argument("variants", nargs=-1, type=VariantType(), metavar="VARIANT VARIANT…")
@input_size_option
@format_option("markdown", "json", "html", "svg")
@output_option
@device_options
@click.option("--batch-size", type=int, default=None, help="Images a batch, of the predicted latency; by default 1.")
def compare_verb(
    variants: tuple[Network, ...],
    input_size: Size | None,
    output_format: str,
    output: str | None,
    on_device: Mapping[str, Any],
    batch_size: int | None,
) -> None:
    """Put networks side by side by stage, and split each difference to the first over what causes it.

    Networks of one family: over the fields that differ, one at a time, summing exactly. Others: over stages and kinds
    of op. HTML is one file with its chart; SVG is the chart alone. With --gpu the predicted latency stands beside, by
    stage and by what causes it.
    """
    from analyzer.render.compare.compare import comparison_markdown, network_comparison
    from analyzer.text.tables import padded_table

    comparison = network_comparison(
        [analyze(variant, input_size) for variant in variants], optional_target(on_device, batch_size)
    )
    match output_format:
        case "json":
            content = json.dumps(comparison.to_dict(), ensure_ascii=False) + "\n"
        case "html":
            content = comparison.html
        case "svg":
            content = comparison.svg
        case _:
            content = comparison_markdown(comparison, padded_table) if output in (None, "-") else comparison.markdown
    write_output(content, output)
