"""The table of devices that a latency can be predicted for, with where each figure comes from."""

import json
from collections.abc import Sequence
from textwrap import fill

from analyzer.latency.devices import FIGURES, Device
from analyzer.render.tables import markdown_table, terminal_table

_HEADS = {
    "fp32_tflops": "float32 TFLOP/s",
    "tensor_tflops": "float16 TFLOP/s",
    "mem_bw_gbs": "GB/s",
    "l2_mb": "cache MB",
    "sms": "SMs or cores",
    "mem_gb": "memory GB",
    "tdp_w": "W",
}
NOTE = (
    "Peaks as in the makers' data sheets: float32 outside tensor cores, float16 dense with float32 accumulation. A "
    "figure with ? was not verified (from memory or derived: the last column tells); – where there is none."
)


def device_table(known: Sequence[Device], form: str = "table") -> str:
    """A row a device, for the terminal or as markdown."""
    heads = ["device", "kind", *_HEADS.values(), "what is known of the figures"]
    rows = [[device.name, _kind(device), *_figures(device), device.note] for device in known]
    table = markdown_table if form == "markdown" else terminal_table
    return (
        f"{table(heads, rows, 'll' + 'r' * len(_HEADS) + 'l')}\n\n{NOTE if form == 'markdown' else fill(NOTE, 110)}\n"
    )


def _kind(device: Device) -> str:
    return "CPU" if device.kind == "cpu" else device.architecture or "GPU"


def _figures(device: Device) -> list[str]:
    return [_figure(device, name) for name in FIGURES]


def _figure(device: Device, name: str) -> str:
    value: float = getattr(device, name)
    unsure = "" if device.sources.get(name) in ("verified", "stated") else " ?"
    return f"{value:,.2f}".rstrip("0").rstrip(".") + unsure if value else "–"


def device_document(known: Sequence[Device]) -> str:
    """One JSON object: every device with its figures and their sources."""
    told = {"schema": 1, "figures": FIGURES, "devices": [device.to_dict() for device in known]}
    return json.dumps(told, ensure_ascii=False) + "\n"
