"""A folder of reports: the files of each report, the index, and whether what is committed is still true."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.expression import slug
from analyzer.families.network import Size, parse_size, size_of_sides, size_text
from analyzer.families.registry import variant_names
from analyzer.families.toml_file import network_at
from analyzer.render.diagram.dot import dot_source
from analyzer.render.diagram.graphviz import dot_digest, render
from analyzer.render.report.report import BLOCKS_SUFFIX, has_blocks, markdown_report
from analyzer.text.tables import escape_markdown, markdown_table
from analyzer.text.units import exact, shape, short

if TYPE_CHECKING:
    from analyzer.latency.predict.target import LatencyTarget

INDEX_FILE = "README.md"
CLAIMS_FILE = "claims.md"
_COMMAND = "python -m analyzer report"
_SIZES = r"\d+(?:x\d+)?(?:,\d+(?:x\d+)?)*"
_MADE_BY = re.compile(rf"<!-- made by: {_COMMAND} (.+?)(?: --input-size ({_SIZES}))?(?: (--gpu .+?))? -->")


class Report(NamedTuple):
    """A network at its first size and at the others, and the device to predict its latency for, where one is named."""

    analysis: Analysis
    others: Sequence[Analysis] = ()
    target: "LatencyTarget | None" = None


class ReportSource(NamedTuple):
    """What a report was made from: an expression or a TOML file, and an input size, None for the variant's own.

    `others` are the further sizes of a report on several, `device` the options that name a device and how the network
    runs on it.
    """

    expression: str
    input_size: Size | None = None
    others: tuple[Size, ...] = ()
    device: str = ""

    @property
    def stem(self) -> str:
        """The report's file name without its suffix."""
        name = Path(self.expression).stem if self.expression.endswith(".toml") else self.expression
        return "-".join([slug(name), *self._sizes, *([slug("-".join(self.target.words))] if self.target else [])])

    @property
    def command(self) -> str:
        """The command line that makes the report again."""
        sizes = f" --input-size {','.join(self._sizes)}" if self._sizes else ""
        return f"{_COMMAND} {self.expression}{sizes}{f' {self.device}' if self.device else ''}"

    @property
    def target(self) -> "LatencyTarget | None":
        """The device and how the network runs on it, None where none is named; InvalidInput for unknown ones."""
        if not self.device:
            return None
        from analyzer.latency.predict.parse_target import target_from

        return target_from(self.device)

    @property
    def _sizes(self) -> list[str]:
        return [size_text(size) for size in (self.input_size, *self.others) if size]


def report_source(
    analysis: Analysis, others: Sequence[Analysis] = (), target: "LatencyTarget | None" = None
) -> ReportSource:
    """The shortest source of an analysis, or of a report on it and the same network at other input sizes."""
    source = analysis.network.path or analysis.variant
    device = target.arguments if target else ""
    if analysis.input_shape == analysis.network.input_shape() and not others:
        return ReportSource(source, device=device)
    return ReportSource(source, _size_of(analysis), tuple(_size_of(other) for other in others), device)


def _size_of(analysis: Analysis) -> Size:
    _, height, width = analysis.input_shape
    return size_of_sides(height, width)


def build_report(source: ReportSource) -> Report:
    """The report of a source: its network analysed at each size, and its target."""
    network = network_at(source.expression)
    others = tuple(analyze(network, size) for size in source.others)
    return Report(analyze(network, source.input_size), others, source.target)


def report_files(
    analysis: Analysis, others: Sequence[Analysis] = (), target: "LatencyTarget | None" = None
) -> dict[str, str | bytes]:
    """File name → content of a report: the markdown, and its diagrams as SVG, or DOT where nothing can draw."""
    first = report_source(analysis, others, target).stem
    files: dict[str, str | bytes] = {f"{first}.md": report_text(analysis, others, target)}
    for stem, dot in _drawings(analysis, first).items():
        try:
            files[f"{stem}.svg"] = render(dot, "svg")
        except Unavailable:
            files[f"{stem}.dot"] = dot
    return files


def why_not_drawn(dot: str) -> str:
    """Why this machine does not draw a DOT text, in one sentence; "" where it does."""
    try:
        render(dot, "svg")
    except Unavailable as error:
        return str(error)
    return ""


def _drawings(analysis: Analysis, stem: str) -> dict[str, str]:
    """File name without suffix → DOT text: the network, and its distinct blocks where it has any."""
    dots = {stem: dot_source(analysis, "network")}
    return dots | ({f"{stem}{BLOCKS_SUFFIX}": dot_source(analysis, "block")} if has_blocks(analysis) else {})


def report_text(analysis: Analysis, others: Sequence[Analysis] = (), target: "LatencyTarget | None" = None) -> str:
    """The markdown of a report in a folder, which shows the SVG beside it."""
    source = report_source(analysis, others, target)
    return markdown_report(analysis, source.command, f"{source.stem}.svg", others, target)


