"""Figures of candidates, chunk by chunk: each group of networks that are built alike is traced once.

A million networks are never built. The families' own code and the cost fold run a few times on symbolic integers,
and arrays do the rest, in four steps:

1. **Symbols** (`symbol`): a whole number that varies in the space is a `Symbol`, which passes for an int and keeps the
   polynomial that it is of the fields. The code of `analyzer.families` and `analyzer.cost` does not know of them.
2. **Branches are taped**: where code compares, and the answer is not one for all candidates, the run takes the way of
   the candidate whose values it has, and its `Tape` notes the condition. The figures hold where all conditions do (a
   `TracedBranch`); a candidate that no leaf fits starts another run. A field that counts (`range(depth)`) is noted as counted.
3. **Figures become polynomials** (`traced`): in the fields at once, and in what is counted by running 1, 2, 3 … blocks
   and taking finite differences until they vanish.
4. **Polynomials are tabulated by axis** (`plan`): terms that depend on the same few axes are worked out once for each
   combination of those axes' values; a candidate's figure is a sum of table entries.

ResNet-18 with 1 to 100 blocks in its third stage and a stem of 16 to 64 channels has 4,900 candidates. Two leaves are
traced, since a stem of 64 channels needs no projection in the first stage; parameters are then a table of 49 entries
by width plus one of 100 by depth:

    >>> from analyzer.sweep.space.space import space
    >>> found = space(variant="resnet18", fields={"depths[2]": "1..100", "stem_width": "16..64"})
    >>> index = np.arange(found.size)
    >>> possible, figures = Engine(found).figures(Candidates.of(found, index))
    >>> depth, width = 1 + index // 49, 16 + index % 49
    >>> by_width = np.where(width == 64, 9_281_768 + 725 * width, 9_281_896 + 789 * width)
    >>> bool(possible.all()), bool((figures["params"] == by_width + 1_180_672 * depth).all())
    (True, True)

And each is what the one description gives:

    >>> from analyzer.cost.analysis import analyze
    >>> found.expression(4899), analyze(found.expression(4899)).params - int(figures["params"][4899])
    ('resnet18:depths=2-2-100-2', 0)
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis
from analyzer.cost.memory import ITEM_BYTES, inference_bytes_by_op
from analyzer.errors import InvalidInput, shortened
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import MAX_OPS, rules
from analyzer.graph.memo import memoized_per_object
from analyzer.sweep.engine.latency import CALL, LatencyColumn, calls
from analyzer.sweep.engine.tables import ENTRIES, EvaluationPlan, Planner, TableIndex
from analyzer.sweep.space.candidate_grid import MAX_CANDIDATES
from analyzer.sweep.space.candidates import Candidates, support_of
from analyzer.sweep.space.expression import CONSTRAINED, Expression, holds
from analyzer.sweep.space.expression_functions import StageList
from analyzer.sweep.space.space import Space
from analyzer.sweep.tracing.evaluate_polynomials import CandidateArrays, check_size
from analyzer.sweep.tracing.general_figures import TracedNetworks, trace_networks
from analyzer.sweep.tracing.multiset import Multiplicity, multiplicities
from analyzer.sweep.tracing.polynomial import Atoms, polynomial_key
from analyzer.sweep.tracing.symbol import terms_of
from analyzer.sweep.tracing.symbolic_run import FIGURES, Multiset, NetworkStructure


def activation_bytes_by_op(analysis: Analysis) -> Multiset:
    """Bytes of activations during each op, in float32 at batch 1, as polynomials."""
    during = inference_bytes_by_op(analysis, ITEM_BYTES["float32"])
    return Counter((polynomial_key(terms_of(level)),) for level in during)


def peak_bytes(arrays: CandidateArrays, reached: Sequence[tuple[Any, Sequence[Multiplicity]]]) -> NDArray[np.int64]:
    """The highest level that each candidate reaches."""
    most = np.zeros(arrays.count, dtype=np.int64)
    for (level,), items in reached:
        there = np.asarray(multiplicities(arrays, items)) > 0
        np.maximum(most, np.where(there, arrays.value(dict(level)), 0), out=most)
    return most


def reaching_candidates(items: Sequence[Multiplicity]) -> Sequence[Multiplicity]:
    """Who reaches a level: everyone, where that does not depend on counts."""
    always = any(not item.field for item in items) and all(item.times > 0 for item in items)
    return (Multiplicity(1),) if always else items


IntArray = NDArray[np.int64]
OptionalRows = IntArray | None
"""Numbers of rows, None for all of them."""


class FieldStructure(NamedTuple):
    """A chunk's fields, sorted: those that all share, those that tell groups apart, and whole numbers that vary."""

    shared: dict[str, Any]
    group_fields: dict[str, NDArray[Any]]
    varying: dict[str, IntArray]
    lists: dict[str, Any]


