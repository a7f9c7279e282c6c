"""Robust least squares on the logarithm of the error, and the steps that give every shipped number."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from analyzer.latency.predict.breakdown import kernel_list
from analyzer.latency.predict.devices import rates
from analyzer.latency.predict.roofline import Efficiencies
from tools.latency_fit.arrays import Batch, Vector
from tools.latency_fit.tables import PublishedLatency, read_cases, training_cases

GPU = ("tensor", "memory", "stem", "nchw", "norm")
ONE_DEVICE = GPU[:-1]
"""With rows of one device alone, batch norm's element rate is inseparable from the bandwidth: there it has no bound."""

NO_BOUND = 1000.0

TRAINING = ("tensor", "memory")
CPU = ("tensor", "memory", "cached", "reordered", "copied", "launch_us")

START = Efficiencies(tensor=1.0, memory=0.8, stem=3.0, nchw=0.8, norm=1.5, launch_us=3.0)
CPU_START = Efficiencies(tensor=1.0, memory=0.1, cached=0.5, reordered=0.1, copied=0.03, launch_us=5.0)

UPPER_BOUNDS = {"tensor": 2.0}
"""Bounds from above, 1000 by default: no clock is twice the one that a peak is stated at."""

LEAST = -7.0
"""The logarithm that bounds every efficiency from below."""

UNSEEN = 0.001
"""Change of a time, as a logarithm, that no published table has the digits to show."""

LARGE = 64
"""Batches from which the GPU, not the host, sets NVIDIA's times."""

SMALL = 8
"""Batches up to which the host sets NVIDIA's times on the V100."""

LOSS_SCALE = 0.05
"""Error from which a row's pull on the fit grows slower (`f_scale` of SciPy's soft_l1)."""


class FittedModel(NamedTuple):
    """Everything that is fitted: efficiencies by class, and the host's microseconds a call."""

    classes: dict[str, Efficiencies]
    host_us: float


def fit_efficiencies(batch: Batch, start: Efficiencies, free: Sequence[str]) -> Efficiencies:
    """The `free` efficiencies that fit the batch best, to four digits; others as in `start`.

    A free one that no row of the batch depends on is not fitted: it gets its default (a share's is 1, the peak), not
    `start`'s value, which was chosen with every row in view and would leak the held-out rows into the fit.
    """
    fitted_names = identified(batch, start, free)
    start = start._replace(**{name: Efficiencies._field_defaults[name] for name in free if name not in fitted_names})
    initial = np.log([getattr(start, name) for name in fitted_names])
    bounds = LEAST, [_most(name) for name in fitted_names]

    def errors(logs: Vector) -> Vector:
        return batch.errors(_with_values(start, fitted_names, logs))

    solution = least_squares(errors, initial, loss="soft_l1", f_scale=LOSS_SCALE, bounds=bounds)
    return start._replace(
        **{name: round_significant(value) for name, value in zip(fitted_names, np.exp(solution.x), strict=True)}
    )


def identified(batch: Batch, start: Efficiencies, free: Sequence[str]) -> tuple[str, ...]:
    """Those of the `free` efficiencies that change some row's time on the way from bound to bound.

    Without such a row, least squares have no slope to follow and return whatever rounding makes of it, which differs
    by machine. In a time, an efficiency acts in one direction, so its two bounds show its whole effect.
    """

    def spread(name: str) -> float:
        ends = [batch.log_predicted(_with_values(start, [name], [end])) for end in (LEAST, _most(name))]
        return float(np.max(np.abs(ends[1] - ends[0])))

    return tuple(name for name in free if spread(name) > UNSEEN)


def _with_values(start: Efficiencies, names: Sequence[str], logs: Vector | Sequence[float]) -> Efficiencies:
    return start._replace(**dict(zip(names, np.exp(logs).tolist(), strict=True)))


def _most(name: str) -> float:
    return float(np.log(UPPER_BOUNDS.get(name, 1000.0)))


def round_significant(value: float, digits: int = 4) -> float:
    """A number to that many significant digits."""
    return float(f"{value:.{digits}g}")


def inference_cases() -> list[PublishedLatency]:
    """Inference rows of timm on GPUs."""
    return [case for case in read_cases("timm_inference") if case.device.kind == "gpu"]


def cpu_cases() -> list[PublishedLatency]:
    """Inference rows of timm on the CPU."""
    return [case for case in read_cases("timm_inference") if case.device.kind == "cpu"]


def nvidia_cases(device: str, precision: str, min_batch: int = 1, max_batch: int = 1024) -> list[PublishedLatency]:
    """NVIDIA's ResNet-50 rows of a device and precision, with batches from `min_batch` to `max_batch`."""
    return [
        case
        for case in read_cases("nvidia_resnet50")
        if device in case.device.name
        and case.run.precision == precision
        and min_batch <= case.run.batch_size <= max_batch
    ]


def graph_cases() -> list[PublishedLatency]:
    """Our own runs on the H100 as CUDA graphs at batch 1 and 8, where what each kernel costs at least shows."""
    return [case for case in read_cases("measured") if case.run.cuda_graph and case.device.name == "H100 SXM"]


def fit_all() -> FittedModel:
    """Fit every number, each after those that it depends on."""
    timm, graphs = Batch(inference_cases()), Batch(graph_cases())
    gpu = START
    for _ in range(3):
        gpu = fit_efficiencies(graphs, fit_efficiencies(timm, gpu, GPU), ("launch_us",))
    gpu = fit_efficiencies(timm, gpu, GPU)
    volta = {
        name: fit_efficiencies(Batch(nvidia_cases("V100", precision, min_batch=LARGE)), gpu, ("tensor",))
        for name, precision in (("old_tensor", "amp"), ("float32", "float32"))
    }
    training = fit_efficiencies(Batch(training_cases()), gpu, TRAINING)
    cpu = fit_efficiencies(Batch(cpu_cases()), CPU_START, CPU)
    return FittedModel({"gpu": gpu, **volta, "training": training, "cpu": cpu}, fit_host())


def fit_host() -> float:
    """Microseconds a call on NVIDIA's host: the median over its small batches on the V100."""
    cases = [case for precision in ("float32", "amp") for case in nvidia_cases("V100", precision, max_batch=SMALL)]
    return round_significant(float(np.median([1000 * case.batch_ms / calls_of(case) for case in cases])))


def calls_of(case: PublishedLatency) -> int:
    """Kernels that the host launches one by one."""
    return kernel_list(case.analysis, case.run, rates(case.device, case.run.precision)).calls
