"""Reports as one self-contained HTML page: the markdown report's content, its diagram inside, nothing to fetch."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.token import Token

from analyzer.cost.analysis import Analysis
from analyzer.errors import Unavailable
from analyzer.render.diagram.dot import dot_source
from analyzer.render.diagram.graphviz import render
from analyzer.render.report.bundle import Report, report_source
from analyzer.render.report.report import (
    BLOCKS_TITLE,
    detail_parts,
    has_blocks,
    headline_figures,
    lead_line,
    summary_parts,
)

if TYPE_CHECKING:
    from analyzer.latency.predict.target import LatencyTarget

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page may fetch nothing and run nothing."""
DotRenderer = Callable[[str, str], bytes]
"""Lays a DOT text out in a format, as `graphviz.render` does."""
_DRAWING = "ANALYZER-DIAGRAM"
_SHARES = "%"
_WIDE = '<div class="wide" tabindex="0" role="region" aria-label="Table">'
"""Scrolls sideways, by keyboard, too."""


@cache
def style_sheet() -> str:
    """The page's style sheet: light or dark as the reader's system is, and for paper."""
    return (Path(__file__).parent / "report.css").read_text(encoding="utf-8")


@cache
def _markdown() -> MarkdownIt:
    """Markdown with tables and without HTML of its own, so that no name can bring any."""
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def html_document(
    reports: Sequence[tuple[Analysis, Sequence[Analysis]]],
    draw: DotRenderer | None = None,
    target: "LatencyTarget | None" = None,
) -> str:
    """A page of one report, or of several with links to them at its top; `draw` (`render`) lays the diagrams out."""
    titles = [escape(first.network.title) for first, _ in reports]
    articles = [
        _article(number, Report(first, others, target), draw or render)
        for number, (first, others) in enumerate(reports, 1)
    ]
    links = "".join(f'<li><a href="#report{number}">{title}</a></li>' for number, title in enumerate(titles, 1))
    contents = f'<nav aria-label="Reports"><ul>{links}</ul></nav>\n' if len(reports) > 1 else ""
    return html_page(", ".join(titles), f"{contents}<main>\n{''.join(articles)}</main>")


def html_page(title: str, body: str) -> str:
    """A whole page around its body: the style inside, nothing to fetch, nothing to run; both are HTML already."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{style_sheet()}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _article(number: int, report: Report, draw: DotRenderer) -> str:
    analysis, others, target = report
    blocks = analysis.blocks
    figures = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{_inline_html(text)}</dd></div>"
        for name, text in headline_figures(analysis).items()
    )
    answers = markdown_to_html("\n\n".join(summary_parts(analysis, blocks, _DRAWING, others, target)))
    folded = "".join(
        f"<details><summary>{escape(title)}</summary>\n{markdown_to_html(content)}</details>\n"
        for title, content in detail_parts(analysis, blocks, others, target)
    )
    return (
        f'<article id="report{number}">\n<h1>{escape(analysis.network.title)}</h1>\n'
        f'<p class="lead">{_inline_html(lead_line(analysis))}</p>\n<dl class="figures">{figures}</dl>\n'
        f"{_with_drawing(answers, number, analysis, draw)}{folded}{_open_blocks_figure(number, analysis, draw)}"
        f"<footer>Made by <code>{escape(report_source(*report).command)} --format html</code></footer>\n"
        "</article>\n"
    )


def markdown_to_html(markdown: str) -> str:
    """Markdown as HTML: tables scroll sideways where they must, and a share of the whole draws its bar."""
    tokens = _markdown().parse(markdown)
    _draw_shares(tokens)
    html: str = _markdown().renderer.render(tokens, _markdown().options, {})
    html = re.sub(r"<p><strong>([^<]*)</strong></p>", r"<h2>\1</h2>", html)
    return html.replace("<table>", f"{_WIDE}<table>").replace("</table>", "</table></div>")


def _inline_html(markdown: str) -> str:
    text: str = _markdown().renderInline(markdown)
    return text


def _draw_shares(tokens: Sequence[Token]) -> None:
    """Give every cell below a head "%" its number as --share, which the style sheet draws."""
    shares: list[int] = []
    for column, cell, content in _cells(tokens):
        if cell.type == "th_open":
            shares = [*(shares if column else []), *([column] if content.content == _SHARES else [])]
        elif column in shares and re.fullmatch(r"[0-9.]+", content.content):
            cell.attrSet("style", f"{cell.attrGet('style')};--share:{content.content}%")
            cell.attrJoin("class", "share")


def _cells(tokens: Sequence[Token]) -> Iterator[tuple[int, Token, Token]]:
    column = 0
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            column = 0
        elif token.type in ("th_open", "td_open"):
            yield column, token, tokens[index + 1]
            column += 1


def _with_drawing(html: str, number: int, analysis: Analysis, draw: DotRenderer) -> str:
    """The page's image replaced by the diagram's SVG, its ids made the report's own."""
    image = re.compile(rf'<p><img src="{_DRAWING}" alt="([^"]*)" ?/?></p>')
    return image.sub(lambda match: _figure(number, analysis, draw, match[1]), html)


def _open_blocks_figure(number: int, analysis: Analysis, draw: DotRenderer) -> str:
    """The distinct blocks drawn open, folded."""
    if not has_blocks(analysis):
        return ""
    figure = _figure(
        number, analysis, draw, f"{escape(analysis.network.title)}, its distinct blocks drawn open", "block"
    )
    return f"<details><summary>{BLOCKS_TITLE}</summary>\n{figure}</details>\n" if figure else ""


def _figure(number: int, analysis: Analysis, draw: DotRenderer, label: str, level: str = "network") -> str:
    try:
        svg = draw(dot_source(analysis, level), "svg").decode()
    except Unavailable:
        return ""
    svg = re.sub(r'\bid="', f'id="{level}{number}-', svg[svg.index("<svg") :])
    return f'<figure><div class="wide" tabindex="0" role="region" aria-label="{label}">{svg}</div></figure>\n'
