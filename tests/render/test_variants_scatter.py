"""The chart of all named variants: published accuracies, kinds of network, and the Pareto front."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.families.registry import find_variant, variant_names
from analyzer.literature.published import accuracies, recipes
from analyzer.render.sweep.variants_scatter import (
    AXES,
    TOP1,
    VariantPoint,
    network_kind,
    network_kinds,
    variant_front,
    variant_points,
)


def test_torchvisions_accuracies_are_those_of_its_weights() -> None:
    """Oracle: the metadata of torchvision's own weights, every one of a network that is named here.

    SWAG's began with billions of other images, so that they are no training to compare networks by.
    """
    from torchvision.models import get_model_weights, list_models

    told = {}
    for name in set(list_models()) & set(variant_names()):
        for weights in get_model_weights(name):
            top1 = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
            if top1 == top1 and "SWAG" not in weights.name:  # weights of features alone have none
                told[name, f"{type(weights).__name__}.{weights.name}"] = top1
    ours = [item for item in accuracies() if item.recipe.startswith("torchvision")]
    assert {(item.variant, item.source.partition(", ")[2]): item.top1 for item in ours} == told
    assert len(ours) == len(told)


def test_each_accuracy_is_of_a_named_variant_and_has_one_source_a_recipe() -> None:
    assert {item.variant for item in accuracies()} <= set(variant_names())
    pairs = [(item.variant, item.recipe) for item in accuracies()]
    assert len(set(pairs)) == len(pairs)
    assert all(item.source and 50 < item.top1 < 90 for item in accuracies())


@pytest.mark.slow
def test_every_variant_is_a_point_and_one_for_each_recipe_that_states_its_accuracy() -> None:
    """Oracle: torchvision's published 25,557,032 parameters of ResNet-50."""
    found = variant_points(recipes())
    assert {point.variant for point in found} == set(variant_names())
    assert [point.recipe for point in found if point.variant == "resnet50"] == list(recipes())
    assert next(point.figures["params"] for point in found if point.variant == "resnet50") == 25_557_032
    assert [point for point in found if TOP1 not in point.figures] == [point for point in found if not point.source]


def test_kinds_of_network_are_the_words_before_their_numbers() -> None:
    assert network_kind("ResNeXt-50 (32×4d)") == "ResNeXt"
    assert network_kind("SE-ResNeXt-101 (32×4d)") == "SE-ResNeXt"
    assert network_kind("DenseNet-BC-100 (k = 12, CIFAR)") == "DenseNet"
    assert network_kind("ResNetV2-50") == network_kind("Pre-activation ResNet-164 (CIFAR)")
    assert {network_kind(find_variant(name)[1].title) for name in variant_names()} == set(network_kinds())


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12), st.sampled_from(list(AXES)))
def test_front_is_what_no_other_point_beats(pairs: list[tuple[int, int]], up: str) -> None:
    """Oracle: the definition, tried on every pair of points."""
    shown = [
        _point(f"{place}", {"macs": x, up: y} if up != "macs" else {"macs": y}) for place, (x, y) in enumerate(pairs)
    ]
    sign = 1 if AXES[up].less_is_better else -1
    cost = {point.variant: (point.figures["macs"], sign * point.figures[up]) for point in shown}
    beaten = {
        name for name, (x, y) in cost.items() if any(a <= x and b <= y and (a, b) != (x, y) for a, b in cost.values())
    }
    assert {cost[point.variant] for point in variant_front(shown, "macs", up)} == {
        pair for name, pair in cost.items() if name not in beaten
    }


def _point(name: str, figures: dict[str, float]) -> VariantPoint:
    return VariantPoint(name, name, "", 224, figures, "", "")
