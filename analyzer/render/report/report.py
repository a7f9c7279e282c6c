"""The markdown report: a first screen that answers, and the rest folded."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from analyzer.cost.analysis import Analysis
from analyzer.cost.formulas import CONVENTION
from analyzer.cost.memory import memory
from analyzer.cost.network_costs import BlockCost, StageCost
from analyzer.cost.training import transfer
from analyzer.literature.counting_rules import CONVENTIONS
from analyzer.literature.published import PublishedComparison, PublishedFigure, comparisons
from analyzer.render.notation import block_notation, op_notation, shortcut_notation, stage_contents
from analyzer.render.report.memory import memory_section
from analyzer.render.report.remarks import remarks
from analyzer.text.tables import escape_markdown, markdown_table
from analyzer.text.units import exact, percent, shape, short, size_bytes, stage_label

if TYPE_CHECKING:
    from analyzer.latency.predict.target import LatencyTarget

SIZE_HEADS = ("input", "last stage", "parameters", "MACs", "×", "activations", "peak memory", "stored for training")


def size_table(analyses: Sequence[Analysis]) -> str:
    """Costs by input size as a markdown table; `×` is MACs against the first, memory that of activations in float32."""
    rows = [_cells(analysis, analyses[0]) for analysis in analyses]
    return markdown_table(list(SIZE_HEADS), rows, "llrrrrrr")


def _cells(analysis: Analysis, first: Analysis) -> list[str]:
    return [
        shape(analysis.input_shape),
        shape(last_stage_shape(analysis)),
        exact(analysis.params),
        short(analysis.macs, 4),
        f"{analysis.macs / first.macs:.2f}" if first.macs else "–",
        short(analysis.activations, 4),
        size_bytes(memory(analysis).peak_bytes),
        size_bytes(transfer(analysis).stored_bytes),
    ]


def last_stage_shape(analysis: Analysis) -> tuple[int, ...]:
    """The output of the last stage before the head."""
    return [stage for stage in analysis.stages if stage.stage != "head" or len(analysis.stages) == 1][-1].output_shape


_UNITS = {1: "", 10**6: " M", 10**9: " G"}


def agreement_lines(analysis: Analysis) -> list[str]:
    """One paragraph of agreements and one of differences, each with its reason; none where nothing is published."""
    compared = list(comparisons(analysis))
    agreeing = [item for item in compared if item.agrees]
    differing = [item for item in compared if not item.agrees]
    lines = []
    if agreeing:
        sources = [
            _source_words(source, list(items)) for source, items in groupby(agreeing, lambda item: item.figure.source)
        ]
        lines.append(f"**Agrees with** {', '.join(sources)}.")
    lines += [_difference(item) for item in differing]
    return lines


def _source_words(source: str, items: list[PublishedComparison]) -> str:
    return f"{source} ({'; '.join(_published_value(item.figure) for item in items)})"


def _published_value(figure: PublishedFigure) -> str:
    value = f"{int(figure.published):,}" if figure.unit == 1 else f"{figure.published}{_UNITS[figure.unit]}"
    aside = CONVENTIONS[figure.convention].aside
    return f"{value} {aside}" if aside else value


def _difference(item: PublishedComparison) -> str:
    figure = item.figure
    return (
        f"**Differs from** {figure.source} ({_published_value(figure)}): that is `{figure.describes}`, "
        f"{figure.reason}, {exact(item.described)} against {exact(item.ours)} here."
    )


STAGE_HEADS = ("stage", "blocks", "output", "parameters", "%", "MACs", "%", "activations", "%")


def markdown_report(
    analysis: Analysis,
    made_by: str,
    picture: str | None,
    others: Sequence[Analysis] = (),
    target: "LatencyTarget | None" = None,
) -> str:
    """The report as markdown; `made_by` is the command that makes it again, `picture` the diagram's file beside it.

    `others` are analyses of the same network at other input sizes, `target` the device to predict its latency for.
    """
    figures = headline_figures(analysis)
    blocks = analysis.blocks
    parts = [
        f"# {escape_markdown(analysis.network.title)}",
        lead_line(analysis),
        markdown_table(list(figures), [list(figures.values())], "r" * len(figures)),
        *summary_parts(analysis, blocks, picture, others, target),
        *(_details(title, content) for title, content in detail_parts(analysis, blocks, others, target)),
        _blocks_section(analysis, picture) if picture and has_blocks(analysis) else "",
        f"<!-- made by: {made_by} -->",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary_parts(
    analysis: Analysis,
    blocks: Sequence[BlockCost],
    picture: str | None,
    others: Sequence[Analysis],
    target: "LatencyTarget | None" = None,
) -> list[str]:
    """The first screen below the headline as paragraphs of markdown."""
    image = f"![{escape_markdown(analysis.network.title)}, stem to head]({picture})"
    return [
        *_size_table(analysis, others),
        stage_table(analysis, blocks),
        *([image] if picture else []),
        *_latency(analysis, target),
        *_bullet_list("**What stands out**", remarks(analysis, blocks)),
        *agreement_lines(analysis),
    ]


def _reference_latency(analysis: Analysis) -> tuple[str, str]:
    from analyzer.latency.predict.parse_target import reference_target
    from analyzer.latency.predict.predict import predict_latency
    from analyzer.render.latency.predicted import latency_section, target_words

    title = f"Latency, predicted for {target_words(reference_target())}"
    return title, latency_section(predict_latency(analysis, reference_target()))


def _latency(analysis: Analysis, target: "LatencyTarget | None") -> list[str]:
    if target is None:
        return []
    from analyzer.latency.predict.predict import predict_latency  # few reports have one
    from analyzer.render.latency.predicted import latency_section

    return ["**Latency, predicted**", latency_section(predict_latency(analysis, target))]


def _size_table(analysis: Analysis, others: Sequence[Analysis]) -> list[str]:
    if not others:
        return []
    return [size_table([analysis, *others])]


def detail_parts(
    analysis: Analysis,
    blocks: Sequence[BlockCost],
    others: Sequence[Analysis] = (),
    target: "LatencyTarget | None" = None,
) -> Iterator[tuple[str, str]]:
    """(title, markdown) of each part below the first screen; without a target, latency on the reference is one."""
    for other in others:
        yield f"Stages at {shape(other.input_shape)}", stage_table(other, blocks)
    if blocks:
        yield "Blocks, equal ones folded", _block_table(blocks)
    yield "Memory", memory_section(analysis)
    if target is None:
        yield _reference_latency(analysis)
    yield f"Every op ({len(analysis.rows)})", _op_table(analysis)
    yield "Conventions", _conventions(analysis)


BLOCKS_SUFFIX = "-blocks"
"""What the file name of the drawing of the distinct blocks has after that of the network's."""
BLOCKS_TITLE = "Distinct blocks drawn open"


