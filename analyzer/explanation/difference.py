"""Two networks side by side: their stages by role, their ops by kind, and what the difference is due to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory import memory
from analyzer.cost.training import transfer
from analyzer.errors import InvalidInput
from analyzer.families.network import Size, network
from analyzer.families.spec import Spec, rules
from analyzer.graph.ops import Conv2d, Op, Shape

INPUT_SIZE = "input_size"
QUANTITIES = ("params", "macs", "activations", "peak_bytes", "stored_bytes")
"""What is compared: the totals of an analysis, the peak of activations in inference, and what training stores."""
HEAD = "head"
PART_QUANTITIES = ("params", "macs", "activations")
"""What is compared by stage and kind of op."""
_MAX_FIELDS_TOGETHER = 3
"""At most so many fields are tried together before all that are left go at once."""
_INNER_WIDTH_FIELDS = ("cardinality", "base_width")


class FieldChange(NamedTuple):
    """A field of the spec, or the input size, from one value to another, as expressions write them."""

    field: str
    old: str
    new: str


class AttributionStep(NamedTuple):
    """One or more fields that change at once; `why` not one after the other; quantity → what that changes.

    `after` is the network that they lead to.
    """

    changes: tuple[FieldChange, ...]
    why: str
    shares: dict[str, int]
    after: Analysis


class SpecAtSize(NamedTuple):
    """A network on the way from the first to the second."""

    spec: Spec
    size: tuple[int, int]


class FieldMove(NamedTuple):
    """The next network on the way, and why more than one field changed, where more did."""

    state: SpecAtSize
    analysis: Analysis
    why: str


def quantities(analysis: Analysis) -> dict[str, int]:
    """Each of QUANTITIES, at batch 1 in float32."""
    totals = analysis.totals
    return {
        "params": totals.params,
        "macs": totals.macs,
        "activations": totals.activations,
        "peak_bytes": memory(analysis).peak_bytes,
        "stored_bytes": transfer(analysis).stored_bytes,
    }


def comparable(first: Analysis, second: Analysis) -> bool:
    """Whether both have specs of one family, so that fields can be changed one at a time."""
    ours, theirs = first.network.spec, second.network.spec
    return ours is not None and type(ours) is type(theirs)


def attribution(first: Analysis, second: Analysis) -> tuple[AttributionStep, ...]:
    """The steps from the first network to the second; none where they are the same. Both are of one family."""
    if first.network.spec is None or second.network.spec is None:
        raise InvalidInput("attribution: a graph has no fields; give two networks of one family.")
    target = SpecAtSize(second.network.spec, _size(second))
    moves = [FieldMove(SpecAtSize(first.network.spec, _size(first)), first, "")]
    while _differing_fields(moves[-1].state, target):
        moves += _next_moves(moves[-1].state, target)
    return tuple(_step(before, after) for before, after in pairwise(moves))


def _size(analysis: Analysis) -> tuple[int, int]:
    _, height, width = analysis.input_shape
    return height, width


def _differing_fields(state: SpecAtSize, target: SpecAtSize) -> list[str]:
    """The fields that still differ, in the spec's order, the input size last."""
    names = [name for name in rules(type(target.spec)) if getattr(state.spec, name) != getattr(target.spec, name)]
    return names + ([INPUT_SIZE] if state.size != target.size else [])


def _next_moves(state: SpecAtSize, target: SpecAtSize) -> list[FieldMove]:
    """The move of the fewest fields that makes a network, the first in order; two for both inner-width fields."""
    remaining = _differing_fields(state, target)
    refusal = ""
    for names in _groups(remaining):
        move = try_move(state, target, names, remaining)
        if isinstance(move, FieldMove):
            split = _inner_width(state, target) if names == _INNER_WIDTH_FIELDS else []
            return [*split, move._replace(why=refusal if len(names) > 1 and names != _INNER_WIDTH_FIELDS else "")]
        refusal = refusal or move
    raise AssertionError("all fields at once make the second network")


