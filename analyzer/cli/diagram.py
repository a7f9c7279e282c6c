"""The verb diagram: a network, a part of it or a figure of the papers, drawn."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput
from analyzer.families.expression import slug
from analyzer.families.network import Network, Size
from analyzer.render.diagram.style import (
    BOX_FACTS,
    DENSE_LAYOUTS,
    DIRECTIONS,
    HEAT_QUANTITIES,
    THEMES,
    DiagramStyle,
    OpTimes,
)

if TYPE_CHECKING:
    from analyzer.render.diagram.drawing import Drawing


@click.command("diagram")
@click.argument("variant", type=VariantType(), required=False)
@click.option(
    "--level",
    type=click.Choice(["network", "stage", "block", "op"]),
    help="network: all on one screen (default); stage: its distinct blocks; block: those drawn open; op: every op.",
)
@click.option("--stage", help="Draw one stage: stage3, stem; by default at level stage.")
@click.option("--path", help="Draw what is at a weight path: layer3.0; by default at level op.")
@format_option("svg", "png", "pdf", "dot", "mermaid", "html")
@output_option
@input_size_option
@click.option(
    "--show",
    help=f"What boxes say: some of {','.join(BOX_FACTS)}; or none. By default shape,params,macs, in figures shape. "
    "Latency is predicted, for the device that --gpu names.",
)
@click.option("--heat", type=click.Choice(HEAT_QUANTITIES), help="Shade boxes by their share, and write it on them.")
@click.option("--theme", type=click.Choice(list(THEMES)), default="light", show_default=True, help="Colours.")
@click.option("--direction", type=click.Choice(DIRECTIONS), help="Where the network flows.")
@click.option("--page-size", help="Fit into a page: a3, a4, a5, letter, a4-landscape, or WIDTHxHEIGHT in mm.")
@click.option("--scale", type=click.FloatRange(0.1, 10), default=1.0, show_default=True, help="Enlarge a PNG.")
@click.option(
    "--dense",
    type=click.Choice(DENSE_LAYOUTS),
    default="folded",
    show_default=True,
    help="Dense stages at level stage.",
)
@device_options
@click.option("--batch-size", type=int, default=None, help="Images a batch, of the predicted latency; by default 1.")
@click.option("--figure", help="Draw a figure of the papers instead; `--figure list` names them.")
def diagram_verb(
    variant: Network | None,
    level: str | None,
    stage: str | None,
    path: str | None,
    output_format: str,
    output: str | None,
    input_size: Size | None,
    show: str | None,
    heat: str | None,
    theme: str,
    direction: str | None,
    page_size: str | None,
    scale: float,
    dense: str,
    figure: str | None,
    on_device: Mapping[str, Any],
    batch_size: int | None,
) -> None:
    """Draw a network; by default into VARIANT-LEVEL.svg in the current folder.

    DOT and Mermaid texts need no Graphviz. An HTML page zooms, pans and opens levels by click, without a network.
    """
    facts = () if show == "none" else tuple((show or ("shape" if figure else "shape,params,macs")).split(","))
    style = DiagramStyle(theme=theme, direction=direction, page_size=page_size, dense=dense)
    if figure is not None:
        of_network = any((level, stage, path, input_size, heat, on_device["gpu"]))
        if variant is not None or of_network or output_format == "html":
            raise InvalidInput("diagram: --figure takes no VARIANT, part, level, input size, heat, device or html.")
        _draw_figure(figure, replace(style, show=facts), output_format, scale, output)
        return
    if variant is None:
        raise InvalidInput("diagram: VARIANT is missing; give one, such as resnet50, or --figure NAME.")
    analysis = analyze(variant, input_size)
    style = replace(style, show=facts, heat=heat, times=_times(analysis, on_device, batch_size))
    drawing = _drawing(analysis, style, level, stage, path)
    part = [slug(stage or path or "")] if stage or path else []
    name = "-".join([slug(variant.expression), *part, drawing.level])
    write_output(drawing.content(output_format, scale), output or f"{name}.{_suffix(output_format)}")


def _suffix(output_format: str) -> str:
    return "mmd" if output_format == "mermaid" else output_format


def _times(analysis: Analysis, on_device: Mapping[str, Any], batch_size: int | None) -> OpTimes | None:
    """Predicted milliseconds of each op, where a device is named."""
    target = optional_target(on_device, batch_size)
    if target is None:
        return None
    from analyzer.render.latency.predicted import op_times  # most drawings show no latency

    return op_times(analysis, target)


def _drawing(
    analysis: Analysis, style: DiagramStyle, level: str | None, stage: str | None, path: str | None
) -> "Drawing":
    from analyzer.render.diagram.drawing import default_level, drawing

    return drawing(analysis, default_level(level, stage, path), style, stage=stage, path=path)


def _draw_figure(figure: str, style: DiagramStyle, output_format: str, scale: float, output: str | None) -> None:
    from analyzer.render.diagram.drawing import figure_drawing

    if figure == "list":
        write_output(_figure_list(), output)
    else:
        content = figure_drawing(figure, style).content(output_format, scale)
        write_output(content, output or f"{figure}.{_suffix(output_format)}")


def _figure_list() -> str:
    """Each figure's name with what it redraws."""
    from analyzer.render.diagram.paper_figures import PAPER_FIGURES
    from analyzer.text.tables import terminal_table

    rows = [[name, figure.title, figure.source] for name, figure in PAPER_FIGURES.items()]
    return terminal_table(["figure", "what", "after"], rows, "lll") + "\n"
