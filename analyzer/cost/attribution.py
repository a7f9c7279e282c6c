"""What the difference of two networks of one family is due to: from the first to the second, field by field.

Each step changes one field of the spec (or the input size, last) to the second network's value, in the order in which
the spec lists its fields, and what it changes in a quantity is that step's share; so the shares sum exactly to the
difference. A field that alone would make no network, or would have no effect yet, waits for a later turn; where none
can go alone, the fewest go together. Cardinality and base width set a bottleneck's inner width together: where both
differ, the inner width changes first, at the old cardinality, and then its cut into paths.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory import memory
from analyzer.cost.training import transfer
from analyzer.errors import InvalidInput
from analyzer.families.network import Size, network
from analyzer.families.spec import Spec, rules

INPUT_SIZE = "input_size"
QUANTITIES = ("params", "macs", "activations", "peak_bytes", "stored_bytes")
"""What is compared: the totals of an analysis, the peak of activations in inference, and what training stores."""
_TOGETHER = 3
"""At most so many fields are tried together before all that are left go at once."""
_PATHS = ("cardinality", "base_width")


class Change(NamedTuple):
    """A field of the spec, or the input size, from one value to another, as expressions write them."""

    field: str
    old: str
    new: str


class Step(NamedTuple):
    """One or more fields that change at once; `why` they do not one after the other; quantity → what that changes.

    `after` is the network that they lead to.
    """

    changes: tuple[Change, ...]
    why: str
    shares: dict[str, int]
    after: Analysis


class State(NamedTuple):
    """A network on the way from the first to the second."""

    spec: Spec
    size: tuple[int, int]


class Move(NamedTuple):
    """The next network on the way, and why more than one field changed, where more did."""

    state: State
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


def attribution(first: Analysis, second: Analysis) -> tuple[Step, ...]:
    """The steps from the first network to the second; none where they are the same. Both are of one family."""
    if first.network.spec is None or second.network.spec is None:
        raise InvalidInput("attribution: a graph has no fields; give two networks of one family.")
    target = State(second.network.spec, _size(second))
    moves = [Move(State(first.network.spec, _size(first)), first, "")]
    while _left(moves[-1].state, target):
        moves += _next(moves[-1].state, target)
    return tuple(_step(before, after) for before, after in pairwise(moves))


def _size(analysis: Analysis) -> tuple[int, int]:
    _, height, width = analysis.input_shape
    return height, width


def _left(state: State, target: State) -> list[str]:
    """The fields that still differ, in the spec's order, the input size last."""
    names = [name for name in rules(type(target.spec)) if getattr(state.spec, name) != getattr(target.spec, name)]
    return names + ([INPUT_SIZE] if state.size != target.size else [])


def _next(state: State, target: State) -> list[Move]:
    """The move of the fewest fields that makes a network, the first in order; two for an inner width and its cut."""
    left = _left(state, target)
    refusal = ""
    for names in _groups(left):
        found = moved(state, target, names, left)
        if isinstance(found, Move):
            split = _inner_width(state, target) if names == _PATHS else []
            return [*split, found._replace(why=refusal if len(names) > 1 and names != _PATHS else "")]
        refusal = refusal or found
    raise AssertionError("all fields at once make the second network")


def _groups(left: list[str]) -> Iterator[tuple[str, ...]]:
    """Which fields to change together, the fewest first; the two that set the inner width count as one."""
    paths = set(_PATHS) <= set(left)
    units = [_PATHS if name == _PATHS[0] and paths else (name,) for name in left if name != _PATHS[1] or not paths]
    for count in range(1, min(_TOGETHER, len(units)) + 1):
        for chosen in combinations(units, count):
            yield tuple(name for unit in chosen for name in unit)
    yield tuple(left)


def moved(state: State, target: State, names: tuple[str, ...], left: list[str]) -> Move | str:
    """The move, or why it makes no network; "" where a field would not come to the target's, or one would leave it."""
    values = {name: getattr(target.spec, name) for name in names if name != INPUT_SIZE}
    try:
        reached = State(state.spec.changed(**values), target.size if INPUT_SIZE in names else state.size)
        if not set(_left(reached, target)) <= set(left) - set(names):
            return ""
        return Move(reached, _analysis(reached.spec, reached.size), "")
    except InvalidInput as refusal:
        return str(refusal)


def _analysis(spec: Spec, size: Size) -> Analysis:
    return analyze(network(spec), size)


def _inner_width(state: State, target: State) -> list[Move]:
    """The target's inner width at the old cardinality, where a whole base width gives it."""
    wanted = target.spec.resolved()["cardinality"] * target.spec.resolved()["base_width"]
    cardinality = state.spec.resolved()["cardinality"]
    if wanted % cardinality or wanted // cardinality == state.spec.resolved()["base_width"]:
        return []
    try:
        spec = state.spec.changed(base_width=wanted // cardinality)
        return [Move(State(spec, state.size), _analysis(spec, state.size), "")]
    except InvalidInput:
        return []


def _step(before: Move, after: Move) -> Step:
    was, now = quantities(before.analysis), quantities(after.analysis)
    shares = {name: now[name] - was[name] for name in QUANTITIES}
    return Step(tuple(_changes(before.state, after.state)), after.why, shares, after.analysis)


def _changes(before: State, after: State) -> Iterator[Change]:
    known, was, now = rules(type(after.spec)), before.spec.resolved(), after.spec.resolved()
    for name in _left(before, after):
        if name == INPUT_SIZE:
            yield Change(name, *("x".join(map(str, size)) for size in (before.size, after.size)))
        elif was[name] != now[name]:  # a width at its default may be written in one spec and not in the other
            yield Change(name, known[name].text(was[name]), known[name].text(now[name]))
