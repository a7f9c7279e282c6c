"""ImageNet top-1 accuracies that others published for the named variants, each with its recipe and source."""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Accuracy(NamedTuple):
    """Top-1 accuracy in per cent on ImageNet's validation images at 224×224, one centre crop.

    Figures of different recipes (how the weights were trained) compare trainings as much as networks.
    """

    variant: str
    top1: float
    recipe: str
    source: str


@cache
def accuracies() -> tuple[Accuracy, ...]:
    """Every accuracy shipped with the package, the recipe with most of them first."""
    text = (Path(__file__).parents[1] / "published" / "accuracy.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))[1:]
    return tuple(Accuracy(variant, float(top1), recipe, source) for variant, top1, recipe, source in rows)


def recipes() -> tuple[str, ...]:
    """The recipes, in the file's order."""
    return tuple(dict.fromkeys(item.recipe for item in accuracies()))