def has_blocks(analysis: Analysis) -> bool:
    """Whether a network is made of blocks, so that they are worth a drawing of their own."""
    return any(span.block for span in analysis.spans)


def _blocks_section(analysis: Analysis, picture: str) -> str:
    title = f"{escape_markdown(analysis.network.title)}, its distinct blocks drawn open"
    return _details(BLOCKS_TITLE, f"![{title}]({picture.removesuffix('.svg')}{BLOCKS_SUFFIX}.svg)")


def lead_line(analysis: Analysis) -> str:
    """The paper, the network's note, its expression and the input in one line of markdown."""
    network = analysis.network
    notes = "; ".join(part for part in (network.paper, network.note) if part)
    lead = f"*{notes}.* " if notes else ""
    return f"{lead}`{network.expression}` · input {shape(analysis.input_shape)}"


def headline_figures(analysis: Analysis) -> dict[str, str]:
    """The headline figures as markdown by their names."""
    totals = analysis.totals
    return {
        "parameters": f"**{short(totals.params, 4)}** ({exact(totals.params)})",
        "MACs (FLOPs = 2×)": f"**{short(totals.macs, 4)}** ({short(totals.flops, 4)})",
        "activations": short(totals.activations, 4),
        "receptive field": f"{exact(totals.receptive_field)} px",
        "depth": str(totals.depth),
        "float32 weights": size_bytes(totals.params_bytes),
    }


