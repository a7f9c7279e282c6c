"""Which convention of which tool or paper gives a printed number for a network, from an exhaustive list in closed form.

A reading is a counting rule applied to the network or to another network of its name. Few digits agree with many
readings by accident, so a reading is accepted only where the number has enough digits for how far-fetched it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.families.expression import canonical
from analyzer.families.spec import Spec, rules
from analyzer.literature.counting_rules import CONVENTIONS, Convention, OpCounts, op_counts

KINDS = ("params", "macs", "activations", "bytes")
_DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_WORDS = {
    **dict.fromkeys(("param", "params", "parameters"), "params"),
    **dict.fromkeys(("mac", "macs", "flop", "flops", "madd", "madds", "mult-adds", "multiply-adds"), "macs"),
    **dict.fromkeys(("act", "acts", "activations"), "activations"),
    **dict.fromkeys(("byte", "bytes"), "bytes"),
}
_NUMBER_PATTERN = re.compile(
    r"(?P<about>~|≈)?\s*(?P<digits>[0-9][0-9,_]*(?:\.[0-9]+)?|\.[0-9]+)(?:e\+?(?P<power>[0-9]{1,2}))?\s*"
    rf"(?P<scale>[kKMGBT]?)(?P<bytes>i?B)?\s*(?P<word>(?i:{'|'.join(_WORDS)})?)",
    re.ASCII,
)
_ABOUT_SHARE = Fraction(1, 20)
_MANY_ZEROS = 3
_LONGEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedNumber:
    """A printed number: its digits, the scales that they may stand in, and how it may have come from a count.

    `exact`: it is a count to the unit. `about`: the source itself says so, and 5 per cent are allowed. Otherwise the
    count was rounded, or cut off, to the digits printed, as papers do both. `kinds` are the quantities it may be of.
    """

    text: str
    digits: Decimal
    scales: tuple[int, ...]
    kinds: tuple[str, ...]
    exact: bool
    about: bool

    @property
    def significant(self) -> int:
        """Number of significant digits; those of an exact count are all significant."""
        return len(self.digits.as_tuple().digits)

    def matches_count(self, count: int) -> bool:
        """Whether a count prints as this number in one of its scales."""
        return any(self._matches_at_scale(count, scale) for scale in self.scales)

    def _matches_at_scale(self, count: int, scale: int) -> bool:
        if self.exact:
            return count == self.digits * scale
        value = Decimal(count) / scale
        if self.about:
            return abs(Fraction(value) - Fraction(self.digits)) <= _ABOUT_SHARE * Fraction(self.digits)
        return self.digits in (value.quantize(self.digits, ROUND_HALF_UP), value.quantize(self.digits, ROUND_DOWN))

    def rounds(self, count: int) -> bool:
        """Whether a count is this number to the unit or rounded half up, not just cut off to its digits or about it."""
        if self.exact:
            return self.matches_count(count)
        return any(
            (Decimal(count) / scale).quantize(self.digits, ROUND_HALF_UP) == self.digits for scale in self.scales
        )

    def relative_error(self, count: int) -> Fraction:
        """How far a count is from this number, ours less theirs over theirs, in the scale where it is nearest."""
        values = [Fraction(self.digits) * scale for scale in self.scales]
        return min(((count - value) / value for value in values), key=abs)


def parse_printed_number(text: str, kind: str | None = None) -> PrintedNumber:
    """The number that a text prints, of one kind where that is given; InvalidInput where it is none."""
    match = _NUMBER_PATTERN.fullmatch(text.strip()) if len(text) <= 60 else None
    if match is None or len(match["digits"]) > _LONGEST:
        raise InvalidInput(
            f"number {shortened(text)!r}: must be a count (25557032), or digits and a unit (4.1G, 25.6M, 97.8 MB)."
        )
    stated = "bytes" if match["bytes"] else _WORDS.get(match["word"].lower())
    if kind and stated and kind != stated:
        raise InvalidInput(f"number {shortened(text)!r}: is of {stated}, and --quantity says {kind}.")
    return _number(text.strip(), match, kind or stated)


def _number(text: str, match: re.Match[str], kind: str | None) -> PrintedNumber:
    plain = re.sub(r"[,_]", "", match["digits"])
    whole = "." not in plain and not match["power"] and not match["scale"]
    digits = Decimal(plain)
    if digits <= 0:
        raise InvalidInput(f"number {shortened(text)!r}: must be above 0.")
    zeros = len(plain) - len(plain.rstrip("0")) if whole else 0
    scales = _scales(match, whole, kind)
    about = bool(match["about"])
    if whole and zeros >= _MANY_ZEROS:  # "4120000000" of a table in G: its zeros are the unit's
        digits, scales, whole = Decimal(plain[:-zeros]), (10**zeros,), False
    return PrintedNumber(
        text=text,
        digits=digits,
        scales=scales,
        kinds=(kind,) if kind else KINDS[:3],
        exact=whole and not about,
        about=about,
    )


def _scales(match: re.Match[str], whole: bool, kind: str | None) -> tuple[int, ...]:
    """What the digits are multiplied by; a bare decimal may be in M or G, and MB is written for MiB too."""
    scale, power = match["scale"].upper(), 10 ** int(match["power"] or 0)
    if match["bytes"] == "iB":
        return (_BINARY[scale],) if scale in _BINARY else (1,)
    if match["bytes"] or (kind == "bytes" and scale in _BINARY):
        return (_DECIMAL[scale] * power, *((_BINARY[scale],) if scale in _BINARY else ()))
    if not (whole or scale or match["power"]):
        return _DECIMAL["G"], _DECIMAL["M"]
    return (_DECIMAL[scale] * power,)


USUAL_SIDES = (32, 64, 128, 160, 176, 192, 224, 240, 256, 288, 299, 320, 331, 352, 384, 416, 448, 480, 512)
"""Sides of input images that papers and model zoos use."""
USUAL_NUM_CLASSES = (10, 100, 200, 1000)
"""CIFAR-10, CIFAR-100, CUB-200 or Tiny ImageNet, ImageNet."""


BACKBONE = "no classifier, as a backbone"


class KnownChange(NamedTuple):
    """What is different elsewhere: the fields of the spec, the side of the input, and a description of both."""

    fields: tuple[tuple[str, Any], ...]
    description: str
    side: int | None = None


class Alternative(NamedTuple):
    """The network as others have it, the side of its input where that is another one, and what is different."""

    spec: Spec
    side: int | None
    description: str


@lru_cache(maxsize=64)
def alternatives(spec: Spec, num_changes: int, own_side: int | None) -> tuple[Alternative, ...]:
    """Every network exactly so many known changes away; other inputs are a change alone, where it is square."""
    changes = list(_changes(spec))
    if num_changes == 1 and own_side is not None:
        changes += [change for change in _size_changes() if change.side != own_side]
    networks = (_changed(spec, combination) for combination in combinations(changes, num_changes))
    return tuple(network for network in networks if network)


def _changed(spec: Spec, changes: tuple[KnownChange, ...]) -> Alternative | None:
    fields = [field for change in changes for field in change.fields]
    if len(dict(fields)) < len(fields):
        return None
    try:
        changed = spec.with_fields(**dict(fields))
    except InvalidInput:
        return None
    side = changes[0].side
    if changed == spec and side is None:
        return None
    return Alternative(changed, side, "; ".join(change.description for change in changes))


def _size_changes() -> list[KnownChange]:
    return [KnownChange((), f"{side}×{side} input", side) for side in USUAL_SIDES]


def _changes(spec: Spec) -> Iterator[KnownChange]:
    fields = spec.effective_fields()
    for name, value, words in KNOWN_CHANGES:
        if name in fields and fields[name] != value and _applies(spec, name):
            yield KnownChange(((name, value),), words)
    if fields.get("block") == "bottleneck" and not fields["conv_bias"] and fields["stride_on"] == "3x3":
        yield KnownChange(_KERAS, "stride on the 1×1 and biases in convolutions, as in Keras")
    if "growth_rate" in fields and fields["init_features"] != 2 * fields["growth_rate"]:
        yield KnownChange((("init_features", 2 * fields["growth_rate"]),), "2k channels after the stem")
    if "num_classes" in rules(type(spec)) and fields["head"] == "classifier":
        yield KnownChange((("head", "pool"),), BACKBONE)
        for count in USUAL_NUM_CLASSES:
            if count != fields["num_classes"]:
                yield KnownChange((("num_classes", count),), f"{count} classes")


_KERAS = (("stride_on", "1x1"), ("conv_bias", True))
KNOWN_CHANGES: tuple[tuple[str, Any, str], ...] = (
    ("stride_on", "1x1", "stride on the 1×1: v1, as in He et al. 2015, Hu et al. 2018, Keras, pytorchcv"),
    ("stride_on", "3x3", "stride on the 3×3: v1.5, as in torchvision, timm, pycls, Xie et al. 2017"),
    ("shortcut", "A", "option A: zero-padded shortcuts, as in He et al. 2015 for CIFAR and ResNet-18"),
    ("shortcut", "B", "option B: projections where shapes change, as in torchvision, pytorchcv, pycls"),
    ("shortcut", "C", "option C: projections everywhere, of He et al. 2015"),
    ("conv_bias", True, "biases in convolutions, as in Keras"),
    ("conv_bias", False, "no biases in convolutions"),
    ("batch_norm", True, "batch norm after each convolution"),
    ("batch_norm", False, "no batch norm"),
    ("compression", 1.0, "no compression in transitions, as in Huang et al. 2017 without -C"),
    ("compression", 0.5, "transitions that halve the channels, as pytorchcv has them in every DenseNet"),
    ("init_features", 16, "16 channels after the stem, as in Huang et al. 2017 without -B"),
)


def _applies(spec: Spec, name: str) -> bool:
    """Whether a change stays within the kind of network: a plain net gets no shortcuts, ImageNet's keep their stem."""
    fields = spec.effective_fields()
    if name == "shortcut":
        return bool(fields["shortcut"] != "none")
    if name in ("compression", "init_features"):
        return bool(fields["stem"] == "cifar")
    return True


