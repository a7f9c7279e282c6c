"""A statement that people make, its readings as cases, and the verdict that follows from these alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Self, assert_never

from analyzer.literature.claims.figures import ClaimFigure
from analyzer.literature.published import prints_as


@dataclass(frozen=True, slots=True)
class Exactly:
    """The ratio is `target`."""

    target: Fraction


@dataclass(frozen=True, slots=True)
class Other:
    """The ratio is anything but `target`."""

    target: Fraction


@dataclass(frozen=True, slots=True)
class About:
    """The ratio is within a tenth of `target`."""

    target: Fraction


@dataclass(frozen=True, slots=True)
class Under:
    """The ratio is smaller than `target`."""

    target: Fraction


@dataclass(frozen=True, slots=True)
class Over:
    """The ratio is larger than `target`."""

    target: Fraction


@dataclass(frozen=True, slots=True)
class Printed:
    """A single figure, in units of `unit`, rounds or truncates to these digits."""

    digits: str
    unit: int = 1


Expectation = Exactly | Other | About | Under | Over | Printed

EQUAL, DIFFERENT, FEWER, MORE = Exactly(Fraction(1)), Other(Fraction(1)), Under(Fraction(1)), Over(Fraction(1))
NEGLIGIBLE = Under(Fraction(1, 100))
"""What people mean by negligible, as far as that can be counted."""
_ABOUT_SHARE = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class ClaimCase:
    """One reading of a statement: `condition` completes "it holds if …", and `expectation` is what is claimed.

    A `Printed` figure is compared alone; every other expectation is about the ratio of `figure` to `against`.
    """

    condition: str
    expectation: Expectation
    figure: ClaimFigure
    against: ClaimFigure | None = None

    @property
    def ratio(self) -> Fraction:
        """The figure over the one that it is compared with, or over the printed one."""
        if isinstance(self.expectation, Printed):
            return Fraction(int(self.figure.value)) / (
                Fraction(Decimal(self.expectation.digits)) * self.expectation.unit
            )
        if self.against is None:
            raise ValueError(f"{self.condition!r} is compared with nothing")
        return Fraction(int(self.figure.value), int(self.against.value))

    @property
    def holds(self) -> bool:
        """Whether the figures are as claimed."""
        match self.expectation:
            case Exactly(target):
                return self.ratio == target
            case Other(target):
                return self.ratio != target
            case About(target):
                return abs(self.ratio - target) <= _ABOUT_SHARE * target
            case Under(target):
                return self.ratio < target
            case Over(target):
                return self.ratio > target
            case Printed(digits, unit):
                return prints_as(int(self.figure.value), digits, unit)
            case _:
                assert_never(self.expectation)


class Verdict(StrEnum):
    """What the cases together say of a statement."""

    HOLDS = "holds"
    ONLY_IF = "holds only if"
    FAILS = "does not hold"

    @classmethod
    def of(cls, cases: tuple[ClaimCase, ...]) -> Self:
        """It holds where every reading does, and does not where none does."""
        outcomes = [case.holds for case in cases]
        return cls(cls.HOLDS if all(outcomes) else cls.ONLY_IF if any(outcomes) else cls.FAILS)


@dataclass(frozen=True)
class Claim:
    """A statement, why it is as it is, for whom that matters, and the function that yields its cases."""

    statement: str
    why: str
    matters: str
    make_cases: Callable[[], Iterator[ClaimCase]]

    @property
    def key(self) -> str:
        """Its name in files and links: that of the function."""
        return self.make_cases.__name__

    @cached_property
    def cases(self) -> tuple[ClaimCase, ...]:
        """Its readings, computed once."""
        return tuple(self.make_cases())

    @property
    def verdict(self) -> Verdict:
        """What the cases say."""
        return Verdict.of(self.cases)


def claim(statement: str, *, why: str, matters: str) -> Callable[[Callable[[], Iterator[ClaimCase]]], Claim]:
    """Make a claim of the function that yields its cases."""
    return lambda make_cases: Claim(statement, why, matters, make_cases)
