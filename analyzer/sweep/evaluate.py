"""Figures of a run of candidates, as columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened
from analyzer.families.once import memoized_per_object
from analyzer.sweep.candidate_grid import MAX_CANDIDATES
from analyzer.sweep.candidates import Candidates
from analyzer.sweep.conditions import FIGURES, holds
from analyzer.sweep.engine import MEMORY, Engine
from analyzer.sweep.functions import Stages
from analyzer.sweep.grammar import Expression
from analyzer.sweep.space import Space

CHUNK = 2**14
"""Candidates worked on at once: their arrays stay in the processor's cache."""
SHOWN = ("input_height", "input_width", "params", "macs", "activations", "depth")


def evaluate(space: Space, start: int, stop: int, *, ask: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Columns of the candidates `start` to `stop` − 1 that are networks and satisfy the constraints, in order.

    "index"; each axis, variable and derived field (lists as "depths[0]", …); "input_height", "input_width"; "params",
    "macs", "activations", "depth"; and of "memory_bytes" and "latency_ms:DEVICE@BATCH" those that `ask` or a
    constraint names. Equal to `analyze` of each candidate's expression, to the unit.
    """
    if space.samples is None and space.grid_size > MAX_CANDIDATES:
        raise InvalidInput(f"space: its grid has {space.grid_size:.3g} candidates; draw some with samples.")
    stop = min(stop, space.size)
    asked = asked_of(space, ask)
    engine = engine_of(space, asked)
    parts = [
        _chunk(space, engine, at, min(at + CHUNK, stop), asked) for at in range(start, max(stop, start + 1), CHUNK)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if len(parts) > 1 else parts[0]


def asked_of(space: Space, ask: Sequence[str]) -> list[str]:
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
    early = [each for each in space.constraints if not each.latencies and not FIGURES.intersection(each.names)]
    some = _left(some, _mask(early, some.env, len(some.index)))
    possible, figures = engine.figures(some)
    late = [each for each in space.constraints if each not in early]
    mask = possible & _mask(late, some.env | figures | {"flops": 2 * figures["macs"]}, len(some.index))
    figures = {name: figures[name] for name in [*SHOWN, *ask]}
    if not mask.all():
        some, figures = some.take(mask), {name: column[mask] for name, column in figures.items()}
    return {"index": some.index} | _swept(some) | figures


def _mask(constraints: Sequence[Expression], env: dict[str, Any], count: int) -> NDArray[np.bool_]:
    mask = np.ones(count, dtype=bool)
    for each in constraints:
        mask &= holds(each, env)
    return mask


def _left(some: Candidates, mask: NDArray[np.bool_]) -> Candidates:
    return some if mask.all() else some.take(mask)


def _swept(some: Candidates) -> dict[str, NDArray[Any]]:
    """The columns of axes and of what follows from them."""
    columns: dict[str, NDArray[Any]] = {}
    for name in [*(axis.name for axis in some.space.axes), *(name for name, _ in some.space.derived)]:
        value = some.env[name]
        parts = (
            {f"{name}[{i}]": part for i, part in enumerate(value.parts)} if isinstance(value, Stages) else {name: value}
        )
        columns |= {label: np.broadcast_to(part, some.index.shape) for label, part in parts.items()}
    return columns
