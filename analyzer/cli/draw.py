"""The verb that draws: diagram."""

import click

from analyzer.cli.options import VariantType, deliver, format_option, input_size_option, output_option
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.expression import slug
from analyzer.families.network import Network, Size
from analyzer.render.diagram_look import DENSE, DIRECTIONS, HEATS, SHOWN, THEMES, Look

_SUFFIX = {"mermaid": "mmd"}


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
    help=f"What boxes say: some of {','.join(SHOWN)}; or none. By default shape,params,macs, in figures shape. "
    "Latency is none of them: it depends on a device.",
)
@click.option("--heat", type=click.Choice(HEATS), help="Shade boxes by their share, and write it on them.")
@click.option("--theme", type=click.Choice(list(THEMES)), default="light", show_default=True, help="Colours.")
@click.option("--direction", type=click.Choice(DIRECTIONS), help="Where the network flows.")
@click.option("--page-size", help="Fit into a page: a3, a4, a5, letter, a4-landscape, or WIDTHxHEIGHT in mm.")
@click.option("--scale", type=click.FloatRange(0.1, 10), default=1.0, show_default=True, help="Enlarge a PNG.")
@click.option(
    "--dense", type=click.Choice(DENSE), default="folded", show_default=True, help="Dense stages at level stage."
)
@click.option("--figure", help="Draw a figure of the papers instead; `--figure list` names them.")
def diagram_verb(
    variant: Network | None,
    level: str | None,
    stage: str | None,
    path: str | None,
    form: str,
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
) -> None:
    """Draw a network; by default into VARIANT-LEVEL.svg in the current folder.

    DOT and Mermaid texts need no Graphviz. An HTML page zooms, pans and opens levels by click, without a network.
    """
    from analyzer.render.drawing import drawing, figure_drawing, level_of

    usual = "shape" if figure else "shape,params,macs"
    shown = () if show == "none" else tuple((show or usual).split(","))
    look = Look(show=shown, heat=heat, theme=theme, direction=direction, page_size=page_size, dense=dense)
    if figure == "list":
        deliver(_figure_list(), output)
        return
    if figure is not None:
        if variant is not None or level or stage or path or input_size or heat or form == "html":
            raise InvalidInput("diagram: --figure takes no VARIANT, part, level, input size, heat or html.")
        deliver(figure_drawing(figure, look).content(form, scale), output or f"{figure}.{_SUFFIX.get(form, form)}")
        return
    if variant is None:
        raise InvalidInput("diagram: VARIANT is missing; give one, such as resnet50, or --figure NAME.")
    chosen = level_of(level, stage, path)
    analysis = analyze(variant, input_size)
    drawn = drawing(analysis, chosen, look, stage=stage, path=path)
    name = "-".join([slug(analysis.variant), *([slug(stage or path or "")] if stage or path else []), chosen])
    deliver(drawn.content(form, scale), output or f"{name}.{_SUFFIX.get(form, form)}")


def _figure_list() -> str:
    """Each figure's name with what it redraws."""
    from analyzer.render.figures import FIGURES
    from analyzer.render.tables import terminal_table

    return (
        terminal_table(["figure", "what", "after"], [[name, *item[:2]] for name, item in FIGURES.items()], "lll") + "\n"
    )
