"""Latency predicted without the device: the kernels of a mode, a roofline for each, and a host term over all.

A network's time is max(sum of its kernels' times, calls · host cost). Both are sums over ops, so a design space can
gather them from distinct blocks: `op_times_ms` gives every op's share. Only fusion reaches over a block's border, and a
fused kernel's time is given to the last op in it.
"""

from math import exp, fsum, hypot, log
from pathlib import Path
from typing import NamedTuple

from analyzer.cost import memory_budget
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory import checked_batch
from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph import Graph
from analyzer.latency.breakdown import Scaling, device_ms, kind_times, row_times, spent, stage_times
from analyzer.latency.coefficients import Coefficients, coefficients
from analyzer.latency.devices import Device, device_named
from analyzer.latency.modes import launched
from analyzer.latency.plan import PRECISIONS
from analyzer.latency.prediction import Prediction
from analyzer.latency.rates import rates
from analyzer.latency.roofline import Run
from analyzer.latency.uncertainty import evidence_of, interval, spread

MAX_HOST_US = 10_000

MARGIN = 0.10
"""Of a GPU's memory left to its context, workspaces and fragmentation when the largest batch is asked for."""


class OpTime(NamedTuple):
    """The time that an op's own kernels take, and how many those are."""

    path: str
    stage: str
    ms: float
    num_kernels: int


class Total(NamedTuple):
    """A whole network's time for one batch with its 90 % interval."""

    ms: float
    low_ms: float
    high_ms: float
    device_ms: float
    host_ms: float
    evidence: str

    @property
    def host_bound(self) -> bool:
        """Whether starting the kernels takes longer than computing them."""
        return self.host_ms > self.device_ms


def predict_latency(
    variant: "str | Spec | Graph | Network",
    *,
    device: str | Device,
    batch_size: int = 1,
    precision: str = "float32",
    compiled: bool = False,
    channels_last: bool = False,
    cuda_graph: bool = False,
    training: bool = False,
    input_size: Size | None = None,
    calibration: str | Path | None = None,
    host_us: float | None = None,
) -> Prediction:
    """Predict one batch's latency in milliseconds on a device that need not be here, whole, by stage and by kernel.

    `device` is a name of `devices()` in any spelling, or a Device; `precision` one of float32, amp, amp_bfloat16,
    float16, bfloat16 (float32 convolutions run in TF32 on GPUs that have it, PyTorch's default). `calibration` is a
    measured record or a table with timm's columns, `host_us` the host's microseconds a call. Raises InvalidInput as
    `analyze` does, and for an unknown device or a bad argument.
    """
    run = checked_run(Run(batch_size, precision, compiled, channels_last, cuda_graph, training))
    place = device if isinstance(device, Device) else device_named(device)
    factor = None
    if calibration is not None:
        from analyzer.latency.calibration import calibrated_factor  # only a calibration needs it

        factor = calibrated_factor(calibration, place, run)
    return predict_analysis(analyze(variant, input_size), place, run, factor=factor, host_us=checked_host(host_us))


def checked_run(run: Run) -> Run:
    """The run as given; InvalidInput for a bad batch size or precision, or a mode that is not modelled."""
    checked_batch(run.batch_size)
    if run.precision not in PRECISIONS:
        raise InvalidInput(f"precision {shortened(run.precision)!r}: must be one of {', '.join(PRECISIONS)}.")
    if run.training and run.compiled:
        raise InvalidInput("compiled: a compiled training step is not predicted, only an eager one.")
    return run


def checked_host(host_us: float | None) -> float | None:
    """The host's microseconds a call as given; InvalidInput below 0 or above 10,000."""
    if host_us is not None and not 0 <= host_us <= MAX_HOST_US:
        raise InvalidInput(f"host_us {shortened(host_us)}: must be microseconds from 0 to {MAX_HOST_US:,}.")
    return host_us