def _groups(remaining: list[str]) -> Iterator[tuple[str, ...]]:
    """Which fields to change together, the fewest first; the two that set the inner width count as one."""
    paths = set(_INNER_WIDTH_FIELDS) <= set(remaining)
    units = [
        _INNER_WIDTH_FIELDS if name == _INNER_WIDTH_FIELDS[0] and paths else (name,)
        for name in remaining
        if name != _INNER_WIDTH_FIELDS[1] or not paths
    ]
    for count in range(1, min(_MAX_FIELDS_TOGETHER, len(units)) + 1):
        for chosen in combinations(units, count):
            yield tuple(name for unit in chosen for name in unit)
    yield tuple(remaining)


def try_move(state: SpecAtSize, target: SpecAtSize, names: tuple[str, ...], remaining: list[str]) -> FieldMove | str:
    """The move, or why it makes no network; "" where a field does not reach its target value, or one leaves it."""
    values = {name: getattr(target.spec, name) for name in names if name != INPUT_SIZE}
    try:
        reached = SpecAtSize(state.spec.with_fields(**values), target.size if INPUT_SIZE in names else state.size)
        if not set(_differing_fields(reached, target)) <= set(remaining) - set(names):
            return ""
        return FieldMove(reached, _analysis(reached.spec, reached.size), "")
    except InvalidInput as refusal:
        return str(refusal)


def _analysis(spec: Spec, size: Size) -> Analysis:
    return analyze(network(spec), size)


