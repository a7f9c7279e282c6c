"""Memory and training as markdown: what a network needs, where the peak is, and what transfer learning saves."""

from collections.abc import Sequence

from analyzer.cost.analysis import Analysis
from analyzer.cost.memory import LiveStorage, Memory, memory
from analyzer.cost.memory_budget import COPIES, largest_batches
from analyzer.cost.memory_json import budget_facts
from analyzer.cost.training import NO_GRADIENT, Training, transfer
from analyzer.families.spec import MAX_OPS
from analyzer.text.tables import markdown_table
from analyzer.text.units import exact, percent, shape, short, size_bytes, stage_label

MEMORY_CONVENTION = (
    "Activations are what an eager run asks torch's allocator for, the image included: ReLU and addition in place "
    "where they may, a concat's inputs alive until it is done, the input of a stage or block until the whole of it is "
    "done; without kernels' scratch space. Stored for training is what autograd keeps until the backward pass, each "
    "storage once. MACs of training: neither gradient is computed where nothing that learns needs it."
)

_BUDGET_WORDS = (
    f"Training is SGD with momentum: {COPIES} × the parameters, and the peak of activations in the forward pass. The "
    f"deepest network has its further blocks in the stage with the most, within the bound of {MAX_OPS:,} ops; – where "
    "even one block is too much, or where blocks cannot be added."
)
_DTYPES = ("float32", "float16", "float64", "int8")
_WORDS = {"float16": "float16, bfloat16"}
_BUDGETS = (8, 24, 80)
"""GiB of common accelerators."""


def memory_section(analysis: Analysis, batch_size: int = 1, dtype: str | None = None) -> str:
    """Bytes by dtype (or of the one given), what lives at the peak, stored bytes by stage, the batches that fit."""
    dtypes = (dtype,) if dtype else _DTYPES
    memories = [memory(analysis, batch_size, name) for name in dtypes]
    parts = [_byte_table(analysis, memories), _peak_words(memories[0])]
    if dtypes[0] not in NO_GRADIENT:
        training = transfer(analysis, batch_size=batch_size, dtype=dtypes[0])
        parts += [_training_words(training), _stage_table(training)]
    return "\n\n".join([*parts, _batch_words(analysis, dtypes[0]), MEMORY_CONVENTION])


def transfer_section(
    analysis: Analysis, mode: str, batch_size: int = 1, dtype: str = "float32", frozen_norm: bool = False
) -> str:
    """What training in a mode of transfer learning costs, by stage and beside training everything."""
    training = transfer(analysis, mode, frozen_norm=frozen_norm, batch_size=batch_size, dtype=dtype)
    whole = transfer(analysis, batch_size=batch_size, dtype=dtype)
    heads = ["training", "parameters that learn", "backward MACs", "stored", "peak of activations"]
    rows = [[_mode_words(way), *_training_cells(way)] for way in dict.fromkeys((training, whole))]
    return "\n\n".join(
        [
            f"{_batch(batch_size).capitalize()}, {dtype}.",
            markdown_table(heads, rows, "lrrrr"),
            _stage_table(training),
            MEMORY_CONVENTION,
        ]
    )


def _mode_words(training: Training) -> str:
    return f"`{training.mode}`{', batch norm frozen' if training.frozen_norm else ''}"


def budget_section(analysis: Analysis, budget_bytes: int, batch_size: int = 1, dtype: str = "float32") -> str:
    """The largest batch and the deepest network that a budget of bytes holds, in inference and in training."""
    facts = budget_facts(analysis, budget_bytes, batch_size, dtype)
    ways = [way for way in ("inference", "training") if way in facts]
    deepest = [facts[way]["deepest"] or {} for way in ways]
    rows = [
        ["largest batch", *(exact(facts[way]["largest_batch"]) for way in ways)],
        [f"deepest, {_batch(batch_size)}", *(f"`{network['expression']}`" if network else "–" for network in deepest)],
        ["it needs", *(size_bytes(network["needed_bytes"]) if network else "–" for network in deepest)],
    ]
    return "\n\n".join(
        [
            markdown_table(["what fits", *ways], rows, "l" + "r" * len(ways)),
            f"In {dtype}. {_BUDGET_WORDS}",
            MEMORY_CONVENTION,
        ]
    )


def _training_cells(training: Training) -> list[str]:
    return [
        exact(training.trainable_params),
        exact(training.backward_macs),
        size_bytes(training.stored_bytes),
        size_bytes(training.peak_bytes),
    ]


def _byte_table(analysis: Analysis, memories: Sequence[Memory]) -> str:
    batch = _batch(memories[0].batch_size)
    rows = {
        "parameters": [size_bytes(memory.params_bytes) for memory in memories],
        "buffers": [size_bytes(memory.buffers_bytes) for memory in memories],
        f"peak of activations in inference, {batch}": [size_bytes(memory.peak_bytes) for memory in memories],
        f"stored for training, {batch}": [_stored(analysis, memory) for memory in memories],
    }
    heads = ["bytes", *(_WORDS.get(memory.dtype, memory.dtype) for memory in memories)]
    return markdown_table(heads, [[name, *cells] for name, cells in rows.items()], "l" + "r" * len(memories))


def _stored(analysis: Analysis, memory: Memory) -> str:
    if memory.dtype in NO_GRADIENT:
        return "–"
    return size_bytes(transfer(analysis, batch_size=memory.batch_size, dtype=memory.dtype).stored_bytes)


def _peak_words(memory: Memory) -> str:
    alive = " · ".join(_alive_words(storage) for storage in memory.alive)
    peak = f"{exact(memory.peak_bytes)} B in {memory.dtype}"
    return f"The peak in inference is during `{memory.peak_path}` ({peak}): {alive}."


def _alive_words(storage: LiveStorage) -> str:
    name = "the image" if storage.path == "input" else f"`{storage.path}`"
    return f"{name} {shape(storage.shape)} {size_bytes(storage.bytes)}"


def _training_words(training: Training) -> str:
    ratio = training.macs / max(training.forward_macs, 1)
    return (
        f"Training takes {exact(training.macs)} MACs an image, {ratio:.2f} × the forward pass: "
        f"forward {exact(training.forward_macs)}, input gradients {exact(training.input_gradient_macs)}, "
        f"weight gradients {exact(training.weight_gradient_macs)}."
    )


def _stage_table(training: Training) -> str:
    heads = ["stage", "parameters that learn", "backward MACs", "%", "stored for training", "%"]
    rows = [
        [
            stage_label(stage.stage),
            exact(stage.trainable_params),
            short(stage.backward_macs),
            percent(stage.backward_macs, training.backward_macs),
            size_bytes(stage.stored_bytes),
            percent(stage.stored_bytes, training.stored_bytes),
        ]
        for stage in training.stages
    ]
    return markdown_table(heads, rows, "lrrrrr")


def _batch_words(analysis: Analysis, dtype: str) -> str:
    budgets = [size * 2**30 for size in _BUDGETS]
    inference = " / ".join(map(exact, largest_batches(analysis, budgets, dtype=dtype)))
    words = f"The largest batch in {' / '.join(map(str, _BUDGETS))} GiB, {dtype}: {inference} in inference"
    if dtype in NO_GRADIENT:
        return f"{words}."
    batches = largest_batches(analysis, budgets, training=True, dtype=dtype)
    return f"{words}, {' / '.join(map(exact, batches))} in training (SGD with momentum: {COPIES} × the parameters)."


def _batch(batch_size: int) -> str:
    return f"batch {exact(batch_size)}"
