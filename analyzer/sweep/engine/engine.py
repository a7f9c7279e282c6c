"""The figures of a design space's candidates, chunk by chunk: networks of one structure are traced once.

A million networks are never built. The families' own code and the cost walk run a few times on symbolic integers,
and arrays do the rest, in four steps:

1. **Symbols** (`tracing/symbol.py`): a whole number that varies in the space is a `Symbol`, which passes for an int and
   keeps the polynomial in the fields that it equals. The code of `analyzer.families` and `analyzer.cost` does not know
   of them.
2. **Branches are taped**: where code compares, and the answer differs among candidates, the run takes the branch of the
   candidate whose values it has, and its `Tape` records the condition. The figures hold where all conditions do (a
   `TracedBranch`); a candidate that no branch fits starts another run. A field that counts (`range(depth)`) is
   recorded as counted.
3. **Figures become polynomials** (`tracing/general_figures.py`): in the fields at once, and in counted fields by
   running 1, 2, 3 … blocks and taking finite differences until they vanish.
4. **Polynomials are tabulated by axis** (`tables.py`): terms that depend on the same few axes are computed once for
   each combination of those axes' values; a candidate's figure is a sum of table entries.

ResNet-18 with 1 to 100 blocks in its third stage and a stem of 16 to 64 channels has 4,900 candidates. Two branches are
traced, since a stem of 64 channels needs no projection in the first stage; parameters are then a table of 49 entries
by width plus one of 100 by depth:

    >>> from analyzer.sweep.space.space import space
    >>> resnets = space(variant="resnet18", fields={"depths[2]": "1..100", "stem_width": "16..64"})
    >>> index = np.arange(resnets.size)
    >>> possible, figures = Engine(resnets).figures(Candidates.of(resnets, index))
    >>> depth, width = 1 + index // 49, 16 + index % 49
    >>> by_width = np.where(width == 64, 9_281_768 + 725 * width, 9_281_896 + 789 * width)
    >>> bool(possible.all()), bool((figures["params"] == by_width + 1_180_672 * depth).all())
    (True, True)

And each is what the one description gives:

    >>> from analyzer.cost.analysis import analyze
    >>> resnets.expression(4899), analyze(resnets.expression(4899)).params - int(figures["params"][4899])
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
from analyzer.sweep.engine.latency import CALL, LatencyColumn, num_calls
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

IntArray = NDArray[np.int64]
OptionalRows = IntArray | None
"""Row numbers in a chunk; None for all of them."""
_LENGTH = " length"
MEMORY = "memory_bytes"
LATENCY_ENTRIES = 2**20
"""Entries of a table of times at most: computing a time takes far longer than fetching it."""
CHUNK = 2**14
"""Candidates computed at once: their arrays stay in the processor's cache."""
SHOWN_COLUMNS = ("input_height", "input_width", "params", "macs", "activations", "depth")


def activation_bytes_by_op(analysis: Analysis) -> Multiset:
    """Polynomials of the activation bytes in memory during each op (float32, batch 1) → number of such ops."""
    op_levels = inference_bytes_by_op(analysis, ITEM_BYTES["float32"])
    return Counter((polynomial_key(terms_of(level)),) for level in op_levels)


def peak_bytes(arrays: CandidateArrays, levels: Sequence[tuple[Any, Sequence[Multiplicity]]]) -> NDArray[np.int64]:
    """Peak bytes of each candidate: the highest level that it reaches."""
    peak = np.zeros(arrays.count, dtype=np.int64)
    for (level,), items in levels:
        is_reached = np.asarray(multiplicities(arrays, items)) > 0
        np.maximum(peak, np.where(is_reached, arrays.value(dict(level)), 0), out=peak)
    return peak


def reaching_candidates(items: Sequence[Multiplicity]) -> Sequence[Multiplicity]:
    """How often candidates reach a level: once for all of them where that does not depend on counts."""
    always = any(not item.field for item in items) and all(item.times > 0 for item in items)
    return (Multiplicity(1),) if always else items