def report_sources(folder: Path) -> Iterator[ReportSource]:
    """The sources of the reports in a folder, by file name; InvalidInput for a report without its own."""
    for path in sorted(folder.glob("*.md")):
        if path.name not in (INDEX_FILE, CLAIMS_FILE):
            yield _read_source(path)


def _read_source(path: Path) -> ReportSource:
    match = _MADE_BY.search(path.read_text(encoding="utf-8"))
    if match is None:
        raise InvalidInput(f"report {path}: has no line that tells how it was made; make it again with `{_COMMAND}`.")
    expression, listed, device = match.groups()
    size, *others = [parse_size(text) for text in listed.split(",")] if listed else [None]
    return ReportSource(expression, size, tuple(other for other in others if other), device or "")


def index_text(reports: Sequence[Report], has_claims: bool) -> str:
    """The index of a folder of reports as markdown, in the order of the named variants, the others after them.

    `has_claims` says whether the page of claims is beside it.
    """
    heads = ["network", "input", "parameters", "MACs", "activations", "receptive field", "depth"]
    rows = [_index_cells(report) for report in _ordered(reports)]
    table = markdown_table(heads, rows, "llrrrrr")
    claims_link = (
        f"[Claims checked]({CLAIMS_FILE}): what is said of these networks, and whether it holds.\n\n"
        if has_claims
        else ""
    )
    note = "MACs and activations are those of one input; each report states its conventions."
    return f"# Reports\n\n{claims_link}{table}\n\n{note}\n"


def index_files(folder: Path, reports: Sequence[Report]) -> Iterator[tuple[str, str]]:
    """(file name, content) of the index, and of the page of claims where the folder has one."""
    has_claims = (folder / CLAIMS_FILE).exists()
    yield INDEX_FILE, index_text(reports, has_claims)
    if has_claims:
        from analyzer.render.report.claims import claims_page  # only a folder with that page needs all claims

        yield CLAIMS_FILE, claims_page()


def _index_cells(report: Report) -> list[str]:
    analysis, totals = report.analysis, report.analysis.totals
    on = f" on {escape_markdown(report.target.device.name)}" if report.target else ""
    return [
        f"[{escape_markdown(analysis.network.title)}{on}]({report_source(*report).stem}.md)",
        shape(analysis.input_shape),
        exact(totals.params),
        exact(totals.macs),
        short(totals.activations, 4),
        f"{exact(totals.receptive_field)} px",
        str(totals.depth),
    ]


def _ordered(reports: Sequence[Report]) -> list[Report]:
    order = {name: index for index, name in enumerate(variant_names())}

    def sort_key(report: Report) -> tuple[object, ...]:
        first = report.analysis
        shapes = [other.input_shape for other in report.others]
        words = report.target.words if report.target else ()
        return order.get(first.variant, len(order)), first.variant, first.input_shape, shapes, words

    return sorted(reports, key=sort_key)


def stale_files(folder: Path) -> Iterator[str]:
    """One sentence for each file in a folder of reports that is missing or no longer what the program would write."""
    reports = [build_report(source) for source in report_sources(folder)]
    if not reports:
        raise InvalidInput(f"folder {folder}: holds no reports to check; write some with `{_COMMAND} VARIANT`.")
    for report in reports:
        stem = report_source(*report).stem
        yield from _stale_text(folder / f"{stem}.md", report_text(*report))
        for name, dot in _drawings(report.analysis, stem).items():
            yield from _stale_picture(folder / f"{name}.svg", dot)
    for name, text in index_files(folder, reports):
        yield from _stale_text(folder / name, text)
    yield from _stale_gallery(folder)


def _stale_gallery(folder: Path) -> Iterator[str]:
    from analyzer.render.report import gallery  # a report does without

    figures = folder / gallery.GALLERY_FOLDER
    if figures.is_dir():
        drawings = gallery.gallery_drawings()
        yield from _stale_text(figures / INDEX_FILE, gallery.index_text(drawings))
        for name, drawing in drawings.items():
            yield from _stale_picture(figures / name, drawing.dot)


def _stale_text(path: Path, expected: str) -> Iterator[str]:
    actual = path.read_text(encoding="utf-8") if path.exists() else ""
    if actual != expected:
        lines = zip([*actual.splitlines(), ""], [*expected.splitlines(), ""], strict=False)
        number, (old, new) = next((item for item in enumerate(lines, 1) if item[1][0] != item[1][1]), (1, ("", "")))
        yield f"{path} is out of date at line {number}: {old[:120]!r} should be {new[:120]!r}."


def _stale_picture(path: Path, dot: str) -> Iterator[str]:
    if not path.exists():
        yield f"{path} is missing."
    elif dot_digest(path.read_text(encoding="utf-8")) != hashlib.sha256(dot.encode()).hexdigest():
        yield f"{path} is out of date: it was drawn from another graph or another drawing style."
