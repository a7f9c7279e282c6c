"""A roofline picture: the stages' arithmetic intensity against their predicted rate, under the device's roof."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from itertools import pairwise
from math import cos, dist, exp, log, pi, sin
from typing import TYPE_CHECKING, Any, NamedTuple

from analyzer.errors import InvalidInput, shortened
from analyzer.extras import extra_imports
from analyzer.latency.predict.prediction import Prediction, StageTime
from analyzer.latency.predict.roofline import peak_flops
from analyzer.latency.predict.target import LatencyTarget
from analyzer.render.diagram.picture import text_width_ems
from analyzer.render.latency.predicted import device_words, latency_section, milliseconds_text, throughput_text
from analyzer.text.units import duration, significant, stage_label

if TYPE_CHECKING:
    import altair

WIDTH, HEIGHT = 680, 420
"""Pixels of the picture within its axes."""

_HALF = 8
"""Pixels that a label or a point keeps free above and below its middle."""


class LogAxes(NamedTuple):
    """The ranges of two logarithmic axes."""

    left: float
    right: float
    bottom: float
    top: float

    def pixels(self, x: float, y: float) -> tuple[float, float]:
        """Where a value stands, from the upper left corner."""
        across = log(x / self.left) / log(self.right / self.left)
        return WIDTH * across, HEIGHT * (1 - log(y / self.bottom) / log(self.top / self.bottom))

    def values(self, across: float, down: float) -> tuple[float, float]:
        """What stands at a pixel."""
        x = self.left * exp(across / WIDTH * log(self.right / self.left))
        return x, self.bottom * exp((1 - down / HEIGHT) * log(self.top / self.bottom))


class PixelBox(NamedTuple):
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "PixelBox") -> bool:
        """Whether they share any room."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


class PlacedLabel(NamedTuple):
    """A text with its middle in pixels and its box.

    `has_leader` where it is so far from its point that a line leads there; `edge` is where on the box that line ends.
    """

    text: str
    across: float
    down: float
    box: PixelBox
    has_leader: bool
    edge: tuple[float, float]


def place_labels(
    labels: Sequence[tuple[str, float, float]],
    lines: Sequence[tuple[float, float]],
    size: float,
    reserved: Sequence[PixelBox] = (),
) -> list[PlacedLabel]:
    """Each (text, across, down) in pixels with its text set near by, clear of all points, labels, lines and leaders.

    `lines` are points along lines to keep clear of, `reserved` is room that is taken. Where nothing near by is free
    the text stands further off, led by a line.
    """
    points = [_box_around(across, down, _HALF) for _, across, down in labels]
    obstacles = [*reserved, *points, *(_box_around(*point, 3) for point in lines)]
    texts, leaders = list(reserved), list[PixelBox]()
    placed: list[PlacedLabel] = []
    for text, across, down in labels:
        room = _OccupiedSpace([*obstacles, *texts], texts, leaders, points)
        label = min(_candidates(text, across, down, size), key=partial(_overlap_penalty, (across, down), room))
        placed.append(label)
        texts.append(label.box)
        leaders += _leader(label, (across, down))
    return placed


class _OccupiedSpace(NamedTuple):
    """What a label should not lie on, and what its leader should not pass."""

    occupied: Sequence[PixelBox]
    texts: Sequence[PixelBox]
    leaders: Sequence[PixelBox]
    points: Sequence[PixelBox]


def _overlap_penalty(point: tuple[float, float], room: _OccupiedSpace, label: PlacedLabel) -> float:
    """How bad a label's position is: on an obstacle or leader, its own leader across others; then its distance."""
    leader = _leader(label, point)
    return (
        1000 * _any_overlap([label.box], room.occupied)
        + 300 * _any_overlap([label.box], room.leaders)
        + 300 * _any_overlap(leader, room.texts)
        + 2 * _num_overlaps(leader, room.points)
        + dist(label.edge, point)
    )


