"""A predicted latency as people read it; every table and sentence says that it is predicted, and how sure that is."""

import csv
import io
import json
from collections.abc import Sequence
from math import fsum
from textwrap import fill

from analyzer.cost.analysis import Analysis
from analyzer.errors import shortened
from analyzer.latency.predict.devices import FIGURES, Device
from analyzer.latency.predict.predict import predict_op_times
from analyzer.latency.predict.prediction import KernelTime, Prediction, StageTime
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import RunSettings
from analyzer.render.diagram.style import OpTimes
from analyzer.text.tables import escaped, markdown_table, terminal_table
from analyzer.text.units import exact, percent, shape, significant, stage_label

LATENCY_STAGE_HEADS = ("stage", "predicted ms", "90 % interval, ms", "%", "bound by", "of peak rate")
KERNEL_HEADS = ("kernels", "number", "predicted ms", "%", "bound by", "achieved")
SUMMARY_HEADS = (
    "network",
    "input",
    "device",
    "batch",
    "run",
    "predicted ms",
    "90 % interval, ms",
    "predicted images/s",
    "evidence",
    "largest batch",
)
CAPTION = (
    "A stage's interval is wider than the whole's; of peak rate: the share of the device's peak that its MACs reach."
)
PREDICTION_NOTE = f"Predicted, not measured. {CAPTION} Kinds of kernels have no interval."
WIDTH = 110
"""Columns of a note on a terminal."""
_EVIDENCE = {"known": "known device", "calibrated": "calibrated", "specs": "specs only"}
_BOUNDS = {"compute": "compute", "memory": "memory", "launch": "launch"}
_MEANINGS = {
    "known": "the model was fitted on published measurements of this device in this mode",
    "calibrated": "scaled by a measurement of this device",
    "specs": "from the device's data sheet alone, without a measurement of it",
}


def predicted_text(found: Prediction) -> str:
    """For the terminal: the answer, stages, kinds of kernels, and what to know."""
    facts = [
        ("latency", f"{milliseconds_text(found)} predicted for one batch, 90 % interval {interval_text(found)} ms"),
        ("throughput", f"{throughput_text(found)} predicted"),
        ("evidence", evidence_words(found)),
        ("largest batch", batch_words(found)),
        ("host", host_words(found)),
    ]
    width = max(len(name) for name, _ in facts)
    stages = terminal_table(LATENCY_STAGE_HEADS, [*stage_cells(found), network_cells(found)], "lrrrlr")
    kernels = terminal_table(KERNEL_HEADS, kernel_cells(found), "lrrrll")
    lines = [f"{name:{width}}  {words}" for name, words in facts]
    lead = f"{found.variant} on {device_words(found)}: predicted for {found.batch_size} × {shape(found.input_shape)}"
    return "\n".join([lead, "", *lines, "", stages, "", kernels, "", note_lines()]) + "\n"


def predictions_table(predictions: Sequence[Prediction]) -> str:
    """For the terminal: several predictions as one table, a row each."""
    rows = [summary_cells(found) for found in predictions]
    return terminal_table(SUMMARY_HEADS, rows, "lllrlrrrlr") + f"\n\n{note_lines()}\n"


def predicted_markdown(predictions: Sequence[Prediction]) -> str:
    """For a file: each prediction below a heading, as markdown; several first as one table."""
    rows = [summary_cells(found) for found in predictions]
    summary = [markdown_table(SUMMARY_HEADS, rows, "lllrlrrrlr")] if len(rows) > 1 else []
    parts = [f"# {_heading(found)}\n\n{latency_section(found)}" for found in predictions]
    return "\n\n".join([*summary, *parts]) + "\n"


def _heading(found: Prediction) -> str:
    return f"{escaped(found.variant)} on {escaped(found.device)}, predicted"


def latency_section(found: Prediction) -> str:
    """For a report: the sentence that answers, stages, kinds of kernels, and what to know, as markdown."""
    return "\n\n".join(
        [
            answer_sentence(found),
            markdown_table(LATENCY_STAGE_HEADS, [*stage_cells(found), network_cells(found)], "lrrrlr"),
            markdown_table(KERNEL_HEADS, kernel_cells(found), "lrrrll"),
            f"{_capitalised(host_words(found))}. {_capitalised(batch_words(found))}. {PREDICTION_NOTE}",
        ]
    )


