"""What a printed number is, as text."""

import textwrap
from collections.abc import Iterator, Sequence

from analyzer.literature.reconcile import Reading, Reconciliation
from analyzer.text.units import exact, percent, shape

_WIDTH = 110
_KINDS = {"params": "parameters", "macs": "MACs or FLOPs", "activations": "activations", "bytes": "bytes"}


def reconcile_text(found: Reconciliation) -> str:
    """The answer for a terminal: the readings that give the number, or the nearest that do not."""
    network = f"{found.analysis.variant} at {shape(found.analysis.input_shape)}"
    number = found.number.text
    if found.known_error:
        error = found.known_error
        told = _wrapped(f"{error.source}: {error.note}.", "  ")
        return f"{network}: {number} is known not to be what this network has.\n\n{told}\n"
    if not found.matches:
        head = f"{network}: {number} is unexplained by {exact(found.num_readings)} readings. The nearest:"
        return (
            "\n\n".join([head, *(_entry(found, reading, _difference(found, reading)) for reading in found.nearest)])
            + "\n"
        )
    head = f"{network}: {number} is explained."
    entries = [_entry(found, reading, _likeness(found, reading)) for reading in found.matches]
    return "\n\n".join([head, *entries, *_doubt(found)]) + "\n"


def _entry(found: Reconciliation, reading: Reading, likeness: str) -> str:
    lines = [f"{exact(reading.figure)} {_KINDS[reading.kind]}{likeness}"]
    lines += _network_lines(found, reading)
    lines.append(_labelled("counts", reading.rules[0].description))
    lines.append(_labelled("so do", ", ".join(tool for rule in reading.rules for tool in rule.tools)))
    return "\n".join(lines)


def _network_lines(found: Reconciliation, reading: Reading) -> Iterator[str]:
    """What is different in the network, where it is another one or another input."""
    if reading.changes:
        size = "" if reading.input_shape == found.analysis.input_shape else f" at {shape(reading.input_shape)}"
        yield _labelled("network", f"{reading.expression}{size}: {reading.changes}")


def _labelled(label: str, text: str) -> str:
    return _wrapped(text, f"  {label:<9}")


def _wrapped(text: str, first: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)


def _likeness(found: Reconciliation, reading: Reading) -> str:
    number = found.number
    if number.exact:
        return ", to the unit"
    if number.about:
        return f", {_percent_off(found, reading)} from {number.text}"
    return f", {'rounded' if number.rounds(reading.figure) else 'cut off'} to {number.text}"


def _difference(found: Reconciliation, reading: Reading) -> str:
    told = f", {_percent_off(found, reading)}"
    if not found.number.exact:
        return told
    more = reading.figure - int(found.number.digits)
    return f"{told}: {exact(abs(more))} {'more' if more > 0 else 'fewer'}"


def _percent_off(found: Reconciliation, reading: Reading) -> str:
    off = found.number.relative_error(reading.figure)
    return f"{'+' if off > 0 else '−'}{percent(abs(float(off)), 1, 3)} %"


def _doubt(found: Reconciliation) -> Sequence[str]:
    """How little so few digits prove."""
    if found.number.exact or found.number.about:
        return []
    digits = found.number.significant
    plural = "s" if digits > 1 else ""
    share = percent(float(found.chance), 1, 0)
    told = f"{share} % of all numbers of {digits} digit{plural} within 30 % of this one agree with one of the "
    return [_wrapped(f"{told}{exact(found.num_readings)} readings tried.", "")]
