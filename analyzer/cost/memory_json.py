"""Memory and training as the plain facts of `report --format json`."""

from typing import Any

from analyzer.cost.memory import memory
from analyzer.cost.network_costs import NetworkCosts
from analyzer.cost.training import NO_GRADIENT, transfer

_TRAINING = (
    "mode",
    "frozen_norm",
    "trainable_params",
    "forward_macs",
    "input_gradient_macs",
    "weight_gradient_macs",
    "stored_bytes",
)


def memory_facts(
    costs: NetworkCosts,
    batch_size: int = 1,
    dtype: str = "float32",
    trainable: str = "all",
    frozen_norm: bool = False,
) -> dict[str, Any]:
    """The object "memory": bytes in inference, and under "training" those and the MACs of training that mode.

    A dtype without gradients has no "training". InvalidInput as `memory` and `transfer` raise it.
    """
    inference = memory(costs, batch_size, dtype)
    facts: dict[str, Any] = {
        "batch_size": inference.batch_size,
        "dtype": inference.dtype,
        "params_bytes": inference.params_bytes,
        "buffers_bytes": inference.buffers_bytes,
        "peak_activation_bytes": inference.peak_bytes,
        "peak_path": inference.peak_path,
    }
    if dtype in NO_GRADIENT and trainable == "all":
        return facts
    transferred = transfer(costs, trainable, frozen_norm=frozen_norm, batch_size=batch_size, dtype=dtype)
    training = {name: getattr(transferred, name) for name in _TRAINING}
    return facts | {"training": training | {"peak_activation_bytes": transferred.peak_bytes}}


def budget_facts(costs: NetworkCosts, budget_bytes: int, batch_size: int = 1, dtype: str = "float32") -> dict[str, Any]:
    """The object "budget" of "memory": the largest batch and the deepest network that fit, each way of running.

    A dtype without gradients has no "training". InvalidInput as `fit_budget` raises it.
    """
    from analyzer.cost.memory_budget import fit_budget  # only a budget needs it

    ways = {"inference": False} if dtype in NO_GRADIENT else {"inference": False, "training": True}
    facts: dict[str, Any] = {"bytes": budget_bytes}
    for way, training in ways.items():
        fit = fit_budget(costs, budget_bytes, training=training, batch_size=batch_size, dtype=dtype)
        facts[way] = {
            "largest_batch": fit.largest_batch,
            "deepest": fit.deepest._asdict() | {"depths": list(fit.deepest.depths)} if fit.deepest else None,
        }
    return facts
