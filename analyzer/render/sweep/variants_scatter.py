"""All named variants as points: what they cost against each other, or against published accuracy."""

import re
from collections.abc import Callable, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np

from analyzer.cost.analysis import Analysis, analyze
from analyzer.families.registry import find_variant, variant_names
from analyzer.latency.predict.parse_target import reference_target
from analyzer.latency.predict.predict import predict_latency
from analyzer.latency.predict.target import LatencyTarget
from analyzer.literature.published import accuracies
from analyzer.sweep.results import pareto

TOP1, LATENCY = "top1", "latency"


class ScatterAxis(NamedTuple):
    """A figure of a variant: its title, where its numbers come from, and whether less of it is better."""

    title: str
    value: Callable[[Analysis], float] | None
    less_is_better: bool = True


AXES: dict[str, ScatterAxis] = {
    "params": ScatterAxis("parameters", lambda analysis: analysis.params),
    "macs": ScatterAxis("MACs", lambda analysis: analysis.macs),
    "activations": ScatterAxis("activations", lambda analysis: analysis.activations),
    "depth": ScatterAxis("depth", lambda analysis: analysis.depth),
    LATENCY: ScatterAxis("predicted latency, ms", None),
    TOP1: ScatterAxis("ImageNet top-1 accuracy, %", None, less_is_better=False),
}
"""Key → axis; a figure without a function is published, or predicted for a device."""


class VariantPoint(NamedTuple):
    """A named variant at its own input size: figures by axis, accuracy where the recipe has one, and its source."""

    variant: str
    title: str
    kind: str
    side: int
    figures: dict[str, float]
    recipe: str
    source: str


def variant_points(recipes: Sequence[str], target: LatencyTarget | None = None) -> list[VariantPoint]:
    """Every named variant, once for each of these recipes that states its accuracy, or once without.

    Latency is that of one batch on a target, by default the reference's.
    """
    points: list[VariantPoint] = []
    for name in variant_names():
        analysis = analyze(name)
        costs = {key: axis.value(analysis) for key, axis in AXES.items() if axis.value is not None}
        costs[LATENCY] = predict_latency(analysis, target or reference_target()).ms
        published = [item for item in accuracies() if item.variant == name and item.recipe in recipes]
        title = find_variant(name)[1].title
        identity = name, title, network_kind(title), analysis.input_shape[1]
        points += [VariantPoint(*identity, {**costs, TOP1: item.top1}, item.recipe, item.source) for item in published]
        points += [] if published else [VariantPoint(*identity, costs, "", "")]
    return points


def network_kind(title: str) -> str:
    """The kind of network that a title names: "ResNeXt" of "ResNeXt-50 (32×4d)"."""
    name = re.split(r"-\d", title, maxsplit=1)[0].removesuffix("-BC")
    return _KINDS.get(name, name)


_KINDS = {"WRN": "Wide ResNet", "ResNetV2": "Pre-activation ResNet"}
"""Other names of a kind."""


def network_kinds() -> tuple[str, ...]:
    """Every kind, in the order of the variants."""
    return tuple(dict.fromkeys(network_kind(find_variant(name)[1].title) for name in variant_names()))


def variant_front(points: Sequence[VariantPoint], x: str, y: str) -> list[VariantPoint]:
    """The points on the Pareto front of two figures; of those that are equal in both, the first."""
    figures = {key: np.array([point.figures[key] for point in points]) for key in (x, y)}
    unbeaten = pareto.front(figures, [(key, not AXES[key].less_is_better) for key in (x, y)])
    distinct: dict[tuple[float, float], VariantPoint] = {}
    for point in compress(points, unbeaten):
        distinct.setdefault((point.figures[x], point.figures[y]), point)
    return list(distinct.values())
