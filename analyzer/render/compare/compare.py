"""Networks side by side: totals, stages, and what each difference is due to, as markdown, as a page and as JSON."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from analyzer.cost.analysis import Analysis
from analyzer.explanation.difference import (
    HEAD,
    INPUT_SIZE,
    AttributionStep,
    FieldChange,
    NetworkDifference,
    OpKind,
    OpKindDifference,
    StageFigures,
    by_role,
    differences,
    quantities,
    quantity_sums,
    stage_figures,
    stage_order,
)
from analyzer.families.network import size_of_sides, size_text
from analyzer.render.compare.compare_latency import latency_difference, latency_parts, step_cells
from analyzer.text.tables import escape_markdown, markdown_table
from analyzer.text.units import exact, percent, ratio, shape, short, signed, signed_bytes, size_bytes, stage_label

if TYPE_CHECKING:
    from analyzer.latency.predict.prediction import Prediction
    from analyzer.latency.predict.target import LatencyTarget

TableWriter = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]

CONVENTION_NOTE = (
    "Ratios (×) are to the first network. MACs and activations are those of one input; the peak of activations in "
    "inference and what training stores are bytes at batch 1 in float32, as `report` tells them under Memory."
)
ORDER_NOTE = (
    "Fields change one at a time, in the order in which the spec lists them, the input size last; one that alone would "
    "make no network waits, and an inner width changes before its cut into paths. A share depends on that order, their "
    "sum does not: it is the whole difference, exactly."
)
_WORDS = {
    "params": "parameters",
    "macs": "MACs",
    "activations": "activations",
    "peak_bytes": "peak in inference",
    "stored_bytes": "stored for training",
}
_BYTES = ("peak_bytes", "stored_bytes")


@dataclass(frozen=True)
class NetworkComparison:
    """Two or more networks, each against the first: `comparison_markdown`, and `to_dict` for machines.

    With a `target` their latency on that device is predicted, too.
    """

    analyses: tuple[Analysis, ...]
    target: "LatencyTarget | None" = None

    @cached_property
    def differences(self) -> tuple[NetworkDifference, ...]:
        """Each network but the first, against the first."""
        return differences(self.analyses)

    @cached_property
    def predictions(self) -> "tuple[Prediction, ...]":
        """Each network's predicted latency; none where no device is named."""
        if self.target is None:
            return ()
        from analyzer.latency.predict.predict import predict_latency  # few comparisons have one

        return tuple(predict_latency(analysis, self.target) for analysis in self.analyses)

    @property
    def markdown(self) -> str:
        """For a file: what differs and why, the rest folded."""
        return comparison_markdown(self, markdown_table)

    @property
    def svg(self) -> str:
        """A chart of the stages' parameters, MACs, activations and stored bytes."""
        from analyzer.render.compare.bar_chart import bar_chart_svg

        return bar_chart_svg(self.analyses, network_names(self.analyses), self.predictions)

    @property
    def html(self) -> str:
        """The same as one self-contained page, with the chart."""
        return _page(self)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `compare --format json`, valid against schemas/compare-1.json."""
        return _document(self)

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __str__(self) -> str:
        return self.markdown


def network_comparison(analyses: Sequence[Analysis], target: "LatencyTarget | None" = None) -> NetworkComparison:
    """Networks side by side, on a device where one is given; InvalidInput where there are fewer than two."""
    differences(analyses)
    return NetworkComparison(tuple(analyses), target)


def comparison_markdown(comparison: NetworkComparison, table: TableWriter) -> str:
    """Markdown whose tables that function makes: bare for files, padded for a terminal."""
    folded = (
        f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"
        for title, content in detail_parts(comparison, table)
    )
    return "\n\n".join([f"# {comparison_heading(comparison)}", *summary_parts(comparison, table), *folded]) + "\n"


def comparison_heading(comparison: NetworkComparison) -> str:
    """The networks' titles, with their input sizes where these differ."""
    sizes = len({analysis.input_shape[1:] for analysis in comparison.analyses}) > 1
    *first, last = (
        escape_markdown(analysis.network.title) + (f" at {shape(analysis.input_shape)}" if sizes else "")
        for analysis in comparison.analyses
    )
    return f"{', '.join(first)} and {last}"


