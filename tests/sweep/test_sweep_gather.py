"""What is gathered of a sweep's rows, chunk by chunk, and drawn: fronts, samples, distributions, named variants.

Oracle: definitions worked out over all rows at once, and published figures of named variants.
"""

import io
import sys
from itertools import pairwise

import numpy as np
import pytest

from analyzer.cli import sweep as sweep_run
from analyzer.cost.analysis import analyze
from analyzer.render.sweep.charts import LIGHT_PALETTE, ChartData, distribution_chart, front_chart
from analyzer.sweep.results.named_variants import nearby_variants
from analyzer.sweep.results.pareto import Columns, FrontCollector, rows_of
from analyzer.sweep.results.run import Progress
from analyzer.sweep.results.summary import chunks, summarise
from analyzer.sweep.space.space import packaged_space, space

OBJECTIVES = (("macs", False), ("params", True))
RESNETS = space(variant="resnet50", fields={"depths": "[1..4, 1..6, 1..36, 1..4]"})


def points(count: int = 20_000) -> Columns:
    random = np.random.default_rng(7)
    macs = random.integers(1, 10**6, count)
    named = {name: random.integers(1, 1000, count) for name in ("activations", "depth")}
    return {"index": np.arange(count), "macs": macs, "params": macs + random.integers(0, 10**5, count)} | named


def gathered(columns: Columns, cuts: list[int]) -> FrontCollector:
    found = FrontCollector(OBJECTIVES, limit=500)
    for start, stop in pairwise([0, *cuts, len(columns["index"])]):
        found.add(rows_of(columns, slice(start, stop)))
    return found


def test_chunks_do_not_matter() -> None:
    """Front by definition: no other point has fewer MACs and more parameters."""
    whole = points()
    one, many = gathered(whole, []), gathered(whole, [1, 2, 700, 700, 12_345])
    order = np.lexsort((-whole["params"], whole["macs"]))
    best = np.maximum.accumulate(whole["params"][order])
    unbeaten = {
        order[0],
        *(row for row, before, after in zip(order[1:], best, best[1:], strict=False) if after > before),
    }
    for found in (one, many):
        assert set(found.front["index"].tolist()) == unbeaten
        assert found.networks == 20_000
        assert found.ranges["macs"] == (whole["macs"].min(), whole["macs"].max())
        assert found.sample["index"].tolist() == one.sample["index"].tolist()


def test_the_sample_is_even() -> None:
    """Massart's bound at 99.9 % for 500 rows: 0.087; and the rows are rows, each of them once."""
    whole = points()
    sample = gathered(whole, [5000]).sample
    assert len(set(sample["index"].tolist())) == 500
    assert (whole["macs"][sample["index"]] == sample["macs"]).all()
    for figure in ("index", "macs"):
        ranks = np.searchsorted(np.sort(sample[figure]), whole[figure], side="right") / 500
        shares = np.searchsorted(np.sort(whole[figure]), whole[figure], side="right") / 20_000
        assert abs(ranks - shares).max() < 0.087


def test_a_distribution_is_the_share_of_networks_up_to_a_figure() -> None:
    """Radosavovic et al. 2020, Equation 1, by hand: of 1, 2, 2, 4 half and more are at most 2."""
    drawn = distribution_chart({"": {"macs": np.array([4, 1, 2, 2])}}, "macs").to_dict()
    (rows,) = drawn["datasets"].values()
    assert [(row["x"], row["share"]) for row in rows] == [(1, 0.25), (2, 0.5), (2, 0.75), (4, 1.0)]


def test_named_variants_have_their_published_figures_and_room() -> None:
    """Torchvision's figures of ResNet-50 and ResNet-101; names at least a twentieth of an axis apart."""
    found = FrontCollector(OBJECTIVES)
    for columns in chunks(RESNETS, ()):
        found.add(columns)
    named = nearby_variants(RESNETS, found.sample, found.front)
    figures = dict(
        zip(named["name"].tolist(), zip(named["params"].tolist(), named["macs"].tolist(), strict=True), strict=True)
    )
    assert figures["resnet50"] == (25_557_032, 4_089_184_256)
    assert figures["resnet101"] == (44_549_160, 7_801_405_440)
    assert {analyze(name).input_shape[1:] for name in figures} == {(224, 224)}
    heights = np.sort(named["params"]) / np.ptp(found.sample["params"])
    assert len(figures) < 15
    assert (np.diff(heights) > 0).all()
    several = space(variant="resnet50", fields={"depths": "[1..4, 1, 1, 1]"}, input_sizes=[128, 224])
    rows = next(iter(chunks(several, ())))
    assert nearby_variants(several, rows, rows)["name"].tolist() == []


def test_names_of_the_space_come_before_those_beside_it() -> None:
    """By their definitions WRN-16-8, -28-10 and -40-4 are Wide ResNets, and ResNet-20 is none."""
    wide = packaged_space("wide_resnet")
    found = summarise(wide, OBJECTIVES)
    named = set(nearby_variants(wide, found.sample, found.front)["name"].tolist())
    assert named & {"wrn16_8_cifar", "wrn28_10_cifar", "wrn40_4_cifar"}
    assert all(name.startswith("wrn") for name in named)
    many = space(variant="resnet50", fields={"depths": "[2..6, 2..6, 2..40, 2..6]", "stem_width": [32, 64]})
    seen = summarise(many, OBJECTIVES)
    assert {"resnet50", "resnet101"} <= set(nearby_variants(many, seen.sample, seen.front)["name"].tolist())
    foreign = space(variant="resnet50", fields={"depths": ["3-4-7-3", "3-4-22-3"]})
    beside = summarise(foreign, OBJECTIVES)
    assert {"resnet50", "resnet101"} <= set(nearby_variants(foreign, beside.sample, beside.front)["name"].tolist())


def test_columns_with_brackets_and_dots_are_drawn() -> None:
    """A chart's data have no names that Vega would take for paths."""
    columns = {**points(10), "latency_ms:RTX 4090@8": np.linspace(1, 2, 10), "depths[0]": np.arange(10)}
    picture = ChartData(columns, rows_of(columns, slice(0, 2)), {})
    drawn = front_chart(picture, ["latency_ms:RTX 4090@8", "depths[0]"], LIGHT_PALETTE).to_dict()
    used = {layer["encoding"][axis]["field"] for layer in drawn["layer"] for axis in ("x", "y")}
    rows = next(iter(drawn["datasets"].values()))
    assert used <= set(rows[0])
    assert not any(letter in name for name in used for letter in "[].:")


def test_progress_is_told_in_lines_where_no_terminal_shows_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep_run, "LINE_SECONDS", 0)
    with sweep_run.progress_bar() as tell:
        tell(Progress(total=4_000_000, found=1_000_000, done=1_000_000))
        tell(Progress(total=4_000_000, found=1_000_000, done=2_000_000, seconds=2.0))
    assert capsys.readouterr().err == "2,000,000 of 4,000,000 candidates (50 %), 500 k a second, 00:00:04 left\n"


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rate, and full at the end."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with sweep_run.progress_callback() as report:
        for done in (1, 50, 100):
            report(done, 100)
    assert "100%" in screen.getvalue()
    assert "/s" in screen.getvalue()
