"""Memory and training as the plain facts of `report --format json`."""

from typing import Any

from analyzer.cost.analysis import Analysis
from analyzer.cost.memory import memory
from analyzer.cost.training import NO_GRADIENT, transfer


def memory_facts(
    analysis: Analysis, batch_size: int = 1, dtype: str = "float32", trainable: str = "all"
) -> dict[str, Any]:
    """The object "memory": bytes in inference, and under "training" those and the MACs of training that mode.

    A dtype without gradients has no "training". InvalidInput as `memory` and `transfer` raise it.
    """
    found = memory(analysis, batch_size, dtype)
    facts: dict[str, Any] = {
        "batch_size": found.batch_size,
        "dtype": found.dtype,
        "params_bytes": found.params_bytes,
        "buffers_bytes": found.buffers_bytes,
        "peak_activation_bytes": found.peak_bytes,
        "peak_path": found.peak_path,
    }
    if dtype in NO_GRADIENT and trainable == "all":
        return facts
    trained = transfer(analysis, trainable, batch_size=batch_size, dtype=dtype)
    names = ("mode", "trainable_params", "forward_macs", "input_gradient_macs", "weight_gradient_macs", "stored_bytes")
    training = {name: getattr(trained, name) for name in names}
    return facts | {"training": training | {"peak_activation_bytes": trained.peak_bytes}}
