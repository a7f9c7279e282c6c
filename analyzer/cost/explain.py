"""How each number of a network, a stage, a block or an op comes about: its arithmetic, as the formulas themselves run.

An op's figures are the formulas of `formulas.py` and `walk.py`, run on Terms; those of everything larger are sums.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any, NamedTuple

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import Sum
from analyzer.cost.places import Place, parts_of, place_at
from analyzer.cost.trace import START, Constant, Given, form_of, given, total
from analyzer.cost.walk import Reach, Row, after, own_reach
from analyzer.ops import Concat, Conv2d, Op, Shape

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
