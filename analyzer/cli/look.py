"""Verbs that look: list, report, diagram."""

import click

from analyzer.cost.analysis import analyze
from analyzer.families.registry import variants


@click.command("list")
@click.option("--family", default=None, help="Only the variants of this family.")
def list_verb(family: str | None) -> None:
    """The named variants with their parameters, MACs and depth."""
    for name, _, _ in variants(family):
        analysis = analyze(name)
        click.echo(f"{name} {analysis.params} {analysis.macs} {analysis.depth}")