def predict_analysis(
    analysis: Analysis,
    device: Device,
    run: Run,
    *,
    factor: float | None = None,
    host_us: float | None = None,
    with_memory: bool = True,
) -> Prediction:
    """`predict_latency` of an analysis, for many devices or runs of one network.

    `factor` is a calibration's. Without `with_memory` no largest batch is worked out, and it is 0.
    """
    known = coefficients()
    found = spent(analysis, device, run, known)
    kernels_ms = fsum([each.ms for each in found])
    total = _total(analysis, device, run, known, kernels_ms, factor, host_us)
    scaling = Scaling(total.ms / kernels_ms, *_stage_spans(total, known.intervals["stage"]), total.host_bound)
    return Prediction(
        variant=analysis.variant,
        fingerprint=analysis.fingerprint,
        input_shape=analysis.input_shape,
        device=device.name,
        **run._asdict(),
        ms=total.ms,
        low_ms=total.low_ms,
        high_ms=total.high_ms,
        device_ms=total.device_ms,
        host_ms=total.host_ms,
        evidence=total.evidence,
        stages=stage_times(analysis, found, run, scaling),
        kernels=kind_times(found, run, scaling),
        max_batch_size=largest_batch(analysis, device, run) if with_memory else 0,
    )


def _stage_spans(total: Total, half_width: float) -> tuple[float, float]:
    """A stage's low and high over its time: the whole's, each widened by what a stage's share is uncertain by."""
    below, above = log(total.ms / total.low_ms), log(total.high_ms / total.ms)
    return exp(-hypot(below, half_width)), exp(hypot(above, half_width))


def predict_total(
    analysis: Analysis, device: Device, run: Run, *, factor: float | None = None, host_us: float | None = None
) -> Total:
    """The whole's time and interval alone, for sweeps: a third of the work of `predict_analysis`."""
    known = coefficients()
    return _total(analysis, device, run, known, device_ms(analysis, device, run, known), factor, host_us)


def _total(
    analysis: Analysis,
    device: Device,
    run: Run,
    known: Coefficients,
    kernels_ms: float,
    factor: float | None,
    host_us: float | None,
) -> Total:
    own_ms = kernels_ms * (1.0 if factor is None else factor)
    host_ms = _host_ms(analysis, device, run, known.host_us if host_us is None else host_us)
    evidence = evidence_of(known, device, run, factor is not None)
    half_width = spread(known, device, run, evidence)
    low, high = interval(known, own_ms, host_ms, half_width, host_us is not None)
    return Total(max(own_ms, host_ms), low, high, own_ms, host_ms, evidence)


def _host_ms(analysis: Analysis, device: Device, run: Run, host_us: float) -> float:
    """What the host takes to start the kernels one by one; nothing for a CPU, whose ops start themselves."""
    if run.cuda_graph or device.kind == "cpu":
        return 0.0
    return launched(analysis, run, rates(device, run.precision)).calls * host_us / 1000


def op_times_ms(
    analysis: Analysis, device: Device, run: Run, *, factor: float | None = None, host_us: float | None = None
) -> tuple[OpTime, ...]:
    """Each row's time, in the order of `analysis.rows`; they sum to the whole's `ms` and, by stage, to the stages'."""
    times = row_times(analysis, device, run, coefficients())
    scale = predict_total(analysis, device, run, factor=factor, host_us=host_us).ms / fsum([ms for ms, _ in times])
    pairs = zip(analysis.rows, times, strict=True)
    return tuple([OpTime(row.path, row.stage, scale * ms, count) for row, (ms, count) in pairs])


def largest_batch(analysis: Analysis, device: Device, run: Run) -> int:
    """The largest batch that fits nine tenths of the device's memory; 0 where none does or its size is not known."""
    dtype = run.precision if run.precision in ("float16", "bfloat16") else "float32"
    budget = int((1 - MARGIN) * device.mem_gb * 1e9)
    return memory_budget.largest_batch(analysis, budget, training=run.training, dtype=dtype) if budget else 0
