"""What a latency depends on besides the network: the machine, its state, the warm-up, and the checks on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Facts = dict[str, Any]

MAX_DRIFT = 0.02
"""Change of the reference network's median from which the records between are discarded."""

HOST_GAP = 0.05
"""Share of eager execution over the CUDA graph's from which the host, not the GPU, sets the pace."""

MAX_OTHERS_SHARE = 0.05
"""Share of the cores that other processes may use without a warning."""

THERMAL_REASONS = frozenset({"hw_slowdown", "hw_thermal_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown"})
"""Reasons for lower clocks that are faults; a power cap is a card's ordinary bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What all cells of one measurement share; None where a machine lacks it or does not report it.

    `machine` has the device's own facts: threads and cores of a CPU, CUDA, cuDNN and driver versions of a GPU.
    """

    device: str
    device_name: str
    clock: str
    torch: str
    python: str
    platform: str
    date: str
    machine: Facts
    num_warm_iter: int
    cudnn_benchmark: bool | None
    tf32: bool | None
    compile_mode: str = "default"
    mode: str = "inference: eval, inference_mode; training: train, SGD with momentum 0.9, cross-entropy"
    batch_norm_folded: bool = False
    input: str = "random normal, on the device, the same for every sample"
    weights: str = "random, batch norm's statistics from one batch"
    order: str = "variants by turns, whole network and parts by turns"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """Runs before the first sample; the first, with compilation and the choice of kernels, is stated separately."""

    num_runs: int
    seconds: float
    settled: bool
    first_run_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCheck:
    """Distance ‖output − reference‖ / ‖reference‖ from eager float32 without TF32 with the same weights.

    The bound is of roundings, as the network magnifies them; None where that is too much to judge by.
    """

    error: float | None
    bound: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether it is within the bound; an output that is not finite has no error and does not agree."""
        if self.error is None:
            return False
        return None if self.bound is None else self.error <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """The same network's median in eager execution and as one CUDA graph; `reason` where it could not be captured."""

    eager_ms: float
    graph_ms: float | None
    reason: str | None = None

    @property
    def ratio(self) -> float | None:
        """Eager over graph."""
        return self.eager_ms / self.graph_ms if self.graph_ms else None

    @property
    def host_bound(self) -> bool | None:
        """Whether eager execution waits for the host: more than 5 % over the graph's time."""
        return None if self.ratio is None else self.ratio > 1 + HOST_GAP


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceCheck:
    """The reference network's medians right before and right after, which show whether the machine drifted."""

    variant: str
    batch_size: int
    before_ms: float
    after_ms: float

    @property
    def drift(self) -> float:
        """After over before, less 1."""
        return self.after_ms / self.before_ms - 1 if self.before_ms else 0.0

    @property
    def discarded(self) -> bool:
        """Whether it drifted by more than 2 %, so that the records between do not count."""
        return abs(self.drift) > MAX_DRIFT


def disturbances(before: Facts, after: Facts) -> Iterator[str]:
    """What makes figures doubtful in the device's state before and after, a sentence each."""
    if before.get("nvml"):
        yield f"Clocks, throttling and other processes are not known: {before['nvml']}."
    reasons = sorted(
        THERMAL_REASONS & {*(before.get("throttle_reasons") or ()), *(after.get("throttle_reasons") or ())}
    )
    if reasons:
        yield f"The GPU lowered its clocks: {', '.join(reasons).replace('_', ' ')}."
    others = max(before.get("other_processes") or 0, after.get("other_processes") or 0)
    if others:
        yield f"{others} other process{'es' * (others > 1)} used the GPU."
    busy = others_share(before, after)
    if busy is not None and busy > MAX_OTHERS_SHARE:
        yield f"Other processes used {100 * busy:.0f} % of the cores."


def others_share(before: Facts, after: Facts) -> float | None:
    """Share of the cores' time that went to other processes between two states of a CPU."""
    names = ("clock_s", "busy_s", "own_s", "cores")
    if any(state.get(name) is None for state in (before, after) for name in names):
        return None
    elapsed = (after["clock_s"] - before["clock_s"]) * after["cores"]
    others = (after["busy_s"] - before["busy_s"]) - (after["own_s"] - before["own_s"])
    return min(max(others / elapsed, 0.0), 1.0) if elapsed > 0 else None
