"""Blocks that are built once for the same numbers, so that every network that has them shares their costs."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec

from analyzer.graph import Graph

MOST = 2**12
_PLAIN = {int, float, bool, str, type(None)}
_P = ParamSpec("_P")


def once(build: Callable[_P, Graph]) -> Callable[_P, Graph]:
    """A builder that gives the same value for the same plain numbers.

    Numbers that carry more than their value, such as those that `explain` follows, are built with anew.
    """
    kept = lru_cache(maxsize=MOST)(build)

    @wraps(build)
    def built(*numbers: _P.args, **named: _P.kwargs) -> Graph:
        return kept(*numbers) if not named and _PLAIN.issuperset(map(type, numbers)) else build(*numbers, **named)

    built.forget = kept.cache_clear  # type: ignore[attr-defined]
    return built
