"""Tables as text, as bare markdown for files and through tabulate for the terminal; and text escaped for markdown."""

import re
from collections.abc import Sequence

_SIDES = {"l": "left", "r": "right"}
_RULES = {"l": ":--", "r": "--:"}


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A pipe table for a file, unpadded so that a changed cell changes one line; `align` has l or r for each column."""
    lines = [heads, [_RULES[letter] for letter in align], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def padded_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A pipe table with even columns, for markdown that is read in a terminal."""
    return _aligned_table(heads, rows, align, "pipe")


def terminal_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A plain table for the terminal."""
    return _aligned_table(heads, rows, align, "simple")


def escape_markdown(text: str) -> str:
    """A user's text with markdown's special characters escaped, so that it is shown as it is."""
    return re.sub(r"([\\`*_\[\]<>#|!&])", r"\\\1", text)


def _aligned_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str, table_format: str) -> str:
    from tabulate import tabulate  # its import takes as long as all of `check`, which seldom shows a table

    sides = [_SIDES[letter] for letter in align]
    return tabulate(rows, heads, tablefmt=table_format, colalign=sides if rows else None, disable_numparse=True)
