"""SVG elements as text; the page's style sheet gives their classes colours, light or dark."""

from collections.abc import Iterable
from html import escape


def rect(x: float, y: float, width: float, height: float, kind: str, radius: float = 0) -> str:
    """A rectangle of a class, its corners rounded."""
    corner = f' rx="{radius:g}"' if radius else ""
    return f'<rect class="{kind}" x="{x:.4g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}"{corner}/>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text that starts, ends or has its middle at x."""
    return f'<text class="{kind}" x="{x:.4g}" y="{y:.4g}" text-anchor="{anchor}">{escape(words)}</text>'


def path(points: str, kind: str) -> str:
    """A line along a path's commands."""
    return f'<path class="{kind}" d="{points}"/>'


def group(parts: Iterable[str], kind: str, title: str = "") -> str:
    """Elements of a class together; `title` is what a pointer held over them shows."""
    tip = f"<title>{escape(title)}</title>" if title else ""
    return f'<g class="{kind}">{tip}{"".join(parts)}</g>'


def drawing(parts: Iterable[str], width: float, height: float, title: str) -> str:
    """A whole drawing, read out as `title`."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.4g} {height:.4g}" width="{width:.4g}" '
        f'height="{height:.4g}" role="img"><title>{escape(title)}</title>\n{"".join(parts)}\n</svg>\n'
    )
