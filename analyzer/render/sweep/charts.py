"""Charts of a design space (Altair): a scatter with its Pareto front and named variants, and distributions.

The distributions are empirical distribution functions, as in "Designing Network Design Spaces" (Radosavovic et al.
2020, Equation 1): the share of networks whose figure is at most x.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyzer.extras import extra_imports
from analyzer.render.compare.bar_chart import NETWORK_COLOURS
from analyzer.render.sweep.tables import column_title
from analyzer.sweep.space.expression import LATENCY_COLUMN
from analyzer.text.units import exact

Columns = Mapping[str, NDArray[Any]]

INDEX, NAME = "index", "name"
SELECTION_FIELDS = {"front": INDEX, "sample": INDEX, "known": NAME}
"""Name of the selection that a click on a point makes → the column that says what was clicked."""


class ChartPalette(NamedTuple):
    """Colours of a chart."""

    accent: str
    cloud: str
    named: str
    text: str
    ground: str


LIGHT_PALETTE = ChartPalette(NETWORK_COLOURS[0], "#8a94a3", NETWORK_COLOURS[1], "#8f4700", "#ffffff")
DARK_PALETTE = ChartPalette("#8ab4f8", "#7d8796", "#f2a65e", "#f5bd87", "#14171c")
_LOG_FROM = 30
"""A figure that spans this factor is drawn on a logarithmic scale."""
_STEPS = 200
_WIDTH, _GAP = 760, 60
_AXIS = alt.Axis(
    format="~s",
    labelExpr="datum.value === 0 ? '0' : datum.label",
    tickCount=6,
    gridOpacity=0.4,
    titleFontWeight="normal",
    labelOverlap=True,
)
_WORDS = {"params": "parameters", "macs": "MACs", "memory_bytes": "peak memory, bytes"}


class ChartData(NamedTuple):
    """What is drawn: an even sample of the rows, the front, and named variants (`name` among their columns)."""

    sample: Columns
    front: Columns
    named: Columns


def column_label(column: str) -> str:
    """A figure's column as people read it: "macs" as "MACs"."""
    return column_title(column) if column.startswith(LATENCY_COLUMN) else _WORDS.get(column, column.replace("_", " "))


def front_chart(
    data: ChartData, objectives: Sequence[str], palette: ChartPalette = LIGHT_PALETTE, clickable: bool = False
) -> Any:
    """The second objective over the first, for each row of the sample, the front above it, named variants marked.

    The front is joined where these two are all that it weighs. With `clickable`, clicks on points are selections.
    """
    x, y = objectives[:2]
    axes = {"x": _axis(alt.X, x, data), "y": _axis(alt.Y, y, data)}
    layers = {"sample": _sample_layer(data.sample, axes, palette)}
    layers |= {"line": _line(data.front, axes, x, palette)} if len(objectives) == 2 else {}
    layers |= {"front": _front_points(data.front, axes, palette)} | _named_layers(data, x, axes, palette)
    if clickable:
        layers |= {name: layers[name].add_params(_click_selection(name)) for name in SELECTION_FIELDS if name in layers}
    return alt.layer(*layers.values())


def _axis(channel: Any, column: str, data: ChartData) -> Any:
    scale = _scale(_values(column, data))
    return channel(field=_key(column), type="quantitative", title=column_label(column), scale=scale, axis=_AXIS)


def _values(column: str, data: ChartData) -> NDArray[Any]:
    return np.concatenate([part[column] for part in data if len(part.get(column, ()))] or [np.ones(1)])


def _scale(values: NDArray[Any]) -> Any:
    return alt.Scale(type="log", nice=False) if _is_logarithmic(values) else alt.Scale(zero=False)


def _is_logarithmic(values: NDArray[Any]) -> bool:
    low, high = float(values.min()), float(values.max())
    return low > 0 and high / low > _LOG_FROM


def _key(column: str) -> str:
    """A column's name in the chart's data, where dots, brackets and colons would mean something else."""
    return "".join(character if character.isalnum() else f"_{ord(character):x}_" for character in column)


def _sample_layer(sample: Columns, axes: dict[str, Any], palette: ChartPalette) -> Any:
    chart = alt.Chart(_table(sample)).mark_point(size=14, filled=True, color=palette.cloud, opacity=0.45, aria=False)
    return chart.encode(**axes, tooltip=_tooltips(sample))


def _line(front: Columns, axes: dict[str, Any], x: str, palette: ChartPalette) -> Any:
    order = alt.Order(field=_key(x), type="quantitative")
    chart = alt.Chart(_table(front)).mark_line(color=palette.accent, strokeWidth=1.5, tooltip=False)
    return chart.encode(**axes, order=order)


def _front_points(front: Columns, axes: dict[str, Any], palette: ChartPalette) -> Any:
    chart = alt.Chart(_table(front)).mark_point(size=46, filled=True, color=palette.accent, opacity=1, cursor="pointer")
    return chart.encode(**axes, tooltip=_tooltips(front))


