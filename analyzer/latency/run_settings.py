"""How a network runs, measured or predicted: batch, precision and mode; and how thoroughly it is measured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, Self

from analyzer.errors import InvalidInput, shortened

TASKS = ("inference", "training")
EXECUTIONS = ("eager", "cuda_graph", "compiled")
LAYOUTS = ("contiguous", "channels_last")
PRECISIONS = ("float32", "amp", "amp_bfloat16", "float16", "bfloat16")
"""timm's names; amp is autocast to float16 on CUDA and to bfloat16 on the CPU, torch's own choice there."""

MAX_MEASURED_BATCH = 65_536

MODES = {
    "compiled": "compiled",
    "torchcompile": "compiled",
    "channels_last": "channels_last",
    "nhwc": "channels_last",
    "cuda_graph": "cuda_graph",
    "train": "training",
}
"""Option → the mode that it switches on."""

CACHES = ("auto", "warm", "flushed")
MAX_ITER = 1_000_000
MAX_SECONDS = 86_400.0
MAX_ATTEMPTS = 100
MIN_SAMPLES = 50
MIN_SECONDS = 1.0
FEW_SAMPLES = 10
"""Fewest samples of a cell that a bound of seconds cuts short."""


class RunSettings(NamedTuple):
    """How a network is run: images a batch, timm's name of the precision, and the modes that are switched on.

    Measurements state the same by name: `task`, `execution` and `layout`.
    """

    batch_size: int = 1
    precision: str = "float32"
    compiled: bool = False
    channels_last: bool = False
    cuda_graph: bool = False
    training: bool = False

    @classmethod
    def from_words(
        cls,
        *,
        task: str = "inference",
        execution: str = "eager",
        batch_size: int = 1,
        precision: str = "float32",
        layout: str = "contiguous",
    ) -> Self:
        """The settings of a measurement; InvalidInput for an unknown name, or a batch outside 1 to 65,536."""
        check_word("task", task, TASKS)
        check_word("execution", execution, EXECUTIONS)
        check_word("precision", precision, PRECISIONS)
        check_word("layout", layout, LAYOUTS)
        check_whole("batch_size", batch_size, 1, MAX_MEASURED_BATCH)
        compiled, cuda_graph = execution == "compiled", execution == "cuda_graph"
        return cls(batch_size, precision, compiled, layout == "channels_last", cuda_graph, task == "training")

    @property
    def task(self) -> str:
        """One of TASKS."""
        return "training" if self.training else "inference"

    @property
    def execution(self) -> str:
        """One of EXECUTIONS."""
        return "cuda_graph" if self.cuda_graph else "compiled" if self.compiled else "eager"

    @property
    def layout(self) -> str:
        """One of LAYOUTS."""
        return "channels_last" if self.channels_last else "contiguous"

    @property
    def autocast(self) -> bool:
        """Whether weights are float32 and computation is in 16 bits."""
        return self.precision.startswith("amp")

    @property
    def item_bytes(self) -> int:
        """Bytes of an activation."""
        return 4 if self.precision == "float32" else 2

    def to_dict(self) -> dict[str, Any]:
        """The settings of a measurement, as `from_words` takes them."""
        return {name: getattr(self, name) for name in ("task", "execution", "batch_size", "precision", "layout")}

    def require_device(self, kind: str) -> None:
        """InvalidInput where that kind of device, cpu or cuda, cannot run so."""
        if self.cuda_graph and kind != "cuda":
            raise InvalidInput(f"execution cuda_graph: needs --device cuda, not {kind}.")


def grid(
    tasks: Iterable[str],
    layouts: Iterable[str],
    precisions: Iterable[str],
    batch_sizes: Iterable[int],
    executions: Iterable[str],
) -> tuple[RunSettings, ...]:
    """Every combination once, the executions varying fastest; InvalidInput for an unknown value."""
    cells = product(tasks, layouts, precisions, batch_sizes, executions)
    return tuple(
        dict.fromkeys(
            RunSettings.from_words(task=task, execution=execution, batch_size=batch, precision=precision, layout=layout)
            for task, layout, precision, batch, execution in cells
        )
    )


def run_fields(options: Sequence[str]) -> Mapping[str, Any] | None:
    """The fields of RunSettings from the options after a device and a batch: one precision, and modes.

    None where an option is unknown, or two name a precision.
    """
    precisions = [option for option in options if option in PRECISIONS]
    modes = [option for option in options if option in MODES]
    if len(precisions) > 1 or len(precisions) + len(modes) < len(options):
        return None
    return {"precision": (precisions or ["float32"])[0], **{MODES[option]: True for option in modes}}


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """InvalidInput where a value is no whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(f"{name} {shortened(value)}: must be a whole number from {low} to {high}.")