_LENGTH = " length"
MEMORY = "memory_bytes"
LATENCY_ENTRIES = 2**20
"""A table of times has so many entries at most: working one out takes far longer than fetching it."""


@dataclass(frozen=True, slots=True)
class TracedBranch:
    """What was traced of candidates that satisfy the same conditions, and how it is worked out."""

    traced: TracedNetworks
    plans: dict[str, EvaluationPlan]
    bounds: dict[str, tuple[int, int]]
    joined_figures: dict[str, "JoinedFigure"] = field(default_factory=dict)
    """What is seldom asked for, planned when it is."""


class JoinedFigure(NamedTuple):
    """A figure of two plans, and what joins them."""

    plans: tuple[EvaluationPlan, EvaluationPlan]
    join: Callable[[Any, Any], Any]

    def values(self, arrays: CandidateArrays, codes: TableIndex) -> NDArray[Any]:
        """The figure of every candidate."""
        first, second = (plan.values(arrays, codes) for plan in self.plans)
        found: NDArray[Any] = self.join(first, second)
        return found


@dataclass(frozen=True, slots=True)
class CandidateGroup:
    """Candidates that are built alike: bounds of their fields, and what was traced within those."""

    structure: NetworkStructure
    bounds: dict[str, tuple[int, int]] = field(default_factory=dict)
    leaves: list[TracedBranch] = field(default_factory=list)


