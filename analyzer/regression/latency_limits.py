"""Budgets of predicted latency: `latency:rtx4090@256:amp:compiled=5ms`."""

import re
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.latency.parse_target import latency_target
from analyzer.latency.predict import predict_latency
from analyzer.latency.run_settings import MODES, PRECISIONS, RunSettings, run_fields
from analyzer.latency.target import LatencyTarget
from analyzer.regression import Excess

_SCALES = {"": 1.0, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "s": 1e3}
_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|us|µs|s)?")


class LatencyBudget(NamedTuple):
    """Most milliseconds of one batch that a target may take, under the name that it was given."""

    name: str
    target: LatencyTarget
    ms: float

    def excess(self, key: str, analysis: Analysis) -> Excess | None:
        """What is predicted, where it is over the budget."""
        found = predict_latency(analysis, self.target)
        if found.ms <= self.ms:
            return None
        return Excess(key, self.name, self.ms, found.ms, (found.low_ms, found.high_ms), found.evidence)


def latency_budget(word: str, devices_file: str | None = None) -> LatencyBudget:
    """`latency:DEVICE@BATCH[:PRECISION][:MODE…]=TIME`; InvalidInput for another form or an unknown device or word."""
    name, equals, time = (part.strip() for part in word.partition("="))
    if not equals:
        raise _wrong(word)
    return LatencyBudget(name, _target(word, name, devices_file), _ms(name, time))


def _target(word: str, name: str, devices_file: str | None) -> LatencyTarget:
    kind, place, *words = name.split(":") if ":" in name else (name, "")
    device, _, batch = place.partition("@")
    given = run_fields(words)
    counted = re.fullmatch(r"[0-9]{1,9}", batch or "1", re.ASCII)
    if kind != "latency" or not device or not counted or given is None:
        raise _wrong(word)
    return latency_target(device.strip(), RunSettings(batch_size=int(batch or 1), **given), devices_file=devices_file)


def _wrong(word: str) -> InvalidInput:
    return InvalidInput(
        f"--max {shortened(word)!r}: must be latency:DEVICE@BATCH=TIME, as latency:rtx4090@256:amp:compiled=5ms; "
        f"after the batch may stand {', '.join((*PRECISIONS, *MODES))}."
    )


def _ms(name: str, text: str) -> float:
    found = _FORM.fullmatch(text)
    if found is None:
        raise InvalidInput(f"--max {shortened(name)}={shortened(text)}: must be a time such as 5ms, 800us or 1.2s.")
    return float(found[1]) * _SCALES[found[2] or ""]