def _candidates(text: str, across: float, down: float, size: float) -> Iterator[PlacedLabel]:
    """Where a text may stand within the picture, the best first."""
    half = text_width_ems(text) * size / 2 + 4
    for ring, x, y in _label_positions(across, down, half):
        box = PixelBox(x - half, y - _HALF, x + half, y + _HALF)
        edge = min(max(across, box.left), box.right), min(max(down, box.top), box.bottom)
        if box.left >= 0 and box.right <= WIDTH and box.top >= 0 and box.bottom <= HEIGHT:
            yield PlacedLabel(text, x, y, box, ring > 0, edge)


def _any_overlap(some: Sequence[PixelBox], others: Sequence[PixelBox]) -> bool:
    return any(box.overlaps(other) for box in some for other in others)


def _num_overlaps(some: Sequence[PixelBox], others: Sequence[PixelBox]) -> int:
    return sum(box.overlaps(other) for box in some for other in others)


def _leader(label: PlacedLabel, point: tuple[float, float]) -> list[PixelBox]:
    """Small boxes along the line from a point to its text; none where none is drawn."""
    if not label.has_leader:
        return []
    (x0, y0), (x1, y1) = point, label.edge
    steps = max(int(max(abs(x1 - x0), abs(y1 - y0)) / 4), 1)
    return [_box_around(x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps, 1) for step in range(steps + 1)]


def _box_around(across: float, down: float, half: float) -> PixelBox:
    return PixelBox(across - half, down - half, across + half, down + half)


def _label_positions(across: float, down: float, half: float) -> Iterator[tuple[int, float, float]]:
    """Middles to try, the nearest first: right, below, left, above; then around in wider and wider rings."""
    beside = _HALF + half + 2
    for x, y in ((beside, 0), (0, 18), (-beside, 0), (0, -18), (beside, 12), (beside, -12), (-beside, 12)):
        yield 0, across + x, down + y
    for ring in range(1, 12):
        for step in range(16):
            angle = 2 * pi * step / 16
            yield ring, across + cos(angle) * (beside + 14 * ring), down + sin(angle) * 22 * ring


FORMATS = ("svg", "html", "json")
WHOLE_NETWORK = "whole network"
_INK, _QUIET, _ACCENT, _STRONG = "#1f2933", "#5b6770", "#0b57d0", "#b3261e"
_FONT = "Helvetica, Arial, sans-serif"
_SIZE = 12
_INTENSITY = "arithmetic intensity, FLOP per byte that the kernels move"
_RATE = "predicted rate, TFLOP/s"
ChartRows = list[dict[str, Any]]


class RooflinePoint(NamedTuple):
    """A stage, or the whole network: FLOP per byte, and TFLOP/s as predicted and under the roof."""

    name: str
    ms: float
    intensity: float
    rate: float
    attainable: float
    bound: str


class Roof(NamedTuple):
    """A device's peaks, in TFLOP/s and TB/s, and the ranges of the picture."""

    peak: float
    bandwidth: float
    scale: LogAxes

    @property
    def corners(self) -> list[tuple[float, float]]:
        """From left to right: where the slope enters, the ridge, where the flat part leaves."""
        left = max(self.scale.left, self.scale.bottom / self.bandwidth)
        return [(left, left * self.bandwidth), (self.peak / self.bandwidth, self.peak), (self.scale.right, self.peak)]


def roofline(prediction: Prediction, target: LatencyTarget, form: str) -> str:
    """The picture as SVG, as one HTML page or as Vega-Lite JSON.

    InvalidInput for another form, or a network that multiplies nothing; Unavailable without altair or vl-convert.
    """
    if form not in FORMATS:
        raise InvalidInput(f"--roofline: the file's name must end in .svg, .html or .json, not {shortened(form)!r}.")
    with extra_imports("picture"):
        specification = _specification(prediction, target)
    if form == "json":
        return json.dumps(specification, ensure_ascii=False, indent=1) + "\n"
    svg = _svg(specification)
    return svg if form == "svg" else _page(prediction, svg)


