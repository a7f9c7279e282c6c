"""People's own modules in a baseline: what each showed when it was recorded, against what it shows now.

A module's facts are plain JSON, made by `analyzer.live.module_facts`: totals, and under "modules" every sub-module by
its path in the order in which they finish; a fact that is zero is left out.
"""

from collections.abc import Iterator
from typing import Any

from analyzer.regression import Change, Facts, Moved, Outcome

TOTALS = ("input_shape", "output_shape", "params", "buffers", "macs")
QUANTITIES = ("kind", "output_shape", "params", "buffers", "macs")
"""Facts of a sub-module; params, buffers and MACs are its own, without those of the modules in it."""

_WORDS = ("kind", "input_shape", "output_shape")


def check_module(key: str, old: Facts, new: Facts) -> Outcome:
    """Every fact of a module that moved, and the first sub-module that differs."""
    changes = tuple(compared(key, old, new))
    first = next((change.place for change in changes if change.place != "total"), None)
    moved = () if first is None else (Moved(key, _top(first), first, _words(new["modules"].get(first, {}))),)
    return Outcome(1, changes, moved)


def compared(key: str, old: Facts | None, new: Facts | None) -> Iterator[Change]:
    """Sub-modules in the order in which they finish, those that are gone after them, then the totals."""
    before, after = (old or {}).get("modules", {}), (new or {}).get("modules", {})
    for path in dict.fromkeys([*after, *before]):
        yield from _differing(key, path, QUANTITIES, before.get(path), after.get(path))
    yield from _differing(key, "total", TOTALS, old, new)


def _differing(key: str, place: str, names: tuple[str, ...], old: Facts | None, new: Facts | None) -> Iterator[Change]:
    for name in names:
        values = _value(old, name), _value(new, name)
        if values[0] != values[1]:
            yield Change(key, place, name, *values)


def _value(facts: Facts | None, name: str) -> Any:
    """A fact; one that is left out is zero, or nothing where there are no facts at all."""
    return None if facts is None else facts.get(name, None if name in _WORDS else 0)


def _top(path: str) -> str:
    return path.partition(".")[0]


def _words(facts: Facts) -> str:
    return f"{facts['kind']} → {facts.get('output_shape', 'not run')}" if facts else "gone"
