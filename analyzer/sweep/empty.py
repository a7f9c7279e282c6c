"""Why a space has no network left, in one sentence."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.sweep.evaluate import asked_of, evaluate
from analyzer.sweep.space import Space

FEW = 2**18
"""Candidates that are looked at to say how near a space comes to its constraints."""


def nothing_left(space: Space) -> str:
    """The sentence: why none is possible, or how near they come to the constraints."""
    alone = space.size == 1
    who = "its one candidate" if alone else f"none of its {space.size:,} candidates"
    told = f"space {shortened(space.title)}: {who}"
    some = evaluate(replace(space, constraints=()), 0, min(space.size, FEW), ask=asked_of(space, ()))
    if not len(some["index"]):
        reason = _reason(space) if alone else f"the first: {_reason(space)}"
        return f"{told} is {'no' if alone else 'a'} possible network ({reason})."
    rules = " and ".join(shortened(each.text) for each in space.constraints[:4])
    return f"{told} {'does not satisfy' if alone else 'satisfies'} {rules}; {_between(space, some)}."


def _reason(space: Space) -> str:
    try:
        analyze(space.expression(0), space.input_size(0))
    except InvalidInput as error:
        return str(error).rstrip(".")
    raise AssertionError("a candidate that is a network was counted as none")


def _between(space: Space, some: dict[str, NDArray[Any]]) -> str:
    """The ranges of what the constraints name."""
    named = [name for each in space.constraints for name in (*each.names, *each.latencies)]
    columns = {**some, "flops": 2 * some["macs"]}
    numbers = [name for name in dict.fromkeys(named) if name in columns and columns[name].dtype.kind in "iuf"]
    ranges = [f"{name} {_range(columns[name])}" for name in numbers]
    whose = "it has" if space.size == 1 else "they have" if space.size <= FEW else f"the first {FEW:,} have"
    return f"{whose} {', '.join(ranges)}" if ranges else "no two of them differ in what it names"


def _range(values: NDArray[Any]) -> str:
    low, high = _number(values.min()), _number(values.max())
    return low if low == high else f"from {low} to {high}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if np.asarray(value).dtype.kind == "f" else f"{int(value):,}"