def stage_table(analysis: Analysis, blocks: Sequence[BlockCost]) -> str:
    """The stages with what they are made of, their outputs and costs, as a markdown table."""
    rows = [stage_cells(analysis, stage, blocks) for stage in analysis.stages]
    return markdown_table(STAGE_HEADS, rows, "lllrrrrrr")


def stage_cells(analysis: Analysis, stage: StageCost, blocks: Sequence[BlockCost]) -> list[str]:
    """A stage's cells below STAGE_HEADS."""
    totals = analysis.totals
    return [
        stage_label(stage.stage),
        stage_contents(analysis, stage, blocks),
        shape(stage.output_shape),
        exact(stage.params),
        percent(stage.params, totals.params),
        short(stage.macs),
        percent(stage.macs, totals.macs),
        short(stage.activations),
        percent(stage.activations, totals.activations),
    ]


def _bullet_list(title: str, lines: Sequence[str]) -> list[str]:
    return ["\n".join([title, *(f"- {line}" for line in lines)])] if lines else []


def _details(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def block_runs(blocks: Sequence[BlockCost]) -> Iterator[list[BlockCost]]:
    """Runs of neighbouring blocks that are equal, or dense layers that differ in their input channels only."""
    for _, run in groupby(blocks, _block_key):
        yield list(run)


def _block_key(block: BlockCost) -> tuple[object, ...]:
    if block.kind == "dense_layer":
        return block.stage, block.kind, block.output_shape
    return block.stage, block.kind, tuple((row.operation, row.output_shape) for row in block.rows)


def _block_table(blocks: Sequence[BlockCost]) -> str:
    heads = ["block", "what", "shortcut", "output", "parameters", "MACs", "activations", "receptive field"]
    return markdown_table(heads, [_block_cells(run) for run in block_runs(blocks)], "llllrrrr")


def _block_cells(run: list[BlockCost]) -> list[str]:
    first, last = run[0], run[-1]
    path = f"`{first.path}`" if first is last else f"`{first.path}` … `{last.path}` (× {len(run)})"
    return [
        path,
        block_notation(first),
        shortcut_notation(first),
        shape(first.output_shape),
        _from_to(first.params, last.params),
        _from_to(first.macs, last.macs),
        _from_to(first.activations, last.activations),
        f"{_from_to(first.receptive_field, last.receptive_field)} px",
    ]


def _from_to(first: int, last: int) -> str:
    return exact(first) if first == last else f"{exact(first)} … {exact(last)}"


def _op_table(analysis: Analysis) -> str:
    heads = ["path", "stage", "op", "output", "parameters", "MACs", "activations", "receptive field"]
    rows = [
        [
            f"`{row.path}`",
            stage_label(row.stage),
            op_notation(row.operation),
            shape(row.output_shape),
            exact(row.params),
            exact(row.macs),
            exact(row.activations),
            f"{exact(row.receptive_field)} px",
        ]
        for row in analysis.rows
    ]
    return markdown_table(heads, rows, "llllrrrr")


def _conventions(analysis: Analysis) -> str:
    lines = [f"- **{name.replace('_', ' ')}**: {text}" for name, text in CONVENTION.items()]
    lines += [
        "- shapes are channels × height × width, without the batch",
        f"- buffers (batch norm's statistics and counters): {exact(analysis.totals.buffers)} numbers",
        f"- fingerprint of the graph: `{analysis.fingerprint}`",
    ]
    return "\n".join(lines)
