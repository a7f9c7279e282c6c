"""The verb latency: measured on this machine (`measured_verb`), or predicted for a named device (`predicted_verb`)."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from analyzer.cli.options import (
    Decorator,
    VariantType,
    format_option,
    gpu_options,
    input_size_option,
    output_option,
    target_on,
    write_output,
)
from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Network, Size
from analyzer.files import require_writable
from analyzer.latency.run_settings import CACHES, EXECUTIONS, PRECISIONS, TASKS, Effort, RunSettings, grid

if TYPE_CHECKING:
    from analyzer.latency.predict.prediction import Prediction
    from analyzer.latency.predict.target import LatencyTarget
    from analyzer.latency.records.record import Measurement, RecordFile

RECORDS_FOLDER = "reports/latency"


class WordList(click.ParamType[tuple[str, ...]]):
    """One or more of some words, joined by commas."""

    name = "LIST"

    def __init__(self, option: str, *allowed: str) -> None:
        self._option, self._allowed = option, allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if not isinstance(value, str):
            return tuple(value)
        words = tuple(part.strip() for part in value.split(","))
        if wrong := next((word for word in words if word not in self._allowed), None):
            raise InvalidInput(f"{self._option} {shortened(wrong)!r}: must be one of {', '.join(self._allowed)}.")
        if "" in words:
            raise InvalidInput(f"{self._option} {shortened(value)!r}: has an empty place in its list.")
        return words


class BatchSizes(click.ParamType[tuple[int, ...]]):
    """Batch sizes joined by commas."""

    name = "LIST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if not isinstance(value, str):
            return (value,) if isinstance(value, int) else tuple(value)
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            raise InvalidInput(
                f"--batch-size {shortened(value)!r}: must be whole numbers joined by commas (1,8,32)."
            ) from None


_LAYOUTS = {"contiguous": "contiguous", "nchw": "contiguous", "channels_last": "channels_last", "nhwc": "channels_last"}


class LayoutList(click.ParamType[tuple[str, ...]]):
    """Memory layouts by torch's words or by NCHW and NHWC, joined by commas."""

    name = "LIST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if not isinstance(value, str):
            return tuple(value)
        words = WordList("--layout", *_LAYOUTS).convert(value.lower(), param, ctx)
        return tuple(_LAYOUTS[word] for word in words)


def _print_record(context: click.Context, _: click.Parameter, path: str | None) -> None:
    """Print a record's cells and end."""
    if path is None:
        return
    from analyzer.latency.records.record import read_measurement
    from analyzer.render.latency.measured import measurement_table

    click.echo(measurement_table(read_measurement(Path(path))).rstrip("\n"))
    context.exit()


