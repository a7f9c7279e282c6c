"""A drawing as people hold it: its DOT text, laid out when asked, shown by notebooks, saved by suffix."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput
from analyzer.files import write_whole
from analyzer.render.dot import dot_source
from analyzer.render.layout import FORMATS, render


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A network drawn at a level; `dot` needs no Graphviz, `svg` and `save` do (Unavailable says what to install)."""

    title: str
    level: str
    dot: str

    @cached_property
    def svg(self) -> str:
        """The drawing as SVG text."""
        return render(self.dot, "svg").decode()

    def save(self, path: str | Path) -> None:
        """Write the drawing as its suffix says: .svg, .png, .pdf or .dot; InvalidInput for another suffix."""
        target = Path(path)
        form = target.suffix.removeprefix(".").lower()
        if form not in (*FORMATS, "dot"):
            raise InvalidInput(f"file {target.name!r} must end in .svg, .png, .pdf or .dot.")
        write_whole(target, self.dot if form == "dot" else render(self.dot, form))

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Drawing({self.title!r}, level={self.level!r})"


def drawing(analysis: Analysis, level: str) -> Drawing:
    """The drawing of an analysed network; InvalidInput for an unknown level."""
    return Drawing(title=analysis.network.title, level=level, dot=dot_source(analysis, level))