class FieldStructure(NamedTuple):
    """A chunk's fields: shared by all, distinguishing groups, whole numbers that vary, and lists with their lengths."""

    shared: dict[str, Any]
    group_fields: dict[str, NDArray[Any]]
    varying: dict[str, IntArray]
    lists: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TracedBranch:
    """What was traced of candidates that satisfy the same conditions, and the plans that evaluate it."""

    traced: TracedNetworks
    plans: dict[str, EvaluationPlan]
    bounds: dict[str, tuple[int, int]]
    joined_figures: dict[str, "JoinedFigure"] = field(default_factory=dict)
    """Figures that are computed only on request, planned then."""


class JoinedFigure(NamedTuple):
    """A figure of two plans, and the function that joins them."""

    plans: tuple[EvaluationPlan, EvaluationPlan]
    join: Callable[[Any, Any], Any]

    def values(self, arrays: CandidateArrays, codes: TableIndex) -> NDArray[Any]:
        """The figure of every candidate."""
        first, second = (plan.values(arrays, codes) for plan in self.plans)
        joined: NDArray[Any] = self.join(first, second)
        return joined


@dataclass(frozen=True, slots=True)
class CandidateGroup:
    """Candidates of one structure: bounds of their fields, and the branches traced within those."""

    structure: NetworkStructure
    bounds: dict[str, tuple[int, int]] = field(default_factory=dict)
    branches: list[TracedBranch] = field(default_factory=list)


