"""Numbers as text. Oracle: Python's decimal arithmetic, and examples by hand."""

from decimal import ROUND_HALF_UP, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.text import units

POWERS = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (0, 3, "0"),
        (999, 3, "999"),
        (1000, 3, "1.00 k"),
        (1024, 4, "1.024 k"),
        (12_250, 3, "12.3 k"),
        (999_499, 3, "999 k"),
        (999_500, 3, "1.00 M"),
        (25_557_032, 3, "25.6 M"),
        (25_557_032, 4, "25.56 M"),
        (4_089_184_256, 4, "4.089 G"),
        (999_950_000, 3, "1.00 G"),
        (1_234, 6, "1.23400 k"),
        (-999_999, 3, "-1.00 M"),
        (-12, 3, "-12"),
    ],
)
def test_a_short_count_by_hand(number: int, digits: int, text: str) -> None:
    assert units.short(number, digits) == text


@given(st.integers(1000, 10**21 - 10**18), st.integers(3, 6))
def test_a_short_count_rounds_half_up_to_its_digits(number: int, digits: int) -> None:
    shown, prefix = units.short(number, digits).split(" ")
    wanted = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(number)
    assert Decimal(shown).scaleb(POWERS[prefix]) == wanted
    assert 1 <= Decimal(shown) < 1000
    assert len(shown.replace(".", "")) == digits
    assert units.short(-number, digits) == f"-{shown} {prefix}"


@given(st.integers(-(10**15), 10**15))
def test_an_exact_count_reads_back(number: int) -> None:
    assert int(units.exact(number).replace(",", "")) == number


def test_an_exact_count_has_a_comma_every_three_digits() -> None:
    assert [units.exact(number) for number in (0, 999, 1000, 25_557_032)] == ["0", "999", "1,000", "25,557,032"]


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(1, 3, "33.3"), (0, 5, "0.0"), (5, 5, "100.0"), (0, 0, "0.0"), (2, 3, "66.7")]
)
def test_a_share_in_per_cent(part: int, whole: int, text: str) -> None:
    assert units.percent(part, whole) == text


def test_a_shape() -> None:
    assert units.shape((64, 56, 56)) == "64×56×56"
    assert units.shape((1000,)) == "1000"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (2**20 - 1, "1.0 MiB"),
        (102_228_128, "97.5 MiB"),
        (2**30 - 1, "1.0 GiB"),
        (3 * 2**40, "3072.0 GiB"),
    ],
)
def test_bytes(number: int, text: str) -> None:
    assert units.size_bytes(number) == text


@pytest.mark.parametrize(
    ("stage", "text"), [("stem", "stem"), ("stage1", "stage 1"), ("transition12", "transition 12"), ("head", "head")]
)
def test_a_stages_key_as_prose(stage: str, text: str) -> None:
    assert units.stage_label(stage) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (12.345, "12.3 ms"),
        (1234.5, "1,230 ms"),
        (0.1, "0.100 ms"),
        (0.09996, "100 µs"),
        (0.0853, "85.3 µs"),
        (0.00012, "0.120 µs"),
        (9.996, "10.0 ms"),
    ],
)
def test_a_duration_by_hand(ms: float, text: str) -> None:
    assert units.duration(ms) == text


@given(st.floats(1e-6, 1e9))
def test_significant_digits_are_those_of_decimal_arithmetic(number: float) -> None:
    """Oracle: Python's decimal arithmetic, within half a unit of the last digit, where a tie may fall either way."""
    wanted = Context(prec=3).create_decimal(repr(number))
    told = Decimal(units.significant(number).replace(",", ""))
    assert abs(told - wanted) <= Decimal(10) ** (wanted.adjusted() - 2)
    assert len(units.significant(number).replace(",", "").replace(".", "").lstrip("0").rstrip("0")) <= 3


@pytest.mark.parametrize(
    ("ours", "first", "text"), [(2, 2, "="), (1, 0, "–"), (0, 0, "="), (1.0, 2.0, "0.500"), (5_000_000, 2, "2,500,000")]
)
def test_a_ratio_by_hand(ours: float, first: float, text: str) -> None:
    assert units.ratio(ours, first) == text
