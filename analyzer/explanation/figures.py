"""How each number of a network, a stage, a block or an op comes about: its arithmetic, as the formulas themselves run.

An op's figures are the formulas of `formulas.py` and `walk.py`, run on Terms; those of everything larger are sums.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import Sum
from analyzer.cost.walk import Reach, Row, after, own_reach
from analyzer.errors import InvalidInput, shortened
from analyzer.explanation.traced_int import START, Constant, Given, form_of, given, total
from analyzer.families.registry import suggestion
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph
from analyzer.graph.memo import memoized_per_object
from analyzer.graph.ops import Concat, Conv2d, Op, Shape


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


SYMBOLS = {
    "in_channels": "C_in",
    "out_channels": "C_out",
    "channels": "C",
    "kernel": "k",
    "stride": "s",
    "padding": "p",
    "dilation": "d",
    "groups": "g",
    "in_features": "F_in",
    "out_features": "F_out",
    "output_size": "n_out",
}
"""An op's number → its symbol."""
_NEUTRAL = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
"""Values that change nothing, and leave no trace."""


class Figure(NamedTuple):
    """A number under its name; where it is a Term its form is the arithmetic that it came about by."""

    name: str
    value: int


class Part(NamedTuple):
    """Equal neighbours of a stage or block, told once: the first one's place, how many there are, and its figures."""

    places: tuple[Place, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The figures of one place of a network with their arithmetic, and the parts that they are made of."""

    analysis: Analysis
    place: Place
    parts: tuple[Part, ...]
    figures: tuple[Figure, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The ops of the place, in execution order."""
        return self.analysis.rows[self.place.start : self.place.stop]


def explained(analysis: Analysis, path: str = "") -> Explanation:
    """How the numbers at a path come about: "" is the network, "stage2" a stage, otherwise a weight path.

    Raises InvalidInput with the closest paths where there is none such.
    """
    place = place_at(analysis, path)
    if place.level == "op":
        return Explanation(
            analysis=analysis, place=place, parts=(), figures=tuple(op_figures(analysis.rows[place.start]))
        )
    places = parts_of(analysis, place)
    return Explanation(
        analysis=analysis,
        place=place,
        parts=tuple(_folded(analysis, places)),
        figures=tuple(_sum_figures(analysis, place, places)),
    )


def op_figures(row: Row) -> Iterator[Figure]:
    """Every figure of one op, by the formulas run on its numbers."""
    op = symbolic(row.operation)
    output = formulas.out_shape(op, *_symbolic_inputs(row))
    yield from _shape_figures(output)
    sides = tuple(
        given(size, symbol) for size, symbol in zip(row.output_shape, _output_symbols(row.operation), strict=False)
    )
    yield Figure("params", formulas.params(op))
    yield Figure("buffers", formulas.buffers(op))
    yield Figure("MACs", formulas.macs(op, sides))
    yield Figure("activations", formulas.activations(op, sides))
    seen = after(_before(row), own_reach(op))
    yield Figure("receptive field", 1 + seen.reach)
    yield Figure("total stride", seen.stride)


def symbolic(op: Op) -> Op:
    """The op with a Term for each of its numbers that changes anything."""
    numbers = {item.name: getattr(op, item.name) for item in fields(op) if item.name in SYMBOLS}
    terms: dict[str, Any] = {
        name: given(value, SYMBOLS[name], divides=name == "groups")
        for name, value in numbers.items()
        if value != _NEUTRAL.get(name)
    }
    return replace(op, **terms)


def _symbolic_inputs(row: Row) -> list[Shape]:
    """Input shapes as Terms; both sides are called n, so that a square map has one formula."""
    many = isinstance(row.operation, Concat)
    channels = "C_in" if hasattr(row.operation, "in_channels") else "C"
    return [
        tuple(
            given(size, symbol)
            for size, symbol in zip(shape, (f"C{_subscript(i)}" if many else channels, "n", "n"), strict=False)
        )
        for i, shape in enumerate(row.input_shapes, 1)
    ]


def _subscript(number: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))


def _output_symbols(op: Op) -> tuple[str, str, str]:
    return ("C_out" if isinstance(op, Conv2d) else "F_out", "H", "W")


def _shape_figures(output: Shape) -> Iterator[Figure]:
    """The sides and channels that an op works out; those that it only passes on are given, and left out."""
    names = ("channels", "height", "width") if len(output) == 3 else ("features",)
    for name, size in zip(names, output, strict=True):
        if not isinstance(form_of(size), Given | Constant):
            yield Figure(name, size)


def _before(row: Row) -> Reach:
    """How far the op's input looks back along the longest path, its receptive field and stride as Terms."""
    own = own_reach(row.operation)
    stride = row.seen.stride // own.stride
    reach = row.seen.reach - stride * own.reach
    return Reach(given(1 + reach, "r") - 1, given(stride, "j"), row.seen.depth - own.depth)


_SUMMED: tuple[tuple[str, Callable[[Row], int]], ...] = (
    ("params", lambda row: row.params),
    ("buffers", lambda row: row.buffers),
    ("MACs", lambda row: row.macs),
    ("activations", lambda row: row.activations),
)


def _folded(analysis: Analysis, places: Sequence[Place]) -> Iterator[Part]:
    """The parts, equal neighbours folded into one."""

    def costs(place: Place) -> tuple[object, ...]:
        rows = analysis.rows[place.start : place.stop]
        shape = rows[-1].output_shape if place.level != "op" else place.path
        return place.kind, shape, *(sum(count(row) for row in rows) for _, count in _SUMMED)

    for _, run in groupby(places, costs):
        same = tuple(run)
        yield Part(same, tuple(_part_figures(analysis, same[0])))