def roofline_points(prediction: Prediction, target: LatencyTarget) -> list[RooflinePoint]:
    """The stages that multiply, in order, then the whole network."""
    macs, moved = (sum(getattr(stage, name) for stage in prediction.stages) for name in ("macs", "bytes"))
    whole = StageTime(
        WHOLE_NETWORK, prediction.ms, prediction.low_ms, prediction.high_ms, "", 0, macs, moved, prediction.num_kernels
    )
    return [_point(stage, target) for stage in (*prediction.stages, whole) if stage.macs]


def _point(stage: StageTime, target: LatencyTarget) -> RooflinePoint:
    intensity = 2 * stage.macs / stage.bytes
    attainable = min(_peak(target), intensity * _bandwidth(target))
    name = stage.stage if stage.stage == WHOLE_NETWORK else stage_label(stage.stage)
    return RooflinePoint(name, stage.ms, intensity, 2 * stage.macs / stage.ms / 1e9, attainable, stage.bound)


def _peak(target: LatencyTarget) -> float:
    return peak_flops(target.device, target.run) / 1e12


def _bandwidth(target: LatencyTarget) -> float:
    return target.device.mem_bw_gbs / 1e3


def _specification(prediction: Prediction, target: LatencyTarget) -> dict[str, Any]:
    """The picture as a Vega-Lite specification, its data inside."""
    points = roofline_points(prediction, target)
    if not points:
        raise InvalidInput(
            f"roofline of {shortened(prediction.variant)}: nothing in it multiplies, so there is no rate."
        )
    across = [*(point.intensity for point in points), _peak(target) / _bandwidth(target)]
    rates = [point.rate for point in points]
    scale = LogAxes(min(across) / 2.5, max(across) * 4, min(rates) / 3, max(*rates, _peak(target)) * 2.5)
    roof = Roof(_peak(target), _bandwidth(target), scale)
    layers = [*_roof_layers(roof), *_point_layers(points, scale), *_label_layers(points, roof)]
    return _chart(layers, prediction)


def _chart(layers: Sequence["altair.Chart"], prediction: Prediction) -> dict[str, Any]:
    import altair

    title = altair.TitleParams(
        f"{shortened(prediction.variant)} on {shortened(device_words(prediction))}, batch {prediction.batch_size}: "
        "predicted roofline",
        subtitle=[
            f"whole network: {milliseconds_text(prediction)}, {throughput_text(prediction)}; predicted, not measured",
            "dotted: what the roof allows above a stage, at the arithmetic intensity it has",
        ],
        anchor="start",
        fontSize=15,
        subtitleFontSize=_SIZE,
        subtitleColor=_QUIET,
        offset=12,
    )
    chart = altair.layer(*layers, title=title, width=WIDTH, height=HEIGHT)
    specification: dict[str, Any] = (
        chart.configure(font=_FONT, background="#ffffff", padding=14)
        .configure_axis(labelFontSize=_SIZE, titleFontSize=_SIZE, gridColor="#eef1f5", titleFontWeight="normal")
        .configure_view(stroke="#c3cfdd")
        .to_dict()
    )
    return specification


def _marks(rows: ChartRows) -> "altair.Chart":
    import altair

    return altair.Chart(altair.InlineData(values=rows))


def _row(x: float, y: float, **more: Any) -> dict[str, Any]:
    return {"intensity": x, "rate": y, **more}


def _axes(scale: LogAxes) -> dict[str, Any]:
    import altair

    across = altair.Scale(type="log", domain=[scale.left, scale.right], nice=False)
    up = altair.Scale(type="log", domain=[scale.bottom, scale.top], nice=False)
    axis = altair.Axis(format="~g", tickCount=6)
    return {
        "x": altair.X("intensity:Q", scale=across, axis=axis, title=_INTENSITY),
        "y": altair.Y("rate:Q", scale=up, axis=axis, title=_RATE),
    }


def _roof_layers(roof: Roof) -> list["altair.Chart"]:
    """The roof, and at each of its sides what it is."""
    axes = _axes(roof.scale)
    line = _marks([_row(*corner) for corner in roof.corners]).mark_line(color=_INK, strokeWidth=2).encode(**axes)
    rows = [_row(*roof.scale.values(box.right, box.bottom), words=text) for text, box in _roof_labels(roof)]
    words = _marks(rows).mark_text(color=_INK, fontSize=_SIZE, fontWeight="bold", align="right", baseline="bottom")
    return [line, words.encode(text="words:N", **axes)]


