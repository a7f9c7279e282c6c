"""Exact, instant analysis of residual and densely connected networks.

Nothing heavy is imported here: each public name is loaded when it is first used.
"""

from typing import TYPE_CHECKING

from analyzer.version import __version__ as __version__

if TYPE_CHECKING:
    from analyzer.api import (
        analyze,
        build,
        check_equivalence,
        compare,
        devices,
        diagram,
        explain,
        load_weights,
        measure_latency,
        predict_latency,
        reconcile,
        save_weights,
        verify,
    )
    from analyzer.errors import InvalidInput, Unavailable

__all__ = [
    "InvalidInput",
    "Unavailable",
    "analyze",
    "build",
    "check_equivalence",
    "compare",
    "devices",
    "diagram",
    "explain",
    "load_weights",
    "measure_latency",
    "predict_latency",
    "reconcile",
    "save_weights",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'analyzer' has no attribute {name!r}")
    from analyzer import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__