class Engine:
    """What has been traced of a space so far; a chunk's figures do not depend on it."""

    def __init__(self, space: Space, ask: Sequence[str] = ()) -> None:
        self._space, self._ask = space, tuple(ask)
        self._modes = {name: LatencyColumn.of(name) for name in ask if name != MEMORY}
        self._readers = tuple(
            (name, activation_bytes_by_op if name == MEMORY else self._modes[name].kernels) for name in ask
        )
        self._known = rules(FAMILIES[space.family].spec)
        self._atoms = Atoms()
        self._planner = Planner(space, self._atoms)
        self._spans = dict(self._planner.spans())
        self._found: dict[NetworkStructure, CandidateGroup] = {}

    def figures(self, some: Candidates) -> tuple[NDArray[np.bool_], dict[str, NDArray[Any]]]:
        """Which candidates are possible networks, and all candidates' figures (0 where they are none)."""
        count = len(some.index)
        possible = np.zeros(count, dtype=bool)
        out: dict[str, NDArray[Any]] = {name: np.zeros(count, dtype=np.int64) for name in FIGURES}
        out |= {name: np.zeros(count, dtype=np.int64 if name == MEMORY else float) for name in self._ask}
        structure = self._structure(some)
        for alike, rows in self._groups(some, structure):
            own = CandidateArrays(self._atoms, structure.varying, count if rows is None else len(rows), rows)
            for leaf, chosen, arrays in self._leaves(alike, own):
                places: Any = slice(None) if chosen is None else chosen
                codes = TableIndex(some.codes, self._planner.counts, chosen)
                for name, plan in leaf.plans.items():
                    out[name][places] = plan.values(arrays, codes)
                for name in self._ask if leaf.plans else ():
                    out[name][places] = self._extra(name, leaf).values(arrays, codes)
                possible[places] = out["ops"][places] <= MAX_OPS if leaf.plans else False
        return possible, out

    def _extra(self, name: str, leaf: TracedBranch) -> JoinedFigure:
        if name not in leaf.joined_figures:
            leaf.joined_figures[name] = self._peak(leaf) if name == MEMORY else self._latency(name, leaf)
        return leaf.joined_figures[name]

    def _peak(self, leaf: TracedBranch) -> JoinedFigure:
        planner = self._planner
        reached = [(thing, reaching_candidates(items)) for thing, items in self._items(MEMORY, leaf)]
        found = [(self._axes(thing, items), (thing, items)) for thing, items in reached]
        return JoinedFigure(
            (planner.plan(found, peak_bytes, np.maximum, planner.at_most(ENTRIES)), leaf.plans["state_bytes"]), np.add
        )

    def _latency(self, name: str, leaf: TracedBranch) -> JoinedFigure:
        planner, mode = self._planner, self._modes[name]
        most = planner.at_most(LATENCY_ENTRIES)
        everything = list(self._items(name, leaf))
        started = [(self._axes((), items), (thing, items)) for thing, items in everything if thing == CALL]
        kernels = [(self._axes(thing, items), (thing, items)) for thing, items in everything if thing != CALL]
        own = planner.plan(kernels, mode.device_ms, np.add, most)
        return JoinedFigure((own, planner.plan(started, calls, np.add, most)), mode.total_ms)

    def _items(self, name: str, leaf: TracedBranch) -> Iterator[tuple[Any, Sequence[Multiplicity]]]:
        """What candidates hold, and how often."""
        bounds = leaf.bounds
        yield from (
            leaf.traced.multisets[name].items(lambda field: self._planner.counts_of(field, bounds[field])).items()
        )

    def _axes(self, thing: tuple[Any, ...], items: Sequence[Multiplicity]) -> tuple[str, ...]:
        """The axes that something held depends on, by its numbers and by how often it is held."""
        planner = self._planner
        names = [name for part in thing if isinstance(part, tuple) for name in planner.axes_of(dict(part))]
        fields = [support_of(planner.supports, item.field) for item in items]
        return planner.order(frozenset(names).union(*fields))

    def _structure(self, some: Candidates) -> FieldStructure:
        found = FieldStructure({}, {}, {}, {})
        for name, value in some.env.items():
            if name.partition("[")[0] not in self._known:
                continue
            if isinstance(value, StageList):
                found.lists[name] = value.length
                if isinstance(value.length, np.ndarray):
                    found.group_fields[name + _LENGTH] = value.length
            elif not isinstance(value, np.ndarray) or not value.ndim:
                found.shared[name] = value.item() if isinstance(value, np.ndarray | np.generic) else value
            elif value.dtype.kind == "i":
                found.varying[name] = value
            else:
                found.group_fields[name] = value
        return found

    def _groups(self, some: Candidates, structure: FieldStructure) -> Iterator[tuple[NetworkStructure, OptionalRows]]:
        """Candidates that share all that is no whole number."""
        telling = [some.codes.get(name, values) for name, values in structure.group_fields.items()]
        if len(self._space.input_sizes) > 1:
            telling.append(some.codes["input_size"])
        if not len(some.index):
            return
        labels = _labels(telling, len(some.index))
        numbers = np.unique(labels) if telling else [0]
        for number in numbers:
            rows = None if len(numbers) == 1 else np.flatnonzero(labels == number)
            yield self._alike(some, structure, 0 if rows is None else int(rows[0])), rows

    def _alike(self, some: Candidates, structure: FieldStructure, row: int) -> NetworkStructure:
        space = self._space
        lengths = {name: _number(each, row) for name, each in structure.lists.items()}
        shared = dict(structure.shared)
        for name, each in structure.group_fields.items():
            if not name.endswith(_LENGTH):
                shared[name] = each[row].item() if isinstance(each[row], np.generic) else each[row]
        shared = {name: value for name, value in shared.items() if _within(name, lengths)}
        size = space.input_sizes[int(some.codes["input_size"][row])] if space.input_sizes else None
        return NetworkStructure(space.family, tuple(shared.items()), tuple(lengths.items()), size)

    def _leaves(
        self, alike: NetworkStructure, own: CandidateArrays
    ) -> Iterator[tuple[TracedBranch, OptionalRows, CandidateArrays]]:
        """Each leaf with the chunk's rows that it is about, and their arrays."""
        left = np.ones(own.count, dtype=bool)
        held: dict[Any, NDArray[np.bool_]] = {}
        for leaf in self._every(alike, own, left):
            fits = left.copy()
            for condition in leaf.traced.conditions:
                if condition not in held:
                    held[condition] = own.holds(condition)
                fits &= held[condition]
            if fits.all():
                yield leaf, own.rows, own
            elif fits.any():
                inside = np.flatnonzero(fits)
                chosen = inside if own.rows is None else own.rows[inside]
                yield leaf, chosen, own.of(chosen)
            left &= ~fits

    def _every(self, alike: NetworkStructure, own: CandidateArrays, left: NDArray[np.bool_]) -> Iterator[TracedBranch]:
        """The leaves of a group that are known, then new ones for the first candidate left, until none is."""
        lengths = dict(alike.lengths)
        varying = {name: own.field(name) for name in own.env if _within(name, lengths)}
        group = self._group(alike, varying)
        place = 0
        while left.any():
            if place == len(group.leaves):
                row = int(np.argmax(left))
                group.leaves.append(self._leaf(group, {name: int(each[row]) for name, each in varying.items()}))
            yield group.leaves[place]
            place += 1

    def _group(self, alike: NetworkStructure, varying: Mapping[str, IntArray]) -> CandidateGroup:
        """The group, with bounds that hold for all its candidates so far; what was traced inside others is dropped."""
        group = self._found.setdefault(alike, CandidateGroup(alike))
        for name, values in varying.items():
            before = group.bounds.get(name)
            if before is not None and name in self._spans:
                continue
            low, high = self._spans.get(name) or (int(values.min()), int(values.max()))
            if before is None or low < before[0] or high > before[1]:
                group.bounds[name] = self._spans.get(name) or _rounded(low, high, before)
                group.leaves.clear()
        return group

    def _leaf(self, group: CandidateGroup, values: Mapping[str, int]) -> TracedBranch:
        traced = trace_networks(self._atoms, group.structure, group.bounds, values, self._readers)
        for figure in traced.figures.values():
            check_size(self._atoms, figure.terms, group.bounds)
        plans = {name: self._planner.figure(figure) for name, figure in traced.figures.items()}
        return TracedBranch(traced, plans, dict(group.bounds))