class Engine:
    """Evaluates the candidates of one space; remembers what it traced, on which no chunk's figures depend."""

    def __init__(self, space: Space, ask: Sequence[str] = ()) -> None:
        self._space, self._ask = space, tuple(ask)
        self._latency_columns = {name: LatencyColumn.of(name) for name in ask if name != MEMORY}
        self._readers = tuple(
            (name, activation_bytes_by_op if name == MEMORY else self._latency_columns[name].kernels) for name in ask
        )
        self._field_rules = rules(FAMILIES[space.family].spec)
        self._atoms = Atoms()
        self._planner = Planner(space, self._atoms)
        self._spans = dict(self._planner.spans())
        self._branch_groups: dict[NetworkStructure, CandidateGroup] = {}

    def figures(self, candidates: Candidates) -> tuple[NDArray[np.bool_], dict[str, NDArray[Any]]]:
        """Which candidates are possible networks, and all candidates' figures (0 where they are none)."""
        count = len(candidates.index)
        possible = np.zeros(count, dtype=bool)
        columns: dict[str, NDArray[Any]] = {name: np.zeros(count, dtype=np.int64) for name in FIGURES}
        columns |= {name: np.zeros(count, dtype=np.int64 if name == MEMORY else float) for name in self._ask}
        chunk_fields = self._chunk_fields(candidates)
        for structure, rows in self._groups(candidates, chunk_fields):
            group_arrays = CandidateArrays(
                self._atoms, chunk_fields.varying, count if rows is None else len(rows), rows
            )
            for branch, chosen, arrays in self._matching_branches(structure, group_arrays):
                selection: Any = slice(None) if chosen is None else chosen
                codes = TableIndex(candidates.codes, self._planner.counts, chosen)
                for name, plan in branch.plans.items():
                    columns[name][selection] = plan.values(arrays, codes)
                for name in self._ask if branch.plans else ():
                    columns[name][selection] = self._requested_figure(name, branch).values(arrays, codes)
                possible[selection] = columns["ops"][selection] <= MAX_OPS if branch.plans else False
        return possible, columns

    def _requested_figure(self, name: str, branch: TracedBranch) -> JoinedFigure:
        if name not in branch.joined_figures:
            branch.joined_figures[name] = self._peak(branch) if name == MEMORY else self._latency(name, branch)
        return branch.joined_figures[name]

    def _peak(self, branch: TracedBranch) -> JoinedFigure:
        planner = self._planner
        levels = [(level, reaching_candidates(items)) for level, items in self._items(MEMORY, branch)]
        contributions = [(self._axes(level, items), (level, items)) for level, items in levels]
        return JoinedFigure(
            (
                planner.plan(contributions, peak_bytes, np.maximum, planner.at_most(ENTRIES)),
                branch.plans["state_bytes"],
            ),
            np.add,
        )

    def _latency(self, name: str, branch: TracedBranch) -> JoinedFigure:
        planner, column = self._planner, self._latency_columns[name]
        max_entries = planner.at_most(LATENCY_ENTRIES)
        kernel_items = list(self._items(name, branch))
        host_calls = [(self._axes((), counts), (kernel, counts)) for kernel, counts in kernel_items if kernel == CALL]
        kernels = [(self._axes(kernel, counts), (kernel, counts)) for kernel, counts in kernel_items if kernel != CALL]
        device_plan = planner.plan(kernels, column.device_ms, np.add, max_entries)
        return JoinedFigure((device_plan, planner.plan(host_calls, num_calls, np.add, max_entries)), column.total_ms)

    def _items(self, name: str, branch: TracedBranch) -> Iterator[tuple[Any, Sequence[Multiplicity]]]:
        """Each item of a multiset (a memory level, a kernel), and how many of it candidates have."""
        bounds = branch.bounds
        yield from (
            branch.traced.multisets[name].items(lambda field: self._planner.counts_of(field, bounds[field])).items()
        )

    def _axes(self, key: tuple[Any, ...], items: Sequence[Multiplicity]) -> tuple[str, ...]:
        """The axes that an item depends on, by its polynomials and by how many of it candidates have."""
        planner = self._planner
        axis_names = [name for element in key if isinstance(element, tuple) for name in planner.axes_of(dict(element))]
        fields = [support_of(planner.supports, item.field) for item in items]
        return planner.order(frozenset(axis_names).union(*fields))

    def _chunk_fields(self, candidates: Candidates) -> FieldStructure:
        structure = FieldStructure({}, {}, {}, {})
        for name, value in candidates.env.items():
            if name.partition("[")[0] not in self._field_rules:
                continue
            if isinstance(value, StageList):
                structure.lists[name] = value.length
                if isinstance(value.length, np.ndarray):
                    structure.group_fields[name + _LENGTH] = value.length
            elif not isinstance(value, np.ndarray) or not value.ndim:
                structure.shared[name] = value.item() if isinstance(value, np.ndarray | np.generic) else value
            elif value.dtype.kind == "i":
                structure.varying[name] = value
            else:
                structure.group_fields[name] = value
        return structure

    def _groups(
        self, candidates: Candidates, chunk_fields: FieldStructure
    ) -> Iterator[tuple[NetworkStructure, OptionalRows]]:
        """Rows of candidates that share every field that is no varying whole number."""
        keys = [candidates.codes.get(name, values) for name, values in chunk_fields.group_fields.items()]
        if len(self._space.input_sizes) > 1:
            keys.append(candidates.codes["input_size"])
        if not len(candidates.index):
            return
        labels = _labels(keys, len(candidates.index))
        numbers = np.unique(labels) if keys else [0]
        for number in numbers:
            rows = None if len(numbers) == 1 else np.flatnonzero(labels == number)
            yield self._network_structure(candidates, chunk_fields, 0 if rows is None else int(rows[0])), rows

    def _network_structure(self, candidates: Candidates, chunk_fields: FieldStructure, row: int) -> NetworkStructure:
        space = self._space
        lengths = {name: _number(length, row) for name, length in chunk_fields.lists.items()}
        shared = dict(chunk_fields.shared)
        for name, values in chunk_fields.group_fields.items():
            if not name.endswith(_LENGTH):
                shared[name] = values[row].item() if isinstance(values[row], np.generic) else values[row]
        shared = {name: value for name, value in shared.items() if _has_element(name, lengths)}
        size = space.input_sizes[int(candidates.codes["input_size"][row])] if space.input_sizes else None
        return NetworkStructure(space.family, tuple(shared.items()), tuple(lengths.items()), size)

    def _matching_branches(
        self, structure: NetworkStructure, arrays: CandidateArrays
    ) -> Iterator[tuple[TracedBranch, OptionalRows, CandidateArrays]]:
        """Each branch that applies to the rows, with those rows and their arrays."""
        remaining = np.ones(arrays.count, dtype=bool)
        condition_masks: dict[Any, NDArray[np.bool_]] = {}
        for branch in self._known_or_traced(structure, arrays, remaining):
            matching = remaining.copy()
            for condition in branch.traced.conditions:
                if condition not in condition_masks:
                    condition_masks[condition] = arrays.holds(condition)
                matching &= condition_masks[condition]
            if matching.all():
                yield branch, arrays.rows, arrays
            elif matching.any():
                matching_rows = np.flatnonzero(matching)
                rows = matching_rows if arrays.rows is None else arrays.rows[matching_rows]
                yield branch, rows, arrays.of(rows)
            remaining &= ~matching

    def _known_or_traced(
        self, structure: NetworkStructure, arrays: CandidateArrays, remaining: NDArray[np.bool_]
    ) -> Iterator[TracedBranch]:
        """The known branches of a group, then a new one for the first remaining candidate, until none remains."""
        lengths = dict(structure.lengths)
        varying = {name: arrays.field(name) for name in arrays.env if _has_element(name, lengths)}
        group = self._branch_group(structure, varying)
        position = 0
        while remaining.any():
            if position == len(group.branches):
                row = int(np.argmax(remaining))
                group.branches.append(
                    self._trace_branch(group, {name: int(values[row]) for name, values in varying.items()})
                )
            yield group.branches[position]
            position += 1

    def _branch_group(self, structure: NetworkStructure, varying: Mapping[str, IntArray]) -> CandidateGroup:
        """The group with bounds that cover all its candidates so far; what was traced within narrower ones goes."""
        group = self._branch_groups.setdefault(structure, CandidateGroup(structure))
        for name, values in varying.items():
            known_bounds = group.bounds.get(name)
            if known_bounds is not None and name in self._spans:
                continue
            low, high = self._spans.get(name) or (int(values.min()), int(values.max()))
            if known_bounds is None or low < known_bounds[0] or high > known_bounds[1]:
                group.bounds[name] = self._spans.get(name) or _widen_bounds(low, high, known_bounds)
                group.branches.clear()
        return group

    def _trace_branch(self, group: CandidateGroup, values: Mapping[str, int]) -> TracedBranch:
        traced = trace_networks(self._atoms, group.structure, group.bounds, values, self._readers)
        for figure in traced.figures.values():
            check_size(self._atoms, figure.terms, group.bounds)
        plans = {name: self._planner.figure(figure) for name, figure in traced.figures.items()}
        return TracedBranch(traced, plans, dict(group.bounds))


