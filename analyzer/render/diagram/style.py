"""How a drawing looks: what its boxes say, what their shade means, direction, page and colours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.errors import InvalidInput, shortened

BOX_FACTS = ("shape", "params", "macs", "activations", "latency", "memory", "receptive-field", "total-stride", "path")
"""What a box can say of its ops, in the order in which it says it."""

HEAT_QUANTITIES = ("params", "macs", "activations", "latency", "memory")
"""What a box's shade can stand for."""

NO_DEVICE = "latency depends on a device; name one: --gpu 'RTX 4090' (`latency --list-devices` lists them)."
"""Why a drawing without a device shows no latency."""

DIRECTIONS = ("right", "down")
DENSE_LAYOUTS = ("folded", "rail", "all")
"""A dense stage: equal layers folded, each layer on a rail, or with each connection from layer to layer."""

_PAGES = {"a3": (297.0, 420.0), "a4": (210.0, 297.0), "a5": (148.0, 210.0), "letter": (215.9, 279.4)}
_MARGIN_MM, _INCH_MM = 10.0, 25.4


class DiagramPalette(NamedTuple):
    """Colours of a theme, six digits each; `heats` run from nothing to most, and text stays readable on each."""

    paper: str
    ink: str
    quiet: str
    accent: str
    line: str
    tint: str
    grey: str
    rim: str
    heats: tuple[str, ...]


THEMES = {
    "light": DiagramPalette(
        "#ffffff",
        "#1f2933",
        "#5b6770",
        "#0b57d0",
        "#4a5560",
        "#eef3fb",
        "#f1f3f5",
        "#c3cfdd",
        ("#ffffff", "#fdeacb", "#fbd199", "#f6b463", "#ee9330"),
    ),
    "dark": DiagramPalette(
        "#14171b",
        "#f2f2f2",
        "#b4bec8",
        "#8ab4f8",
        "#9aa7b4",
        "#1f2630",
        "#2a3038",
        "#455364",
        ("#14171b", "#38291a", "#543717", "#6d4411", "#854f08"),
    ),
    "print": DiagramPalette(
        "#ffffff",
        "#000000",
        "#333333",
        "#000000",
        "#000000",
        "#ffffff",
        "#f2f2f2",
        "#808080",
        ("#ffffff", "#e8e8e8", "#d2d2d2", "#bcbcbc", "#a6a6a6"),
    ),
}
"""Light and dark screens, and black on white; the shades differ in lightness, so that no eye needs the hue."""


@dataclass(frozen=True, slots=True, eq=False)
class OpTimes:
    """Predicted milliseconds of each op for one batch, by weight path; `words` say of which device and how it runs."""

    ms: Mapping[str, float] = field(repr=False)
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagramStyle:
    """The choices of a drawing; InvalidInput names the one that is unknown. `direction` None is the level's own.

    `times` are needed where latency is shown.
    """

    show: tuple[str, ...] = ("shape", "params", "macs")
    heat: str | None = None
    theme: str = "light"
    direction: str | None = None
    page_size: str | None = None
    dense: str = "folded"
    times: OpTimes | None = None

    def __post_init__(self) -> None:
        for word in self.show:
            _check_choice("show", word, BOX_FACTS)
        if self.heat is not None:
            _check_choice("heat", self.heat, HEAT_QUANTITIES)
        _check_choice("theme", self.theme, tuple(THEMES))
        _check_choice("dense", self.dense, DENSE_LAYOUTS)
        if self.direction is not None:
            _check_choice("direction", self.direction, DIRECTIONS)
        if self.page_size is not None:
            page_inches(self.page_size)
        for name, needs_times in (("show", "latency" in self.show), ("heat", self.heat == "latency")):
            if needs_times and self.times is None:
                raise InvalidInput(f"{name} latency: {NO_DEVICE}")

    @property
    def palette(self) -> DiagramPalette:
        """The theme's colours."""
        return THEMES[self.theme]

    def across(self, default: bool) -> bool:
        """Whether the network flows from left to right, where `default` is the level's own way."""
        return default if self.direction is None else self.direction == "right"


def _check_choice(name: str, word: str, choices: tuple[str, ...]) -> None:
    if word not in choices:
        raise InvalidInput(f"{name} {shortened(word)!r} is unknown; it is one of {', '.join(choices)}.")


def page_inches(text: str) -> tuple[float, float]:
    """Width and height in inches that a page leaves within its margins: "a4", "a4-landscape" or "160x120" (mm)."""
    name, _, orientation = text.lower().partition("-")
    sides = _PAGES.get(name) or _millimetres(text)
    if sides is None or orientation not in ("", "landscape"):
        raise InvalidInput(
            f"page size {shortened(text)!r}: must be one of {', '.join(_PAGES)}, with -landscape where it lies, "
            "or WIDTHxHEIGHT in millimetres from 30 to 5000."
        )
    width, height = sides[::-1] if orientation else sides
    return (width - 2 * _MARGIN_MM) / _INCH_MM, (height - 2 * _MARGIN_MM) / _INCH_MM


def _millimetres(text: str) -> tuple[float, float] | None:
    match = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", text, re.ASCII)
    sides = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    return sides if all(30 <= side <= 5000 for side in sides) else None


DEFAULT_STYLE = DiagramStyle()
