"""A folder of reports: the files of each report, the index, and whether what is committed is still true."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.expression import slug
from analyzer.families.network import Size
from analyzer.families.registry import variant_names
from analyzer.families.toml_file import network_at
from analyzer.render.dot import dot_source
from analyzer.render.layout import dot_digest, render
from analyzer.render.report import OPENED, escaped, has_blocks, markdown_report
from analyzer.render.tables import markdown_table
from analyzer.render.units import exact, shape, short

INDEX = "README.md"
_COMMAND = "python -m analyzer report"
_MADE_BY = re.compile(rf"<!-- made by: {_COMMAND} (.+?)(?: --input-size (\d+)(?:x(\d+))?)? -->")


class Recipe(NamedTuple):
    """What a report was made from: an expression or a TOML file, and an input size, None for the variant's own."""

    expression: str
    input_size: Size | None = None

    @property
    def stem(self) -> str:
        """The report's file name without its suffix."""
        name = Path(self.expression).stem if self.expression.endswith(".toml") else self.expression
        return slug(name) + (f"-{_size_text(self.input_size)}" if self.input_size else "")

    @property
    def command(self) -> str:
        """The command line that makes the report again."""
        size = f" --input-size {_size_text(self.input_size)}" if self.input_size else ""
        return f"{_COMMAND} {self.expression}{size}"


def _size_text(size: Size) -> str:
    return str(size) if isinstance(size, int) else f"{size[0]}x{size[1]}"


def recipe_of(analysis: Analysis) -> Recipe:
    """The shortest recipe of an analysis."""
    _, height, width = analysis.input_shape
    source = analysis.network.path or analysis.variant
    if analysis.input_shape == analysis.network.input_shape():
        return Recipe(source)
    return Recipe(source, height if height == width else (height, width))


def made(recipe: Recipe) -> Analysis:
    """The analysis that a recipe asks for."""
    return analyze(network_at(recipe.expression), recipe.input_size)


def report_files(analysis: Analysis) -> dict[str, str | bytes]:
    """File name → content of a report: the markdown, and its diagrams as SVG, or DOT where nothing can draw."""
    recipe = recipe_of(analysis)
    files: dict[str, str | bytes] = {f"{recipe.stem}.md": report_text(analysis)}
    for stem, dot in _drawings(analysis, recipe.stem).items():
        try:
            files[f"{stem}.svg"] = render(dot, "svg")
        except Unavailable:
            files[f"{stem}.dot"] = dot
    return files


def _drawings(analysis: Analysis, stem: str) -> dict[str, str]:
    """File name without suffix → DOT text: the network, and its distinct blocks where it has any."""
    drawn = {stem: dot_source(analysis, "network")}
    return drawn | ({f"{stem}{OPENED}": dot_source(analysis, "block")} if has_blocks(analysis) else {})


def report_text(analysis: Analysis) -> str:
    """The markdown of a report in a folder, which shows the SVG beside it."""
    recipe = recipe_of(analysis)
    return markdown_report(analysis, recipe.command, f"{recipe.stem}.svg")


def recipes(folder: Path) -> Iterator[Recipe]:
    """The recipes of the reports in a folder, by file name; InvalidInput for a report that does not tell its own."""
    for path in sorted(folder.glob("*.md")):
        if path.name != INDEX:
            yield _recipe(path)


def _recipe(path: Path) -> Recipe:
    found = _MADE_BY.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise InvalidInput(f"report {path}: has no line that tells how it was made; make it again with `{_COMMAND}`.")
    expression, height, width = found.groups()
    if height is None:
        return Recipe(expression)
    return Recipe(expression, (int(height), int(width)) if width else int(height))


def index_text(analyses: list[Analysis]) -> str:
    """The index of a folder of reports as markdown."""
    heads = ["network", "input", "parameters", "MACs", "activations", "receptive field", "depth"]
    table = markdown_table(heads, [_index_cells(analysis) for analysis in analyses], "llrrrrr")
    return f"# Reports\n\n{table}\n\nMACs and activations are those of one input; each report states its conventions.\n"


def _index_cells(analysis: Analysis) -> list[str]:
    totals = analysis.totals
    return [
        f"[{escaped(analysis.network.title)}]({recipe_of(analysis).stem}.md)",
        shape(analysis.input_shape),
        exact(totals.params),
        exact(totals.macs),
        short(totals.activations, 4),
        f"{exact(totals.receptive_field)} px",
        str(totals.depth),
    ]


def ordered(analyses: list[Analysis]) -> list[Analysis]:
    """Analyses in the order of the named variants, the others after them."""
    places = {name: place for place, name in enumerate(variant_names())}
    return sorted(analyses, key=lambda item: (places.get(item.variant, len(places)), item.variant, item.input_shape))


def stale(folder: Path) -> Iterator[str]:
    """One sentence for each file in a folder of reports that is missing or no longer what the program would write."""
    analyses = [made(recipe) for recipe in recipes(folder)]
    if not analyses:
        raise InvalidInput(f"folder {folder}: holds no reports to check; write some with `{_COMMAND} VARIANT`.")
    for analysis in analyses:
        stem = recipe_of(analysis).stem
        yield from _stale_text(folder / f"{stem}.md", report_text(analysis))
        for name, dot in _drawings(analysis, stem).items():
            yield from _stale_picture(folder / f"{name}.svg", dot)
    yield from _stale_text(folder / INDEX, index_text(ordered(analyses)))
    yield from _stale_gallery(folder)


def _stale_gallery(folder: Path) -> Iterator[str]:
    from analyzer.render import gallery  # a report does without

    figures = folder / gallery.FOLDER
    if figures.is_dir():
        shown = gallery.gallery()
        yield from _stale_text(figures / INDEX, gallery.index_text(shown))
        for name, drawing in shown.items():
            yield from _stale_picture(figures / name, drawing.dot)


def _stale_text(path: Path, wanted: str) -> Iterator[str]:
    given = path.read_text(encoding="utf-8") if path.exists() else ""
    if given != wanted:
        lines = zip([*given.splitlines(), ""], [*wanted.splitlines(), ""], strict=False)
        number, (old, new) = next((item for item in enumerate(lines, 1) if item[1][0] != item[1][1]), (1, ("", "")))
        yield f"{path} is out of date at line {number}: {old[:120]!r} should be {new[:120]!r}."


def _stale_picture(path: Path, dot: str) -> Iterator[str]:
    if not path.exists():
        yield f"{path} is missing."
    elif dot_digest(path.read_text(encoding="utf-8")) != hashlib.sha256(dot.encode()).hexdigest():
        yield f"{path} is out of date: it was drawn from another graph or another drawing style."
