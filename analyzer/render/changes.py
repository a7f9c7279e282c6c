"""What moved against a baseline, as text."""

from collections.abc import Sequence
from typing import Any

from analyzer.regression import Change, Moved
from analyzer.render.tables import terminal_table
from analyzer.render.units import exact


def change_table(changes: Sequence[Change]) -> str:
    """A table of old, new, difference and per cent, one row a fact."""
    heads = ["network", "where", "quantity", "old", "new", "difference", "%"]
    return terminal_table(heads, [_cells(change) for change in changes], "lllrrrr")


def _cells(change: Change) -> list[str]:
    ends = [_value(change.old), _value(change.new)]
    return [
        change.network,
        change.place,
        change.quantity.replace("_", " "),
        *ends,
        *_difference(change.old, change.new),
    ]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return exact(value) if isinstance(value, int) else str(value).replace("x", "×")


def _difference(old: Any, new: Any) -> tuple[str, str]:
    if not (isinstance(old, int) and isinstance(new, int)):
        return "", ""
    share = 100 * (new - old) / old if old else 0
    return f"{new - old:+,}", f"{share:+.2f}" if abs(share) >= 0.005 else "< 0.01"


def moved_lines(moved: Sequence[Moved]) -> list[str]:
    """One line for each network: the first op that differs."""
    return [
        f"{item.network}: the first op that differs is {item.path} ({item.stage}), now {item.now}" for item in moved
    ]
