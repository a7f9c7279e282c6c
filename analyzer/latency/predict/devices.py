"""The devices that a latency can be predicted for: published figures, each with whether it was checked."""

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from math import isfinite, sqrt
from pathlib import Path
from typing import Any, NamedTuple

from analyzer.errors import InvalidInput, shortened

FIGURES = {
    "fp32_tflops": "peak of float32 multiply-adds outside tensor cores, 10¹² FLOP/s",
    "tensor_tflops": "peak of dense float16 with float32 accumulation in tensor cores, 10¹² FLOP/s; 0: none",
    "mem_bw_gbs": "memory bandwidth, 10⁹ bytes/s",
    "l2_mb": "last-level cache, MB",
    "sms": "streaming multiprocessors, or cores of a CPU",
    "mem_gb": "memory, GB; 0 where it is not fixed",
    "tdp_w": "power limit, W",
}
"""Figure → what it is; the names are those of the columns of published/devices.csv and of a TOML file."""

NO_TF32 = ("Pascal", "Volta", "Turing")
"""GPU architectures that run float32 convolutions in float32; later ones take TF32, PyTorch's default."""

_DESCRIPTIVE_KEYS = ("kind", "architecture", "note")
SHARED_BYTES_PER_CLOCK = 128
"""Bytes that a multiprocessor's shared memory supplies a clock, since Volta."""
OPERANDS_PER_MAC = 3 / 64
"""Operands through shared memory for one multiply-accumulate: tiles of 128×128 a block (written once, 2/128) and of
64×64 a warp (read, 2/64)."""
LANES = (128, 64)
"""Float32 lanes of a multiprocessor: 128, or 64 where 128 would mean a clock under 1 GHz (Pascal to Turing, A100)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A GPU or CPU with the figures of its data sheet; `FIGURES` says what each is.

    `sources` says of each figure "verified" or "unverified"; `note` adds to that.
    """

    name: str
    kind: str = "gpu"
    architecture: str = ""
    fp32_tflops: float
    tensor_tflops: float = 0.0
    mem_bw_gbs: float
    l2_mb: float
    sms: int
    mem_gb: float = 0.0
    tdp_w: float
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("gpu", "cpu"):
            raise InvalidInput(f"device {shortened(self.name)}: kind {shortened(self.kind)!r} must be gpu or cpu.")
        for name in FIGURES:
            _check(self.name, name, getattr(self, name), least=0 if name in ("tensor_tflops", "mem_gb") else 1e-3)

    @property
    def tf32(self) -> bool:
        """Whether float32 convolutions run in TF32 tensor cores, PyTorch's default where the GPU has them."""
        return self.tensor_tflops > 0 and self.architecture not in NO_TF32

    def to_dict(self) -> dict[str, Any]:
        """Its figures and their sources, as JSON types."""
        return asdict(self) | {"sources": dict(self.sources)}


def _check(device: str, name: str, value: object, least: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not isfinite(value) or not least <= value <= 1e9:  # type: ignore[arg-type,operator]
        raise InvalidInput(
            f"device {shortened(device)}: {name} {shortened(value)} must be a number of at least {least:g}."
        )


@cache
def _table() -> tuple[dict[str, Device], dict[str, str]]:
    """The shipped devices by name, and the plain form of each of their names → name."""
    path = Path(__file__).parents[2] / "published" / "devices.csv"
    devices, names = {}, {}
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        devices[row["name"]] = _device(row)
        for name in (row["name"], *filter(None, row["also"].split("; "))):
            names[plain_name(name)] = row["name"]
    return devices, names


def _device(row: dict[str, str]) -> Device:
    unverified = row["unverified"].split()
    figures: dict[str, Any] = {name: float(row[name] or 0) for name in FIGURES}
    return Device(
        name=row["name"],
        kind=row["kind"],
        architecture=row["architecture"],
        **figures | {"sms": int(row["sms"])},
        sources={name: "unverified" if name in unverified else "verified" for name in FIGURES if row[name]},
        note=row["note"],
    )


def devices() -> dict[str, Device]:
    """The shipped devices by name, in the table's order."""
    return dict(_table()[0])


def plain_name(name: str) -> str:
    """A device's name without case, spaces, punctuation and brand names: "GeForce RTX 4090" is "4090"."""
    letters = "".join(letter for letter in name.lower() if letter.isalnum())
    for prefix in ("nvidia", "geforce", "tesla", "rtx"):
        letters = letters.removeprefix(prefix)
    return letters


def device_named(name: str) -> Device:
    """The shipped device of a name, in any usual spelling; InvalidInput with the closest names otherwise."""
    devices, names = _table()
    if plain_name(name) in names:
        return devices[names[plain_name(name)]]
    raise InvalidInput(f"device {shortened(name)!r} is unknown; {_suggestion(plain_name(name), names)}")


def _suggestion(plain: str, names: dict[str, str]) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    containing = [name for name in names if len(plain) > 1 and (plain in name or name in plain)]
    close = containing or get_close_matches(plain[:40], names, n=3, cutoff=0.5)
    suggestions = list(dict.fromkeys(names[name] for name in close))[:4]
    return (
        f"did you mean {' or '.join(suggestions)}?"
        if suggestions
        else f"known are {', '.join(list(dict.fromkeys(names.values()))[:8])}, …."
    )


def read_devices(path: str | Path) -> dict[str, Device]:
    """Devices of a TOML file, a table `["My GPU"]` each with the names of `FIGURES`, `kind` and `architecture`.

    `like = "RTX 4090"` supplies the figures that are not stated. Raises InvalidInput for any other file.
    """
    import tomllib  # only devices of a file need it

    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"devices {shortened(path, 200)}: cannot be read ({shortened(error, 120)}).") from None
    if not tables or not all(isinstance(entry, dict) for entry in tables.values()):
        raise InvalidInput(f'devices {shortened(path, 200)}: must hold a table ["name"] for each device.')
    return {name: _device_from_toml(name, dict(entry)) for name, entry in tables.items()}