class KnownError(NamedTuple):
    """A figure that a source states wrongly of a network: what it says, and what is true."""

    variant: str
    kind: str
    published: str
    scale: int
    source: str
    note: str


KNOWN_ERRORS = (
    KnownError(
        "resnet1202_cifar",
        "params",
        "10.2",
        10**6,
        "Zagoruyko and Komodakis 2016, Table 5; Huang et al. 2017, Table 2",
        "10.2 M is ResNet-1001's figure, without batch norm (He et al. 2016, Table 4); ResNet-1202 has 19.4 M",
    ),
    KnownError(
        "seresnext50_32x4d", "macs", "4.3", 10**9, "Bag of Tricks 2019, Table 1", "above the exact MACs, reason unknown"
    ),
    *(
        KnownError(variant, "macs", figure, 10**9, "Hu et al. 2018, Table 2", "above the exact MACs, reason unknown")
        for variant, figure in (
            ("resnet101", "7.58"),
            ("resnet101_v1", "7.58"),
            ("seresnet152", "11.32"),
            ("seresnet152:stride_on=1x1", "11.32"),
            ("resnext50_32x4d", "4.24"),
            ("seresnext50_32x4d", "4.25"),
            ("resnext101_32x4d", "7.99"),
        )
    ),
)


def known_error(variant: str, number: PrintedNumber) -> KnownError | None:
    """The known error that a number is, for a variant in its canonical form."""
    for error in KNOWN_ERRORS:
        if error.variant == variant and error.kind in number.kinds:
            published = Decimal(error.published) * error.scale
            if any(number.digits * scale == published for scale in number.scales):
                return error
    return None


