"""Where two texts disagree: words and whole numbers must be equal, other figures agree to a tolerance."""

import re
from itertools import zip_longest
from math import isclose

RELATIVE = 0.001
"""Part by which a figure may be off: processors and library versions round a fit's steps differently."""

_NUMBER = re.compile(r"([−-]?\b\d+(?:\.\d+)?\b)")


def disagreements(written: str, fresh: str) -> list[str]:
    """A sentence for each line of the written text that differs from the fresh one by more than rounding."""
    lines = zip_longest(written.splitlines(), fresh.splitlines(), fillvalue="")
    return [
        f"line {number}: {old.strip()!r} should be {new.strip()!r}"
        for number, (old, new) in enumerate(lines, 1)
        if not _agree(old, new)
    ]


def _agree(old: str, new: str) -> bool:
    """Whether two lines have the same words, and figures that are `close`."""
    parts = _NUMBER.split(old), _NUMBER.split(new)
    return len(parts[0]) == len(parts[1]) and all(
        close(*pair) if index % 2 else pair[0] == pair[1] for index, pair in enumerate(zip(*parts, strict=True))
    )


def close(old: str, new: str) -> bool:
    """Whether two figures differ by at most one in the last digit shown or by RELATIVE; whole numbers must be equal."""
    digits = max(len(figure.partition(".")[2]) for figure in (old, new))
    if old == new or digits == 0:
        return old == new
    values = [float(figure.replace("−", "-")) for figure in (old, new)]
    return isclose(*values, rel_tol=RELATIVE, abs_tol=1.001 * 10.0**-digits)
