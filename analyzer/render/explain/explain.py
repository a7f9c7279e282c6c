"""An explanation as people read it, in a terminal or in markdown, and as JSON."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analyzer.cost.analysis import Analysis
from analyzer.explanation.figures import Explanation, RepeatedSection, TracedFigure, explain_path
from analyzer.explanation.traced_int import formula_of
from analyzer.render.explain.arithmetic import equation, is_worked_out, leaves, numbers, sum_of_parts, symbols
from analyzer.render.explain.reasons import reasons
from analyzer.render.notation import op_notation, stage_contents
from analyzer.text.tables import markdown_table, terminal_table
from analyzer.text.units import exact, shape, stage_label

WIDTH = 110
LEGEND = {
    "n": "side of the input",
    "k": "kernel",
    "s": "stride",
    "p": "padding",
    "d": "dilation",
    "g": "groups",
    "C_in": "input channels",
    "C_out": "output channels",
    "C": "channels",
    "F_in": "input features",
    "F_out": "output features",
    "H": "height",
    "W": "width",
    "r": "receptive field of the input",
    "j": "total stride of the input",
}
"""Symbol → what it stands for."""
KINDS = {"squeeze_excitation": "squeeze-and-excitation", "dense_layer": "dense layer", "deep_stem": "deep stem"}
"""Kind of a sub-graph → its words, where the kind is not the word."""
_SUMMED = ("buffers",)
"""Figures that the ops of a block leave to its sum."""
_PASSED_ON = ("receptive field", "total stride")
"""Figures that most ops pass on as they are."""


@dataclass(frozen=True)
class Explained:
    """One place of a network explained: `text` for a terminal, `markdown`, and `to_dict` for machines."""

    explanation: Explanation

    @cached_property
    def reasons(self) -> list[str]:
        """Sentences that tell why the place is as it is."""
        return reasons(self.explanation)

    @property
    def text(self) -> str:
        """For a terminal, at most 110 columns wide but for tables."""
        return "\n".join(_text(self))

    @property
    def markdown(self) -> str:
        """The same as markdown."""
        return "\n".join(_markdown(self))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `explain --format json`, valid against schemas/explain-1.json."""
        explanation = self.explanation
        return {
            "schema": 1,
            "variant": explanation.analysis.variant,
            "fingerprint": explanation.analysis.fingerprint,
            "input_shape": list(explanation.analysis.input_shape),
            "path": explanation.place.path,
            "level": explanation.place.level,
            "kind": explanation.place.kind,
            "output_shape": list(explanation.rows[-1].output_shape),
            "figures": [_figure_json(figure, explanation.place.level == "op") for figure in explanation.figures],
            "parts": [_part_json(explanation, part) for part in explanation.parts],
            "reasons": self.reasons,
        }

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __str__(self) -> str:
        return self.text


def explanation(analysis: Analysis, path: str = "") -> Explained:
    """How the numbers at a path come about, and why; InvalidInput with the closest paths where there is none such."""
    return Explained(explain_path(analysis, path))


