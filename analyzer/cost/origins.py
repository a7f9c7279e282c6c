"""Where an op's channels come from: the families' own arithmetic, run on a spec's numbers as Terms."""

from copy import copy
from functools import lru_cache

from analyzer.cost.trace import Constant, Given, form_of, given
from analyzer.errors import InvalidInput
from analyzer.families.spec import Spec
from analyzer.graph import Graph
from analyzer.ops import Op

_SINGULAR = {
    "widths": "width",
    "depths": "depth",
    "bottleneck_ratios": "bottleneck_ratio",
    "group_widths": "group_width",
}
_NEUTRAL = {"cardinality": 1, "base_width": 64, "expansion": 1, "bottleneck_ratios": 1}
"""Values of fields that change nothing, and leave no trace."""
_CHANNELS = ("in_channels", "out_channels", "channels", "in_features", "out_features")


@lru_cache(maxsize=4)
def traced_graph(spec: Spec) -> Graph:
    """The spec's Graph whose ops' channels are Terms over the spec's fields, as far as these went into them."""
    traced = copy(spec)
    for name, value in spec.resolved().items():
        term = tuple(_traced(name, item) for item in value) if isinstance(value, list) else _traced(name, value)
        object.__setattr__(traced, name, term)  # a Spec is frozen, and its checks ran when `spec` was made
    return traced.graph()


def _traced(name: str, value: object) -> object:
    """A number under its field's name; a group's width is known to divide what is divided by it."""
    if not isinstance(value, int) or isinstance(value, bool) or value == _NEUTRAL.get(name):
        return value
    return given(value, _SINGULAR.get(name, name), divides=name == "group_widths")


def channels_of(spec: Spec, path: str) -> dict[str, int]:
    """The channel and feature counts of the op at a path, under their fields' names, as Terms."""
    op = _op_at(traced_graph(spec), path)
    return {name: getattr(op, name) for name in _CHANNELS if hasattr(op, name)}


def worked_out_channels(spec: Spec, path: str) -> dict[str, int]:
    """Those of `channels_of` that any arithmetic went into."""
    found = channels_of(spec, path)
    return {name: term for name, term in found.items() if not isinstance(form_of(term), Constant | Given)}


def reads(spec: Spec, path: str, stage: str) -> int:
    """Channels that the batch norm at `path` reads, over those that the dense stage at path `stage` starts from, k₀."""
    entry = channels_of(spec, f"{stage}.denselayer1.norm1")["channels"]
    return given(entry, "k₀") + (channels_of(spec, path)["channels"] - entry)


def _op_at(graph: Graph, path: str) -> Op:
    name, _, rest = path.partition(".")
    found = next((node.op for node in graph.nodes if node.name == name), None)
    if isinstance(found, Graph):
        return _op_at(found, rest)
    if found is None or rest:
        raise InvalidInput(f"path {path!r} holds no op.")
    return found