def _device_from_toml(name: str, entry: dict[str, Any]) -> Device:
    base = device_named(str(entry.pop("like"))) if "like" in entry else None
    unknown = [key for key in entry if key not in (*FIGURES, *_DESCRIPTIVE_KEYS)]
    if unknown:
        allowed = ", ".join(("like", *_DESCRIPTIVE_KEYS, *FIGURES))
        raise InvalidInput(f"device {shortened(name)}: {shortened(unknown[0])} is none of {allowed}.")
    values = {**(base.to_dict() if base else {}), **entry, "name": name}
    values["sources"] = {**(base.sources if base else {}), **{key: "stated" for key in entry if key in FIGURES}}
    missing = [figure for figure in FIGURES if figure not in values and figure not in ("tensor_tflops", "mem_gb")]
    if missing:
        raise InvalidInput(f"device {shortened(name)}: states no {missing[0]}.")
    return Device(**values)


class DevicePeaks(NamedTuple):
    """A device's peaks: FLOP/s, operands/s into the tensor cores, multiprocessor clocks/s, bytes/s; its cache in bytes.

    `tensor` says that convolutions run on tensor cores (or, for a CPU, does not matter); `old` those before Ampere.
    `operands` is 0 where operand supply is no bound.
    """

    flops: float
    operands: float
    clocks: float
    memory: float
    cache: float
    sms: int
    tensor: bool
    old: bool
    gpu: bool


@cache
def rates(device: Device, precision: str) -> DevicePeaks:
    """Peaks at one of timm's precisions: float32 convolutions run in TF32 where a GPU has it, PyTorch's default."""
    is_float32 = precision == "float32"
    tensor = device.tensor_tflops > device.fp32_tflops and (not is_float32 or device.tf32)
    tflops = device.tensor_tflops / (2 if is_float32 else 1) if tensor else device.fp32_tflops
    clock_share, clocks = sustained_clock_share(device), sm_clocks(device)
    return DevicePeaks(
        flops=clock_share * tflops * 1e12,
        operands=clock_share * clocks * SHARED_BYTES_PER_CLOCK / (4 if is_float32 else 2) if tensor else 0.0,
        clocks=clock_share * clocks,
        memory=device.mem_bw_gbs * 1e9,
        cache=device.l2_mb * 1e6,
        sms=device.sms,
        tensor=tensor,
        old=tensor and not device.tf32,
        gpu=device.kind == "gpu",
    )


def sm_clocks(device: Device) -> float:
    """Multiprocessors × boost clock in Hz, from the float32 peak of two FLOP a lane and clock."""
    wide, narrow = (device.fp32_tflops * 1e12 / (2 * lanes) for lanes in LANES)
    return wide if wide / device.sms >= 1e9 else narrow


def sustained_clock_share(device: Device) -> float:
    """Share of the boost clock that a GPU sustains while it computes, at most 1."""
    peers = [other for other in devices().values() if other.architecture == device.architecture]
    if device.kind == "cpu" or not peers:
        return 1.0
    strongest = max(peers, key=lambda other: (other.tdp_w, other.sms))
    return min(1.0, sqrt(_watts(device) / _watts(strongest)))


def _watts(device: Device) -> float:
    return device.tdp_w / sm_clocks(device)
