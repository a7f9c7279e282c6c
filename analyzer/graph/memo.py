"""Results that are computed once: for plain numbers (`memoized`), or for an object, as long as that lives."""

from collections.abc import Callable, Hashable
from functools import cached_property, lru_cache, update_wrapper, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from analyzer.graph.graph import Graph

MAX_ENTRIES = 2**12
_PLAIN = {int, float, bool, str, type(None)}
_P = ParamSpec("_P")
_R = TypeVar("_R")


class memoized(Generic[_P]):
    """A builder that returns one graph for the same plain numbers, so that networks share the costs of equal blocks.

    Numbers that carry more than their value, such as those that `explain` follows, are built with afresh.
    """

    def __init__(self, build: Callable[_P, Graph]) -> None:
        self._build = build
        self._cached = lru_cache(maxsize=MAX_ENTRIES)(build)
        update_wrapper(self, build)

    def __call__(self, *numbers: _P.args, **named: _P.kwargs) -> Graph:
        plain = not named and _PLAIN.issuperset(map(type, numbers))
        return self._cached(*numbers) if plain else self._build(*numbers, **named)

    def forget(self) -> None:
        """Build everything anew from now on, for a test that patches what the builder calls."""
        self._cached.cache_clear()


class Memoizable:
    """An object that stores what `memoized_per_object` functions computed of it; pickling leaves that out."""

    @cached_property
    def _results(self) -> dict[Hashable, Any]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_results"}


_Object = TypeVar("_Object", bound=Memoizable)


def memoized_per_object(
    function: Callable[Concatenate[_Object, _P], _R],
) -> Callable[Concatenate[_Object, _P], _R]:
    """A function that runs once for its first argument, compared by identity, and the others, compared by value."""

    @wraps(function)
    def wrapper(subject: _Object, /, *others: _P.args, **named: _P.kwargs) -> _R:
        results, key = subject._results, (function, others, *named.items())
        if key not in results:
            results.setdefault(key, function(subject, *others, **named))  # threads that meet share the first
        result: _R = results[key]
        return result

    return wrapper