def _named_layers(data: ChartData, x: str, axes: dict[str, Any], palette: ChartPalette) -> dict[str, Any]:
    named = data.named
    if not len(named.get(NAME, ())):
        return {}
    base = alt.Chart(_table(named).assign(side=_label_sides(data, x))).encode(**axes, tooltip=_tooltips(named))
    points = base.mark_point(shape="diamond", size=70, filled=True, color=palette.named, opacity=1, cursor="pointer")
    text: dict[str, Any] = {"align": {"expr": "datum.side"}, "dx": {"expr": _ASIDE}, "fontSize": 11}
    halo = base.mark_text(**text, stroke=palette.ground, strokeWidth=3, opacity=0.8, aria=False)
    labels = base.mark_text(**text, color=palette.text)
    return {"halo": halo.encode(text=f"{NAME}:N"), "known": points, "labels": labels.encode(text=f"{NAME}:N")}


_ASIDE = "datum.side === 'left' ? 8 : -8"


def _label_sides(data: ChartData, x: str) -> list[str]:
    """How names are aligned: those of the last fifth of the axis end at their points, so that they stay inside."""
    values = _values(x, data)
    scaled = np.log if _is_logarithmic(values) else np.asarray
    low, high = scaled(values.min()), scaled(values.max())
    return ["right" if value > low + 0.8 * (high - low) else "left" for value in scaled(data.named[x])]


def _click_selection(name: str) -> Any:
    return alt.selection_point(name=name, fields=[SELECTION_FIELDS[name]], on="click", empty=False)


def _table(columns: Columns) -> pd.DataFrame:
    return pd.DataFrame({_key(name): list(values) for name, values in columns.items()})


def _tooltips(columns: Columns) -> list[Any]:
    """Every column but the index, whole numbers in full."""
    return [_tooltip(name, values) for name, values in columns.items() if name != INDEX]


def _tooltip(name: str, values: NDArray[Any]) -> Any:
    if values.dtype.kind in "iu":
        return alt.Tooltip(field=_key(name), type="quantitative", title=column_label(name), format=",")
    if values.dtype.kind == "f":
        return alt.Tooltip(field=_key(name), type="quantitative", title=column_label(name), format=".4~g")
    return alt.Tooltip(field=_key(name), type="nominal", title=column_label(name))


def distribution_chart(spaces: Mapping[str, Columns], figure: str, palette: ChartPalette = LIGHT_PALETTE) -> Any:
    """The empirical distribution of a figure; one line a space, by its name."""
    tables = [_steps(columns[figure], name) for name, columns in spaces.items() if len(columns.get(figure, ()))]
    table = pd.concat(tables) if tables else pd.DataFrame({"x": [1.0], "share": [0.0], "space": [""]})
    colour = alt.Color("space:N", title=None, scale=alt.Scale(range=list(NETWORK_COLOURS)), sort=list(spaces))
    x = alt.X("x:Q", title=column_label(figure), scale=_scale(table["x"].to_numpy()), axis=_AXIS)
    share = alt.Axis(format="%", gridOpacity=0.4, titleFontWeight="normal")
    lines = alt.Chart(table).mark_line(color=palette.accent, interpolate="step-after")
    lines = lines.encode(x=x, y=alt.Y("share:Q", title="share of networks", axis=share))
    return lines.encode(color=colour) if len(spaces) > 1 else lines


def _steps(values: NDArray[Any], space: str) -> pd.DataFrame:
    """Points of the distribution: every value where these are few, else quantiles."""
    shares = np.arange(1, min(_STEPS, len(values)) + 1) / min(_STEPS, len(values))
    quantiles = np.quantile(values, shares, method="inverted_cdf")
    return pd.DataFrame({"x": quantiles, "share": shares, "space": space})


def summary_chart(data: ChartData, objectives: Sequence[str], figures: Sequence[str], title: str, subtitle: str) -> Any:
    """One chart of all: the front over the first two objectives, and below it the distribution of each figure."""
    heading = alt.TitleParams(title, subtitle=subtitle, anchor="start", offset=12, subtitlePadding=6)
    front = front_chart(data, objectives).properties(width=_WIDTH, height=420)
    panels = [distribution_chart({title: data.sample}, figure) for figure in figures]
    narrow = (_WIDTH - _GAP) // 2
    below = alt.concat(*(panel.properties(width=narrow, height=190) for panel in panels), columns=2, spacing=20)
    return alt.vconcat(front, below, spacing=24, title=heading)


def points_caption(networks: int, candidates: int, data: ChartData) -> str:
    """What the points are."""
    sample, front = exact(len(data.sample[INDEX])), exact(len(data.front[INDEX]))
    return (
        f"{exact(networks)} networks of {exact(candidates)} candidates. Grey: {sample} of them, drawn evenly. "
        f"Colour: the front, {front} that no other beats. Diamonds: named variants."
    )


def chart_document(chart: Any, ending: str) -> str:
    """A chart as "svg", or as one "html" page that fetches nothing; Unavailable without vl-convert."""
    with extra_imports("picture"):
        import vl_convert
    styled = chart.configure(background="#ffffff", font="Helvetica, Arial, sans-serif")
    if ending == "svg":
        return str(vl_convert.vegalite_to_svg(styled.to_json()))
    page = str(styled.to_html(inline=True, embed_options={"renderer": "svg", "actions": False}))
    return page.replace("<head>", f"<head>{_FITTED}", 1)


_FITTED = (
    '<meta name="viewport" content="width=device-width">'
    "<style>body{margin:16px}div#vis.vega-embed{display:block}svg{max-width:100%;height:auto}</style>"
)
"""Narrow windows show the whole chart."""
