"""The readings of a printed number as text for a terminal."""

import textwrap
from collections.abc import Iterator, Sequence

from analyzer.literature.reconcile import Reading, Reconciliation
from analyzer.text.units import exact, percent, shape

_WIDTH = 110
_KINDS = {"params": "parameters", "macs": "MACs or FLOPs", "activations": "activations", "bytes": "bytes"}


def reconcile_text(result: Reconciliation) -> str:
    """The answer for a terminal: the readings that give the number, or the nearest that do not."""
    network = f"{result.analysis.variant} at {shape(result.analysis.input_shape)}"
    number = result.number.text
    if result.known_error:
        error = result.known_error
        note = _wrapped(f"{error.source}: {error.note}.", "  ")
        return f"{network}: {number} is known not to be what this network has.\n\n{note}\n"
    if not result.matches:
        head = f"{network}: {number} is unexplained by {exact(result.num_readings)} readings. The nearest:"
        return (
            "\n\n".join([head, *(_entry(result, reading, _difference(result, reading)) for reading in result.nearest)])
            + "\n"
        )
    head = f"{network}: {number} is explained."
    entries = [_entry(result, reading, _likeness(result, reading)) for reading in result.matches]
    return "\n\n".join([head, *entries, *_doubt(result)]) + "\n"


def _entry(result: Reconciliation, reading: Reading, likeness: str) -> str:
    lines = [f"{exact(reading.figure)} {_KINDS[reading.kind]}{likeness}"]
    lines += _network_lines(result, reading)
    lines.append(_labelled("counts", reading.rules[0].description))
    lines.append(_labelled("so do", ", ".join(tool for rule in reading.rules for tool in rule.tools)))
    return "\n".join(lines)


def _network_lines(result: Reconciliation, reading: Reading) -> Iterator[str]:
    """What is different in the network, where it is another one or another input."""
    if reading.changes:
        size = "" if reading.input_shape == result.analysis.input_shape else f" at {shape(reading.input_shape)}"
        yield _labelled("network", f"{reading.expression}{size}: {reading.changes}")


def _labelled(label: str, text: str) -> str:
    return _wrapped(text, f"  {label:<9}")


def _wrapped(text: str, first: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)


def _likeness(result: Reconciliation, reading: Reading) -> str:
    number = result.number
    if number.exact:
        return ", to the unit"
    if number.about:
        return f", {_percent_off(result, reading)} from {number.text}"
    return f", {'rounded' if number.rounds(reading.figure) else 'cut off'} to {number.text}"


def _difference(result: Reconciliation, reading: Reading) -> str:
    text = f", {_percent_off(result, reading)}"
    if not result.number.exact:
        return text
    more = reading.figure - int(result.number.digits)
    return f"{text}: {exact(abs(more))} {'more' if more > 0 else 'fewer'}"


def _percent_off(result: Reconciliation, reading: Reading) -> str:
    off = result.number.relative_error(reading.figure)
    return f"{'+' if off > 0 else '−'}{percent(abs(float(off)), 1, 3)} %"


def _doubt(result: Reconciliation) -> Sequence[str]:
    """How little so few digits prove."""
    if result.number.exact or result.number.about:
        return []
    digits = result.number.significant
    plural = "s" if digits > 1 else ""
    share = percent(float(result.chance), 1, 0)
    agreement = f"{share} % of all numbers of {digits} digit{plural} within 30 % of this one agree with one of the "
    return [_wrapped(f"{agreement}{exact(result.num_readings)} readings tried.", "")]
