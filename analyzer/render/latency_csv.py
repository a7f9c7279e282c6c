"""Measured latencies in the columns of timm's benchmark tables, ours after them."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from analyzer.cost.analysis import analyze
from analyzer.cost.conventions import CONVENTIONS
from analyzer.errors import InvalidInput
from analyzer.latency.record import LatencyRecord, Measurement

_COLUMNS = (
    "model",
    "infer_samples_per_sec",
    "infer_step_time",
    "infer_batch_size",
    "infer_img_size",
    "infer_gmacs",
    "infer_macts",
    "train_samples_per_sec",
    "train_step_time",
    "train_batch_size",
    "train_img_size",
    "param_count",
    "device",
    "precision",
    "layout",
    "execution",
    "median_ms",
    "queued_samples_per_sec",
    "discarded",
)
"""timm's first, with its meaning: step times are means in milliseconds of synchronised batches, gmacs and macts
count as timm does, in units of 10⁹ and 10⁶, params in 10⁶."""


def latency_csv(taken: Measurement) -> str:
    """A row for each cell; a column that has no meaning for it is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for record in taken.records:
        writer.writerow(dict([*_theirs(record), *_counts(record), *_ours(record)]))
    return text.getvalue()


def _theirs(record: LatencyRecord) -> Iterator[tuple[str, Any]]:
    kind = "infer" if record.settings.task == "inference" else "train"
    step_ms = record.network.mean_ms
    yield "model", record.variant
    yield f"{kind}_samples_per_sec", round(1000 * record.batch_size / step_ms, 2) if step_ms else ""
    yield f"{kind}_step_time", round(step_ms, 3)
    yield f"{kind}_batch_size", record.batch_size
    yield f"{kind}_img_size", record.input_shape[-1]


def _counts(record: LatencyRecord) -> Iterator[tuple[str, Any]]:
    try:
        analysis = analyze(record.variant, record.input_shape[1:])
    except InvalidInput:
        return  # a network from a file or a Graph, which its name alone does not give back
    if analysis.fingerprint != record.fingerprint:
        return
    yield "param_count", round(analysis.params / 1e6, 2)
    if record.settings.task == "inference":
        yield "infer_gmacs", round(CONVENTIONS["timm"].count(analysis) / 1e9, 2)
        yield "infer_macts", round(CONVENTIONS["activations"].count(analysis) / 1e6, 2)


def _ours(record: LatencyRecord) -> Iterator[tuple[str, Any]]:
    yield "device", record.conditions.device_name
    yield "precision", record.precision
    yield "layout", record.settings.layout
    yield "execution", record.settings.execution
    yield "median_ms", round(record.network.median_ms, 3)
    yield "queued_samples_per_sec", round(record.images_per_s, 2)
    yield "discarded", int(record.discarded)
