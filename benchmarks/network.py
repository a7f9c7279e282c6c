"""The speed of the live network beside torchvision's own: building it on `meta`, and its forward pass, interleaved.

`python benchmarks/network.py [VARIANT…]` prints a table; a ratio is the median of the rounds' ratios, each of a run of
ours and one of torchvision's one right after the other, the order changing from round to round.
Needs the extra `live` and an otherwise idle machine.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
import torchvision

import analyzer

VARIANTS = ("resnet50", "resnext50_32x4d", "densenet121")
TARGETS = {"build on meta": 1.0, "forward, batch 1": 1.02, "forward, batch 8": 1.02}
"""Measured task → the ratio that it must not exceed."""


class InterleavedTimes(NamedTuple):
    """Milliseconds of each round, ours and torchvision's."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """Ours over torchvision's, round by round."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]


def milliseconds(task: Callable[[], object]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    task()
    return 1e3 * (time.perf_counter() - start)


def interleaved(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> InterleavedTimes:
    """Both in every round, after one round that is not counted."""
    times = InterleavedTimes([], [])
    for number in range(rounds + 1):
        pairs = [(ours, times.ours), (theirs, times.theirs)]
        for task, samples in pairs if number % 2 else pairs[::-1]:
            elapsed = milliseconds(task)
            if number:
                samples.append(elapsed)
    return times


def built_by_torchvision(variant: str) -> torch.nn.Module:
    """Torchvision's network on `meta`, as its users build it there."""
    with torch.device("meta"):
        net: torch.nn.Module = torchvision.models.get_model(variant)
    return net


def measured(variant: str, rounds: int) -> Iterator[tuple[str, InterleavedTimes]]:
    """(what, times) of one variant; both networks have the same weights."""
    yield (
        "build on meta",
        interleaved(lambda: analyzer.build(variant, device="meta"), lambda: built_by_torchvision(variant), rounds),
    )
    ours, theirs = analyzer.build(variant).eval(), torchvision.models.get_model(variant).eval()
    theirs.load_state_dict(ours.state_dict())
    for batch in (1, 8):
        images = torch.randn(batch, 3, 224, 224)
        with torch.inference_mode():
            yield f"forward, batch {batch}", interleaved(partial(ours, images), partial(theirs, images), rounds)


def row(variant: str, what: str, times: InterleavedTimes) -> str:
    """A line of the table."""
    low, middle, high = statistics.quantiles(times.ratios, n=4)
    ours, theirs = statistics.median(times.ours), statistics.median(times.theirs)
    return (
        f"| {variant} | {what} | {ours:.1f} | {theirs:.1f} | {middle:.3f} ({low:.3f} to {high:.3f}) | {TARGETS[what]} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=VARIANTS)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, {torch.get_num_threads()} threads, CPU\n")
    print("| variant | what | ours, ms | torchvision, ms | ratio (quartiles) | at most |")
    print("| :-- | :-- | --: | --: | --: | --: |")
    for variant in options.variants:
        for what, times in measured(variant, options.rounds):
            print(row(variant, what, times), flush=True)


if __name__ == "__main__":
    main()
