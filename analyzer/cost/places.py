"""The places of a network that people ask about: the network, its stages, its sub-graphs and its ops, by path."""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.families.once import memoized_per_object
from analyzer.families.registry import suggestion


class Place(NamedTuple):
    """A run of rows: `level` is "network", "stage", "block" (any other sub-graph) or "op"; `kind` what it is called."""

    path: str
    level: str
    kind: str
    start: int
    stop: int


def place_at(analysis: Analysis, path: str) -> Place:
    """The place at a stage's name or a weight path, "" being the network; InvalidInput with the closest ones."""
    if not path:
        return Place("", "network", analysis.network.family, 0, len(analysis.rows))
    known = _known(analysis)
    if path not in known:
        raise InvalidInput(f"path {shortened(path)!r} is not in {analysis.variant}; {suggestion(path, list(known))}")
    return known[path]


@memoized_per_object
def _known(analysis: Analysis) -> dict[str, Place]:
    """Path → the outermost place there, outer ones first."""
    found: dict[str, Place] = {}
    for place in _all(analysis):
        found.setdefault(place.path, place)
    return found


def _all(analysis: Analysis) -> Iterator[Place]:
    yield from stages_of(analysis)
    for span in analysis.spans:
        yield Place(span.path, "stage" if span.kind == "stage" else "block", span.kind, span.start, span.stop)
    for index, row in enumerate(analysis.rows):
        yield Place(row.path, "op", row.op, index, index + 1)


def stages_of(analysis: Analysis) -> list[Place]:
    """Stem, stages, transitions and head, each under its name for people."""
    rows, start, found = analysis.rows, 0, []
    for index, row in enumerate(rows, 1):
        if index == len(rows) or rows[index].stage != row.stage:
            found.append(Place(row.stage, "stage", "stage", start, index))
            start = index
    return found


def parts_of(analysis: Analysis, place: Place) -> list[Place]:
    """What a place is directly made of: a network's stages, a stage's blocks, a block's sub-graphs and ops."""
    if place.level == "network":
        return stages_of(analysis)
    inside = {
        span.start: Place(span.path, "block", span.kind, span.start, span.stop)
        for span in reversed(analysis.spans)  # the outermost of those that start at one row comes last
        if place.start <= span.start and span.stop <= place.stop and span.stop - span.start < place.stop - place.start
    }
    parts, index = [], place.start
    while index < place.stop:
        row = analysis.rows[index]
        parts.append(inside.get(index) or Place(row.path, "op", row.op, index, index + 1))
        index = parts[-1].stop
    return parts
