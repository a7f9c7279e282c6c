"""Predicted latencies as CSV: plain numbers with their units in the column names."""

import csv
import io
from collections.abc import Sequence

from analyzer.latency.prediction import Prediction
from analyzer.render.units import shape


def spreadsheet(predictions: Sequence[Prediction]) -> str:
    """CSV: a row for each whole network and each of its stages, plain numbers with their units in the column names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_CONDITIONS, *_FIGURES])
    for found in predictions:
        given = [shape(found.input_shape) if name == "input_shape" else getattr(found, name) for name in _CONDITIONS]
        whole = ["network", found.ms, found.low_ms, found.high_ms, 1.0, "", "", found.num_kernels]
        writer.writerow([*given, *whole, found.images_per_second])
        for stage in found.stages:
            share = stage.ms / found.ms if found.ms else 0.0
            times = [stage.stage, stage.ms, stage.low_ms, stage.high_ms, share]
            writer.writerow([*given, *times, stage.bound, stage.achieved, stage.num_kernels, ""])
    return text.getvalue()


_CONDITIONS = (
    "variant",
    "fingerprint",
    "input_shape",
    "device",
    "batch_size",
    "precision",
    "compiled",
    "channels_last",
    "cuda_graph",
    "training",
    "evidence",
    "max_batch_size",
)
_FIGURES = (
    "stage",
    "predicted_ms",
    "predicted_low_ms",
    "predicted_high_ms",
    "share",
    "bound",
    "achieved",
    "num_kernels",
    "predicted_images_per_second",
)
