"""SVG elements as text; a style sheet, the page's or the drawing's own, gives their classes colours, light or dark."""

from collections.abc import Iterable
from html import escape


def rect(x: float, y: float, width: float, height: float, kind: str, radius: float = 0) -> str:
    """A rectangle of a class, its corners rounded."""
    corner = f' rx="{radius:g}"' if radius else ""
    size = f'width="{_number(width)}" height="{_number(height)}"'
    return f'<rect class="{kind}" x="{_number(x)}" y="{_number(y)}" {size}{corner}/>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text that starts, ends or has its middle at x."""
    return f'<text class="{kind}" x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}">{escape(words)}</text>'


def path(points: str, kind: str) -> str:
    """A line along a path's commands."""
    return f'<path class="{kind}" d="{points}"/>'


def group(parts: Iterable[str], kind: str, title: str = "") -> str:
    """Elements of a class together; `title` is what a pointer held over them shows."""
    tip = f"<title>{escape(title)}</title>" if title else ""
    return f'<g class="{kind}">{tip}{"".join(parts)}</g>'


def svg_document(
    parts: Iterable[str], width: float, height: float, title: str, style: str = "", margin: float = 0
) -> str:
    """A whole drawing, read out as `title`, with a style sheet of its own and a margin around the parts."""
    sheet = f"<style>{style}</style>\n" if style else ""
    start, across, down = (_number(length) for length in (-margin, width + 2 * margin, height + 2 * margin))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{start} {start} {across} {down}" width="{across}" '
        f'height="{down}" role="img"><title>{escape(title)}</title>\n{sheet}{"".join(parts)}\n</svg>\n'
    )


def _number(value: float) -> str:
    """To a tenth, or to four digits where that is more."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}".removesuffix(".0")
