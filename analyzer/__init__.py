"""Exact, instant analysis of residual and densely connected networks.

Nothing heavy is imported here: each public name is loaded when it is first used. A network of your own is a `Graph` of
`Node`s that hold ops:

    >>> import analyzer
    >>> nodes = (
    ...     analyzer.Node("conv", analyzer.ops.Conv2d(3, 8, 3, padding=1), (analyzer.INPUT,)),
    ...     analyzer.Node("relu", analyzer.ops.ReLU(), ("conv",)),
    ... )
    >>> analyzer.analyze(analyzer.Graph("mine", nodes), input_size=32).macs == 3 * 8 * 3**2 * 32**2
    True
"""

from importlib import import_module
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
    from analyzer.cost.analysis import Analysis
    from analyzer.errors import InvalidInput, Unavailable
    from analyzer.families.network import Network
    from analyzer.families.spec import Spec
    from analyzer.graph import ops
    from analyzer.graph.graph import INPUT, Graph, Node

__all__ = [
    "INPUT",
    "Analysis",
    "Graph",
    "InvalidInput",
    "Network",
    "Node",
    "Spec",
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
    "ops",
    "predict_latency",
    "reconcile",
    "save_weights",
    "verify",
]
_MODULES = {
    "Analysis": "cost.analysis",
    "Graph": "graph.graph",
    "INPUT": "graph.graph",
    "InvalidInput": "errors",
    "Network": "families.network",
    "Node": "graph.graph",
    "Spec": "families.spec",
    "Unavailable": "errors",
}
"""Name → module that defines it; `ops` is a module itself, and the functions stand in `api`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'analyzer' has no attribute {name!r}")
    if name == "ops":
        return import_module("analyzer.graph.ops")
    return getattr(import_module(f"analyzer.{_MODULES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return __all__
