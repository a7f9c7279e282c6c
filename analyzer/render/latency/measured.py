"""Measured latencies: as tables for the terminal with their warnings and conditions, as CSV, as the page of records."""

import csv
import io
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.latency.records.conditions import Conditions, OutputCheck
from analyzer.latency.records.record import LatencyRecord, Measurement, Timing
from analyzer.literature.counting_rules import CONVENTIONS
from analyzer.text.tables import markdown_table, terminal_table
from analyzer.text.units import exact, percent, shape, size_bytes, stage_label


def measurement_table(measurement: Measurement) -> str:
    """One network's stages, or a line each of several cells; then the warnings, and the conditions."""
    return latency_table(measurement.records[0]) if len(measurement.records) == 1 else cells_table(measurement)


def latency_table(record: LatencyRecord) -> str:
    """Stages, whole, their sum against it, throughput, the warnings, and the conditions; times of one batch."""
    conditions = record.conditions
    device = f"{conditions.device_name} ({conditions.device})"
    lead = f"{record.variant}, measured on {device}, {_task(record)} of {_batch(record)}"
    heads = ["", "median ms", "p10–p90 ms", "share"]
    table = terminal_table(heads, [*_stage_rows(record), *_sum_rows(record)], "lrrr")
    return (
        "\n".join([lead, "", table, "", *_facts(record), *record_warnings(record), _conditions(conditions, [record])])
        + "\n"
    )


def _task(record: LatencyRecord) -> str:
    return "one batch" if record.settings.task == "inference" else "one training step"


def _batch(record: LatencyRecord) -> str:
    return f"{record.batch_size} × {shape(record.input_shape)}"


def _stage_rows(record: LatencyRecord) -> Iterator[list[str]]:
    for stage in record.stages:
        share = f"{percent(stage.median_ms, record.stage_sum_ms)} %"
        yield [stage_label(stage.label), _ms(stage.median_ms, record), _spread(stage, record), share]


def _sum_rows(record: LatencyRecord) -> Iterator[list[str]]:
    against = ""
    if record.stages:
        against = f"{percent(record.network.median_ms, record.stage_sum_ms)} %"
        yield ["sum of stages", _ms(record.stage_sum_ms, record), "", "100.0 %"]
    whole = record.network
    yield ["whole network", _ms(whole.median_ms, record), _spread(whole, record), against]
    if record.queued is not None:
        yield ["whole, queued", _ms(record.queued.median_ms, record), _spread(record.queued, record), ""]


def _spread(timing: Timing, record: LatencyRecord) -> str:
    return f"{_ms(timing.p10_ms, record)}–{_ms(timing.p90_ms, record)}"


def _ms(value: float, record: LatencyRecord) -> str:
    """With decimals that leave the whole at least four significant digits."""
    median = record.network.median_ms
    return f"{value:.{1 if median >= 100 else 2 if median >= 10 else 3}f}"


def _facts(record: LatencyRecord) -> Iterator[str]:
    how = "batches queued" if record.queued else "one batch after the other"
    yield f"Throughput: {_rate(record)} images a second, {how}."
    host = record.host
    if host is not None and host.graph_ms is not None and host.ratio is not None:
        verdict = "the host sets the pace" if host.host_bound else "the GPU sets the pace"
        yield f"As a CUDA graph {host.graph_ms:.3f} ms; eager takes {percent(host.ratio, 1)} % of that: {verdict}."
    elif host is not None:
        yield f"Whether the host sets the pace is not known: {host.reason}"
    yield from _output_fact(record.output)
    if record.run_memory_bytes:
        yield f"A run takes {size_bytes(record.run_memory_bytes)} beside weights and input."


def _output_fact(check: OutputCheck | None) -> Iterator[str]:
    if check is not None and check.agrees:
        yield f"Output checked against eager float32: {check.error:.1e} ≤ {check.bound:.1e}."
    elif check is not None and check.agrees is None:
        yield f"Output {check.error:.1e} away from eager float32, not judged: the network magnifies roundings."


