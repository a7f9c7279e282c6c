"""Numbers as people read them, formatted once and everywhere alike."""

_PREFIXES = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def short(number: float, digits: int = 3) -> str:
    """A count with an SI prefix and a number of significant digits, half up: 25557032 is "25.6 M"; exact below 1000."""
    for scale, prefix in _PREFIXES:
        if abs(number) >= scale:
            return _scaled(number / scale, prefix, digits)
    return f"{number:d}" if isinstance(number, int) else f"{number:.{digits}g}"


def _scaled(value: float, prefix: str, digits: int) -> str:
    whole = len(str(int(abs(value))))
    text = f"{value:.{max(digits - whole, 0)}f}"
    rounded_up = len(text.lstrip("-").partition(".")[0]) > whole
    if rounded_up and digits > whole:
        text = text[:-1].removesuffix(".")
    return f"{text} {prefix}"


def exact(number: int) -> str:
    """A count with thousands separators: "25,557,032"."""
    return f"{number:,}"


def percent(part: float, whole: float, places: int = 1) -> str:
    """A share in per cent, without the sign: "58.6"; "0.0" of nothing."""
    return f"{100 * part / whole if whole else 0:.{places}f}"


def shape(dimensions: tuple[int, ...]) -> str:
    """(64, 56, 56) as "64×56×56"."""
    return "×".join(map(str, dimensions))


def size_bytes(number: int) -> str:
    """Bytes in binary units: "97.5 MiB"."""
    for scale, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"


def stage_words(stage: str) -> str:
    """A stage's key as prose: "stage1" as "stage 1", "transition2" as "transition 2"."""
    letters = stage.rstrip("0123456789")
    return f"{letters} {stage[len(letters):]}".strip()
