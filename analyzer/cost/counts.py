"""Counts as people write them: 4.2G, 26_000_000, 24GiB."""

import re
from decimal import Decimal

from analyzer.errors import InvalidInput, shortened

_SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_FORM = re.compile(r"([0-9]+(?:[._,][0-9]+)*(?:e[0-9]{1,2})?) ?(k|M|G|T|Ki|Mi|Gi)?B?", re.ASCII)


def count_of(field: str, text: str) -> int:
    """A count with an SI or binary prefix, rounded down; InvalidInput, naming the field, where it is none."""
    found = _FORM.fullmatch(text) if len(text) < 40 else None
    digits = found[1].replace("_", "").replace(",", "") if found else ""
    if found is None or digits.count(".") > 1:
        raise InvalidInput(f"{field}={shortened(text)}: must be a number such as 26M, 4.2G, 24GiB or 1000000.")
    return int(Decimal(digits) * _SCALES[found[2] or ""])