def check_word(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """InvalidInput where a value is none of the allowed ones."""
    if value not in allowed:
        raise InvalidInput(f"{name} {shortened(value)!r}: must be one of {', '.join(allowed)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How thoroughly a network is measured: runs, samples, bounds in seconds, caches, and what else is timed.

    Without `num_bench_iter` a cell gets at least 50 samples and one second of them; with `cell_seconds` 50 in that many
    seconds suffice, and so do 10 that took that long, at least one second. `max_seconds` bounds the whole. The
    reference network, measured before and after each cell, guards against drift (None leaves it out);
    cells that drifted are measured again, `attempts` times in all.
    """

    num_warm_iter: int = 10
    num_bench_iter: int | None = None
    cell_seconds: float | None = None
    max_seconds: float | None = None
    caches: str = "auto"
    stages: bool = True
    reference: str | None = "resnet18"
    attempts: int = 1
    cudnn_benchmark: bool = True
    tf32: bool = True

    def __post_init__(self) -> None:
        check_whole("num_warm_iter", self.num_warm_iter, 1, MAX_ITER)
        if self.num_bench_iter is not None:
            check_whole("num_bench_iter", self.num_bench_iter, 1, MAX_ITER)
        check_whole("attempts", self.attempts, 1, MAX_ATTEMPTS)
        for name in ("cell_seconds", "max_seconds"):
            _check_seconds(name, getattr(self, name))
        check_word("caches", self.caches, CACHES)

    def enough(self, num_samples: int, sampled_ms: float) -> bool:
        """Whether this many samples, of this many milliseconds in all, suffice."""
        if self.num_bench_iter is not None:
            return num_samples >= self.num_bench_iter
        cell_seconds = self.cell_seconds
        if (
            cell_seconds is not None
            and num_samples >= FEW_SAMPLES
            and sampled_ms >= 1000 * max(MIN_SECONDS, cell_seconds)
        ):
            return True
        return num_samples >= MIN_SAMPLES and sampled_ms >= 1000 * min(MIN_SECONDS, cell_seconds or MIN_SECONDS)

    def num_samples(self, each_ms: float) -> int:
        """How many samples of about that length will be enough."""
        if self.num_bench_iter is not None:
            return self.num_bench_iter
        seconds = min(MIN_SECONDS, self.cell_seconds or MIN_SECONDS)
        default_count = max(MIN_SAMPLES, _at_least(1000 * seconds, each_ms))
        if self.cell_seconds is None:
            return min(default_count, MAX_ITER)
        max_ms = 1000 * max(MIN_SECONDS, self.cell_seconds)
        return min(default_count, max(FEW_SAMPLES, _at_least(max_ms, each_ms)), MAX_ITER)


def _at_least(total_ms: float, each_ms: float) -> int:
    return min(int(total_ms / each_ms) + 1, MAX_ITER) if each_ms > 0 else MAX_ITER


def _check_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_SECONDS:
        raise InvalidInput(f"{name} {shortened(value)}: must be a number of seconds over 0, at most {MAX_SECONDS:.0f}.")
