"""How a network runs, measured or predicted alike: batch, precision and mode; and the words for it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, Self

from analyzer.errors import InvalidInput, shortened

TASKS = ("inference", "training")
EXECUTIONS = ("eager", "cuda_graph", "compiled")
LAYOUTS = ("contiguous", "channels_last")
PRECISIONS = ("float32", "amp", "amp_bfloat16", "float16", "bfloat16")
"""timm's words; amp is autocast to float16 on CUDA and to bfloat16 on the CPU, torch's own choice there."""

MAX_MEASURED_BATCH = 65_536

MODES = {
    "compiled": "compiled",
    "torchcompile": "compiled",
    "channels_last": "channels_last",
    "nhwc": "channels_last",
    "cuda_graph": "cuda_graph",
    "train": "training",
}
"""Word → the mode that it switches on."""


class RunSettings(NamedTuple):
    """How a network is run: images a batch, timm's word for the precision, and the modes that are switched on.

    Measurements say the same in words: `task`, `execution` and `layout`.
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
        """The settings of a measurement; InvalidInput for a word that is none, or a batch outside 1 to 65,536."""
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
        """Whether weights are float32 and computed with in 16 bits."""
        return self.precision.startswith("amp")

    @property
    def item_bytes(self) -> int:
        """Bytes of an activation."""
        return 4 if self.precision == "float32" else 2

    def to_dict(self) -> dict[str, Any]:
        """The words of a measurement, as `from_words` takes them."""
        return {name: getattr(self, name) for name in ("task", "execution", "batch_size", "precision", "layout")}

    def require_device(self, kind: str) -> None:
        """InvalidInput where that kind of device, cpu or cuda, has no such thing."""
        if self.cuda_graph and kind != "cuda":
            raise InvalidInput(f"execution cuda_graph: needs --device cuda, not {kind}.")


def grid(
    tasks: Iterable[str],
    layouts: Iterable[str],
    precisions: Iterable[str],
    batch_sizes: Iterable[int],
    executions: Iterable[str],
) -> tuple[RunSettings, ...]:
    """Every combination once, the executions varying fastest; InvalidInput for a value that is none."""
    cells = product(tasks, layouts, precisions, batch_sizes, executions)
    return tuple(
        dict.fromkeys(
            RunSettings.from_words(task=task, execution=execution, batch_size=batch, precision=precision, layout=layout)
            for task, layout, precision, batch, execution in cells
        )
    )


def run_fields(words: Sequence[str]) -> Mapping[str, Any] | None:
    """The fields of RunSettings that words after a device and a batch say: one precision, and modes.

    None where a word is none of these, or two name a precision.
    """
    precisions = [each for each in words if each in PRECISIONS]
    modes = [each for each in words if each in MODES]
    if len(precisions) > 1 or len(precisions) + len(modes) < len(words):
        return None
    return {"precision": (precisions or ["float32"])[0], **{MODES[each]: True for each in modes}}


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """InvalidInput where a value is no whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(f"{name} {shortened(value)}: must be a whole number from {low} to {high}.")


def check_word(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """InvalidInput where a value is none of the words that are allowed."""
    if value not in allowed:
        raise InvalidInput(f"{name} {shortened(value)!r}: must be one of {', '.join(allowed)}.")