def table_caption(found: Prediction) -> str:
    """The answer in plain words, for a table's caption."""
    return (
        f"latency predicted for one batch of {exact(found.batch_size)} on {device_words(found)}, not measured: "
        f"{milliseconds_text(found)}, 90 % interval {interval_text(found)} ms. Evidence: {evidence_words(found)}. {CAPTION}"
    )


def answer_sentence(found: Prediction) -> str:
    """The answer in one sentence of markdown."""
    return (
        f"Predicted: **{milliseconds_text(found)}** for one batch of {exact(found.batch_size)} on {device_words(found)}, "
        f"90 % interval {interval_text(found)} ms; {throughput_text(found)}. Evidence: {evidence_words(found)}."
    )


def device_words(found: Prediction) -> str:
    """Device and how it runs: "RTX 4090 (amp, eager)"."""
    return f"{found.device} ({run_words(found)})"


def target_words(target: LatencyTarget) -> str:
    """Device, run and batch: "RTX 4090 (amp, eager), batch 256"."""
    return f"{shortened(target.device.name)} ({run_words(target.run)}), batch {exact(target.run.batch_size)}"


def run_words(found: Prediction | RunSettings) -> str:
    """How the network runs: "amp, torch.compile, channels last"."""
    mode = "torch.compile" if found.compiled else "eager"
    graph = ["CUDA graph"] if found.cuda_graph else []
    layout = ["channels last"] if found.channels_last else []
    return ", ".join([found.precision, mode, *graph, *layout, *(["training step"] if found.training else [])])


def milliseconds_text(found: Prediction) -> str:
    """The whole's time: "48.3 ms"."""
    return f"{significant(found.ms)} ms"


def interval_text(found: Prediction) -> str:
    """The whole's 90 % interval in milliseconds: "44.1–52.9"."""
    return f"{significant(found.low_ms)}–{significant(found.high_ms)}"


def throughput_text(found: Prediction) -> str:
    """Images a second with their interval: "5,300 images/s (4,840–5,810)"."""
    low, high = (1000 * found.batch_size / ms for ms in (found.high_ms, found.low_ms))
    return f"{significant(found.images_per_second)} images/s ({significant(low)}–{significant(high)})"


def evidence_words(found: Prediction) -> str:
    """The evidence class, and what it means."""
    return f"{_EVIDENCE[found.evidence]} ({_MEANINGS[found.evidence]})"


def batch_words(found: Prediction) -> str:
    """The largest batch that fits the device's memory."""
    if not found.max_batch_size:
        return "not even one input fits the device's memory, or its size is not known"
    over = "; this batch does not" if found.batch_size > found.max_batch_size else ""
    return f"up to {exact(found.max_batch_size)} inputs fit nine tenths of the device's memory{over}"


def host_words(found: Prediction) -> str:
    """What starting the kernels takes against computing them."""
    if not found.host_ms:
        return f"starting its {exact(found.num_kernels)} kernels costs the host nothing here"
    host, device = (f"{significant(ms)} ms" for ms in (found.host_ms, found.device_ms))
    started = f"starting {exact(found.num_kernels)} kernels takes the host {host}"
    if found.host_bound:
        return f"host-bound: {started}, longer than the {device} that the device computes"
    return f"{started}, within the {device} that the device computes"


def stage_cells(found: Prediction) -> list[list[str]]:
    """A row a stage below LATENCY_STAGE_HEADS."""
    return [
        [
            stage_label(stage.stage),
            _ms(stage.ms, found),
            _between(stage, found),
            percent(stage.ms, found.ms),
            _BOUNDS[stage.bound],
            f"{percent(stage.achieved, 1, 0)} %",
        ]
        for stage in found.stages
    ]


def kernel_cells(found: Prediction) -> list[list[str]]:
    """A row a kind of kernels below KERNEL_HEADS, the longest first."""
    return [
        [
            kernel.kind,
            exact(kernel.num_kernels),
            _ms(kernel.ms, found),
            percent(kernel.ms, found.ms),
            _BOUNDS[kernel.bound],
            _achieved(kernel),
        ]
        for kernel in sorted(found.kernels, key=lambda each: -each.ms)
    ]