def _labels(telling: list[NDArray[Any]], count: int) -> IntArray:
    """A number for each candidate, equal where all arrays are."""
    labels = np.zeros(count, dtype=np.int64)
    for values in telling:
        codes, kinds = (values, int(values.max()) + 1) if values.dtype.kind == "i" else _kinds(values)
        if labels.max() > 2**62 // kinds:
            labels, _ = _kinds(labels)
        labels = labels * kinds + codes
    return labels


def _kinds(values: NDArray[Any]) -> tuple[IntArray, int]:
    plain = values if values.dtype.kind != "O" else np.array([repr(item) for item in values])
    kinds, codes = np.unique(plain, return_inverse=True)
    return codes, len(kinds)


def _within(name: str, lengths: Mapping[str, int]) -> bool:
    """Whether a field is a whole one, or an element that its list has."""
    base, bracket, place = name.partition("[")
    return not bracket or int(place[:-1]) < lengths[base]


def _number(value: Any, row: int) -> int:
    return int(value[row]) if isinstance(value, np.ndarray) else int(value)


def _rounded(low: int, high: int, before: tuple[int, int] | None) -> tuple[int, int]:
    """Bounds around the numbers; they reach out to powers of two, so that they seldom have to be widened."""
    low, high = (low, high) if before is None else (min(low, before[0]), max(high, before[1]))
    return 2 ** (low.bit_length() - 1) if low > 0 else low, 2 ** high.bit_length()


