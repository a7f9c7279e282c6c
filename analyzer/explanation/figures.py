"""How each number of a network, a stage, a block or an op comes about: its arithmetic, as the formulas themselves run.

An op's figures are the formulas of `formulas.py` and `walk.py`, run on `TracedInt`s; those of larger sections are sums.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import CostTotals
from analyzer.cost.walk import OpCost, ReceptiveField, compose_receptive_fields, op_receptive_field
from analyzer.errors import InvalidInput, shortened
from analyzer.explanation.traced_int import START, Constant, Variable, formula_of, traced_sum, variable
from analyzer.families.registry import suggestion
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph
from analyzer.graph.memo import memoized_per_object
from analyzer.graph.ops import Concat, Conv2d, Op, Shape


class Section(NamedTuple):
    """A run of rows: `level` is "network", "stage", "block" (any other sub-graph) or "op"; `kind` what it is called."""

    path: str
    level: str
    kind: str
    start: int
    stop: int


def section_at(analysis: Analysis, path: str) -> Section:
    """The section at a stage's name or a weight path, "" being the network; InvalidInput with the closest ones."""
    if not path:
        return Section("", "network", analysis.network.family, 0, len(analysis.rows))
    known = _sections_by_path(analysis)
    if path not in known:
        raise InvalidInput(f"path {shortened(path)!r} is not in {analysis.variant}; {suggestion(path, list(known))}")
    return known[path]


@memoized_per_object
def _sections_by_path(analysis: Analysis) -> dict[str, Section]:
    """Path → the outermost section there, outer ones first."""
    sections: dict[str, Section] = {}
    for section in _each_section(analysis):
        sections.setdefault(section.path, section)
    return sections


def _each_section(analysis: Analysis) -> Iterator[Section]:
    yield from stages_of(analysis)
    for span in analysis.spans:
        yield Section(span.path, "stage" if span.kind == "stage" else "block", span.kind, span.start, span.stop)
    for index, row in enumerate(analysis.rows):
        yield Section(row.path, "op", row.op, index, index + 1)


def stages_of(analysis: Analysis) -> list[Section]:
    """Stem, stages, transitions and head, each under its name for people."""
    rows, start, stages = analysis.rows, 0, []
    for index, row in enumerate(rows, 1):
        if index == len(rows) or rows[index].stage != row.stage:
            stages.append(Section(row.stage, "stage", "stage", start, index))
            start = index
    return stages


def sections_of(analysis: Analysis, section: Section) -> list[Section]:
    """What a section is directly made of: a network's stages, a stage's blocks, a block's sub-graphs and ops."""
    if section.level == "network":
        return stages_of(analysis)
    inside = {
        span.start: Section(span.path, "block", span.kind, span.start, span.stop)
        for span in reversed(analysis.spans)  # the outermost of those that start at one row comes last
        if section.start <= span.start
        and span.stop <= section.stop
        and span.stop - span.start < section.stop - section.start
    }
    parts, index = [], section.start
    while index < section.stop:
        row = analysis.rows[index]
        parts.append(inside.get(index) or Section(row.path, "op", row.op, index, index + 1))
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


class TracedFigure(NamedTuple):
    """A number under its name; where it is a TracedInt its formula is the arithmetic that it came from."""

    name: str
    value: int


