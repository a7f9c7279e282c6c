"""The peak of activation memory of many candidates: the most of the levels that each reaches."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.cost.analysis import Analysis
from analyzer.cost.memory import ITEM_BYTES, inference_levels
from analyzer.sweep.arrays import Arrays
from analyzer.sweep.bags import Item, times_held
from analyzer.sweep.polynomial import frozen
from analyzer.sweep.runs import Bag
from analyzer.sweep.symbol import terms_of


def levels(analysis: Analysis) -> Bag:
    """Bytes of activations during each op, in float32 at batch 1, as polynomials."""
    during = inference_levels(analysis, ITEM_BYTES["float32"])
    return Counter((frozen(terms_of(level)),) for level in during)


def peak(arrays: Arrays, reached: Sequence[tuple[Any, Sequence[Item]]]) -> NDArray[np.int64]:
    """The highest level that each candidate reaches."""
    most = np.zeros(arrays.count, dtype=np.int64)
    for (level,), items in reached:
        there = np.asarray(times_held(arrays, items)) > 0
        np.maximum(most, np.where(there, arrays.value(dict(level)), 0), out=most)
    return most


def kept(items: Sequence[Item]) -> Sequence[Item]:
    """Who reaches a level: everyone, where that does not depend on counts."""
    always = any(not item.field for item in items) and all(item.times > 0 for item in items)
    return (Item(1),) if always else items
