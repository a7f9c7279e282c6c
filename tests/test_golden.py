"""Oracle: recorded text. One file a named variant, one fact a line, and totals that its own lines must add up to."""

from collections.abc import Callable, Iterator

import pytest

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.network_costs import CostTotals, StageCost
from analyzer.families.registry import variant_names
from tests.conftest import GOLDEN

ADDED_UP = ("params", "buffers", "macs", "activations")
REACHED = ("depth", "receptive_field", "total_stride")


def golden_lines(analysis: Analysis) -> Iterator[str]:
    yield f"variant {analysis.variant}"
    yield f"fingerprint {analysis.fingerprint}"
    yield f"input {size(analysis.input_shape)}"
    yield from facts("total", analysis.totals)
    for stage in analysis.stages:
        yield from facts(stage.stage, stage)


def facts(name: str, row: CostTotals) -> Iterator[str]:
    if isinstance(row, StageCost):
        yield f"{name} num_blocks {row.num_blocks}"
    yield f"{name} output {size(row.output_shape)}"
    yield from (f"{name} {fact} {getattr(row, fact)}" for fact in (*ADDED_UP, *REACHED))


def size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


@pytest.mark.parametrize("name", variant_names())
def test_a_variant_is_what_its_golden_says(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.txt", "\n".join(golden_lines(analyze(name))) + "\n")


@pytest.mark.parametrize("name", variant_names())
def test_a_goldens_stages_add_up_to_its_totals(name: str) -> None:
    lines = [line.split() for line in (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()]
    read = {(line[0], line[1]): line[2] for line in lines if len(line) == 3}
    stages = list(dict.fromkeys(stage for stage, _ in read if stage != "total"))
    for fact in ADDED_UP:
        assert sum(int(read[stage, fact]) for stage in stages) == int(read["total", fact]), fact
    for fact in (*REACHED, "output"):
        assert read[stages[-1], fact] == read["total", fact], fact


def test_every_golden_of_a_variant_belongs_to_one() -> None:
    files = {path.stem for path in GOLDEN.glob("*.txt") if not path.stem.startswith("explain-")}
    assert files == set(variant_names())
