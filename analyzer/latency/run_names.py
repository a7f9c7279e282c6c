"""How a network runs, in words after a device and a batch: one precision, and the modes that are switched on."""

from collections.abc import Sequence
from typing import Any

from analyzer.latency.plan import PRECISIONS

MODES = {
    "compiled": "compiled",
    "torchcompile": "compiled",
    "channels_last": "channels_last",
    "nhwc": "channels_last",
    "cuda_graph": "cuda_graph",
    "train": "training",
}
"""Word → the mode that it switches on."""


def run_fields(words: Sequence[str]) -> dict[str, Any] | None:
    """The fields of a Run; None where a word is none of these, or two name a precision."""
    precisions = [each for each in words if each in PRECISIONS]
    modes = [each for each in words if each in MODES]
    if len(precisions) > 1 or len(precisions) + len(modes) < len(words):
        return None
    return {"precision": (precisions or ["float32"])[0], **{MODES[each]: True for each in modes}}
