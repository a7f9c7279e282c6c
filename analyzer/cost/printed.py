"""A number as people print it, "4.1G", "25.6 M params", "97.8 MB" or "25557032", and which counts print so."""

import re
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction

from analyzer.errors import InvalidInput, shortened

KINDS = ("params", "macs", "activations", "bytes")
_DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_WORDS = {
    **dict.fromkeys(("param", "params", "parameters"), "params"),
    **dict.fromkeys(("mac", "macs", "flop", "flops", "madd", "madds", "mult-adds", "multiply-adds"), "macs"),
    **dict.fromkeys(("act", "acts", "activations"), "activations"),
    **dict.fromkeys(("byte", "bytes"), "bytes"),
}
_FORM = re.compile(
    r"(?P<about>~|≈)?\s*(?P<digits>[0-9][0-9,_]*(?:\.[0-9]+)?|\.[0-9]+)(?:e\+?(?P<power>[0-9]{1,2}))?\s*"
    rf"(?P<scale>[kKMGBT]?)(?P<bytes>i?B)?\s*(?P<word>(?i:{'|'.join(_WORDS)})?)",
    re.ASCII,
)
_ABOUT = Fraction(1, 20)
_MANY_ZEROS = 3
_LONGEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
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

    def says(self, count: int) -> bool:
        """Whether a count prints as this number in one of its scales."""
        return any(self._says(count, scale) for scale in self.scales)

    def _says(self, count: int, scale: int) -> bool:
        if self.exact:
            return count == self.digits * scale
        value = Decimal(count) / scale
        if self.about:
            return abs(Fraction(value) - Fraction(self.digits)) <= _ABOUT * Fraction(self.digits)
        return self.digits in (value.quantize(self.digits, ROUND_HALF_UP), value.quantize(self.digits, ROUND_DOWN))

    def rounds(self, count: int) -> bool:
        """Whether a count is this number to the unit or rounded half up, not just cut off to its digits or about it."""
        if self.exact:
            return self.says(count)
        return any(
            (Decimal(count) / scale).quantize(self.digits, ROUND_HALF_UP) == self.digits for scale in self.scales
        )

    def off(self, count: int) -> Fraction:
        """How far a count is from this number, ours less theirs over theirs, in the scale where it is nearest."""
        told = [Fraction(self.digits) * scale for scale in self.scales]
        return min(((count - value) / value for value in told), key=abs)


def printed(text: str, kind: str | None = None) -> Printed:
    """The number that a text prints, of one kind where that is given; InvalidInput where it is none."""
    found = _FORM.fullmatch(text.strip()) if len(text) <= 60 else None
    if found is None or len(found["digits"]) > _LONGEST:
        raise InvalidInput(
            f"number {shortened(text)!r}: must be a count (25557032), or digits and a unit (4.1G, 25.6M, 97.8 MB)."
        )
    stated = "bytes" if found["bytes"] else _WORDS.get(found["word"].lower())
    if kind and stated and kind != stated:
        raise InvalidInput(f"number {shortened(text)!r}: is of {stated}, and --quantity says {kind}.")
    return _number(text.strip(), found, kind or stated)


def _number(text: str, found: re.Match[str], kind: str | None) -> Printed:
    plain = re.sub(r"[,_]", "", found["digits"])
    whole = "." not in plain and not found["power"] and not found["scale"]
    digits = Decimal(plain)
    if digits <= 0:
        raise InvalidInput(f"number {shortened(text)!r}: must be above 0.")
    zeros = len(plain) - len(plain.rstrip("0")) if whole else 0
    scales = _scales(found, whole, kind)
    about = bool(found["about"])
    if whole and zeros >= _MANY_ZEROS:  # "4120000000" of a table in G: its zeros are the unit's
        digits, scales, whole = Decimal(plain[:-zeros]), (10**zeros,), False
    return Printed(
        text=text,
        digits=digits,
        scales=scales,
        kinds=(kind,) if kind else KINDS[:3],
        exact=whole and not about,
        about=about,
    )


def _scales(found: re.Match[str], whole: bool, kind: str | None) -> tuple[int, ...]:
    """What the digits are multiplied by; a bare decimal may be in M or G, and MB is written for MiB too."""
    scale, power = found["scale"].upper(), 10 ** int(found["power"] or 0)
    if found["bytes"] == "iB":
        return (_BINARY[scale],) if scale in _BINARY else (1,)
    if found["bytes"] or (kind == "bytes" and scale in _BINARY):
        return (_DECIMAL[scale] * power, *((_BINARY[scale],) if scale in _BINARY else ()))
    if not (whole or scale or found["power"]):
        return _DECIMAL["G"], _DECIMAL["M"]
    return (_DECIMAL[scale] * power,)