def _part_figures(analysis: Analysis, place: Place) -> Iterator[Figure]:
    rows = analysis.rows[place.start : place.stop]
    if place.level == "op":
        yield from op_figures(rows[0])
    else:
        yield from (Figure(name, sum(count(row) for row in rows)) for name, count in _SUMMED)


_ASIDE = ("projection", "squeeze_excitation")
"""Sub-graphs beside the longest path."""


def _sum_figures(analysis: Analysis, place: Place, places: Sequence[Place]) -> Iterator[Figure]:
    for name, count in _SUMMED:
        yield Figure(name, _total(analysis, places, count))
    if place.level == "network":
        yield from _network_figures(analysis.totals)
    if place.kind not in _ASIDE:
        yield Figure("receptive field", _seen(analysis, place, places, lambda row: row.receptive_field, grown=True))
        yield Figure("total stride", _stride(analysis, place, places))
        yield Figure("depth", _seen(analysis, place, places, lambda row: row.seen.depth, grown=False))


def _stride(analysis: Analysis, place: Place, places: Sequence[Place]) -> int:
    """The product of what comes before and the strides of the parts, those of 1 left out."""
    reached = int(_before(analysis.rows[place.start]).stride)
    stride: int = given(reached, START) if place.start else 1
    for part in places:
        end = analysis.rows[part.stop - 1].total_stride
        if end > reached:
            stride, reached = stride * given(end // reached, part.path), end
    return stride


def _network_figures(totals: Sum) -> Iterator[Figure]:
    traced = replace(totals, params=given(totals.params, "params"), macs=given(totals.macs, "MACs"))
    yield Figure("FLOPs", traced.flops)
    yield Figure("parameter bytes", traced.params_bytes)


def _total(analysis: Analysis, places: Sequence[Place], count: Callable[[Row], int]) -> int:
    """The sum over the parts, as a Term whose addends are the parts' own figures."""
    rows = analysis.rows
    return total(given(sum(count(row) for row in rows[place.start : place.stop]), place.path) for place in places)


def _seen(analysis: Analysis, place: Place, places: Sequence[Place], end: Callable[[Row], int], grown: bool) -> int:
    """What the place's end sees (or its depth): what is seen before it, and what each part on the longest path adds."""
    before = _before(analysis.rows[place.start])
    reached = 1 + int(before.reach) if grown else before.depth
    addends: list[int] = [given(reached, START)]
    for part in places:
        gain = end(analysis.rows[part.stop - 1]) - reached
        if gain > 0:
            addends.append(_gain(analysis.rows[part.start], part, gain, grown))
            reached += gain
    return total(addends)


def _gain(row: Row, part: Place, gain: int, grown: bool) -> int:
    """What a part adds; to the receptive field an op adds it by its own formula."""
    if grown and part.level == "op":
        before = _before(row)
        added = after(before, own_reach(symbolic(row.operation))).reach - before.reach
        if added == gain:
            return added
    return given(gain, part.path)


_SINGULAR = {
    "widths": "width",
    "depths": "depth",
    "bottleneck_ratios": "bottleneck_ratio",
    "group_widths": "group_width",
}
_NEUTRAL_VALUES = {"cardinality": 1, "base_width": 64, "expansion": 1, "bottleneck_ratios": 1}
"""Values of fields that change nothing, and leave no trace."""
_CHANNELS = ("in_channels", "out_channels", "channels", "in_features", "out_features")


@lru_cache(maxsize=4)
def traced_graph(spec: Spec) -> Graph:
    """The spec's Graph whose ops' channels are Terms over the spec's fields, as far as these went into them."""
    traced = copy(spec)
    for name, value in spec.resolved().items():
        term = tuple(_traced(name, item) for item in value) if isinstance(value, list) else _traced(name, value)
        object.__setattr__(traced, name, term)  # a Spec is frozen, and its checks ran when `spec` was made
    return traced.graph()


def _traced(name: str, value: object) -> object:
    """A number under its field's name; a group's width is known to divide what is divided by it."""
    if not isinstance(value, int) or isinstance(value, bool) or value == _NEUTRAL_VALUES.get(name):
        return value
    return given(value, _SINGULAR.get(name, name), divides=name == "group_widths")


def channels_of(spec: Spec, path: str) -> dict[str, int]:
    """The channel and feature counts of the op at a path, under their fields' names, as Terms."""
    op = _op_at(traced_graph(spec), path)
    return {name: getattr(op, name) for name in _CHANNELS if hasattr(op, name)}


def worked_out_channels(spec: Spec, path: str) -> dict[str, int]:
    """Those of `channels_of` that any arithmetic went into."""
    found = channels_of(spec, path)
    return {name: term for name, term in found.items() if not isinstance(form_of(term), Constant | Given)}


def reads(spec: Spec, path: str, stage: str) -> int:
    """Channels that the batch norm at `path` reads, over those that the dense stage at path `stage` starts from, k₀."""
    entry = channels_of(spec, f"{stage}.denselayer1.norm1")["channels"]
    return given(entry, "k₀") + (channels_of(spec, path)["channels"] - entry)


def _op_at(graph: Graph, path: str) -> Op:
    name, _, rest = path.partition(".")
    found = next((node.op for node in graph.nodes if node.name == name), None)
    if isinstance(found, Graph):
        return _op_at(found, rest)
    if found is None or rest:
        raise InvalidInput(f"path {path!r} holds no op.")
    return found
