"""A drawing: its DOT text, laid out on demand, shown by notebooks, saved in the format of a file name's suffix."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput
from analyzer.files import write_whole
from analyzer.render.diagram.dot import box_diagram, dot_text
from analyzer.render.diagram.graphviz import FORMATS, render
from analyzer.render.diagram.picture import BoxDiagram
from analyzer.render.diagram.style import DEFAULT_STYLE, DiagramStyle

_SUFFIXES = (*FORMATS, "dot", "mmd", "html")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A network drawn at a level; `dot` needs no Graphviz, `svg` and `save` do (Unavailable says what to install)."""

    title: str
    level: str
    dot: str
    picture: BoxDiagram = field(repr=False)
    look: DiagramStyle = field(default=DEFAULT_STYLE, repr=False)
    page: Callable[[], str] = field(repr=False)
    """The self-contained HTML page."""

    @cached_property
    def svg(self) -> str:
        """The drawing as SVG text."""
        return render(self.dot, "svg").decode()

    @property
    def mermaid(self) -> str:
        """The drawing as a Mermaid flowchart, which GitHub shows; InvalidInput where it is over Mermaid's limits."""
        from analyzer.render.diagram.mermaid import mermaid_text

        return mermaid_text(self.picture, self.look)

    def content(self, output_format: str, scale: float = 1.0) -> str | bytes:
        """The drawing in one of the formats; `scale` enlarges a PNG's pixels."""
        if output_format == "dot":
            return self.dot
        if output_format == "mermaid":
            return self.mermaid
        if output_format == "html":
            return self.page()
        return render(self.dot, output_format, scale)

    def save(self, path: str | Path, scale: float = 1.0) -> None:
        """Write it as its suffix says: .svg, .png, .pdf, .dot, .mmd or .html; InvalidInput for another suffix."""
        target = Path(path)
        suffix = target.suffix.removeprefix(".").lower()
        if suffix not in _SUFFIXES:
            raise InvalidInput(f"file {target.name!r} must end in .svg, .png, .pdf, .dot, .mmd or .html.")
        write_whole(target, self.content("mermaid" if suffix == "mmd" else suffix, scale))

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Drawing({self.title!r}, level={self.level!r})"


def drawing(
    analysis: Analysis,
    level: str,
    style: DiagramStyle = DEFAULT_STYLE,
    *,
    stage: str | None = None,
    path: str | None = None,
) -> Drawing:
    """The drawing of an analysed network, or of one stage or weight path; InvalidInput for an unknown level or part."""

    def page() -> str:
        from analyzer.render.diagram.html_viewer import network_page

        return network_page(analysis, level, style, stage=stage, path=path)

    diagram = box_diagram(analysis, level, style, stage=stage, path=path)
    return Drawing(
        title=analysis.network.title, level=level, dot=dot_text(diagram, style), picture=diagram, look=style, page=page
    )


def default_level(level: str | None, stage: str | None, path: str | None) -> str:
    """The level where none is given: the network's for a network, a stage's blocks, and every op of a path."""
    if level is not None:
        return level
    return "op" if path else "stage" if stage else "network"


def figure_drawing(name: str, style: DiagramStyle) -> Drawing:
    """A figure of the papers, drawn from our own Graphs; InvalidInput with all names for an unknown one."""
    from analyzer.render.diagram.paper_figures import figure_diagram

    diagram = figure_diagram(name, style)

    def page() -> str:
        raise InvalidInput(f"figure {name}: has no levels, so there is no page of it; take svg, png or pdf.")

    return Drawing(
        title=diagram.title, level="figure", dot=dot_text(diagram, style), picture=diagram, look=style, page=page
    )