_OPTIONS: tuple[Decorator, ...] = (
    click.option("--batch-size", type=BatchSizes(), default="1", show_default=True, help="Images a batch."),
    click.option(
        "--precision",
        type=WordList("--precision", *PRECISIONS),
        default="float32",
        show_default=True,
        help="float32, amp, amp_bfloat16, float16 or bfloat16.",
    ),
    click.option("--channels-last", is_flag=True, help="Keep tensors in NHWC layout: --layout channels_last."),
    click.option(
        "--layout", type=LayoutList(), default=None, help="contiguous (NCHW), the default, or channels_last (NHWC)."
    ),
    click.option(
        "--execution",
        type=WordList("--execution", *EXECUTIONS),
        default=None,
        help="eager, the default, cuda_graph or compiled.",
    ),
    click.option("--compiled", "--torchcompile", is_flag=True, help="Through torch.compile: --execution compiled."),
    click.option(
        "--bench",
        "task",
        type=WordList("--bench", *TASKS),
        default="inference",
        show_default=True,
        help="inference or training (forward, backward and SGD).",
    ),
    click.option("--num-warm-iter", type=int, default=10, show_default=True, help="Fewest runs before a sample."),
    click.option("--num-bench-iter", type=int, default=None, help="Samples; by default 50 or more, over a second."),
    click.option(
        "--cell-seconds",
        type=float,
        default=None,
        help="Seconds of samples that will do, with 50 samples or over a second.",
    ),
    click.option("--max-seconds", type=float, default=None, help="End after so long, and keep what is complete."),
    click.option(
        "--caches",
        type=click.Choice(CACHES),
        default="auto",
        show_default=True,
        help="The L2 cache before a sample; auto flushes it where the input would lie in it (CUDA).",
    ),
    click.option("--stages/--no-stages", default=True, help="Also time each stage."),
    click.option(
        "--reference",
        default="resnet18",
        show_default=True,
        metavar="VARIANT|none",
        help="Measured before and after each cell; a drift over 2 % discards it.",
    ),
    click.option(
        "--attempts", type=int, default=1, show_default=True, help="Measure again what drifted, up to so often."
    ),
    click.option(
        "--cudnn-benchmark/--no-cudnn-benchmark", default=True, help="Let cuDNN try its kernels, as timm does."
    ),
    click.option("--tf32/--no-tf32", default=True, help="TF32 in float32 convolutions and products."),
    click.option(
        "--save-to", default=RECORDS_FOLDER, show_default=True, metavar="FOLDER", help="Where records are added."
    ),
    click.option("--no-save", is_flag=True, help="Add no record."),
    click.option(
        "--show",
        metavar="RECORD.json",
        is_eager=True,
        expose_value=False,
        callback=_print_record,
        help="Show a record that was kept, and measure nothing.",
    ),
)


def measuring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All options of measuring, in order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run_settings(options: Mapping[str, Any]) -> tuple[RunSettings, ...]:
    """Every way to run that the options ask for."""
    layouts = _either(options, "layout", "channels_last", "contiguous", "channels_last")
    executions = _either(options, "execution", "compiled", "eager", "compiled")
    return grid(options["task"], layouts, options["precision"], options["batch_size"], executions)


def _either(options: Mapping[str, Any], name: str, flag: str, default: str, flagged: str) -> tuple[str, ...]:
    """A list given by its option or by timm's flag; InvalidInput where both are given."""
    values: tuple[str, ...] | None = options[name]
    if values is not None and options[flag]:
        raise InvalidInput(f"--{flag.replace('_', '-')} does not go with --{name}; name {flagged} in its list.")
    return values or ((flagged,) if options[flag] else (default,))


def measured_verb(
    variants: tuple[Network, ...],
    output_format: str,
    output: str | None,
    input_size: Size | None,
    options: dict[str, Any],
) -> int:
    """Measure, store, show; 2 where a cell could not be measured, 1 where an output was wrong, 130 interrupted."""
    from analyzer.latency.records.record import RecordFile

    cells, effort = run_settings(options), _effort(options)
    if output not in (None, "-"):
        require_writable(Path(str(output)))
    store = None if options["no_save"] else RecordFile(Path(options["save_to"]))
    measurement = _measure_all(variants, cells, effort, store, input_size, str(options["device"]))
    if measurement.records:
        write_output(_measurement_text(measurement, output_format), output)
    if store is not None and store.path is not None:
        click.echo(f"recorded in {store.path}", err=True)
    return _exit_status(measurement)


def _effort(options: dict[str, Any]) -> Effort:
    names = ("num_warm_iter", "num_bench_iter", "cell_seconds", "max_seconds", "caches", "stages", "tf32", "attempts")
    reference = None if options["reference"] == "none" else options["reference"]
    return Effort(
        **{name: options[name] for name in names}, cudnn_benchmark=options["cudnn_benchmark"], reference=reference
    )


def _measure_all(
    variants: tuple[Network, ...],
    cells: tuple[RunSettings, ...],
    effort: Effort,
    store: "RecordFile | None",
    input_size: Size | None,
    device: str,
) -> "Measurement":
    from analyzer.extras import extra_imports

    with extra_imports("live"):
        from analyzer.live.timing.session import MeasurementCallbacks
        from analyzer.live.timing.timing import measure_latencies

    with _terminated_as_interrupted(), _progress(len(variants) * len(cells)) as progress:
        callbacks = MeasurementCallbacks(
            progress=progress, notice=_print_notice, keep=store.keep if store else lambda _: None
        )
        measurement = measure_latencies(
            variants, cells, device=device, input_size=input_size, effort=effort, watch=callbacks
        )
    if store is not None:
        store.keep(measurement)
    return measurement


def _print_notice(sentence: str) -> None:
    click.echo(sentence, err=True)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the measurement as Ctrl-C does: what is complete is kept."""
    import signal  # not for `--help`

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar on a terminal's standard error that says what is measured; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _what: None
        return
    with click.progressbar(length=total, file=sys.stderr, item_show_func=lambda what: what or "", width=24) as bar:

        def show(done: int, _total: int, what: str) -> None:
            bar.update(done - bar.pos, what)
            bar.render_progress()

        yield show
        bar.update(total - bar.pos, "done")


def _measurement_text(measurement: "Measurement", output_format: str) -> str:
    if output_format == "json":
        return measurement.to_json()
    from analyzer.render.latency.measured import latency_csv, measurement_table

    return latency_csv(measurement) if output_format == "csv" else measurement_table(measurement)


def _exit_status(measurement: "Measurement") -> int:
    if measurement.cut_short == "interrupted":
        return 130
    if measurement.failures:
        return 2
    wrong = any(record.output is not None and record.output.agrees is False for record in measurement.records)
    return 1 if wrong or all(record.discarded for record in measurement.records) else 0


MAX_DETAILED = 4
"""Predictions that a terminal shows by stage; more make one table."""


def predicted_verb(
    variants: Sequence[Network],
    gpus: Sequence[str],
    input_size: Size | None,
    output_format: str,
    output: str | None,
    options: Mapping[str, Any],
) -> int:
    """Predict every network on every device in every way to run, in the form asked for."""
    from analyzer.cost.analysis import analyze
    from analyzer.latency.predict.predict import predict_latency

    targets = _targets(gpus, options)
    analyses = [analyze(variant, input_size) for variant in variants]
    predictions = [predict_latency(analysis, target) for analysis in analyses for target in targets]
    if options["roofline"] is not None:
        _draw_roofline(predictions, targets, options["roofline"])
    write_output(_prediction_text(predictions, output_format), output)
    return 0


def _draw_roofline(predictions: "Sequence[Prediction]", targets: "Sequence[LatencyTarget]", path: str) -> None:
    from analyzer.render.latency.roofline_chart import roofline

    if len(predictions) > 1:
        raise InvalidInput("--roofline: draws one network on one device; give one of each, one batch and precision.")
    write_output(roofline(predictions[0], targets[0], Path(path).suffix.removeprefix(".").lower()), path)


def _targets(gpus: Sequence[str], options: Mapping[str, Any]) -> "list[LatencyTarget]":
    return [target_on(gpu, settings, options) for gpu in gpus for settings in run_settings(options)]


def _prediction_text(predictions: "Sequence[Prediction]", output_format: str) -> str:
    from analyzer.render.latency import predicted as render

    match output_format:
        case "json":
            documents = [prediction.to_dict() for prediction in predictions]
            document = documents[0] if len(documents) == 1 else {"schema": 1, "predictions": documents}
            return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
        case "csv":
            return render.predicted_csv(predictions)
        case "markdown":
            return render.predicted_markdown(predictions)
        case _:
            details = [
                render.predicted_text(prediction) for prediction in predictions if len(predictions) <= MAX_DETAILED
            ]
            return "\n".join([render.predictions_table(predictions), *details]) if len(predictions) > 1 else details[0]


def list_devices_verb(devices_file: str | None, output_format: str, output: str | None) -> int:
    """The devices that can be named, with their figures and where these come from."""
    from analyzer.latency.predict.parse_target import known_devices
    from analyzer.render.latency.predicted import device_document, device_table

    devices = list(known_devices(devices_file).values())
    if output_format not in ("table", "json", "markdown"):
        raise InvalidInput(f"--format {output_format}: the devices come as table, json or markdown.")
    write_output(device_document(devices) if output_format == "json" else device_table(devices, output_format), output)
    return 0


variants_argument: Decorator = click.argument("variants", nargs=-1, type=VariantType(), metavar="[VARIANT…]")
PREDICTED_OPTIONS = ("calibrate", "devices", "host_us", "roofline")
"""Options that only a prediction takes."""
SHARED_OPTIONS = (
    "task",
    "execution",
    "layout",
    "precision",
    "batch_size",
    "compiled",
    "channels_last",
    "cuda_graph",
    "train",
)
"""Options that both halves take: how the network runs."""


@click.command("latency")
@variants_argument
@click.option("--device", default=None, metavar="cpu|cuda|cuda:N", help="Measure here; by default on the CPU.")
@gpu_options
@measuring_options
@click.option("--cuda-graph", is_flag=True, help="Replayed from a CUDA graph: --execution cuda_graph.")
@click.option("--train", is_flag=True, help="A training step: --bench training.")
@input_size_option
@click.option(
    "--roofline", metavar="FILE", help="Draw the predicted stages under the device's roof: .svg, .html, .json"
)
@click.option("--list-devices", is_flag=True, help="List the devices that --gpu knows, and where figures come from.")
@format_option("table", "json", "csv", "markdown")
@output_option
@click.pass_context
def latency_verb(
    context: click.Context,
    /,
    variants: tuple[Network, ...],
    device: str | None,
    gpu: tuple[str, ...],
    list_devices: bool,
    output_format: str,
    output: str | None,
    input_size: Size | None,
    **options: Any,
) -> int:
    """Latency of one batch, whole and by stage: measured on this machine, or predicted for a device that is not here.

    Measured (`--device cpu`, `cuda`): medians and percentiles of synchronised runs after a warm-up, and throughput;
    several networks are measured by turns. The JSON keeps every sample and all conditions; csv has timm's columns.
    Predicted (`--gpu 'RTX 4090'`, no torch): from the network's kernels and the device's figures, with a 90 % interval
    and what it stands on. Options with LIST take several values joined by commas. The two are never mixed.
    """
    if device is not None and (gpu or list_devices):
        raise InvalidInput("latency: --device measures and --gpu predicts; give one of them.")
    if list_devices:
        return list_devices_verb(options["devices"], output_format, output)
    if not variants:
        raise InvalidInput("latency: VARIANT is missing; give one, such as resnet50, or --list-devices.")
    _apply_flags(options)
    if gpu:
        _refuse(
            context,
            [name for name in options if name not in (*PREDICTED_OPTIONS, *SHARED_OPTIONS)],
            "measured",
            "leave out --gpu",
        )
        return predicted_verb(variants, gpu, input_size, output_format, output, options)
    _refuse(context, PREDICTED_OPTIONS, "predicted", "name a device by --gpu")
    if output_format == "markdown":
        raise InvalidInput("--format markdown: a measured latency comes as table, json or csv.")
    return measured_verb(variants, output_format, output, input_size, {**options, "device": device or "cpu"})


def _apply_flags(options: dict[str, Any]) -> None:
    """`--train` and `--cuda-graph` as the lists that they stand for."""
    if options.pop("train"):
        options["task"] = ("training",)
    if options.pop("cuda_graph"):
        if options["execution"] is not None or options["compiled"]:
            raise InvalidInput("--cuda-graph does not go with --execution or --compiled; name cuda_graph in its list.")
        options["execution"] = ("cuda_graph",)


def _refuse(context: click.Context, names: Any, kind: str, instead: str) -> None:
    """InvalidInput where an option is given that is about the other half."""
    for param in context.command.params:
        if param.name in names and context.get_parameter_source(param.name) == ParameterSource.COMMANDLINE:
            raise InvalidInput(f"{param.opts[0]}: is about a {kind} latency; {instead}.")
