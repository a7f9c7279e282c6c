"""Numbers as text. Oracle: Python's decimal arithmetic, and examples by hand."""

from decimal import ROUND_HALF_UP, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.render import units

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
    assert units.stage_words(stage) == text
