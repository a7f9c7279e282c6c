"""One block's forms compared number by number, as the page does on request."""

import pytest

from analyzer.errors import InvalidInput
from analyzer.live.equivalence.equivalence import check_block, check_equivalence
from analyzer.live.equivalence.forms import FAULTS
from analyzer.render.equivalence.equivalence import block_rows_table, block_verdict

SMALL = "resnet50:depths=1-2,widths=16-16,cardinality=4,base_width=16"


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_block_looked_at_closely_has_the_whole_proofs_errors(mode: str) -> None:
    """Oracle: `check_equivalence`, which draws the same weights for the block."""
    check = check_block(SMALL, "layer2.1", dtype="float64", mode=mode)
    rows = [row for row in check_equivalence(SMALL, dtypes=("float64",)).rows if row.block == "layer2.1"]
    assert [row for row in rows if row.mode == mode and row.identity[1] in "ab"] == list(check.rows)
    assert check.passed
    assert "Equal." in block_verdict(check)


def test_every_number_is_counted_once_and_none_beyond_the_worst() -> None:
    """Oracle: the output's own size, 2·64·3·3 numbers, and the worst error of each comparison."""
    check = check_block(SMALL, "layer2.0", dtype="float32", mode="eval")
    for row, spread in zip(check.rows, check.spreads, strict=True):
        assert (row.identity, row.what) == (spread.identity, spread.what)
        if spread.what == "output":
            assert spread.equal + sum(spread.bins.values()) == 2 * 64 * 3 * 3
        if spread.bins:
            assert 10 ** max(spread.bins) <= row.max_rel * (1 + 1e-9)
            assert row.max_rel < 10 ** (max(spread.bins) + 0.25) * (1 + 1e-9)
        else:
            assert row.max_rel == 0


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_planted_fault_is_seen_in_both_forms(fault: str) -> None:
    check = check_block(SMALL, "layer1.0", mode="eval", fault=fault)
    outputs = [row for row in check.rows if row.what == "output"]
    assert [row.passed for row in outputs] == [False, False]
    assert f"With a {fault} planted" in block_verdict(check)
    assert "✗" in block_rows_table(check)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "layer9.0"}, "block 'layer9.0': must be one of layer1.0, layer2.0, layer2.1"),
        ({"dtype": "int8"}, "dtype 'int8'"),
        ({"mode": "x"}, "mode 'x'"),
        ({"fault": "x"}, "fault 'x'"),
    ],
)
def test_unknown_choices_are_refused_with_the_known_ones(change: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_block(SMALL, **{"path": "layer1.0", **change})  # type: ignore[arg-type]
