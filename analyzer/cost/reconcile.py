"""Which convention of which tool or paper gives a printed number for a network, from an exhaustive list in closed form.

A reading is a counting rule applied to the network or to another network of its name. Few digits agree with many
readings by accident, so a reading is believed only where the number has digits enough for how far-fetched it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from analyzer.cost.alternatives import alternatives
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.census import Census, census
from analyzer.cost.conventions import CONVENTIONS, Convention
from analyzer.cost.known_errors import KnownError, known_error
from analyzer.cost.printed import Printed
from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical
from analyzer.families.spec import Spec

PLAIN = ("params", "macs", "flops", "activations", "params_bytes")
"""Rules that need no further word."""
DIGITS = {(0, True): 1, (0, False): 2, (1, True): 2, (1, False): 3, (2, True): 4, (2, False): 4}
"""(changes of the network, whether the rule is plain) → significant digits that a number must have to be read so."""
_WITHOUT_GATES = "params_and_statistics_without_se_bias"
NEARBY = Fraction(3, 10)
"""How far a mistaken figure is taken to be off, for the chance of an accident."""


Shape = tuple[int, int, int]
Counts = tuple[tuple[tuple[str, ...], int], ...]


class Reading(NamedTuple):
    """A count of the network, or of another network of its name, by one convention or by several that agree."""

    conventions: tuple[str, ...]
    figure: int
    spec: Spec | None
    input_shape: Shape
    changes: str
    num_changes: int

    @property
    def expression(self) -> str:
        """The network's canonical form; empty for a user's own graph, which has none."""
        return canonical(self.spec) if self.spec else ""

    @property
    def rules(self) -> list[Convention]:
        """What is counted, and by whom, the plainest first."""
        return [CONVENTIONS[name] for name in self.conventions]

    @property
    def kind(self) -> str:
        """One of KINDS: "params", "macs" (FLOPs too), "activations" or "bytes"."""
        return self.rules[0].kind

    @property
    def needed_digits(self) -> int:
        """Significant digits that a number must have to be taken for this reading."""
        return DIGITS[self.num_changes, self.conventions[0] in PLAIN]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a printed number is, for a network: the readings that give it, or the nearest that do not.

    `chance` is the share of numbers of as many digits, within 30 per cent of this one, that the readings tried would
    explain: how little an agreement of so few digits proves.
    """

    analysis: Analysis
    number: Printed
    matches: tuple[Reading, ...]
    nearest: tuple[Reading, ...]
    known_error: KnownError | None
    num_readings: int
    chance: Fraction

    @property
    def explained(self) -> bool:
        """Whether a reading gives the number, or it is a known error."""
        return bool(self.matches) or self.known_error is not None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `reconcile --format json`, valid against schemas/reconcile-1.json."""
        error = self.known_error
        return {
            "schema": 1,
            "variant": self.analysis.variant,
            "fingerprint": self.analysis.fingerprint,
            "input_shape": list(self.analysis.input_shape),
            "number": self.number.text,
            "explained": self.explained,
            "known_error": {"source": error.source, "note": error.note} if error else None,
            "readings": [self._facts(reading) for reading in self.matches],
            "nearest": [self._facts(reading) for reading in self.nearest],
            "num_readings": self.num_readings,
            "chance": round(float(self.chance), 4),
        }

    def _facts(self, reading: Reading) -> dict[str, Any]:
        return {
            "quantity": reading.kind,
            "count": reading.figure,
            "conventions": list(reading.conventions),
            "counts": reading.rules[0].words,
            "tools": [tool for rule in reading.rules for tool in rule.tools],
            "variant": reading.expression,
            "input_shape": list(reading.input_shape),
            "changes": reading.changes,
            "rounded": self.number.rounds(reading.figure),
            "relative_difference": round(float(self.number.off(reading.figure)), 6),
        }


def reconcile(analysis: Analysis, number: Printed) -> Reconciled:
    """Compare a printed number with every reading, those of the network itself first.

    Where these give the number, rounded and not just cut off, others of its name are not asked.
    """
    tried: list[Reading] = []
    matches: list[Reading] = []
    error = known_error(analysis.variant, number)
    for num_changes in () if error else (0, 1, 2):
        readings = [it for it in _readings(analysis, num_changes) if it.kind in number.kinds]
        tried += readings
        matches += [it for it in readings if _believed(it, number) and number.says(it.figure)]
        if any(number.rounds(it.figure) for it in matches):
            break
    return Reconciled(
        analysis=analysis,
        number=number,
        matches=tuple(sorted(matches, key=lambda it: not number.rounds(it.figure))),
        nearest=() if matches else tuple(_nearest(analysis, tried, number)),
        known_error=error,
        num_readings=len(tried),
        chance=_chance(tried, number),
    )


def _believed(reading: Reading, number: Printed) -> bool:
    """Whether a number has digits enough for a reading; one told as about only says what is plain."""
    if number.about:
        return reading.needed_digits == 1
    return number.significant >= reading.needed_digits


def _readings(analysis: Analysis, num_changes: int) -> tuple[Reading, ...]:
    """Every reading so many changes away, each count of a kind once, the plainest rules first."""
    spec, shape = analysis.network.spec, analysis.input_shape
    if spec is not None:
        return _of_spec(spec, shape, num_changes)
    return () if num_changes else tuple(_made(None, shape, _counts(census(analysis))))


@lru_cache(maxsize=64)
def _of_spec(spec: Spec, shape: Shape, num_changes: int) -> tuple[Reading, ...]:
    readings = _others(spec, shape, num_changes) if num_changes else _made(spec, *_counted(spec, shape[1:]))
    first: dict[tuple[str, int], Reading] = {}
    for reading in readings:
        first.setdefault((reading.kind, reading.figure), reading)
    return tuple(first.values())


def _others(spec: Spec, shape: Shape, num_changes: int) -> Iterator[Reading]:
    height, width = shape[1:]
    for other in alternatives(spec, num_changes, height if height == width else None):
        try:
            counted = _counted(other.spec, (other.side or height, other.side or width))
        except InvalidInput:  # the other network does not take this input
            continue
        yield from _made(other.spec, *counted, other.words, num_changes)


def _made(spec: Spec | None, shape: Shape, counts: Counts, words: str = "", changes: int = 0) -> Iterator[Reading]:
    for conventions, figure in counts:
        if figure:
            yield Reading(conventions, figure, spec, shape, words, changes)


@lru_cache(maxsize=512)
def _counted(spec: Spec, size: tuple[int, int]) -> tuple[Shape, Counts]:
    analysis = analyze(spec, size)
    return analysis.input_shape, _counts(census(analysis))


def _counts(sums: Census) -> Counts:
    """What each rule counts; rules of one kind that agree stand together, the plainest first."""
    by_count: dict[tuple[str, int], list[str]] = {}
    for name in sorted(CONVENTIONS, key=lambda name: name not in PLAIN):
        rule = CONVENTIONS[name]
        if name == _WITHOUT_GATES and not sums.gate_biases:
            continue  # there is nothing to leave out
        by_count.setdefault((rule.kind, rule.rule(sums)), []).append(name)
    return tuple((tuple(names), figure) for (_, figure), names in by_count.items())


def _nearest(analysis: Analysis, tried: list[Reading], number: Printed) -> list[Reading]:
    """The five readings at this input, of at most one change, that are least far away, each convention once."""
    close = [it for it in tried if it.num_changes < 2 and it.input_shape == analysis.input_shape]
    found: dict[tuple[str, ...], Reading] = {}
    for reading in sorted(close, key=lambda it: abs(number.off(it.figure))):
        found.setdefault(reading.conventions, reading)
    return list(found.values())[:5]


def _chance(tried: list[Reading], number: Printed) -> Fraction:
    """The share of numbers of these digits, within 30 per cent of this one, that some reading would print as."""
    if number.exact or number.about:
        return Fraction(number.about)
    scale = number.scales[-1]
    step = scale * Fraction(10) ** int(number.digits.as_tuple().exponent)
    low, high = (Fraction(number.digits) * scale * (1 + sign * NEARBY) for sign in (-1, 1))
    believed = {it.figure for it in tried if _believed(it, number) and low <= it.figure <= high}
    printable = {value for figure in believed for value in (figure // step, (2 * figure + step) // (2 * step))}
    return min(Fraction(1), len(printable) * step / (high - low))