def summary_parts(comparison: NetworkComparison, table: TableWriter = markdown_table) -> list[str]:
    """The first screen: totals, a sentence and the reasons for each difference, the stages side by side."""
    parts = [_totals(comparison.analyses, table)]
    for number, difference in enumerate(comparison.differences, 1):
        parts += [_sentence(comparison, number), *_reasons(comparison, difference, table)]
    parts += ["**Stage by stage**", _stages(comparison.analyses, table), CONVENTION_NOTE]
    return [
        *parts,
        *latency_parts([_code(name) for name in network_names(comparison.analyses)], comparison.predictions, table),
    ]


def detail_parts(comparison: NetworkComparison, table: TableWriter = markdown_table) -> Iterator[tuple[str, str]]:
    """(title, content) of what is folded: every difference by stage and kind of op."""
    for difference in comparison.differences:
        if not difference.equal:
            ours, theirs = network_names((difference.first, difference.second))
            title = f"By stage and kind of op: {theirs} against {ours}"
            yield title, _by_kind(difference, difference.parts, table)


def network_names(analyses: Sequence[Analysis]) -> list[str]:
    """What tells the networks apart: the expression, and the input size where two have the same one."""
    known = [analysis.variant for analysis in analyses]
    return [
        each.variant if known.count(each.variant) == 1 else f"{each.variant}@{'x'.join(map(str, each.input_shape[1:]))}"
        for each in analyses
    ]


def compare_command(comparison: NetworkComparison) -> str:
    """The command line that compares the networks again, where one input size or each one's own was taken."""
    own = all(each.input_shape == each.network.input_shape() for each in comparison.analyses)
    height, width = comparison.analyses[0].input_shape[1:]
    size = "" if own else f" --input-size {size_text(size_of_sides(height, width))}"
    device = f" {comparison.target.arguments}" if comparison.target else ""
    return f"python -m analyzer compare {' '.join(each.variant for each in comparison.analyses)}{size}{device}"


def _code(text: str) -> str:
    return f"`{text}`"


def _totals(analyses: Sequence[Analysis], table: TableWriter) -> str:
    heads = ["network", "input", *_WORDS.values(), "depth", "receptive field"]
    first = quantities(analyses[0])
    rows = [
        [_code(name), shape(each.input_shape), *_quantity_cells(each, first), str(each.depth), _field(each)]
        for name, each in zip(network_names(analyses), analyses, strict=True)
    ]
    return table(heads, rows, "ll" + "r" * (len(heads) - 2))


def _field(analysis: Analysis) -> str:
    return f"{exact(analysis.receptive_field)} px"


def _quantity_cells(analysis: Analysis, first: dict[str, int]) -> Iterator[str]:
    for name, count in quantities(analysis).items():
        words = size_bytes(count) if name in _BYTES else exact(count)
        yield words if count == first[name] else f"{words} ({ratio(count, first[name])}×)"


def _sentence(comparison: NetworkComparison, number: int) -> str:
    difference = comparison.differences[number - 1]
    ours, theirs = network_names((difference.first, difference.second))
    if difference.equal:
        return f"**{_code(theirs)} is {_code(ours)}**: one graph, fingerprint `{difference.first.fingerprint}`."
    facts = [
        _difference_phrase(_WORDS[name], was, now)
        for name, (was, now) in difference.totals.items()
        if name not in _BYTES
    ]
    facts += latency_difference(comparison.predictions, number)
    return f"**{_code(theirs)} against {_code(ours)}**: {', '.join(facts)}."


def _difference_phrase(words: str, was: int, now: int) -> str:
    if was == now:
        return f"as many {words}"
    share = f" ({signed(now - was)[0]}{percent(abs(now - was), was)} %)" if was else ""
    return f"{exact(abs(now - was))} {'more' if now > was else 'fewer'} {words}{share}"


