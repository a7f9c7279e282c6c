"""Tables as text, through tabulate."""

from collections.abc import Sequence

_ALIGN = {"l": "left", "r": "right"}


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A pipe table; `align` has one letter, l or r, for each column."""
    return _table(heads, rows, align, "pipe")


def terminal_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A plain table for the terminal."""
    return _table(heads, rows, align, "simple")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str, form: str) -> str:
    from tabulate import tabulate  # its import costs more than most verbs, and `check` seldom shows a table

    sides = [_ALIGN[letter] for letter in align]
    return tabulate(rows, heads, tablefmt=form, colalign=sides if rows else None, disable_numparse=True)