PLAIN_CONVENTIONS = ("params", "macs", "flops", "activations", "params_bytes")
"""Rules that need no further explanation."""
NEEDED_DIGITS = {(0, True): 1, (0, False): 2, (1, True): 2, (1, False): 3, (2, True): 4, (2, False): 4}
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
        return NEEDED_DIGITS[self.num_changes, self.conventions[0] in PLAIN_CONVENTIONS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What a printed number is, for a network: the readings that give it, or the nearest that do not.

    `chance` is the share of numbers of as many digits, within 30 per cent of this one, that the readings tried would
    explain: how little an agreement of so few digits proves.
    """

    analysis: Analysis
    number: PrintedNumber
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
            "counts": reading.rules[0].description,
            "tools": [tool for rule in reading.rules for tool in rule.tools],
            "variant": reading.expression,
            "input_shape": list(reading.input_shape),
            "changes": reading.changes,
            "rounded": self.number.rounds(reading.figure),
            "relative_difference": round(float(self.number.relative_error(reading.figure)), 6),
        }


def reconcile(analysis: Analysis, number: PrintedNumber) -> Reconciliation:
    """Compare a printed number with every reading, those of the network itself first.

    Where these give the number, rounded and not just cut off, others of its name are not tried.
    """
    tried: list[Reading] = []
    matches: list[Reading] = []
    error = known_error(analysis.variant, number)
    for num_changes in () if error else (0, 1, 2):
        readings = [reading for reading in _readings(analysis, num_changes) if reading.kind in number.kinds]
        tried += readings
        credible = [reading for reading in readings if _has_enough_digits(reading, number)]
        matches += [reading for reading in credible if number.matches_count(reading.figure)]
        if any(number.rounds(reading.figure) for reading in matches):
            break
    return Reconciliation(
        analysis=analysis,
        number=number,
        matches=tuple(sorted(matches, key=lambda reading: not number.rounds(reading.figure))),
        nearest=() if matches else tuple(_nearest(analysis, tried, number)),
        known_error=error,
        num_readings=len(tried),
        chance=_chance(tried, number),
    )


def _has_enough_digits(reading: Reading, number: PrintedNumber) -> bool:
    """Whether a number has enough digits for a reading; an approximate one ("~") allows only the plainest."""
    if number.about:
        return reading.needed_digits == 1
    return number.significant >= reading.needed_digits


def _readings(analysis: Analysis, num_changes: int) -> tuple[Reading, ...]:
    """Every reading so many changes away, each count of a kind once, the plainest rules first."""
    spec, shape = analysis.network.spec, analysis.input_shape
    if spec is not None:
        return _of_spec(spec, shape, num_changes)
    return () if num_changes else tuple(_readings_of_counts(None, shape, _counts(op_counts(analysis))))


@lru_cache(maxsize=64)
def _of_spec(spec: Spec, shape: Shape, num_changes: int) -> tuple[Reading, ...]:
    readings = (
        _changed_readings(spec, shape, num_changes)
        if num_changes
        else _readings_of_counts(spec, *_shape_and_counts(spec, shape[1:]))
    )
    first: dict[tuple[str, int], Reading] = {}
    for reading in readings:
        first.setdefault((reading.kind, reading.figure), reading)
    return tuple(first.values())


def _changed_readings(spec: Spec, shape: Shape, num_changes: int) -> Iterator[Reading]:
    height, width = shape[1:]
    for other in alternatives(spec, num_changes, height if height == width else None):
        try:
            counted = _shape_and_counts(other.spec, (other.side or height, other.side or width))
        except InvalidInput:  # the other network does not take this input
            continue
        yield from _readings_of_counts(other.spec, *counted, other.description, num_changes)


def _readings_of_counts(
    spec: Spec | None, shape: Shape, counts: Counts, changes_text: str = "", num_changes: int = 0
) -> Iterator[Reading]:
    for conventions, figure in counts:
        if figure:
            yield Reading(conventions, figure, spec, shape, changes_text, num_changes)


@lru_cache(maxsize=512)
def _shape_and_counts(spec: Spec, size: tuple[int, int]) -> tuple[Shape, Counts]:
    analysis = analyze(spec, size)
    return analysis.input_shape, _counts(op_counts(analysis))


def _counts(sums: OpCounts) -> Counts:
    """What each rule counts; rules of one kind that agree stand together, the plainest first."""
    by_count: dict[tuple[str, int], list[str]] = {}
    for name in sorted(CONVENTIONS, key=lambda name: name not in PLAIN_CONVENTIONS):
        rule = CONVENTIONS[name]
        if name == _WITHOUT_GATES and not sums.gate_biases:
            continue  # there is nothing to leave out
        by_count.setdefault((rule.kind, rule.rule(sums)), []).append(name)
    return tuple((tuple(names), figure) for (_, figure), names in by_count.items())


def _nearest(analysis: Analysis, tried: list[Reading], number: PrintedNumber) -> list[Reading]:
    """The five readings at this input, of at most one change, that are least far away, each convention once."""
    close = [reading for reading in tried if reading.num_changes < 2 and reading.input_shape == analysis.input_shape]
    nearest: dict[tuple[str, ...], Reading] = {}
    for reading in sorted(close, key=lambda reading: abs(number.relative_error(reading.figure))):
        nearest.setdefault(reading.conventions, reading)
    return list(nearest.values())[:5]


def _chance(tried: list[Reading], number: PrintedNumber) -> Fraction:
    """The share of numbers of these digits, within 30 per cent of this one, that some reading would print as."""
    if number.exact or number.about:
        return Fraction(number.about)
    scale = number.scales[-1]
    step = scale * Fraction(10) ** int(number.digits.as_tuple().exponent)
    low, high = (Fraction(number.digits) * scale * (1 + sign * NEARBY) for sign in (-1, 1))
    credible = {reading.figure for reading in tried if _has_enough_digits(reading, number)}
    close = [figure for figure in credible if low <= figure <= high]
    printable = {value for figure in close for value in (figure // step, (2 * figure + step) // (2 * step))}
    return min(Fraction(1), len(printable) * step / (high - low))
