"""Numbers as people read them, formatted once and everywhere alike."""

import re
from decimal import Decimal
from math import floor, log10

from analyzer.errors import InvalidInput, shortened

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
_SIGNS = {1: "+", 0: "", -1: "−"}


def short(number: int, digits: int = 3) -> str:
    """A count with an SI prefix and that many significant digits, half up: 25557032 is "25.6 M"; exact below 1000."""
    if abs(number) < 1000:
        return str(number)
    magnitude = floor(log10(abs(number)))
    step = 10 ** (magnitude - digits + 1)
    rounded = (2 * abs(number) + step) // (2 * step) * step if step >= 1 else abs(number)
    power = min((len(str(rounded)) - 1) // 3, len(_PREFIXES) - 1)
    places = max(digits - (len(str(rounded)) - 3 * power), 0)
    sign = "-" if number < 0 else ""
    return f"{sign}{rounded / 1000**power:.{places}f} {_PREFIXES[power]}"


def exact(number: int) -> str:
    """A count with thousands separators: "25,557,032"."""
    return f"{number:,}"


def percent(part: float, whole: float, places: int = 1) -> str:
    """A share in per cent, without the sign: "58.6"; "0.0" of nothing."""
    return f"{100 * part / whole if whole else 0:.{places}f}"


def duration(ms: float, digits: int = 3) -> str:
    """Milliseconds with that many significant digits: "12.3 ms", "1,230 ms", below a tenth of one "85.3 µs"."""
    value, unit = (1000 * ms, "µs") if 0 < ms < 0.1 else (ms, "ms")
    return f"{significant(value, digits)} {unit}"


def significant(number: float, digits: int = 3) -> str:
    """A number that is not negative, with that many significant digits and no exponent: "0.123", "1,230"; "0" of 0."""
    if number <= 0:
        return "0"
    rounded = float(f"{number:.{digits - 1}e}")
    return f"{rounded:,.{max(digits - 1 - floor(log10(rounded)), 0)}f}"


def shape(dimensions: tuple[int, ...]) -> str:
    """(64, 56, 56) as "64×56×56"."""
    return "×".join(map(str, dimensions))


def size_bytes(number: int) -> str:
    """Bytes in binary units: "97.5 MiB"."""
    for scale, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if round(1024 * number / scale, 1) >= 1024:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"


def stage_label(stage: str) -> str:
    """A stage's key as prose: "stage1" as "stage 1", "transition2" as "transition 2"."""
    letters = stage.rstrip("0123456789")
    return f"{letters} {stage[len(letters) :]}".strip()


def ratio(value: float, reference: float) -> str:
    """`value` over `reference`: "0.98", "=" where equal, "–" where the reference is 0."""
    if value == reference:
        return "="
    if not reference:
        return "–"
    return f"{value / reference:,.0f}" if value >= 1000 * reference else f"{value / reference:#.3g}"


def signed(number: int) -> str:
    """A difference: "+1,024", "−528,128", "0"."""
    return f"{_SIGNS[(number > 0) - (number < 0)]}{exact(abs(number))}"


def signed_bytes(number: int) -> str:
    """A difference in bytes: "+25.1 MiB", "−512 B", "0"."""
    return f"{_SIGNS[(number > 0) - (number < 0)]}{size_bytes(abs(number))}" if number else "0"


_SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_COUNT_PATTERN = re.compile(r"([0-9]+(?:[._,][0-9]+)*(?:e[0-9]{1,2})?) ?(k|M|G|T|Ki|Mi|Gi)?B?", re.ASCII)


def parse_count(field: str, text: str) -> int:
    """A count with an SI or binary prefix, rounded down; InvalidInput, naming the field, where it is none."""
    match = _COUNT_PATTERN.fullmatch(text) if len(text) < 40 else None
    digits = match[1].replace("_", "").replace(",", "") if match else ""
    if match is None or digits.count(".") > 1:
        raise InvalidInput(f"{field}={shortened(text)}: must be a number such as 26M, 4.2G, 24GiB or 1000000.")
    return int(Decimal(digits) * _SCALES[match[2] or ""])
