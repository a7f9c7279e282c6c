r"""Reports as LaTeX tables ready for a paper: booktabs rules, caption with the convention, label, exact figures."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from analyzer.cost.analysis import Analysis
from analyzer.cost.formulas import CONVENTION
from analyzer.cost.memory import memory
from analyzer.cost.network_costs import CostTotals, StageCost
from analyzer.families.expression import slug
from analyzer.render.notation import stage_contents
from analyzer.render.report.bundle import report_source
from analyzer.render.report.report import last_stage_shape
from analyzer.text.units import exact, stage_label

if TYPE_CHECKING:
    from analyzer.latency.predict.target import LatencyTarget

_SPECIALS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "·": r"$\cdot$",
    "–": "--",
    "—": "---",
    "θ": r"$\theta$",
    "⌊": r"$\lfloor$",
    "⌋": r"$\rfloor$",
    "…": r"\dots{}",
    "²": r"$^2$",
}
"""Character → what shows it in text, for every TeX engine and without a package."""
_COSTS = {"Parameters": "", "MACs": "$10^6$", "Activations": "$10^3$"}
"""Head → unit below it."""
_WIDE = 30
"""Characters from which a cell is broken into lines."""
CONVENTION_NOTE = f"MACs: {CONVENTION['macs']}. Activations: {CONVENTION['activations']}."


def latex_document(
    reports: Sequence[tuple[Analysis, Sequence[Analysis]]], target: "LatencyTarget | None" = None
) -> str:
    """Each network's stages as a table, its sizes as one where there are several, and the networks where there are.

    With a target each network's predicted latency by stage, too.
    """
    tables = [table for first, others in reports for table in _tables(first, others, target)]
    if len(reports) > 1:
        tables.insert(0, _network_table([first for first, _ in reports]))
    recipes = [report_source(first, others, target).command for first, others in reports]
    comments = [_comment(f"Made by: {command} --format latex") for command in recipes]
    preamble = r"% Tables by resnet-analyzer. The preamble needs \usepackage{booktabs}."
    return "\n".join([preamble, *comments]) + "\n\n" + "\n".join(tables)


def latex_escaped(text: str) -> str:
    """A text as LaTeX that shows it as it is; a character that LaTeX may lack becomes a question mark."""
    return "".join(
        _SPECIALS.get(
            character, character if character.isascii() and character.isprintable() else _latex_character(character)
        )
        for character in text
    )


def _latex_character(character: str) -> str:
    return character if character.isalpha() and ord(character) < 0x180 else "?"


def _comment(text: str) -> str:
    return "% " + re.sub(r"[^\x20-\x7e]", "?", text)


def _tables(first: Analysis, others: Sequence[Analysis], target: "LatencyTarget | None") -> list[str]:
    sizes = [_size_table([first, *others])] if others else []
    return [*sizes, _stage_table(first), *([_latency_table(first, target)] if target else [])]


def _latency_table(analysis: Analysis, target: "LatencyTarget") -> str:
    from analyzer.latency.predict.predict import predict_latency  # few reports have one
    from analyzer.render.latency.predicted import LATENCY_STAGE_HEADS, network_cells, stage_cells, table_caption

    prediction = predict_latency(analysis, target)
    heads = dict.fromkeys((_capitalised(latex_escaped(head)) for head in LATENCY_STAGE_HEADS), "")
    rows = [[latex_escaped(cell) for cell in cells] for cells in stage_cells(prediction)]
    total = [latex_escaped(cell) for cell in network_cells(prediction)]
    caption = f"{_network_name(analysis)} at {_shape(analysis.input_shape)}: {latex_escaped(table_caption(prediction))}"
    return _table(caption, _label("latency", analysis), "lrrrlr", heads, rows, total)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _stage_table(analysis: Analysis) -> str:
    blocks = analysis.blocks
    heads = {"Stage": "", "Blocks": "", "Output": "", **_COSTS}
    contents = [stage_contents(analysis, stage, blocks) for stage in analysis.stages]
    wraps = max(map(len, contents)) >= _WIDE
    cells = [rf"\raggedright {latex_escaped(text)}" if wraps else latex_escaped(text) for text in contents]
    rows = [_stage_cells(*pair) for pair in zip(analysis.stages, cells, strict=True)]
    title = f"{_network_name(analysis)}: stages at an input of {_shape(analysis.input_shape)}"
    caption = f"{title}. {latex_escaped(CONVENTION_NOTE)}"
    total = ["Total", "", "", *_costs(analysis.totals)]
    align = r"lp{0.3\linewidth}lrrr" if wraps else "lllrrr"
    return _table(caption, _label("stages", analysis), align, heads, rows, total)


def _stage_cells(stage: StageCost, contents: str) -> list[str]:
    return [latex_escaped(stage_label(stage.stage)), contents, _shape(stage.output_shape), *_costs(stage)]


def _costs(part: CostTotals) -> list[str]:
    return [exact(part.params), _scaled(part.macs, 10**6), _scaled(part.activations, 10**3)]


def _size_table(analyses: Sequence[Analysis]) -> str:
    heads = {"Input": "", "Last stage": "", **_COSTS, "Peak memory": "MiB"}
    del heads["Parameters"]  # which no size changes
    rows = [
        [
            _shape(analysis.input_shape),
            _shape(last_stage_shape(analysis)),
            *_costs(analysis.totals)[1:],
            _scaled(memory(analysis).peak_bytes, 2**20),
        ]
        for analysis in analyses
    ]
    caption = (
        f"{_network_name(analyses[0])}, {exact(analyses[0].params)} parameters, at {len(analyses)} input sizes. "
        f"{latex_escaped(CONVENTION_NOTE)} Peak memory is that of activations in inference, one input, float32."
    )
    return _table(caption, _label("sizes", analyses[0]), "llrrr", heads, rows)


def _network_table(analyses: Sequence[Analysis]) -> str:
    heads = {"Network": "", "Input": "", "Depth": "", **_COSTS}
    rows = [
        [
            latex_escaped(analysis.network.title),
            _shape(analysis.input_shape),
            str(analysis.depth),
            *_costs(analysis.totals),
        ]
        for analysis in analyses
    ]
    return _table(f"{len(analyses)} networks. {latex_escaped(CONVENTION_NOTE)}", "tab:networks", "llrrrr", heads, rows)


def _table(
    caption: str,
    label: str,
    align: str,
    heads: Mapping[str, str],
    rows: Sequence[Sequence[str]],
    total: Sequence[str] = (),
) -> str:
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}\vspace{{4pt}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        _line(list(heads)),
        *([_line([f"({unit})" if unit else "" for unit in heads.values()])] if any(heads.values()) else []),
        r"\midrule",
        *map(_line, rows),
        *([r"\midrule", _line(total)] if total else []),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _network_name(analysis: Analysis) -> str:
    """The network's title, and its paper's authors and year."""
    network = analysis.network
    source = ", ".join(network.paper.rsplit(", ", 2)[-2:])
    return latex_escaped(f"{network.title} ({source})" if source else network.title)


def _label(kind: str, analysis: Analysis) -> str:
    """A label without characters that LaTeX reads otherwise."""
    return f"tab:{kind}:{slug(analysis.variant).replace('_', '-')}"


def _shape(dimensions: Sequence[int]) -> str:
    product = r"{\times}".join(map(str, dimensions))
    return f"${product}$"


def _scaled(number: int, scale: int) -> str:
    """A count in that unit to one decimal, half up; with all its digits where it is under a tenth of the unit."""
    tenths = (20 * number + scale) // (2 * scale)
    return f"{tenths // 10:,}.{tenths % 10}"
