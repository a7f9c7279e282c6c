"""The gallery: the papers' figures and a few drawings, as files beside the reports with an index."""

from pathlib import Path
from typing import NamedTuple

from analyzer.cost.analysis import analyze
from analyzer.errors import Unavailable
from analyzer.latency.predict.parse_target import reference_target
from analyzer.render.diagram.dot import dot_source, dot_text
from analyzer.render.diagram.graphviz import render
from analyzer.render.diagram.paper_figures import PAPER_FIGURES, figure_diagram
from analyzer.render.diagram.style import DiagramStyle
from analyzer.render.latency.predicted import op_times, target_words

GALLERY_FOLDER = "figures"
"""Inside the folder of reports; where it is not there, there is no gallery."""

_COMMAND = "python -m analyzer diagram"


class GalleryDrawing(NamedTuple):
    """A drawing of the gallery: what it is, and the command that draws it."""

    title: str
    command: str
    dot: str


def gallery_drawings() -> dict[str, GalleryDrawing]:
    """File name → drawing, the papers' figures first."""
    shape_only = DiagramStyle(show=("shape",))
    drawings = {
        f"{name}.svg": GalleryDrawing(
            f"{figure.title} ({figure.source})",
            f"{_COMMAND} --figure {name}",
            dot_text(figure_diagram(name, shape_only), shape_only),
        )
        for name, figure in PAPER_FIGURES.items()
    }
    for name, (title, variant, level, style, options) in _DRAWINGS.items():
        dot = dot_source(analyze(variant), level, style)
        drawings[f"{name}.svg"] = GalleryDrawing(title, f"{_COMMAND} {variant} {options}", dot)
    drawings["resnet50-latency.svg"] = _latency()
    return drawings


def _latency() -> GalleryDrawing:
    """ResNet-50 by latency, on the target that reports take, too."""
    analysis, target = analyze("resnet50"), reference_target()
    style = DiagramStyle(show=("shape", "latency"), heat="latency", times=op_times(analysis, target))
    title = f"ResNet-50, shaded by its share of the latency predicted for {target_words(target)}"
    command = f"{_COMMAND} resnet50 --show shape,latency --heat latency {target.arguments}"
    return GalleryDrawing(title, command, dot_source(analysis, "network", style))


_DRAWINGS = {
    "resnet50-heat": (
        "ResNet-50, shaded by its share of the MACs",
        "resnet50",
        "network",
        DiagramStyle(heat="macs"),
        "--heat macs",
    ),
    "resnet34-stages": (
        "ResNet-34's stages on a dark page",
        "resnet34",
        "stage",
        DiagramStyle(theme="dark"),
        "--level stage --theme dark",
    ),
    "densenet121-blocks": (
        "DenseNet-121's distinct blocks drawn open, shaded by activation memory, for black-and-white print",
        "densenet121",
        "block",
        DiagramStyle(theme="print", heat="memory"),
        "--level block --theme print --heat memory",
    ),
}


def gallery_files(folder: Path) -> dict[Path, str | bytes]:
    """Path → content of the gallery below a folder of reports, nothing where that has none or no renderer is here."""
    if not (folder / GALLERY_FOLDER).is_dir():
        return {}
    drawings = gallery_drawings()
    try:
        files: dict[Path, str | bytes] = {
            folder / GALLERY_FOLDER / name: render(drawing.dot, "svg") for name, drawing in drawings.items()
        }
    except Unavailable:
        return {}
    return files | {folder / GALLERY_FOLDER / "README.md": index_text(drawings)}


def index_text(drawings: dict[str, GalleryDrawing]) -> str:
    """The gallery's index as markdown."""
    parts = ["# Figures", "Each is drawn from our own graphs by the command below it."]
    for name, drawing in drawings.items():
        parts += [f"## {drawing.title}", f"![{drawing.title}]({name})", f"`{drawing.command}`"]
    return "\n\n".join(parts) + "\n"