def _inner_width(state: SpecAtSize, target: SpecAtSize) -> list[FieldMove]:
    """The target's inner width at the old cardinality, where a whole base width gives it."""
    inner_width = target.spec.effective_fields()["cardinality"] * target.spec.effective_fields()["base_width"]
    cardinality = state.spec.effective_fields()["cardinality"]
    if inner_width % cardinality or inner_width // cardinality == state.spec.effective_fields()["base_width"]:
        return []
    try:
        spec = state.spec.with_fields(base_width=inner_width // cardinality)
        return [FieldMove(SpecAtSize(spec, state.size), _analysis(spec, state.size), "")]
    except InvalidInput:
        return []


def _step(before: FieldMove, after: FieldMove) -> AttributionStep:
    was, now = quantities(before.analysis), quantities(after.analysis)
    shares = {name: now[name] - was[name] for name in QUANTITIES}
    return AttributionStep(tuple(_changes(before.state, after.state)), after.why, shares, after.analysis)


def _changes(before: SpecAtSize, after: SpecAtSize) -> Iterator[FieldChange]:
    known, was, now = rules(type(after.spec)), before.spec.effective_fields(), after.spec.effective_fields()
    for name in _differing_fields(before, after):
        if name == INPUT_SIZE:
            yield FieldChange(name, *("x".join(map(str, size)) for size in (before.size, after.size)))
        elif was[name] != now[name]:  # a width at its default may be written in one spec and not in the other
            yield FieldChange(name, known[name].text(was[name]), known[name].text(now[name]))


class StageFigures(NamedTuple):
    """A stage of one network; `stored_bytes` are what training stores of it at batch 1 in float32."""

    output_shape: Shape
    params: int
    macs: int
    activations: int
    stored_bytes: int


class OpKind(NamedTuple):
    """A kind of op: its name, and of a convolution the kernel and whether it is grouped."""

    op: str
    kernel: int = 0
    grouped: bool = False


class OpKindDifference(NamedTuple):
    """The ops of one kind in one stage: quantity → (the first network's, the second's)."""

    stage: str
    kind: OpKind
    counts: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class NetworkDifference:
    """The second network against the first."""

    first: Analysis
    second: Analysis

    @property
    def equal(self) -> bool:
        """Whether both are one network at one input size."""
        same = self.first.input_shape == self.second.input_shape
        return same and self.first.fingerprint == self.second.fingerprint

    @cached_property
    def totals(self) -> dict[str, tuple[int, int]]:
        """Quantity → (the first network's, the second's)."""
        ours, theirs = quantities(self.first), quantities(self.second)
        return {name: (ours[name], theirs[name]) for name in QUANTITIES}

    @property
    def by_field(self) -> bool:
        """Whether both are of one family, so that the difference is split over fields."""
        return comparable(self.first, self.second)

    @cached_property
    def steps(self) -> tuple[AttributionStep, ...]:
        """The difference split over the spec's fields, summing exactly; none for networks of different families."""
        return attribution(self.first, self.second) if self.by_field else ()

    @cached_property
    def parts(self) -> tuple[OpKindDifference, ...]:
        """The difference split over stages and kinds of op, summing exactly; kinds that cost nothing are left out."""
        ours, theirs = _by_stage_and_kind(self.first), _by_stage_and_kind(self.second)
        ranks = {stage: rank for rank, stage in enumerate(stage_order((self.first, self.second)))}
        nothing = dict.fromkeys(PART_QUANTITIES, 0)
        keys = sorted({*ours, *theirs}, key=lambda key: (ranks[key[0]], key[1]))
        return tuple(
            OpKindDifference(
                *key, {name: (ours.get(key, nothing)[name], theirs.get(key, nothing)[name]) for name in nothing}
            )
            for key in keys
        )


def differences(analyses: Sequence[Analysis]) -> tuple[NetworkDifference, ...]:
    """Each network against the first; InvalidInput where there are fewer than two."""
    if len(analyses) < 2:
        raise InvalidInput("compare: give two or more networks, such as resnet50 resnext50_32x4d.")
    return tuple(NetworkDifference(analyses[0], other) for other in analyses[1:])


def stage_figures(analysis: Analysis) -> dict[str, StageFigures]:
    """Stage → its figures, in order."""
    stored = {row.stage: row.stored_bytes for row in transfer(analysis).stages}
    return {
        row.stage: StageFigures(row.output_shape, row.params, row.macs, row.activations, stored[row.stage])
        for row in analysis.stages
    }


def stage_order(analyses: Sequence[Analysis]) -> list[str]:
    """The roles that any of the networks has: stem, stages with the transition after each, head, then any others."""
    return in_order(row.stage for analysis in analyses for row in analysis.stages)


def in_order(stages: Iterable[str]) -> list[str]:
    """Stages by their roles, each once: stem, stages with the transition after each, head, then any others."""
    names = dict.fromkeys(stages)
    ranks = {name: rank for rank, name in enumerate(names)}
    return sorted(names, key=lambda name: (*_role(name), ranks[name]))


def _role(stage: str) -> tuple[int, int]:
    letters = stage.rstrip("0123456789")
    group = {"stem": 0, "stage": 1, "transition": 1, HEAD: 2}.get(letters, 3)
    return group, int(stage[len(letters) :] or 0)


def _by_stage_and_kind(analysis: Analysis) -> dict[tuple[str, OpKind], dict[str, int]]:
    parts: dict[tuple[str, OpKind], dict[str, int]] = {}
    for row in analysis.rows:
        counts = {"params": row.params, "macs": row.macs, "activations": row.activations}
        if any(counts.values()):
            part = parts.setdefault((row.stage, _kind(row.operation)), dict.fromkeys(PART_QUANTITIES, 0))
            for name, count in counts.items():
                part[name] += count
    return parts


def _kind(op: Op) -> OpKind:
    return OpKind("Conv2d", op.kernel, op.groups > 1) if isinstance(op, Conv2d) else OpKind(type(op).__name__)


def by_role(parts: Sequence[OpKindDifference]) -> tuple[OpKindDifference, ...]:
    """The parts of all stages together, and of all transitions: a stage's number is left out."""
    groups: dict[tuple[str, OpKind], list[OpKindDifference]] = {}
    for part in parts:
        letters = part.stage.rstrip("0123456789")
        role = part.stage if letters == part.stage else f"{letters}s"
        groups.setdefault((role, part.kind), []).append(part)
    ranks = {role: rank for rank, role in enumerate(dict.fromkeys(role for role, _ in groups))}
    keys = sorted(groups, key=lambda key: (key[0] == HEAD, ranks[key[0]], key[1]))
    return tuple(OpKindDifference(*key, dict(quantity_sums(groups[key]))) for key in keys)


def quantity_sums(parts: Sequence[OpKindDifference]) -> Iterator[tuple[str, tuple[int, int]]]:
    """(quantity, (the first network's, the second's)) of some parts together."""
    for name in PART_QUANTITIES:
        pairs = [part.counts[name] for part in parts]
        yield name, (sum(ours for ours, _ in pairs), sum(theirs for _, theirs in pairs))
