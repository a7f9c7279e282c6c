"""The verb that takes a network away: export."""

import re

import click

from analyzer.cli.options import deliver, format_option, input_size_option, output_option, variant_argument
from analyzer.cost.analysis import Analysis, analyze
from analyzer.families.expression import slug
from analyzer.families.network import Network, Size

ENDINGS = {"pytorch": "py", "onnx": "onnx"}


@click.command("export")
@variant_argument
@format_option(*ENDINGS)
@output_option
@input_size_option
def export_verb(variant: Network, form: str, output: str | None, input_size: Size | None) -> None:
    """Write a network as one readable PyTorch file that needs nothing but torch, or as ONNX.

    The PyTorch file has the same weight names, shapes, order and arithmetic. By default into VARIANT.py or
    VARIANT.onnx in the current folder.
    """
    analysis = analyze(variant, input_size)
    deliver(_content(analysis, form), output or f"{module_name(analysis)}.{ENDINGS[form]}")


def _content(analysis: Analysis, form: str) -> str | bytes:
    from analyzer.render.pytorch import pytorch_source

    return pytorch_source(analysis)


def module_name(analysis: Analysis) -> str:
    """The variant as the name of a Python module that can be imported."""
    name = re.sub(r"\W+", "_", slug(analysis.variant), flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"net_{name}"
