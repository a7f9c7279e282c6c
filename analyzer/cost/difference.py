"""Two networks side by side: their stages by role, their ops by kind, and what the difference is due to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.cost.attribution import QUANTITIES, Step, attribution, comparable, quantities
from analyzer.cost.training import transfer
from analyzer.errors import InvalidInput
from analyzer.ops import Conv2d, Op, Shape

HEAD = "head"
PART_QUANTITIES = ("params", "macs", "activations")


class StageFigures(NamedTuple):
    """A stage of one network; `stored_bytes` are what training stores of it at batch 1 in float32."""

    output_shape: Shape
    params: int
    macs: int
    activations: int
    stored_bytes: int


class Kind(NamedTuple):
    """A kind of op: its name, and of a convolution the kernel and whether it is grouped."""

    op: str
    kernel: int = 0
    grouped: bool = False


class Part(NamedTuple):
    """The ops of one kind in one stage: quantity → (the first network's, the second's)."""

    stage: str
    kind: Kind
    counts: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Difference:
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
    def steps(self) -> tuple[Step, ...]:
        """The difference split over the spec's fields, summing exactly; none for networks of different families."""
        return attribution(self.first, self.second) if self.by_field else ()

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The difference split over stages and kinds of op, summing exactly; kinds that cost nothing are left out."""
        ours, theirs = _by_part(self.first), _by_part(self.second)
        stages = {stage: place for place, stage in enumerate(stage_order((self.first, self.second)))}
        nothing = dict.fromkeys(PART_QUANTITIES, 0)
        keys = sorted({*ours, *theirs}, key=lambda key: (stages[key[0]], key[1]))
        return tuple(
            Part(*key, {name: (ours.get(key, nothing)[name], theirs.get(key, nothing)[name]) for name in nothing})
            for key in keys
        )


def differences(analyses: Sequence[Analysis]) -> tuple[Difference, ...]:
    """Each network against the first; InvalidInput where there are fewer than two."""
    if len(analyses) < 2:
        raise InvalidInput("compare: give two or more networks, such as resnet50 resnext50_32x4d.")
    return tuple(Difference(analyses[0], other) for other in analyses[1:])


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
    places = {name: place for place, name in enumerate(names)}
    return sorted(names, key=lambda name: (*_role(name), places[name]))


def _role(stage: str) -> tuple[int, int]:
    letters = stage.rstrip("0123456789")
    group = {"stem": 0, "stage": 1, "transition": 1, HEAD: 2}.get(letters, 3)
    return group, int(stage[len(letters) :] or 0)


def _by_part(analysis: Analysis) -> dict[tuple[str, Kind], dict[str, int]]:
    found: dict[tuple[str, Kind], dict[str, int]] = {}
    for row in analysis.rows:
        counts = {"params": row.params, "macs": row.macs, "activations": row.activations}
        if any(counts.values()):
            part = found.setdefault((row.stage, _kind(row.operation)), dict.fromkeys(PART_QUANTITIES, 0))
            for name, count in counts.items():
                part[name] += count
    return found


def _kind(op: Op) -> Kind:
    return Kind("Conv2d", op.kernel, op.groups > 1) if isinstance(op, Conv2d) else Kind(type(op).__name__)


def by_role(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts of all stages together, and of all transitions: a stage's number is left out."""
    found: dict[tuple[str, Kind], list[Part]] = {}
    for part in parts:
        letters = part.stage.rstrip("0123456789")
        role = part.stage if letters == part.stage else f"{letters}s"
        found.setdefault((role, part.kind), []).append(part)
    roles = {role: place for place, role in enumerate(dict.fromkeys(role for role, _ in found))}
    keys = sorted(found, key=lambda key: (key[0] == HEAD, roles[key[0]], key[1]))
    return tuple(Part(*key, dict(part_sums(found[key]))) for key in keys)


def part_sums(parts: Sequence[Part]) -> Iterator[tuple[str, tuple[int, int]]]:
    """(quantity, (the first network's, the second's)) of some parts together."""
    for name in PART_QUANTITIES:
        pairs = [part.counts[name] for part in parts]
        yield name, (sum(ours for ours, _ in pairs), sum(theirs for _, theirs in pairs))