def _roof_labels(roof: Roof) -> list[tuple[str, PixelBox]]:
    """What stands above the flat part and above the middle of the slope, and the room it takes."""
    (x0, y0), (x1, y1), _ = (roof.scale.pixels(*corner) for corner in roof.corners)
    labels = [
        (f"peak: {significant(roof.peak, 4)} TFLOP/s", WIDTH - 6, y1 - 6),
        (f"memory: {significant(roof.bandwidth * 1e3, 4)} GB/s", (x0 + x1) / 2 - 8, (y0 + y1) / 2 - 8),
    ]
    return [(text, PixelBox(x - 1.1 * _SIZE * text_width_ems(text), y - _SIZE - 2, x, y)) for text, x, y in labels]


def _point_layers(points: Sequence[RooflinePoint], scale: LogAxes) -> list["altair.Chart"]:
    """A disc a stage, a diamond for the whole, and a dotted line up to the roof."""
    axes = _axes(scale)
    rows = [_row(point.intensity, point.rate, attainable=point.attainable) for point in points]
    lines = _marks(rows).mark_rule(color=_QUIET, strokeDash=[1, 3]).encode(**axes, y2="attainable:Q")
    stages = _marks(rows[:-1]).mark_point(filled=True, size=70, color=_ACCENT, opacity=1).encode(**axes)
    whole = _marks(rows[-1:]).mark_point(filled=True, size=110, color=_STRONG, shape="diamond", opacity=1)
    return [lines, stages, whole.encode(**axes)]


def _label_layers(points: Sequence[RooflinePoint], roof: Roof) -> list["altair.Chart"]:
    """Each stage's name and time beside its point, led by a line where there is no room near by."""
    scale, axes = roof.scale, _axes(roof.scale)
    points = sorted(points, key=lambda each: each.intensity)
    labels = [(_label(each), *scale.pixels(each.intensity, each.rate)) for each in points]
    placed = place_labels(labels, _roof_pixels(roof), _SIZE, [box for _, box in _roof_labels(roof)])
    rows = [_row(*scale.values(each.across, each.down), words=each.text) for each in placed]
    texts = _marks(rows).mark_text(fontSize=_SIZE, color=_INK).encode(text="words:N", **axes)
    ends = [
        _row(point.intensity, point.rate) | dict(zip(("x2", "y2"), scale.values(*each.edge), strict=True))
        for point, each in zip(points, placed, strict=True)
        if each.has_leader
    ]
    leaders = _marks(ends).mark_rule(color=_QUIET, strokeWidth=0.7).encode(**axes, x2="x2:Q", y2="y2:Q")
    return [*([leaders] if ends else []), texts]


def _label(point: RooflinePoint) -> str:
    return f"{point.name}, {duration(point.ms)}"


def _roof_pixels(roof: Roof) -> list[tuple[float, float]]:
    """Pixels along the roof, a few apart."""
    corners = [roof.scale.pixels(*corner) for corner in roof.corners]
    return [
        (x0 + (x1 - x0) * step / 120, y0 + (y1 - y0) * step / 120)
        for (x0, y0), (x1, y1) in pairwise(corners)
        for step in range(120)
    ]


def _svg(specification: dict[str, Any]) -> str:
    with extra_imports("picture"):
        import vl_convert
    svg: str = vl_convert.vegalite_to_svg(specification)
    return svg + "\n"


def _page(prediction: Prediction, svg: str) -> str:
    """The picture and the tables behind it on one page that fetches and runs nothing."""
    from analyzer.render.report.html import html_page, markdown_to_html

    title = escape(f"{prediction.variant} on {prediction.device}: roofline, predicted")
    figure = f'<figure><div class="wide" tabindex="0" role="region" aria-label="{title}">{svg}</div></figure>\n'
    return html_page(
        title,
        f"<main>\n<article>\n<h1>{title}</h1>\n{figure}{markdown_to_html(latency_section(prediction))}</article>\n</main>",
    )