class RepeatedSection(NamedTuple):
    """Equal neighbours of a stage or block, shown once: all of their sections, and the figures of the first."""

    sections: tuple[Section, ...]
    figures: tuple[TracedFigure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The figures of one section of a network with their arithmetic, and the parts that they are made of."""

    analysis: Analysis
    place: Section
    parts: tuple[RepeatedSection, ...]
    figures: tuple[TracedFigure, ...]

    @property
    def rows(self) -> tuple[OpCost, ...]:
        """The ops of the section, in execution order."""
        return self.analysis.rows[self.place.start : self.place.stop]


def explain_path(analysis: Analysis, path: str = "") -> Explanation:
    """How the numbers at a path come about: "" is the network, "stage2" a stage, otherwise a weight path.

    Raises InvalidInput with the closest paths where there is none such.
    """
    section = section_at(analysis, path)
    if section.level == "op":
        return Explanation(
            analysis=analysis, place=section, parts=(), figures=tuple(op_figures(analysis.rows[section.start]))
        )
    children = sections_of(analysis, section)
    return Explanation(
        analysis=analysis,
        place=section,
        parts=tuple(_fold_repeats(analysis, children)),
        figures=tuple(_sum_figures(analysis, section, children)),
    )


def op_figures(row: OpCost) -> Iterator[TracedFigure]:
    """Every figure of one op, by the formulas run on its numbers."""
    op = symbolic_op(row.operation)
    output = formulas.out_shape(op, *_symbolic_inputs(row))
    yield from _shape_figures(output)
    sides = tuple(
        variable(size, symbol) for size, symbol in zip(row.output_shape, _output_symbols(row.operation), strict=False)
    )
    yield TracedFigure("params", formulas.params(op))
    yield TracedFigure("buffers", formulas.buffers(op))
    yield TracedFigure("MACs", formulas.macs(op, sides))
    yield TracedFigure("activations", formulas.activations(op, sides))
    field = compose_receptive_fields(_input_receptive_field(row), op_receptive_field(op))
    yield TracedFigure("receptive field", 1 + field.reach)
    yield TracedFigure("total stride", field.stride)


def symbolic_op(op: Op) -> Op:
    """The op with a TracedInt for each of its numbers that changes anything."""
    numbers = {item.name: getattr(op, item.name) for item in fields(op) if item.name in SYMBOLS}
    symbols: dict[str, Any] = {
        name: variable(value, SYMBOLS[name], divides=name == "groups")
        for name, value in numbers.items()
        if value != _NEUTRAL.get(name)
    }
    return replace(op, **symbols)


def _symbolic_inputs(row: OpCost) -> list[Shape]:
    """Input shapes as TracedInts; both sides are called n, so that a square map has one formula."""
    many = isinstance(row.operation, Concat)
    channels = "C_in" if hasattr(row.operation, "in_channels") else "C"
    return [
        tuple(
            variable(size, symbol)
            for size, symbol in zip(shape, (f"C{_subscript(i)}" if many else channels, "n", "n"), strict=False)
        )
        for i, shape in enumerate(row.input_shapes, 1)
    ]


def _subscript(number: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))


def _output_symbols(op: Op) -> tuple[str, str, str]:
    return ("C_out" if isinstance(op, Conv2d) else "F_out", "H", "W")


def _shape_figures(output: Shape) -> Iterator[TracedFigure]:
    """The sides and channels that an op computes; those that it only passes on are left out."""
    names = ("channels", "height", "width") if len(output) == 3 else ("features",)
    for name, size in zip(names, output, strict=True):
        if not isinstance(formula_of(size), Variable | Constant):
            yield TracedFigure(name, size)


def _input_receptive_field(row: OpCost) -> ReceptiveField:
    """How far the op's input looks back along the longest path, its receptive field and stride as TracedInts."""
    own = op_receptive_field(row.operation)
    stride = row.receptive.stride // own.stride
    reach = row.receptive.reach - stride * own.reach
    return ReceptiveField(variable(1 + reach, "r") - 1, variable(stride, "j"), row.receptive.depth - own.depth)


_SUMMED: tuple[tuple[str, Callable[[OpCost], int]], ...] = (
    ("params", lambda row: row.params),
    ("buffers", lambda row: row.buffers),
    ("MACs", lambda row: row.macs),
    ("activations", lambda row: row.activations),
)


def _fold_repeats(analysis: Analysis, sections: Sequence[Section]) -> Iterator[RepeatedSection]:
    """The parts, equal neighbours folded into one."""

    def costs(section: Section) -> tuple[object, ...]:
        rows = analysis.rows[section.start : section.stop]
        shape = rows[-1].output_shape if section.level != "op" else section.path
        return section.kind, shape, *(sum(count(row) for row in rows) for _, count in _SUMMED)

    for _, run in groupby(sections, costs):
        same = tuple(run)
        yield RepeatedSection(same, tuple(_part_figures(analysis, same[0])))


def _part_figures(analysis: Analysis, section: Section) -> Iterator[TracedFigure]:
    rows = analysis.rows[section.start : section.stop]
    if section.level == "op":
        yield from op_figures(rows[0])
    else:
        yield from (TracedFigure(name, sum(count(row) for row in rows)) for name, count in _SUMMED)


_OFF_LONGEST_PATH = ("projection", "squeeze_excitation")
"""Sub-graphs beside the longest path."""


def _sum_figures(analysis: Analysis, section: Section, children: Sequence[Section]) -> Iterator[TracedFigure]:
    for name, count in _SUMMED:
        yield TracedFigure(name, _traced_total(analysis, children, count))
    if section.level == "network":
        yield from _network_figures(analysis.totals)
    if section.kind not in _OFF_LONGEST_PATH:
        yield TracedFigure(
            "receptive field",
            _longest_path_sum(analysis, section, children, lambda row: row.receptive_field, grown=True),
        )
        yield TracedFigure("total stride", _stride(analysis, section, children))
        yield TracedFigure(
            "depth", _longest_path_sum(analysis, section, children, lambda row: row.receptive.depth, grown=False)
        )


def _stride(analysis: Analysis, section: Section, children: Sequence[Section]) -> int:
    """The product of what comes before and the strides of the parts, those of 1 left out."""
    reached = int(_input_receptive_field(analysis.rows[section.start]).stride)
    stride: int = variable(reached, START) if section.start else 1
    for part in children:
        end = analysis.rows[part.stop - 1].total_stride
        if end > reached:
            stride, reached = stride * variable(end // reached, part.path), end
    return stride


def _network_figures(totals: CostTotals) -> Iterator[TracedFigure]:
    traced = replace(totals, params=variable(totals.params, "params"), macs=variable(totals.macs, "MACs"))
    yield TracedFigure("FLOPs", traced.flops)
    yield TracedFigure("parameter bytes", traced.params_bytes)


def _traced_total(analysis: Analysis, sections: Sequence[Section], count: Callable[[OpCost], int]) -> int:
    """The sum over the parts, as a TracedInt whose addends are the parts' own figures."""
    rows = analysis.rows
    return traced_sum(
        variable(sum(count(row) for row in rows[section.start : section.stop]), section.path) for section in sections
    )


def _longest_path_sum(
    analysis: Analysis, section: Section, children: Sequence[Section], end: Callable[[OpCost], int], grown: bool
) -> int:
    """The receptive field (or depth) at a section's end: its input's, and what each part on the longest path adds."""
    before = _input_receptive_field(analysis.rows[section.start])
    reached = 1 + int(before.reach) if grown else before.depth
    addends: list[int] = [variable(reached, START)]
    for part in children:
        gain = end(analysis.rows[part.stop - 1]) - reached
        if gain > 0:
            addends.append(_gain(analysis.rows[part.start], part, gain, grown))
            reached += gain
    return traced_sum(addends)


def _gain(row: OpCost, part: Section, gain: int, grown: bool) -> int:
    """What a part adds; to the receptive field an op adds it by its own formula."""
    if grown and part.level == "op":
        before = _input_receptive_field(row)
        added = compose_receptive_fields(before, op_receptive_field(symbolic_op(row.operation))).reach - before.reach
        if added == gain:
            return added
    return variable(gain, part.path)


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
    """The spec's Graph whose ops' channels are TracedInts over the spec's fields, as far as these went into them."""
    traced = copy(spec)
    for name, value in spec.effective_fields().items():
        traced_value = (
            tuple(_traced_field(name, item) for item in value)
            if isinstance(value, list)
            else _traced_field(name, value)
        )
        object.__setattr__(traced, name, traced_value)  # a Spec is frozen, and its checks ran when `spec` was made
    return traced.graph()


def _traced_field(name: str, value: object) -> object:
    """A number under its field's name; a group's width is known to divide what is divided by it."""
    if not isinstance(value, int) or isinstance(value, bool) or value == _NEUTRAL_VALUES.get(name):
        return value
    return variable(value, _SINGULAR.get(name, name), divides=name == "group_widths")


def channels_of(spec: Spec, path: str) -> dict[str, int]:
    """The channel and feature counts of the op at a path, under their fields' names, as TracedInts."""
    op = _op_at(traced_graph(spec), path)
    return {name: getattr(op, name) for name in _CHANNELS if hasattr(op, name)}


def derived_channels(spec: Spec, path: str) -> dict[str, int]:
    """Those of `channels_of` that any arithmetic went into."""
    channels = channels_of(spec, path)
    return {
        name: number for name, number in channels.items() if not isinstance(formula_of(number), Constant | Variable)
    }


def dense_input_channels(spec: Spec, path: str, stage: str) -> int:
    """Channels that the batch norm at `path` reads, over those that the dense stage at path `stage` starts from, k₀."""
    entry = channels_of(spec, f"{stage}.denselayer1.norm1")["channels"]
    return variable(entry, "k₀") + (channels_of(spec, path)["channels"] - entry)


def _op_at(graph: Graph, path: str) -> Op:
    name, _, rest = path.partition(".")
    op = next((node.op for node in graph.nodes if node.name == name), None)
    if isinstance(op, Graph):
        return _op_at(op, rest)
    if op is None or rest:
        raise InvalidInput(f"path {path!r} holds no op.")
    return op