def _rate(record: LatencyRecord) -> str:
    rate = record.images_per_s
    return exact(round(rate)) if rate >= 1000 else f"{rate:.1f}"


def cells_table(measurement: Measurement) -> str:
    """A line for each cell: how it was run, latency, throughput and marks, explained below."""
    lead = f"Measured on {measurement.conditions.device_name} ({measurement.conditions.device}); times of one batch"
    heads = ["", "size", "batch", "how", "median ms", "p10–p90 ms", "images/s", "marks"]
    rows = [_cell_row(record) for record in measurement.records]
    table = terminal_table(heads, rows, "lrrlrrrl")
    used = dict.fromkeys(mark for record in measurement.records for mark in _marks(record))
    meanings = [f"{mark}: {_MEANINGS[mark]}" for mark in used]
    ends = [f"Cut short ({measurement.cut_short}): what is shown is complete."] if measurement.cut_short else []
    ends += [f"Not measured: {failure.reason}" for failure in measurement.failures]
    return (
        "\n".join([lead, "", table, "", *meanings, *ends, _conditions(measurement.conditions, measurement.records)])
        + "\n"
    )


def _cell_row(record: LatencyRecord) -> list[str]:
    settings = record.settings
    task = "" if settings.task == "inference" else f"{settings.task}, "
    layout = ", channels_last" if record.channels_last else ""
    how = f"{task}{settings.execution.replace('_', ' ')}, {settings.precision}{layout}"
    size = "×".join(map(str, record.input_shape[1:]))
    spread, marks = _spread(record.network, record), " ".join(_marks(record))
    median = "discarded" if record.discarded else _ms(record.network.median_ms, record)
    return [record.variant, size, str(record.batch_size), how, median, spread, _rate(record), marks]


_MEANINGS = {
    "drift": "the reference network's time changed by over 2 % meanwhile; the figures do not count.",
    "spread": "the middle half of the samples spreads over more than 5 % of the median.",
    "split": "the stages add up to more than 5 % off the whole.",
    "host": "eager execution takes over 5 % longer than the same as a CUDA graph: the host sets the pace.",
    "cold": "the times had not settled when the warm-up ended.",
    "output": "the output is not that of eager float32 within rounding.",
    "disturbed": "other processes were busy, or clocks were lowered or are not known; the JSON tells.",
}


def _marks(record: LatencyRecord) -> Iterator[str]:
    if record.discarded:
        yield "drift"
    if record.network.unsteady:
        yield "spread"
    if record.split_differs:
        yield "split"
    if record.host is not None and record.host.host_bound:
        yield "host"
    if not record.warm_up.settled:
        yield "cold"
    if record.output is not None and record.output.agrees is False:
        yield "output"
    if record.disturbances:
        yield "disturbed"


def record_warnings(record: LatencyRecord) -> list[str]:
    """What makes the figures doubtful, a sentence each."""
    warnings = []
    if record.reference is not None and record.discarded:
        drift = percent(abs(record.reference.drift), 1)
        warnings.append(f"Discarded: {record.reference.variant}'s time changed by {drift} % meanwhile (over 2 %).")
    if record.reference is None:
        warnings.append("Not guarded against drift: no reference network was measured.")
    if record.network.unsteady:
        spread = percent(record.network.iqr_ms, record.network.median_ms, 0)
        warnings.append(f"Unsteady: the middle half of the samples spreads over {spread} % of the median (over 5 %).")
    if record.split_differs:
        ratio = percent(record.stage_sum_ratio, 1)
        warnings.append(f"The stages add up to {ratio} % of the whole (more than 5 % off): read the shares with care.")
    if not record.warm_up.settled:
        warnings.append(f"The times had not settled after {record.warm_up.seconds:.1f} s of warm-up.")
    return warnings + _output_warning(record) + list(record.disturbances)


def _output_warning(record: LatencyRecord) -> list[str]:
    check = record.output
    if check is None or check.agrees is not False:
        return []
    if check.error is None:
        return [f"The output is not finite: random weights overflow in {record.precision}."]
    return [f"The output is {check.error:.1e} away from eager float32's (bound {check.bound:.1e})."]


