"""Figures that others published for the named variants, and whether ours agree."""

import csv
from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.literature.counting_rules import CONVENTIONS


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


class PublishedFigure(NamedTuple):
    """One published number; `describes` is the network it is true of, `convention` its counting rule.

    `unit` is the printed number's scale, `reason` why the network it describes is another one.
    """

    variant: str
    describes: str
    source: str
    quantity: str
    convention: str
    published: str
    unit: int
    reason: str


class PublishedComparison(NamedTuple):
    """A published figure beside ours by its convention: for this network, and for the one that it describes."""

    figure: PublishedFigure
    ours: int
    agrees: bool
    described: int


@cache
def published_figures() -> tuple[PublishedFigure, ...]:
    """Every published figure shipped with the package."""
    text = (Path(__file__).parents[1] / "published" / "figures.csv").read_text(encoding="utf-8")
    return tuple(_published_figure(row) for row in list(csv.reader(text.splitlines()))[1:])


def _published_figure(row: list[str]) -> PublishedFigure:
    variant, describes, source, quantity, convention, published, unit, reason = row
    return PublishedFigure(variant, describes, source, quantity, convention, published, int(unit), reason)


def comparisons(analysis: Analysis) -> Iterator[PublishedComparison]:
    """Each figure published for this variant, in its own convention; none away from the variant's own input size."""
    if analysis.input_shape != analysis.network.input_shape():
        return
    for figure in published_figures():
        if figure.variant == analysis.variant:
            ours = CONVENTIONS[figure.convention].count(analysis)
            same = figure.describes == figure.variant
            described = ours if same else CONVENTIONS[figure.convention].count(analyze(figure.describes))
            yield PublishedComparison(figure, ours, same and prints_figure(ours, figure), described)


def prints_figure(count: int, figure: PublishedFigure) -> bool:
    """Whether a count, in the figure's unit, rounds or truncates to the printed digits (papers do both)."""
    return prints_as(count, figure.published, figure.unit)


def prints_as(count: int, digits: str, unit: int) -> bool:
    """Whether a count in that unit rounds or truncates to these digits."""
    printed = Decimal(digits)
    scaled = Decimal(count) / unit
    return any(scaled.quantize(printed, rounding=rounding) == printed for rounding in (ROUND_HALF_UP, ROUND_DOWN))
