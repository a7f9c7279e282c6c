"""Latency predicted without the device: the kernels of a mode, a roofline for each, and a host term over all.

The time of a network is max(sum of its kernels' times, kernels × host time a kernel), so for a design space both sums
can be gathered from distinct blocks: `op_times_ms` gives them an op, and nothing else couples the ops.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory import checked_batch
from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph import Graph
from analyzer.latency.devices import Device, device_named
from analyzer.latency.kernels import Kernel, kernels_of
from analyzer.latency.prediction import KernelTime, Prediction, StageTime
from analyzer.latency.roofline import KernelCost, Run, kernel_cost

MARGIN = 0.10
"""Of a GPU's memory left to its context, workspaces and fragmentation when the largest batch is asked for."""

WIDE = 1.5
"""Factor either way of the interval where nothing was fitted."""


class OpTime(NamedTuple):
    """The time that an op's own kernels take, and how many those are."""

    path: str
    stage: str
    ms: float
    num_kernels: int


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
    float16, bfloat16. Raises InvalidInput as `analyze` does, and for an unknown device or a bad argument.
    """
    run = checked_run(Run(batch_size, precision, compiled, channels_last, cuda_graph, training))
    place = device if isinstance(device, Device) else device_named(device)
    return predict_analysis(analyze(variant, input_size), place, run, host_us=host_us)


def checked_run(run: Run) -> Run:
    """The run as given; InvalidInput for a bad batch size or precision."""
    checked_batch(run.batch_size)
    if run.precision not in PRECISIONS:
        raise InvalidInput(f"precision {shortened(run.precision)!r}: must be one of {', '.join(PRECISIONS)}.")
    return run


PRECISIONS = ("float32", "amp", "amp_bfloat16", "float16", "bfloat16")


def predict_analysis(analysis: Analysis, device: Device, run: Run, *, host_us: float | None = None) -> Prediction:
    """`predict_latency` of an analysis, for many devices or runs of one network."""
    kernels = kernels_of(analysis)
    costs = [kernel_cost(kernel, device, run) for kernel in kernels]
    device_ms = sum(cost.ms for cost in costs)
    host_ms = 0.0 if run.cuda_graph or device.kind == "cpu" else len(kernels) * (host_us or 0.0) / 1000
    scale = max(device_ms, host_ms) / device_ms
    return Prediction(
        variant=analysis.variant,
        fingerprint=analysis.fingerprint,
        input_shape=analysis.input_shape,
        device=device.name,
        **run._asdict(),
        ms=device_ms * scale,
        low_ms=device_ms * scale / WIDE,
        high_ms=device_ms * scale * WIDE,
        device_ms=device_ms,
        host_ms=host_ms,
        evidence="specs",
        stages=_stages(analysis, kernels, costs, run, scale),
        kernels=_kinds(kernels, costs, run, scale),
        max_batch_size=largest_batch(analysis, device, run),
    )


def _stages(
    analysis: Analysis, kernels: Sequence[Kernel], costs: Sequence[KernelCost], run: Run, scale: float
) -> tuple[StageTime, ...]:
    found = _grouped(kernels, costs, run, lambda kernel: analysis.rows[kernel.row].stage)
    return tuple(
        [
            StageTime(stage, scale * ms, scale * ms / WIDE**2, scale * ms * WIDE**2, bound, achieved, macs, size, count)
            for stage, (count, ms, bound, achieved, macs, size) in found.items()
        ]
    )


def _kinds(kernels: Sequence[Kernel], costs: Sequence[KernelCost], run: Run, scale: float) -> tuple[KernelTime, ...]:
    found = _grouped(kernels, costs, run, lambda kernel: kernel.kind)
    return tuple(
        [
            KernelTime(kind, count, scale * ms, bound, achieved, macs, size)
            for kind, (count, ms, bound, achieved, macs, size) in found.items()
        ]
    )


def _grouped(
    kernels: Sequence[Kernel], costs: Sequence[KernelCost], run: Run, key: Callable[[Kernel], str]
) -> dict[str, tuple[int, float, str, float, int, int]]:
    """Key → number of kernels, ms, bound, achieved fraction, MACs and bytes of the batch."""
    groups: dict[str, list[tuple[Kernel, KernelCost]]] = {}
    for kernel, cost in zip(kernels, costs, strict=True):
        groups.setdefault(key(kernel), []).append((kernel, cost))
    return {name: _summed(group, run) for name, group in groups.items()}


def _summed(group: list[tuple[Kernel, KernelCost]], run: Run) -> tuple[int, float, str, float, int, int]:
    ms = sum(cost.ms for _, cost in group)
    by_bound = {bound: sum(cost.ms for _, cost in group if cost.bound == bound) for bound in ("compute", "memory")}
    bound = max(by_bound, key=by_bound.__getitem__)
    ideal = sum(cost.compute_ms if bound == "compute" else cost.memory_ms for _, cost in group)
    macs = run.batch_size * sum(kernel.macs for kernel, _ in group)
    return len(group), ms, bound, ideal / ms if ms else 0.0, macs, sum(cost.bytes for _, cost in group)


def op_times_ms(analysis: Analysis, device: Device, run: Run, *, host_us: float | None = None) -> tuple[OpTime, ...]:
    """Each row's time, in the order of `analysis.rows`; they sum to the whole's `ms` and, by stage, to the stages'."""
    kernels = kernels_of(analysis)
    costs = [kernel_cost(kernel, device, run) for kernel in kernels]
    predicted = predict_analysis(analysis, device, run, host_us=host_us)
    scale = predicted.ms / predicted.device_ms
    times, counts = [0.0] * len(analysis.rows), [0] * len(analysis.rows)
    for kernel, cost in zip(kernels, costs, strict=True):
        times[kernel.row] += scale * cost.ms
        counts[kernel.row] += 1
    paths = [(row.path, row.stage) for row in analysis.rows]
    return tuple([OpTime(*path, *own) for path, own in zip(paths, zip(times, counts, strict=True), strict=True)])


def largest_batch(analysis: Analysis, device: Device, run: Run) -> int:
    """The largest batch that fits nine tenths of the device's memory; 0 where none does or the memory is not known."""
    from analyzer.cost.budget import largest_batch as fitting

    budget = int((1 - MARGIN) * device.mem_gb * 1e9)
    dtype = {"float16": "float16", "bfloat16": "bfloat16"}.get(run.precision, "float32")
    return fitting(analysis, budget, training=run.training, dtype=dtype) if budget else 0