def _figure_json(figure: TracedFigure, own: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": figure.name, "value": int(figure.value)}
    if is_worked_out(figure.value):
        entry["formula"] = symbols(figure.value) if own else ""
        entry["arithmetic"] = numbers(figure.value) if own else sum_of_parts(figure.value)
    return {key: value for key, value in entry.items() if value != ""}


def _part_json(explanation: Explanation, part: RepeatedSection) -> dict[str, Any]:
    first = part.sections[0]
    rows = explanation.analysis.rows[first.start : first.stop]
    return {
        "paths": [place.path for place in part.sections],
        "kind": first.kind,
        "output_shape": list(rows[-1].output_shape),
        "figures": [_figure_json(figure, first.level == "op") for figure in part.figures],
    }


def _heading(explanation: Explanation) -> str:
    place, analysis = explanation.place, explanation.analysis
    if place.level == "network":
        return f"{analysis.network.title} at {shape(analysis.input_shape)}"
    words = KINDS.get(place.kind, place.kind)
    if place.level == "op":
        words = op_notation(explanation.rows[0].operation)
    elif place.level == "stage":
        stage = next(stage for stage in analysis.stages if stage.stage == explanation.rows[0].stage)
        words = f"{stage_label(stage.stage)}, {stage_contents(analysis, stage, analysis.blocks)}"
    return f"{analysis.variant} {place.path}: {words}"


def _shapes(explanation: Explanation) -> str:
    rows = explanation.rows
    inputs = " and ".join(shape(part) for part in rows[0].input_shapes)
    return f"{inputs} → {shape(rows[-1].output_shape)}"


def _lines(figures: tuple[TracedFigure, ...], own: bool) -> Iterator[tuple[str, str]]:
    """(name, arithmetic and value) of each figure worth a line; equal height and width share one."""
    texts = {figure.name: _figure_text(figure, own) for figure in figures}
    if texts.get("height") == texts.get("width") and "height" in texts:
        texts = {"height, width" if name == "height" else name: text for name, text in texts.items() if name != "width"}
    for name, text in texts.items():
        if text != "0":
            yield name, text


def _figure_text(figure: TracedFigure, own: bool) -> str:
    if own and (is_worked_out(figure.value) or figure.name not in _PASSED_ON):
        return equation(figure.value)
    return " = ".join(dict.fromkeys((sum_of_parts(figure.value), exact(figure.value))))


def _own_figures(figures: tuple[TracedFigure, ...]) -> tuple[TracedFigure, ...]:
    """An op's figures without those that only pass on what came before."""
    shown = (figure for figure in figures if figure.name not in _SUMMED)
    return tuple(f for f in shown if is_worked_out(f.value) or f.name not in _PASSED_ON)


def _is_op_by_op(explanation: Explanation) -> bool:
    """Whether the parts stand op by op, as in a block; otherwise they stand in a table."""
    return any(_has_costs(part) for part in explanation.parts if part.sections[0].level == "op")


def _has_costs(part: RepeatedSection) -> bool:
    return any(figure.value for figure in part.figures if figure.name in ("params", "MACs"))


def _name(explanation: Explanation, part: RepeatedSection) -> str:
    first, last = part.sections[0].path, part.sections[-1].path
    cut = len(explanation.place.path) + 1 if first.startswith(f"{explanation.place.path}.") else 0
    return first if first == last else f"{first} … {last[cut:].rpartition('.')[2]}"


def _table(explanation: Explanation) -> tuple[list[str], list[list[str]], str]:
    heads = ["part", "", "output", "params", "MACs", "activations"]
    rows = []
    for part in explanation.parts:
        if part.sections[0].level == "op" and not _has_costs(part):
            continue
        place = part.sections[0]
        values = {figure.name: figure.value for figure in part.figures}
        times = f"{len(part.sections)} × " if len(part.sections) > 1 else ""
        kind = "" if place.kind == "stage" else KINDS.get(place.kind, place.kind)
        output = shape(explanation.analysis.rows[place.stop - 1].output_shape)
        costs = [f"{times if values[name] else ''}{exact(values[name])}" for name in heads[3:]]
        rows.append([_name(explanation, part), kind, output, *costs])
    if not any(row[1] for row in rows):
        return [heads[0], *heads[2:]], [[row[0], *row[2:]] for row in rows], "llrrr"
    return heads, rows, "lllrrr"


def _legend(explained: Explained) -> str:
    """The symbols that the formulas use, each with its meaning."""
    explanation = explained.explanation
    figures = list(explanation.figures) if explanation.place.level == "op" else []
    for part in explanation.parts if _is_op_by_op(explanation) else ():
        figures += _own_figures(part.figures) if part.sections[0].level == "op" else ()
    used = {leaf.symbol for figure in figures for leaf in leaves(formula_of(figure.value))}
    return ", ".join(f"{symbol} {words}" for symbol, words in LEGEND.items() if symbol in used)


def _text(explained: Explained) -> Iterator[str]:
    explanation = explained.explanation
    heading = _heading(explanation)
    yield from (heading, "─" * len(heading), _shapes(explanation), "")
    if explanation.parts and not _is_op_by_op(explanation):
        yield from (terminal_table(*_table(explanation)), "")
    elif explanation.parts:
        yield from _part_lines(explanation)
        yield "In all"
    yield from _aligned(explanation.figures, explanation.place.level == "op", "  ")
    if explained.reasons:
        yield from ("", "Why")
        for reason in explained.reasons:
            yield from textwrap.wrap(reason, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    if legend := _legend(explained):
        yield ""
        yield from textwrap.wrap(f"Symbols: {legend}.", WIDTH, subsequent_indent="  ")


def _part_lines(explanation: Explanation) -> Iterator[str]:
    for part in explanation.parts:
        yield "  ".join(_part_heading(explanation, part))
        yield from _aligned(_own_figures(part.figures), part.sections[0].level == "op", "  ")
    yield ""


def _part_heading(explanation: Explanation, part: RepeatedSection) -> tuple[str, str, str]:
    """Name, words and output shape of a part."""
    place = part.sections[0]
    row = explanation.analysis.rows[place.start]
    words = op_notation(row.operation) if place.level == "op" else KINDS.get(place.kind, place.kind)
    name = _name(explanation, part).removeprefix(f"{explanation.place.path}.")
    return name, words, shape(explanation.analysis.rows[place.stop - 1].output_shape)


def _aligned(figures: tuple[TracedFigure, ...], own: bool, indent: str) -> Iterator[str]:
    for name, text in _lines(figures, own):
        start = f"{indent}{name:<17}"
        yield from textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def _markdown(explained: Explained) -> Iterator[str]:
    explanation = explained.explanation
    own = explanation.place.level == "op"
    yield from (f"# {_heading(explanation)}", "", _shapes(explanation), "")
    if explanation.parts and not _is_op_by_op(explanation):
        yield from (markdown_table(*_table(explanation)), "")
    elif explanation.parts:
        for part in explanation.parts:
            name, words, sizes = _part_heading(explanation, part)
            items = list(_items(_own_figures(part.figures), part.sections[0].level == "op"))
            yield from (f"**{name}**: {words}, {sizes}", "", *items, *([""] if items else []))
        yield from ("**In all**", "")
    yield from _items(explanation.figures, own)
    if explained.reasons:
        yield from ("", "## Why", "", *(f"- {reason}" for reason in explained.reasons))
    if legend := _legend(explained):
        yield from ("", f"Symbols: {legend}.")


def _items(figures: tuple[TracedFigure, ...], own: bool) -> Iterator[str]:
    yield from (f"- {name}: {text}" for name, text in _lines(figures, own))
