"""Reports as CSV: one row an op, plain whole numbers with their units in the column names."""

import csv
import io
from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BYTES_PER_PARAM
from analyzer.cost.walk import OpCost

if TYPE_CHECKING:
    from analyzer.latency.predict.target import LatencyTarget

CsvValue = str | int

COLUMNS = (
    "variant",
    "input_channels",
    "input_height_px",
    "input_width_px",
    "stage",
    "block",
    "path",
    "op",
    "kernel",
    "stride",
    "padding",
    "dilation",
    "groups",
    "output_channels",
    "output_height",
    "output_width",
    "params",
    "buffers",
    "macs",
    "flops",
    "activations",
    "params_float32_bytes",
    "output_float32_bytes",
    "receptive_field_px",
    "total_stride_px",
)
"""Counts are those of one input; a cell is empty where the op has no such number."""

LATENCY_COLUMNS = (
    "device",
    "batch_size",
    "precision",
    "compiled",
    "channels_last",
    "cuda_graph",
    "training",
    "kernels",
    "predicted_batch_ms",
)
"""Further columns where a device is named; flags are 0 or 1."""


def csv_document(reports: Sequence[tuple[Analysis, Sequence[Analysis]]], target: "LatencyTarget | None" = None) -> str:
    """All ops of all reports, in execution order, below one row of column names.

    With a target each has its predicted time, for a batch of it, which is far less certain than the whole network's.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(LATENCY_COLUMNS if target else ())])
    for first, others in reports:
        for analysis in (first, *others):
            writer.writerows(_timed_rows(analysis, target) if target else _rows(analysis))
    return text.getvalue()


def _timed_rows(analysis: Analysis, target: "LatencyTarget") -> Iterator[list[CsvValue]]:
    from analyzer.latency.predict.predict import predict_op_times  # few reports have one

    settings = target.run
    modes: list[CsvValue] = [settings.precision, *(int(mode) for mode in settings[2:])]
    for row, time in zip(_rows(analysis), predict_op_times(analysis, target), strict=True):
        yield [*row, target.device.name, settings.batch_size, *modes, time.num_kernels, f"{time.ms:.6g}"]


def _rows(analysis: Analysis) -> Iterator[list[CsvValue]]:
    blocks = {index: span.path for span in analysis.spans if span.block for index in range(span.start, span.stop)}
    for index, row in enumerate(analysis.rows):
        location: list[CsvValue] = [
            analysis.variant,
            *analysis.input_shape,
            row.stage,
            blocks.get(index, ""),
            row.path,
            row.op,
        ]
        yield [*location, *_window(row), *_costs(row)]


def _window(row: OpCost) -> list[CsvValue]:
    return [getattr(row.operation, name, "") for name in ("kernel", "stride", "padding", "dilation", "groups")]


def _costs(row: OpCost) -> list[CsvValue]:
    channels, *sides = row.output_shape
    return [
        channels,
        *(sides or ("", "")),
        row.params,
        row.buffers,
        row.macs,
        row.flops,
        row.activations,
        BYTES_PER_PARAM * row.params,
        BYTES_PER_PARAM * prod(row.output_shape),
        row.receptive_field,
        row.total_stride,
    ]