CHUNK = 2**14
"""Candidates worked on at once: their arrays stay in the processor's cache."""
SHOWN_COLUMNS = ("input_height", "input_width", "params", "macs", "activations", "depth")


def evaluate(space: Space, start: int, stop: int, *, ask: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Columns of the candidates `start` to `stop` − 1 that are networks and satisfy the constraints, in order.

    "index"; each axis, variable and derived field (lists as "depths[0]", …); "input_height", "input_width"; "params",
    "macs", "activations", "depth"; and of "memory_bytes" and "latency_ms:DEVICE@BATCH" those that `ask` or a
    constraint names. Equal to `analyze` of each candidate's expression, to the unit.
    """
    if space.samples is None and space.grid_size > MAX_CANDIDATES:
        raise InvalidInput(f"space: its grid has {space.grid_size:.3g} candidates; draw some with samples.")
    stop = min(stop, space.size)
    asked = requested_figures(space, ask)
    engine = engine_of(space, asked)
    parts = [
        _chunk(space, engine, at, min(at + CHUNK, stop), asked) for at in range(start, max(stop, start + 1), CHUNK)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if len(parts) > 1 else parts[0]


def requested_figures(space: Space, ask: Sequence[str]) -> list[str]:
    """Those figures that are worked out only where they are asked for, by the caller or by a constraint."""
    named = [name for each in space.constraints for name in each.names if name == MEMORY]
    named += [name for constraint in space.constraints for name in constraint.latencies]
    for name in ask:
        if name != MEMORY and not name.startswith("latency_ms:"):
            raise InvalidInput(f"ask {shortened(name)!r}: must be {MEMORY} or latency_ms:DEVICE@BATCH.")
    return list(dict.fromkeys([*ask, *named]))


def engine_of(space: Space, ask: Sequence[str] = ()) -> Engine:
    """The space's engine for these figures, made once."""
    return _engine(space, tuple(ask))


_engine = memoized_per_object(Engine)


def _chunk(space: Space, engine: Engine, start: int, stop: int, ask: Sequence[str]) -> dict[str, NDArray[Any]]:
    some = Candidates.of(space, np.arange(start, stop, dtype=np.int64))
    early = [each for each in space.constraints if not each.latencies and not CONSTRAINED.intersection(each.names)]
    some = _kept_candidates(some, _mask(early, some.env, len(some.index)))
    possible, figures = engine.figures(some)
    late = [each for each in space.constraints if each not in early]
    mask = possible & _mask(late, some.env | figures | {"flops": 2 * figures["macs"]}, len(some.index))
    figures = {name: figures[name] for name in [*SHOWN_COLUMNS, *ask]}
    if not mask.all():
        some, figures = some.take(mask), {name: column[mask] for name, column in figures.items()}
    return {"index": some.index} | _axis_columns(some) | figures


def _mask(constraints: Sequence[Expression], env: dict[str, Any], count: int) -> NDArray[np.bool_]:
    mask = np.ones(count, dtype=bool)
    for each in constraints:
        mask &= holds(each, env)
    return mask


def _kept_candidates(some: Candidates, mask: NDArray[np.bool_]) -> Candidates:
    return some if mask.all() else some.take(mask)


def _axis_columns(some: Candidates) -> dict[str, NDArray[Any]]:
    """The columns of axes and of what follows from them."""
    columns: dict[str, NDArray[Any]] = {}
    for name in [*(axis.name for axis in some.space.axes), *(name for name, _ in some.space.derived)]:
        value = some.env[name]
        parts = (
            {f"{name}[{i}]": part for i, part in enumerate(value.parts)}
            if isinstance(value, StageList)
            else {name: value}
        )
        columns |= {label: np.broadcast_to(part, some.index.shape) for label, part in parts.items()}
    return columns