def _conditions(conditions: Conditions, records: list[LatencyRecord] | tuple[LatencyRecord, ...]) -> str:
    facts = [_fact(name, value) for name, value in _known(conditions)]
    lines = [*(_run_conditions(records[0]) if len(records) == 1 else ()), conditions.order, conditions.mode]
    lines += [f"{conditions.input}; {conditions.weights}", f"{conditions.clock}, {', '.join(facts)}"]
    lines += [f"torch {conditions.torch}, Python {conditions.python}, {conditions.platform}, {conditions.date}"]
    wrapped = [textwrap.fill(line, 116, subsequent_indent="    ", break_on_hyphens=False) for line in lines]
    return "Conditions: " + ";\n  ".join(wrapped) + "."


def _run_conditions(record: LatencyRecord) -> Iterator[str]:
    settings, warm_up = record.settings, record.warm_up
    yield (
        f"{len(record.network.samples_ms)} samples after {warm_up.num_runs} warm-up runs "
        f"(the first took {warm_up.first_run_s:.2f} s)"
    )
    precision = f"{settings.precision} (autocast {record.autocast})" if record.autocast else settings.precision
    yield f"{precision}, {settings.layout.replace('_', ' ')} layout, {settings.execution.replace('_', ' ')}"
    yield f"{record.caches} caches"
    if record.reference is not None:
        yield f"{record.reference.variant} before and after: {percent(record.reference.drift, 1)} % drift"


def _known(conditions: Conditions) -> Iterator[tuple[str, object]]:
    choices = {"cudnn_benchmark": conditions.cudnn_benchmark, "tf32": conditions.tf32}
    for name, value in {**conditions.machine, **choices}.items():
        if value is not None:
            yield name, value


def _fact(name: str, value: object) -> str:
    words, _, unit = name.rpartition("_")
    if unit == "bytes" and isinstance(value, int):
        return f"{words.replace('_', ' ')} {size_bytes(value)}"
    if unit in _UNITS:
        return f"{words.replace('_', ' ')} {value} {_UNITS[unit]}"
    return f"{name.replace('_', ' ')} {_word(value)}"


_UNITS = {"w": "W", "mhz": "MHz"}


def _word(value: object) -> object:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


_COLUMNS = (
    "model",
    "infer_samples_per_sec",
    "infer_step_time",
    "infer_batch_size",
    "infer_img_size",
    "infer_gmacs",
    "infer_macts",
    "train_samples_per_sec",
    "train_step_time",
    "train_batch_size",
    "train_img_size",
    "param_count",
    "device",
    "precision",
    "layout",
    "execution",
    "median_ms",
    "queued_samples_per_sec",
    "discarded",
)
"""timm's first, with its meaning: step times are means in milliseconds of synchronised batches, gmacs and macts
count as timm does, in units of 10⁹ and 10⁶, params in 10⁶."""


def latency_csv(measurement: Measurement) -> str:
    """A row for each cell; a column that has no meaning for it is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for record in measurement.records:
        writer.writerow(dict([*_timm_columns(record), *_counts(record), *_own_columns(record)]))
    return text.getvalue()


def _timm_columns(record: LatencyRecord) -> Iterator[tuple[str, Any]]:
    kind = "infer" if record.settings.task == "inference" else "train"
    step_ms = record.network.mean_ms
    yield "model", record.variant
    yield f"{kind}_samples_per_sec", round(1000 * record.batch_size / step_ms, 2) if step_ms else ""
    yield f"{kind}_step_time", round(step_ms, 3)
    yield f"{kind}_batch_size", record.batch_size
    yield f"{kind}_img_size", record.input_shape[-1]


def _counts(record: LatencyRecord) -> Iterator[tuple[str, Any]]:
    try:
        analysis = analyze(record.variant, record.input_shape[1:])
    except InvalidInput:
        return  # a network from a file or a Graph, which its name alone does not give back
    if analysis.fingerprint != record.fingerprint:
        return
    yield "param_count", round(analysis.params / 1e6, 2)
    if record.settings.task == "inference":
        yield "infer_gmacs", round(CONVENTIONS["timm"].count(analysis) / 1e9, 2)
        yield "infer_macts", round(CONVENTIONS["activations"].count(analysis) / 1e6, 2)


def _own_columns(record: LatencyRecord) -> Iterator[tuple[str, Any]]:
    yield "device", record.conditions.device_name
    yield "precision", record.precision
    yield "layout", record.settings.layout
    yield "execution", record.settings.execution
    yield "median_ms", round(record.network.median_ms, 3)
    yield "queued_samples_per_sec", round(record.images_per_s, 2)
    yield "discarded", int(record.discarded)


_HEAD = """# Measured latencies