def _labels(keys: list[NDArray[Any]], count: int) -> IntArray:
    """A label for each candidate, equal where all keys are."""
    labels = np.zeros(count, dtype=np.int64)
    for values in keys:
        codes, num_kinds = (values, int(values.max()) + 1) if values.dtype.kind == "i" else _kinds(values)
        if labels.max() > 2**62 // num_kinds:
            labels, _ = _kinds(labels)
        labels = labels * num_kinds + codes
    return labels


def _kinds(values: NDArray[Any]) -> tuple[IntArray, int]:
    comparable = values if values.dtype.kind != "O" else np.array([repr(item) for item in values])
    kinds, codes = np.unique(comparable, return_inverse=True)
    return codes, len(kinds)


def _has_element(name: str, lengths: Mapping[str, int]) -> bool:
    """Whether a field is no list element, or one that its list has."""
    base, bracket, rest = name.partition("[")
    return not bracket or int(rest[:-1]) < lengths[base]


def _number(value: Any, row: int) -> int:
    return int(value[row]) if isinstance(value, np.ndarray) else int(value)


def _widen_bounds(low: int, high: int, known_bounds: tuple[int, int] | None) -> tuple[int, int]:
    """Bounds around the numbers, widened to powers of two so that they seldom have to grow."""
    low, high = (low, high) if known_bounds is None else (min(low, known_bounds[0]), max(high, known_bounds[1]))
    return 2 ** (low.bit_length() - 1) if low > 0 else low, 2 ** high.bit_length()


