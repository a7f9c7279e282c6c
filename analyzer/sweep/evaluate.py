"""Figures of a run of candidates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput
from analyzer.families.expression import make
from analyzer.families.network import network
from analyzer.sweep.candidates import Candidates
from analyzer.sweep.functions import Stages
from analyzer.sweep.space import Space


def evaluate(space: Space, start: int, stop: int, *, ask: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Columns of the candidates `start` to `stop` − 1 that are networks and satisfy the constraints, in order.

    "index"; each axis, variable and derived field (lists as "depths[0]", …); "input_height", "input_width"; "params",
    "macs", "activations", "depth"; and of "memory_bytes" and "latency_ms:DEVICE@BATCH" those that `ask` or a
    constraint names.
    """
    some = Candidates.of(space, np.arange(start, min(stop, space.size), dtype=np.int64))
    rows, figures = [], []
    for row in range(len(some.index)):
        size = space.input_sizes[int(some.codes["input_size"][row])] if space.input_sizes else None
        try:
            found = analyze(network(make(space.family, some.fields(row))), size)
        except InvalidInput:
            continue
        rows.append(row)
        figures.append(_figures(found))
    kept = some.take(np.array(rows, dtype=np.int64))
    names = list(_NAMES)
    table = np.array(figures, dtype=np.int64).reshape(-1, len(names)).T
    env = kept.env | dict(zip(names, table, strict=True))
    mask = np.ones(len(rows), dtype=bool)
    for constraint in space.constraints:
        mask &= np.asarray(constraint.evaluate(env), dtype=bool)
    asked = {*ask, *(name for constraint in space.constraints for name in constraint.names)}
    shown = [name for name in names if name != "memory_bytes" or name in asked]
    columns = {"index": kept.index} | _swept(space, env, len(rows)) | {name: env[name] for name in shown}
    return {name: column[mask] for name, column in columns.items()}


_NAMES = ("input_height", "input_width", "params", "macs", "activations", "depth", "memory_bytes")


def _figures(found: Analysis) -> tuple[int, ...]:
    _, height, width = found.input_shape
    return height, width, found.params, found.macs, found.activations, found.depth, found.memory().total_bytes


def _swept(space: Space, env: dict[str, Any], count: int) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for name in [*(axis.name for axis in space.axes), *(name for name, _ in space.derived)]:
        value = env[name]
        parts = value.parts if isinstance(value, Stages) else [value]
        labels = [f"{name}[{place}]" for place in range(len(parts))] if isinstance(value, Stages) else [name]
        columns |= {label: np.broadcast_to(part, (count,)) for label, part in zip(labels, parts, strict=True)}
    return columns
