"""Random candidates that depend on the seed and their number alone, so that any part of a sample can be drawn."""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 4


def drawn(index: NDArray[np.int64], seed: int, place: int, count: int) -> NDArray[np.int64]:
    """Evenly drawn numbers below `count` (under 2³²), each depending on seed, candidate and axis alone."""
    mixed = _mixed(index.astype(np.uint64), seed, place)
    return ((mixed >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def shuffled(index: NDArray[np.int64], seed: int, count: int) -> NDArray[np.int64]:
    """Where each number below `count` comes in one random order of them all: a Feistel network, walked until inside."""
    half = max((count - 1).bit_length() + 1, 2) // 2
    found = index.astype(np.uint64)
    outside = np.arange(len(found))
    while len(outside):
        found[outside] = _permuted(found[outside], seed, half)
        outside = outside[found[outside] >= np.uint64(count)]
    return found.astype(np.int64)


def _permuted(numbers: NDArray[np.uint64], seed: int, half: int) -> NDArray[np.uint64]:
    """Numbers of 2 · `half` bits, each made another one."""
    mask = np.uint64(2**half - 1)
    left, right = numbers >> np.uint64(half), numbers & mask
    for place in range(_ROUNDS):
        left, right = right, left ^ (_mixed(right, seed, place) & mask)
    return left << np.uint64(half) | right


def _mixed(numbers: NDArray[np.uint64], seed: int, place: int) -> NDArray[np.uint64]:
    return splitmix64(numbers, seed * GAMMA + (place + 1) * 0xD1B54A32D192ED03)


GAMMA = 0x9E3779B97F4A7C15
"""The step from one state of SplitMix64 to the next."""


def splitmix64(numbers: NDArray[np.uint64], offset: int) -> NDArray[np.uint64]:
    """The outputs of SplitMix64 (Steele, Lea and Flood 2014) at the states numbers + offset: distinct, and even."""
    state = numbers + np.uint64(offset % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    mixed: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed
