"""Predicted latencies as text, markdown and CSV, the milliseconds of single ops for drawings, and the list of devices.

Every table and sentence says that it is predicted, and how sure that is.
"""

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
from analyzer.text.tables import escape_markdown, markdown_table, terminal_table
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


def predicted_text(prediction: Prediction) -> str:
    """For the terminal: the answer, stages, kinds of kernels, and the note."""
    facts = [
        (
            "latency",
            f"{milliseconds_text(prediction)} predicted for one batch, 90 % interval {interval_text(prediction)} ms",
        ),
        ("throughput", f"{throughput_text(prediction)} predicted"),
        ("evidence", evidence_words(prediction)),
        ("largest batch", batch_words(prediction)),
        ("host", host_words(prediction)),
    ]
    width = max(len(name) for name, _ in facts)
    stages = terminal_table(LATENCY_STAGE_HEADS, [*stage_cells(prediction), network_cells(prediction)], "lrrrlr")
    kernels = terminal_table(KERNEL_HEADS, kernel_cells(prediction), "lrrrll")
    lines = [f"{name:{width}}  {words}" for name, words in facts]
    batch = f"{prediction.batch_size} × {shape(prediction.input_shape)}"
    lead = f"{prediction.variant} on {device_words(prediction)}: predicted for {batch}"
    return "\n".join([lead, "", *lines, "", stages, "", kernels, "", note_lines()]) + "\n"


def predictions_table(predictions: Sequence[Prediction]) -> str:
    """For the terminal: several predictions as one table, a row each."""
    rows = [summary_cells(prediction) for prediction in predictions]
    return terminal_table(SUMMARY_HEADS, rows, "lllrlrrrlr") + f"\n\n{note_lines()}\n"


def predicted_markdown(predictions: Sequence[Prediction]) -> str:
    """For a file: each prediction below a heading, as markdown; several first as one table."""
    rows = [summary_cells(prediction) for prediction in predictions]
    summary = [markdown_table(SUMMARY_HEADS, rows, "lllrlrrrlr")] if len(rows) > 1 else []
    parts = [f"# {_heading(prediction)}\n\n{latency_section(prediction)}" for prediction in predictions]
    return "\n\n".join([*summary, *parts]) + "\n"


def _heading(prediction: Prediction) -> str:
    return f"{escape_markdown(prediction.variant)} on {escape_markdown(prediction.device)}, predicted"


def latency_section(prediction: Prediction) -> str:
    """For a report: the sentence that answers, stages, kinds of kernels, and the note, as markdown."""
    return "\n\n".join(
        [
            answer_sentence(prediction),
            markdown_table(LATENCY_STAGE_HEADS, [*stage_cells(prediction), network_cells(prediction)], "lrrrlr"),
            markdown_table(KERNEL_HEADS, kernel_cells(prediction), "lrrrll"),
            f"{_capitalised(host_words(prediction))}. {_capitalised(batch_words(prediction))}. {PREDICTION_NOTE}",
        ]
    )


def table_caption(prediction: Prediction) -> str:
    """The answer in plain words, for a table's caption."""
    return (
        f"latency predicted for one batch of {exact(prediction.batch_size)} on {device_words(prediction)}, "
        f"not measured: {milliseconds_text(prediction)}, 90 % interval {interval_text(prediction)} ms. "
        f"Evidence: {evidence_words(prediction)}. {CAPTION}"
    )


def answer_sentence(prediction: Prediction) -> str:
    """The answer in one sentence of markdown."""
    return (
        f"Predicted: **{milliseconds_text(prediction)}** for one batch of {exact(prediction.batch_size)} "
        f"on {device_words(prediction)}, 90 % interval {interval_text(prediction)} ms; {throughput_text(prediction)}. "
        f"Evidence: {evidence_words(prediction)}."
    )


def device_words(prediction: Prediction) -> str:
    """Device and how it runs: "RTX 4090 (amp, eager)"."""
    return f"{prediction.device} ({run_words(prediction)})"


def target_words(target: LatencyTarget) -> str:
    """Device, run and batch: "RTX 4090 (amp, eager), batch 256"."""
    return f"{shortened(target.device.name)} ({run_words(target.run)}), batch {exact(target.run.batch_size)}"


def run_words(prediction: Prediction | RunSettings) -> str:
    """How the network runs: "amp, torch.compile, channels last"."""
    mode = "torch.compile" if prediction.compiled else "eager"
    graph = ["CUDA graph"] if prediction.cuda_graph else []
    layout = ["channels last"] if prediction.channels_last else []
    return ", ".join([prediction.precision, mode, *graph, *layout, *(["training step"] if prediction.training else [])])


def milliseconds_text(prediction: Prediction) -> str:
    """The whole's time: "48.3 ms"."""
    return f"{significant(prediction.ms)} ms"


def interval_text(prediction: Prediction) -> str:
    """The whole's 90 % interval in milliseconds: "44.1–52.9"."""
    return f"{significant(prediction.low_ms)}–{significant(prediction.high_ms)}"


def throughput_text(prediction: Prediction) -> str:
    """Images a second with their interval: "5,300 images/s (4,840–5,810)"."""
    low, high = (1000 * prediction.batch_size / ms for ms in (prediction.high_ms, prediction.low_ms))
    return f"{significant(prediction.images_per_second)} images/s ({significant(low)}–{significant(high)})"


def evidence_words(prediction: Prediction) -> str:
    """The evidence class, and what it means."""
    return f"{_EVIDENCE[prediction.evidence]} ({_MEANINGS[prediction.evidence]})"


def batch_words(prediction: Prediction) -> str:
    """The largest batch that fits the device's memory."""
    if not prediction.max_batch_size:
        return "not even one input fits the device's memory, or its size is not known"
    over = "; this batch does not" if prediction.batch_size > prediction.max_batch_size else ""
    return f"up to {exact(prediction.max_batch_size)} inputs fit nine tenths of the device's memory{over}"


def host_words(prediction: Prediction) -> str:
    """What starting the kernels takes against computing them."""
    if not prediction.host_ms:
        return f"starting its {exact(prediction.num_kernels)} kernels costs the host nothing here"
    host, device = (f"{significant(ms)} ms" for ms in (prediction.host_ms, prediction.device_ms))
    started = f"starting {exact(prediction.num_kernels)} kernels takes the host {host}"
    if prediction.host_bound:
        return f"host-bound: {started}, longer than the {device} that the device computes"
    return f"{started}, within the {device} that the device computes"


def stage_cells(prediction: Prediction) -> list[list[str]]:
    """A row a stage below LATENCY_STAGE_HEADS."""
    return [
        [
            stage_label(stage.stage),
            _ms(stage.ms, prediction),
            _between(stage, prediction),
            percent(stage.ms, prediction.ms),
            _BOUNDS[stage.bound],
            f"{percent(stage.achieved, 1, 0)} %",
        ]
        for stage in prediction.stages
    ]


def kernel_cells(prediction: Prediction) -> list[list[str]]:
    """A row a kind of kernels below KERNEL_HEADS, the longest first."""
    return [
        [
            kernel.kind,
            exact(kernel.num_kernels),
            _ms(kernel.ms, prediction),
            percent(kernel.ms, prediction.ms),
            _BOUNDS[kernel.bound],
            _achieved(kernel),
        ]
        for kernel in sorted(prediction.kernels, key=lambda kernel: -kernel.ms)
    ]


def summary_cells(prediction: Prediction) -> list[str]:
    """A prediction's cells below SUMMARY_HEADS."""
    return [
        prediction.variant,
        shape(prediction.input_shape),
        prediction.device,
        exact(prediction.batch_size),
        run_words(prediction),
        significant(prediction.ms),
        interval_text(prediction),
        significant(prediction.images_per_second),
        _EVIDENCE[prediction.evidence],
        exact(prediction.max_batch_size) if prediction.max_batch_size else "–",
    ]


def network_cells(prediction: Prediction) -> list[str]:
    """The whole network's cells below LATENCY_STAGE_HEADS."""
    reached = fsum(stage.achieved * stage.ms for stage in prediction.stages) / prediction.ms if prediction.ms else 0.0
    return [
        "whole network",
        _ms(prediction.ms, prediction),
        _between(prediction, prediction),
        "100.0",
        "",
        f"{percent(reached, 1, 0)} %",
    ]


def _achieved(part: KernelTime) -> str:
    if part.bound == "launch":
        return "–"
    return f"{percent(part.achieved, 1, 0)} % of {'peak rate' if part.bound == 'compute' else 'bandwidth'}"


def _between(part: Prediction | StageTime, prediction: Prediction) -> str:
    return f"{_ms(part.low_ms, prediction)}–{_ms(part.high_ms, prediction)}"


def _ms(ms: float, prediction: Prediction) -> str:
    """Milliseconds with decimals that leave the whole four significant digits, so that small stages keep some."""
    whole = prediction.ms
    places = 0 if whole >= 1000 else 1 if whole >= 100 else 2 if whole >= 10 else 3
    return f"{ms:,.{places}f}"


def note_lines() -> str:
    """The note on every prediction, in lines for the terminal."""
    return fill(PREDICTION_NOTE, WIDTH)


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]


def predicted_csv(predictions: Sequence[Prediction]) -> str:
    """CSV: a row for each whole network and each of its stages, plain numbers with their units in the column names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_CONDITIONS, *_FIGURES])
    for prediction in predictions:
        conditions = [
            shape(prediction.input_shape) if name == "input_shape" else getattr(prediction, name)
            for name in _CONDITIONS
        ]
        whole = ["network", prediction.ms, prediction.low_ms, prediction.high_ms, 1.0, "", "", prediction.num_kernels]
        writer.writerow([*conditions, *whole, prediction.images_per_second])
        for stage in prediction.stages:
            share = stage.ms / prediction.ms if prediction.ms else 0.0
            times = [stage.stage, stage.ms, stage.low_ms, stage.high_ms, share]
            writer.writerow([*conditions, *times, stage.bound, stage.achieved, stage.num_kernels, ""])
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


def device_table(devices: Sequence[Device], form: str = "table") -> str:
    """A row a device, for the terminal or as markdown."""
    heads = ["device", "kind", *_HEADS.values(), "what is known of the figures"]
    rows = [[device.name, _kind(device), *_figures(device), device.note] for device in devices]
    table = markdown_table if form == "markdown" else terminal_table
    note = DEVICES_NOTE if form == "markdown" else fill(DEVICES_NOTE, WIDTH)
    return f"{table(heads, rows, 'll' + 'r' * len(_HEADS) + 'l')}\n\n{note}\n"


def _kind(device: Device) -> str:
    return "CPU" if device.kind == "cpu" else device.architecture or "GPU"


def _figures(device: Device) -> list[str]:
    return [_figure(device, name) for name in FIGURES]


def _figure(device: Device, name: str) -> str:
    value: float = getattr(device, name)
    unsure = "" if device.sources.get(name) in ("verified", "stated") else " ?"
    return f"{value:,.2f}".rstrip("0").rstrip(".") + unsure if value else "–"


def device_document(devices: Sequence[Device]) -> str:
    """One JSON object: every device with its figures and their sources."""
    document = {"schema": 1, "figures": FIGURES, "devices": [device.to_dict() for device in devices]}
    return json.dumps(document, ensure_ascii=False) + "\n"