Every sample and every condition, as `analyzer latency` recorded them on the machine that each names; none is ever
changed. [docs/latency.md](../../docs/latency.md) says by which rules, and what the fields mean. This page is written
from the records: medians in milliseconds of one batch, waited for, or of one training step. A star: the samples spread
over more than 5 % of the median, as they do where a host sets the pace; a dash: not measured, or discarded for drift.
"""


def records_page(measurements: Mapping[str, Measurement]) -> str:
    """Markdown of the records by file name, oldest first."""
    return "\n".join([_HEAD, *(_section(name, measurement) for name, measurement in sorted(measurements.items()))])


def _section(name: str, measurement: Measurement) -> str:
    conditions = measurement.conditions
    facts = f"{conditions.device_name} · torch {conditions.torch} · {conditions.date[:10]} · {_state(measurement)}"
    ways = list(dict.fromkeys(_settings_label(record) for record in measurement.records))
    rows = [[f"`{variant}`", *cells] for variant, cells in _rows(measurement, ways)]
    table = markdown_table(["network", *ways], rows, "l" + "r" * len(ways))
    checks = "; ".join(_checks(measurement.records))
    return f"## [{name.removesuffix('.json')}]({name})\n\n{facts}\n\n{table}\n\n{checks}.\n"


def _checks(records: tuple[LatencyRecord, ...]) -> Iterator[str]:
    """How far the machine drifted, how well stages add up, and what the host costs, over all cells."""
    drifts = [abs(record.reference.drift) for record in records if record.reference is not None]
    if drifts:
        yield f"Reference network: at most {percent(max(drifts), 1)} % drift around a cell"
    for execution in dict.fromkeys(record.settings.execution for record in records):
        gaps = [
            abs(record.stage_sum_ratio - 1)
            for record in records
            if record.settings.execution == execution and record.stages
        ]
        if gaps:
            yield f"{execution.replace('_', ' ')}: stages add up to within {percent(max(gaps), 1)} % of the whole"
    ratios = [record.host.ratio for record in records if record.host is not None and record.host.ratio is not None]
    if ratios:
        yield f"eager takes {min(ratios):.2f} to {max(ratios):.2f} × the time of the same as a CUDA graph"


def _state(measurement: Measurement) -> str:
    num_discarded = sum(record.discarded for record in measurement.records)
    cells = f"{len(measurement.records)} cells" + (f", {num_discarded} of them discarded" if num_discarded else "")
    return cells if measurement.cut_short is None else f"{cells}, ended by {measurement.cut_short}"


def _settings_label(record: LatencyRecord) -> str:
    settings = record.settings
    task = "" if settings.task == "inference" else f"{settings.task}, "
    layout = ", channels last" if record.channels_last else ""
    return f"{task}{settings.execution.replace('_', ' ')}, {settings.precision}{layout}, batch {settings.batch_size}"


def _rows(measurement: Measurement, ways: list[str]) -> Iterator[tuple[str, list[str]]]:
    medians = {(record.variant, _settings_label(record)): _median(record) for record in measurement.records}
    for variant in dict.fromkeys(record.variant for record in measurement.records):
        yield variant, [medians.get((variant, way), "–") for way in ways]


def _median(record: LatencyRecord) -> str:
    if record.discarded:
        return "–"
    median = record.network.median_ms
    return f"{median:.{1 if median >= 100 else 2 if median >= 10 else 3}f}{'*' if record.network.unsteady else ''}"
