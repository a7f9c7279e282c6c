"""The verb export: a network as a PyTorch file or as ONNX."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli.options import format_option, input_size_option, output_option, variant_argument, write_output
from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput
from analyzer.extras import extra_imports
from analyzer.families.expression import slug
from analyzer.families.network import Network, Size

if TYPE_CHECKING:
    from analyzer.live.network.onnx_file import OnnxFile

ENDINGS = {"pytorch": "py", "onnx": "onnx"}


@click.command("export")
@variant_argument
@format_option(*ENDINGS)
@output_option
@input_size_option
@click.option("--weights", type=click.Path(path_type=Path), help="A weight file to put into the ONNX model.")
def export_verb(
    variant: Network, output_format: str, output: str | None, input_size: Size | None, weights: Path | None
) -> int:
    """Write a network as one readable PyTorch file that needs nothing but torch, or as ONNX (extra onnx).

    The PyTorch file has the same weight names, shapes, order and arithmetic; ONNX takes any batch, has random weights
    or those of a file, and is checked with onnxruntime. By default into VARIANT.py or VARIANT.onnx in this folder.
    """
    analysis = analyze(variant, input_size)
    target = output or f"{module_name(analysis)}.{ENDINGS[output_format]}"
    if output_format == "onnx":
        return _export_onnx(analysis, target, weights)
    if weights is not None:
        raise InvalidInput(
            "--weights: a PyTorch file holds no weights; use --format onnx, or load them into its network."
        )
    from analyzer.render.pytorch.source import pytorch_source

    write_output(pytorch_source(analysis), target)
    return 0


def _export_onnx(analysis: Analysis, target: str, weights: Path | None) -> int:
    """Write the file where onnxruntime agrees, or is not there; exit 1 and write nothing where it does not."""
    with extra_imports("onnx"):
        from analyzer.live.network.onnx_file import onnx_file
    exported = onnx_file(analysis, weights)
    click.echo(_verdict(exported), err=True)
    if not exported.agrees:
        return 1
    write_output(exported.content, target)
    return 0


def _verdict(exported: "OnnxFile") -> str:
    if not exported.checked_by:
        return f"opset {exported.opset}, not checked: onnxruntime is not installed (extra onnx)."
    figures = f"largest difference {exported.difference:.2g}, largest output {exported.magnitude:.4g}"
    word = "computes the same" if exported.agrees else "computes something else, so nothing was written"
    return f"opset {exported.opset}; {exported.checked_by} {word}: {figures}."


def module_name(analysis: Analysis) -> str:
    """The variant as the name of a Python module that can be imported."""
    name = re.sub(r"\W+", "_", slug(analysis.variant), flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"net_{name}"
