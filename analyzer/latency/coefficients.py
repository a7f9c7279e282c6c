"""The numbers that `python -m tools.latency_fit` fitted and wrote: efficiencies, the host's cost, intervals."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from analyzer.latency.devices import Device
from analyzer.latency.rates import Rates
from analyzer.latency.roofline import Efficiencies
from analyzer.latency.run_settings import RunSettings

PATH = Path(__file__).with_name("coefficients.json")


class Coefficients(NamedTuple):
    """`classes`: efficiencies by class of device and mode; `host_us`: the host's microseconds a call.

    `intervals`: by kind of evidence the half width of the 90 % interval, as a logarithm. `known`: (device, precision,
    compiled, training) of the published tables that the efficiencies were fitted to.
    """

    classes: dict[str, Efficiencies]
    host_us: float
    intervals: dict[str, float]
    known: frozenset[tuple[str, str, bool, bool]]

    def knows(self, device: Device, run: RunSettings) -> bool:
        """Whether this device was measured in this mode; calls in 16 bits count as autocast's."""
        precision = run.precision if run.precision == "float32" else "amp"
        return (device.name, precision, run.compiled, run.training) in self.known

    def efficiencies(self, rates: Rates, run: RunSettings) -> Efficiencies:
        """The efficiencies of a device's class in a mode."""
        own = self.classes[class_of(rates)]
        if not run.training or not rates.gpu:
            return own
        trained, base = self.classes["training"], self.classes["gpu"]
        return trained._replace(tensor=trained.tensor * own.tensor / base.tensor)


def class_of(rates: Rates) -> str:
    """cpu; gpu: tensor cores since Ampere; old_tensor: those of Volta and Turing; float32: without tensor cores."""
    if not rates.gpu:
        return "cpu"
    return "float32" if not rates.tensor else "old_tensor" if rates.old else "gpu"


@cache
def coefficients() -> Coefficients:
    """The shipped numbers."""
    return coefficients_from(json.loads(PATH.read_text(encoding="utf-8")))


def coefficients_from(facts: dict[str, Any]) -> Coefficients:
    """The numbers of a coefficients file."""
    return Coefficients(
        classes={name: Efficiencies(**given) for name, given in facts["efficiencies"].items()},
        host_us=facts["host_us"],
        intervals=facts["intervals"],
        known=frozenset((name, precision, bool(c), bool(t)) for name, precision, c, t in facts["known"]),
    )