def _reasons(comparison: NetworkComparison, difference: NetworkDifference, table: TableWriter) -> list[str]:
    if difference.equal:
        return []
    if difference.by_field:
        return [_by_field(comparison, difference, table), ORDER_NOTE]
    apart = "Networks of different families share no fields; their difference by role and kind of op, the head apart:"
    return [apart, _by_kind(difference, by_role(difference.parts), table)]


def _by_field(comparison: NetworkComparison, difference: NetworkDifference, table: TableWriter) -> str:
    heads = ["due to", *_WORDS.values(), *(["predicted ms"] if comparison.target else [])]
    latency = step_cells(comparison.target, difference) if comparison.target else [[]] * (len(difference.steps) + 1)
    rows = [[_step_words(step), *_shares(step.shares)] for step in difference.steps]
    rows.append(["**all together**", *_shares({name: now - was for name, (was, now) in difference.totals.items()})])
    return table(heads, [row + own for row, own in zip(rows, latency, strict=True)], "l" + "r" * (len(heads) - 1))


def _shares(shares: dict[str, int]) -> Iterator[str]:
    for name in _WORDS:
        yield signed_bytes(shares[name]) if name in _BYTES else signed(shares[name])


def _step_words(step: AttributionStep) -> str:
    words = ", ".join(map(_change_words, step.changes))
    return f"{words} (together: {escape_markdown(step.why.rstrip('.'))})" if step.why else words


def _change_words(change: FieldChange) -> str:
    name = "input size" if change.field == INPUT_SIZE else _code(change.field)
    return f"{name} {change.old} → {change.new}"


def op_kind_label(kind: OpKind) -> str:
    """A kind of op: "3×3 conv, grouped", "batch norm", "linear"."""
    if kind.kernel:
        return f"{kind.kernel}×{kind.kernel} conv{', grouped' if kind.grouped else ''}"
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", kind.op).removesuffix("2d").lower()


def _by_kind(difference: NetworkDifference, parts: Sequence[OpKindDifference], table: TableWriter) -> str:
    before = [part for part in parts if part.stage != HEAD]
    head = [part for part in parts if part.stage == HEAD]
    rows = [_part_cells(part) for part in before]
    rows += [["**all before the head**", "", *_sum_cells(before)], *map(_part_cells, head)]
    rows.append(["**all together**", "", *_sum_cells(parts)])
    ours, theirs = map(_code, network_names((difference.first, difference.second)))
    heads = ["stage", "ops"]
    for name in ("params", "macs"):
        heads += [f"{_WORDS[name]} of {ours}", f"of {theirs}", "difference"]
    return table(heads, rows, "llrrrrrr")


def _part_cells(part: OpKindDifference) -> list[str]:
    return [stage_label(part.stage), op_kind_label(part.kind), *_pair_cells(part.counts)]


def _sum_cells(parts: Sequence[OpKindDifference]) -> list[str]:
    return _pair_cells(dict(quantity_sums(parts)))


def _pair_cells(counts: dict[str, tuple[int, int]]) -> list[str]:
    cells: list[str] = []
    for name in ("params", "macs"):
        was, now = counts[name]
        cells += [exact(was), exact(now), signed(now - was)]
    return cells


def _stages(analyses: Sequence[Analysis], table: TableWriter) -> str:
    figures = [stage_figures(analysis) for analysis in analyses]
    heads = ["stage", "network", "output"]
    for words in ("parameters", "MACs", "activations", "stored for training"):
        heads += [words, "ratio"]
    rows = []
    for stage in stage_order(analyses):
        first = figures[0].get(stage)
        for number, (name, comparison) in enumerate(zip(network_names(analyses), figures, strict=True)):
            label = "" if number else stage_label(stage)
            rows.append([label, _code(name), *_stage_cells(comparison.get(stage), first, reference=not number)])
    return table(heads, rows, "lll" + "r" * 8)


