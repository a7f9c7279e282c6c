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
    shown = (dtype,) if dtype else _DTYPES
    found = [memory(analysis, batch_size, each) for each in shown]
    parts = [_byte_table(analysis, found), _peak_words(found[0])]
    if shown[0] not in NO_GRADIENT:
        trained = transfer(analysis, batch_size=batch_size, dtype=shown[0])
        parts += [_training_words(trained), _stage_table(trained)]
    return "\n\n".join([*parts, _batch_words(analysis, shown[0]), MEMORY_CONVENTION])


def transfer_section(
    analysis: Analysis, mode: str, batch_size: int = 1, dtype: str = "float32", frozen_norm: bool = False
) -> str:
    """What training in a mode of transfer learning costs, by stage and beside training everything."""
    trained = transfer(analysis, mode, frozen_norm=frozen_norm, batch_size=batch_size, dtype=dtype)
    whole = transfer(analysis, batch_size=batch_size, dtype=dtype)
    heads = ["training", "parameters that learn", "backward MACs", "stored", "peak of activations"]
    rows = [[_mode_words(each), *_training_cells(each)] for each in dict.fromkeys((trained, whole))]
    return "\n\n".join(
        [
            f"{_batch(batch_size).capitalize()}, {dtype}.",
            markdown_table(heads, rows, "lrrrr"),
            _stage_table(trained),
            MEMORY_CONVENTION,
        ]
    )


def _mode_words(trained: Training) -> str:
    return f"`{trained.mode}`{', batch norm frozen' if trained.frozen_norm else ''}"


def budget_section(analysis: Analysis, budget_bytes: int, batch_size: int = 1, dtype: str = "float32") -> str:
    """The largest batch and the deepest network that a budget of bytes holds, in inference and in training."""
    facts = budget_facts(analysis, budget_bytes, batch_size, dtype)
    ways = [way for way in ("inference", "training") if way in facts]
    deepest = [facts[way]["deepest"] or {} for way in ways]
    rows = [
        ["largest batch", *(exact(facts[way]["largest_batch"]) for way in ways)],
        [f"deepest, {_batch(batch_size)}", *(f"`{each['expression']}`" if each else "–" for each in deepest)],
        ["it needs", *(size_bytes(each["needed_bytes"]) if each else "–" for each in deepest)],
    ]
    return "\n\n".join(
        [
            markdown_table(["what fits", *ways], rows, "l" + "r" * len(ways)),
            f"In {dtype}. {_BUDGET_WORDS}",
            MEMORY_CONVENTION,
        ]
    )


def _training_cells(trained: Training) -> list[str]:
    return [
        exact(trained.trainable_params),
        exact(trained.backward_macs),
        size_bytes(trained.stored_bytes),
        size_bytes(trained.peak_bytes),
    ]


def _byte_table(analysis: Analysis, found: Sequence[Memory]) -> str:
    batch = _batch(found[0].batch_size)
    rows = {
        "parameters": [size_bytes(each.params_bytes) for each in found],
        "buffers": [size_bytes(each.buffers_bytes) for each in found],
        f"peak of activations in inference, {batch}": [size_bytes(each.peak_bytes) for each in found],
        f"stored for training, {batch}": [_stored(analysis, each) for each in found],
    }
    heads = ["bytes", *(_WORDS.get(each.dtype, each.dtype) for each in found)]
    return markdown_table(heads, [[name, *cells] for name, cells in rows.items()], "l" + "r" * len(found))


def _stored(analysis: Analysis, each: Memory) -> str:
    if each.dtype in NO_GRADIENT:
        return "–"
    return size_bytes(transfer(analysis, batch_size=each.batch_size, dtype=each.dtype).stored_bytes)


def _peak_words(found: Memory) -> str:
    alive = " · ".join(_alive_words(each) for each in found.alive)
    return (
        f"The peak in inference is during `{found.peak_path}` ({exact(found.peak_bytes)} B in {found.dtype}): {alive}."
    )


def _alive_words(alive: LiveStorage) -> str:
    name = "the image" if alive.path == "input" else f"`{alive.path}`"
    return f"{name} {shape(alive.shape)} {size_bytes(alive.bytes)}"


def _training_words(trained: Training) -> str:
    return (
        f"Training takes {exact(trained.macs)} MACs an image, {trained.macs / max(trained.forward_macs, 1):.2f} × the "
        f"forward pass: forward {exact(trained.forward_macs)}, input gradients {exact(trained.input_gradient_macs)}, "
        f"weight gradients {exact(trained.weight_gradient_macs)}."
    )


def _stage_table(trained: Training) -> str:
    heads = ["stage", "parameters that learn", "backward MACs", "%", "stored for training", "%"]
    rows = [
        [
            stage_label(stage.stage),
            exact(stage.trainable_params),
            short(stage.backward_macs),
            percent(stage.backward_macs, trained.backward_macs),
            size_bytes(stage.stored_bytes),
            percent(stage.stored_bytes, trained.stored_bytes),
        ]
        for stage in trained.stages
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