def summary_cells(found: Prediction) -> list[str]:
    """A prediction's cells below SUMMARY_HEADS."""
    return [
        found.variant,
        shape(found.input_shape),
        found.device,
        exact(found.batch_size),
        run_words(found),
        significant(found.ms),
        interval_text(found),
        significant(found.images_per_second),
        _EVIDENCE[found.evidence],
        exact(found.max_batch_size) if found.max_batch_size else "–",
    ]


def network_cells(found: Prediction) -> list[str]:
    """The whole network's cells below LATENCY_STAGE_HEADS."""
    reached = fsum(stage.achieved * stage.ms for stage in found.stages) / found.ms if found.ms else 0.0
    return ["whole network", _ms(found.ms, found), _between(found, found), "100.0", "", f"{percent(reached, 1, 0)} %"]


def _achieved(part: KernelTime) -> str:
    if part.bound == "launch":
        return "–"
    return f"{percent(part.achieved, 1, 0)} % of {'peak rate' if part.bound == 'compute' else 'bandwidth'}"


def _between(part: Prediction | StageTime, found: Prediction) -> str:
    return f"{_ms(part.low_ms, found)}–{_ms(part.high_ms, found)}"


def _ms(ms: float, found: Prediction) -> str:
    """Milliseconds with decimals that leave the whole four significant digits, so that small stages keep some."""
    whole = found.ms
    places = 0 if whole >= 1000 else 1 if whole >= 100 else 2 if whole >= 10 else 3
    return f"{ms:,.{places}f}"


def note_lines() -> str:
    """What to know, in lines for the terminal."""
    from textwrap import fill

    return fill(PREDICTION_NOTE, WIDTH)


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]


def predicted_csv(predictions: Sequence[Prediction]) -> str:
    """CSV: a row for each whole network and each of its stages, plain numbers with their units in the column names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_CONDITIONS, *_FIGURES])
    for found in predictions:
        given = [shape(found.input_shape) if name == "input_shape" else getattr(found, name) for name in _CONDITIONS]
        whole = ["network", found.ms, found.low_ms, found.high_ms, 1.0, "", "", found.num_kernels]
        writer.writerow([*given, *whole, found.images_per_second])
        for stage in found.stages:
            share = stage.ms / found.ms if found.ms else 0.0
            times = [stage.stage, stage.ms, stage.low_ms, stage.high_ms, share]
            writer.writerow([*given, *times, stage.bound, stage.achieved, stage.num_kernels, ""])
    return text.getvalue()


_CONDITIONS = (
    "variant",
    "fingerprint",
    "input_shape",
    "device",
    "batch_size",
    "precision",
    "compiled",
    "channels_last",
    "cuda_graph",
    "training",
    "evidence",
    "max_batch_size",
)
_FIGURES = (
    "stage",
    "predicted_ms",
    "predicted_low_ms",
    "predicted_high_ms",
    "share",
    "bound",
    "achieved",
    "num_kernels",
    "predicted_images_per_second",
)


def op_times(analysis: Analysis, target: LatencyTarget) -> OpTimes:
    """Predicted milliseconds by weight path; ops that run no kernel of their own take none."""
    times = {time.path: time.ms for time in predict_op_times(analysis, target)}
    return OpTimes(ms=times, words=target_words(target))


_HEADS = {
    "fp32_tflops": "float32 TFLOP/s",
    "tensor_tflops": "float16 TFLOP/s",
    "mem_bw_gbs": "GB/s",
    "l2_mb": "cache MB",
    "sms": "SMs or cores",
    "mem_gb": "memory GB",
    "tdp_w": "W",
}
DEVICES_NOTE = (
    "Peaks as in the makers' data sheets: float32 outside tensor cores, float16 dense with float32 accumulation. A "
    "figure with ? was not verified (from memory or derived: the last column tells); – where there is none."
)


def device_table(known: Sequence[Device], form: str = "table") -> str:
    """A row a device, for the terminal or as markdown."""
    heads = ["device", "kind", *_HEADS.values(), "what is known of the figures"]
    rows = [[device.name, _kind(device), *_figures(device), device.note] for device in known]
    table = markdown_table if form == "markdown" else terminal_table
    note = DEVICES_NOTE if form == "markdown" else fill(DEVICES_NOTE, 110)
    return f"{table(heads, rows, 'll' + 'r' * len(_HEADS) + 'l')}\n\n{note}\n"


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