def _stage_cells(comparison: StageFigures | None, first: StageFigures | None, reference: bool) -> list[str]:
    if comparison is None:
        return ["–"] * 9
    cells = [shape(comparison.output_shape)]
    for name in ("params", "macs", "activations", "stored_bytes"):
        count = getattr(comparison, name)
        cells.append(size_bytes(count) if name in _BYTES else short(count))
        cells.append("" if reference else ratio(count, getattr(first, name)) if first else "–")
    return cells


def _page(comparison: NetworkComparison) -> str:
    """One self-contained page, the markdown's content and the chart: nothing to fetch, nothing to run."""
    from analyzer.render.report.html import html_page, markdown_to_html  # few comparisons are a page

    title = escape(re.sub(r"\\(.)", r"\1", comparison_heading(comparison)))
    first, *rest = summary_parts(comparison)
    folded = "".join(
        f"<details><summary>{escape(title)}</summary>\n{markdown_to_html(content)}</details>\n"
        for title, content in detail_parts(comparison)
    )
    chart = f'<figure><div class="wide" tabindex="0" role="region" aria-label="Chart">{comparison.svg}</div></figure>\n'
    reasons = markdown_to_html("\n\n".join(rest))
    footer = f"<footer>Made by <code>{escape(compare_command(comparison))} --format html</code></footer>"
    body = (
        f"<main>\n<article>\n<h1>{title}</h1>\n{markdown_to_html(first)}{chart}{reasons}{folded}"
        f"{footer}\n</article>\n</main>"
    )
    return html_page(title, body)


def _document(comparison: NetworkComparison) -> dict[str, Any]:
    """Networks with totals and stages; each difference to the first, whole, by field, and by stage and kind of op."""
    networks = [_network_json(analysis) for analysis in comparison.analyses]
    differences = [_difference_json(difference) for difference in comparison.differences]
    for network, prediction in zip(networks, comparison.predictions, strict=False):
        network["latency"] = prediction.to_dict()
    if comparison.target:
        for facts, difference in zip(differences, comparison.differences, strict=True):
            _add_latency(comparison.target, facts, difference)
    return {"schema": 1, "networks": networks, "differences": differences}


def _add_latency(target: "LatencyTarget", facts: dict[str, Any], difference: NetworkDifference) -> None:
    """What the difference, and each step of it, changes in the predicted milliseconds."""
    from analyzer.latency.predict.predict import predict_latency  # only a device needs it

    states = [difference.first, *(step.after for step in difference.steps)]
    times = [predict_latency(state, target).ms for state in states]
    facts["predicted_ms"] = predict_latency(difference.second, target).ms - times[0]
    for step, (was, now) in zip(facts["by_field"] or (), pairwise(times), strict=True):
        step["predicted_ms"] = now - was


def _network_json(analysis: Analysis) -> dict[str, Any]:
    return {
        "variant": analysis.variant,
        "title": analysis.network.title,
        "fingerprint": analysis.fingerprint,
        "family": analysis.network.family,
        "input_shape": list(analysis.input_shape),
        "totals": quantities(analysis) | {"depth": analysis.depth, "receptive_field": analysis.receptive_field},
        "stages": [
            {"stage": stage, **figures._asdict(), "output_shape": list(figures.output_shape)}
            for stage, figures in stage_figures(analysis).items()
        ],
    }


def _difference_json(difference: NetworkDifference) -> dict[str, Any]:
    return {
        "first": difference.first.variant,
        "second": difference.second.variant,
        "equal": difference.equal,
        "totals": {name: now - was for name, (was, now) in difference.totals.items()},
        "by_field": [_step_json(step) for step in difference.steps] if difference.by_field else None,
        "by_part": [_part_json(part) for part in difference.parts],
    }


def _step_json(step: AttributionStep) -> dict[str, Any]:
    changes = [change._asdict() for change in step.changes]
    return {"changes": changes, **({"why_together": step.why} if step.why else {}), "shares": step.shares}


def _part_json(part: OpKindDifference) -> dict[str, Any]:
    kind = {"op": part.kind.op} | (
        {"kernel": part.kind.kernel, "grouped": part.kind.grouped} if part.kind.kernel else {}
    )
    return {"stage": part.stage, **kind, **{name: list(pair) for name, pair in part.counts.items()}}
