"""A predicted latency as data: the whole, its stages and its kernels, with intervals; never mixed with measurements."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

BOUNDS = ("compute", "memory", "launch")
"""What kernels spend most of their time on: arithmetic, moving bytes, or being launched."""

EVIDENCE = {
    "known": "the model was fitted on measurements of this device in this mode",
    "calibrated": "a measurement on this device fixed its one factor",
    "specs": "only the device's data sheet is known",
}
"""Evidence class → what it means."""


class StageTime(NamedTuple):
    """A stage's predicted time for one batch, with its own 90 % interval, wider than the whole network's.

    `achieved` is the fraction of the device's peak rate that its arithmetic reaches; `macs` and `bytes` are of the
    whole batch, moved bytes counted once a kernel that reads or writes them.
    """

    stage: str
    ms: float
    low_ms: float
    high_ms: float
    bound: str
    achieved: float
    macs: int
    bytes: int
    num_kernels: int


class KernelTime(NamedTuple):
    """All kernels of one kind ("convolution", "batch norm", "fused pointwise", …) for one batch.

    `achieved` is the fraction of the peak rate where `bound` is "compute", otherwise of the memory bandwidth.
    """

    kind: str
    num_kernels: int
    ms: float
    bound: str
    achieved: float
    macs: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One network's predicted latency for one batch on one device, in milliseconds.

    `ms` is the longer of the device's time to compute, `device_ms`, and the host's to launch the kernels,
    `host_ms` (0 with a CUDA graph); stages and kernels sum to `ms`. `low_ms` to `high_ms` is the 90 % interval.
    """

    variant: str
    fingerprint: str
    input_shape: tuple[int, int, int]
    device: str
    batch_size: int
    precision: str
    compiled: bool
    channels_last: bool
    cuda_graph: bool
    training: bool
    ms: float
    low_ms: float
    high_ms: float
    device_ms: float
    host_ms: float
    evidence: str
    stages: tuple[StageTime, ...]
    kernels: tuple[KernelTime, ...]
    max_batch_size: int

    @property
    def images_per_second(self) -> float:
        """Throughput in images a second."""
        return 1000 * self.batch_size / self.ms

    @property
    def host_bound(self) -> bool:
        """Whether launching the kernels takes longer than computing them."""
        return self.host_ms > self.device_ms

    @property
    def num_kernels(self) -> int:
        """Kernels that one batch launches."""
        return sum(kernel.num_kernels for kernel in self.kernels)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of a prediction."""
        fields = asdict(self) | {"stages": [stage._asdict() for stage in self.stages]}
        fields["kernels"] = [kernel._asdict() for kernel in self.kernels]
        derived = {"images_per_second": self.images_per_second, "host_bound": self.host_bound}
        return {"schema": 1, "kind": "predicted", **fields, **derived, "input_shape": list(self.input_shape)}