def evaluate(space: Space, start: int, stop: int, *, ask: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Columns of the candidates `start` to `stop` − 1 that are networks and satisfy the constraints, in order.

    "index"; each axis, variable and derived field (lists as "depths[0]", …); "input_height", "input_width"; "params",
    "macs", "activations", "depth"; and of "memory_bytes" and "latency_ms:DEVICE@BATCH" those that `ask` or a
    constraint names. Equal to `analyze` of each candidate's expression, to the unit.
    """
    if space.samples is None and space.grid_size > MAX_CANDIDATES:
        raise InvalidInput(f"space: its grid has {space.grid_size:.3g} candidates; draw some with samples.")
    stop = min(stop, space.size)
    requested = requested_figures(space, ask)
    engine = engine_of(space, requested)
    chunks = [
        _chunk(space, engine, first, min(first + CHUNK, stop), requested)
        for first in range(start, max(stop, start + 1), CHUNK)
    ]
    return (
        {name: np.concatenate([part[name] for part in chunks]) for name in chunks[0]} if len(chunks) > 1 else chunks[0]
    )


def requested_figures(space: Space, ask: Sequence[str]) -> list[str]:
    """The figures computed only on request, by the caller or by a constraint; InvalidInput for an unknown one."""
    named = [name for constraint in space.constraints for name in constraint.names if name == MEMORY]
    named += [name for constraint in space.constraints for name in constraint.latencies]
    for name in ask:
        if name != MEMORY and not name.startswith("latency_ms:"):
            raise InvalidInput(f"ask {shortened(name)!r}: must be {MEMORY} or latency_ms:DEVICE@BATCH.")
    return list(dict.fromkeys([*ask, *named]))


def engine_of(space: Space, ask: Sequence[str] = ()) -> Engine:
    """The space's engine for these figures; made once."""
    return _engine(space, tuple(ask))


_engine = memoized_per_object(Engine)


def _chunk(space: Space, engine: Engine, start: int, stop: int, ask: Sequence[str]) -> dict[str, NDArray[Any]]:
    candidates = Candidates.of(space, np.arange(start, stop, dtype=np.int64))
    early = [rule for rule in space.constraints if not rule.latencies and not CONSTRAINED.intersection(rule.names)]
    candidates = _filter_candidates(candidates, _mask(early, candidates.env, len(candidates.index)))
    possible, figures = engine.figures(candidates)
    late = [rule for rule in space.constraints if rule not in early]
    mask = possible & _mask(late, candidates.env | figures | {"flops": 2 * figures["macs"]}, len(candidates.index))
    figures = {name: figures[name] for name in [*SHOWN_COLUMNS, *ask]}
    if not mask.all():
        candidates, figures = candidates.take(mask), {name: column[mask] for name, column in figures.items()}
    return {"index": candidates.index} | _axis_columns(candidates) | figures


def _mask(constraints: Sequence[Expression], env: dict[str, Any], count: int) -> NDArray[np.bool_]:
    mask = np.ones(count, dtype=bool)
    for constraint in constraints:
        mask &= holds(constraint, env)
    return mask


def _filter_candidates(candidates: Candidates, mask: NDArray[np.bool_]) -> Candidates:
    return candidates if mask.all() else candidates.take(mask)


def _axis_columns(candidates: Candidates) -> dict[str, NDArray[Any]]:
    """The columns of axes and of the fields derived from them."""
    columns: dict[str, NDArray[Any]] = {}
    for name in [*(axis.name for axis in candidates.space.axes), *(name for name, _ in candidates.space.derived)]:
        value = candidates.env[name]
        parts = (
            {f"{name}[{i}]": part for i, part in enumerate(value.parts)}
            if isinstance(value, StageList)
            else {name: value}
        )
        columns |= {label: np.broadcast_to(part, candidates.index.shape) for label, part in parts.items()}
    return columns
