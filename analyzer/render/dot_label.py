"""Labels in DOT: text that may come from anywhere, as HTML-like tables or quoted, and about how wide it gets."""

from hashlib import sha256
from html import escape as escape_html
from math import fsum

from graphviz import escape

from analyzer.errors import shortened
from analyzer.render.diagram import Box

FONT = "Helvetica,Arial,sans-serif"
SIZE, SMALL = 10, 9  # points; HTML-like labels know whole ones only
_LONGEST_ID = 200


def plain(text: str, limit: int = 200) -> str:
    """Text on one line without control characters, cut to `limit`, since titles may come from anywhere."""
    return shortened(text, limit)


def quoted(text: str) -> str:
    """Text that DOT takes literally; without the replacement it would decode entities."""
    literal: str = escape(plain(text, 1000).replace("&", "&amp;"))
    return literal


def node_id(name: str) -> str:
    """A name as a DOT id: after a colon a port would be looked for, angle brackets would make it HTML."""
    if len(name) > _LONGEST_ID:
        name = f"{name[: _LONGEST_ID - 13]}-{sha256(name.encode()).hexdigest()[:12]}"
    return quoted(name.translate({ord(":"): "\N{RATIO}", ord("<"): "‹", ord(">"): "›"}))


def rich(title: str, lines: tuple[str, ...], facts: tuple[str, ...], quiet: str) -> str:
    """An HTML-like label, one line below the other."""
    return table(marked(title, lines, facts, quiet))


def marked(title: str, lines: tuple[str, ...], facts: tuple[str, ...], quiet: str) -> list[str]:
    """The title bold, the lines plain, the facts small and in the quiet colour."""
    rows = [f"<B>{html(title)}</B>"] if title else []
    rows += [html(line) for line in lines]
    return rows + [small(fact, quiet) for fact in facts]


def small(text: str, colour: str) -> str:
    """Small print in an HTML-like label."""
    return f'<FONT POINT-SIZE="{SMALL}" COLOR="{colour}">{html(text)}</FONT>'


def html(text: str) -> str:
    """Text for an HTML-like label; Graphviz would replace a backslash and a letter by a name."""
    return escape_html(plain(text)).replace("\\", "\\\\")


def table(rows: list[str], side: str = "") -> str:
    """Rows of an HTML-like label; `side` are attributes of each cell."""
    cells = "".join(f"<TR><TD{side}>{row}</TD></TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0">{cells}</TABLE>>'


def text_points(box: Box) -> float:
    """About how wide a box's text is; shapes of fixed size and boxes of equal width need to know before layout."""
    widths = [ems(box.title) * SIZE * 1.06, *(ems(line) * SIZE for line in box.lines)]
    facts = [ems(fact) * SMALL for fact in box.facts]
    if box.role == "slim":
        return fsum(widths) + ems(" · ".join(box.facts)) * SMALL + 3
    return max(widths + facts)


_EMS = dict.fromkeys("ijl.,/ ", 0.28) | dict.fromkeys("ftr-()", 0.34) | dict.fromkeys("mMGw%", 0.84) | {"…": 1.0}


def ems(text: str) -> float:
    """About how wide a text is in Helvetica, in font sizes."""
    return fsum(_EMS.get(character, 0.57) for character in text)
