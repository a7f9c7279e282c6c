"""Reports as CSV: one row an op, plain whole numbers with their units in the column names."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain
from math import prod

from analyzer.cost.analysis import BYTES_PER_PARAM, Analysis
from analyzer.cost.walk import Row

Cell = str | int

HEADS = (
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


def document(reports: Sequence[tuple[Analysis, Sequence[Analysis]]]) -> str:
    """All ops of all reports, in execution order, below one row of column names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADS)
    for first, others in reports:
        writer.writerows(chain.from_iterable(_rows(analysis) for analysis in (first, *others)))
    return text.getvalue()


def _rows(analysis: Analysis) -> Iterator[list[Cell]]:
    blocks = {index: span.path for span in analysis.spans if span.block for index in range(span.start, span.stop)}
    for index, row in enumerate(analysis.rows):
        place: list[Cell] = [
            analysis.variant,
            *analysis.input_shape,
            row.stage,
            blocks.get(index, ""),
            row.path,
            row.op,
        ]
        yield [*place, *_window(row), *_costs(row)]


def _window(row: Row) -> list[Cell]:
    return [getattr(row.operation, name, "") for name in ("kernel", "stride", "padding", "dilation", "groups")]


def _costs(row: Row) -> list[Cell]:
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
