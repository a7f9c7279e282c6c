"""Options of measuring, under timm's names where timm has one for the same thing."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from analyzer.cli.options import Decorator
from analyzer.errors import InvalidInput, shortened
from analyzer.latency.effort import CACHES
from analyzer.latency.run_settings import EXECUTIONS, PRECISIONS, TASKS, RunSettings, grid

RECORDS = "reports/data/latency"


class Words(click.ParamType[tuple[str, ...]]):
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


class Batches(click.ParamType[tuple[int, ...]]):
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


class Layouts(click.ParamType[tuple[str, ...]]):
    """Layouts by torch's words or by NCHW and NHWC, joined by commas."""

    name = "LIST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if not isinstance(value, str):
            return tuple(value)
        words = Words("--layout", *_LAYOUTS).convert(value.lower(), param, ctx)
        return tuple(_LAYOUTS[word] for word in words)


def _show(context: click.Context, _: click.Parameter, path: str | None) -> None:
    """Print a record's cells and end."""
    if path is None:
        return
    from pathlib import Path

    from analyzer.latency.record import read_measurement
    from analyzer.render.latency import measurement_table

    click.echo(measurement_table(read_measurement(Path(path))).rstrip("\n"))
    context.exit()


_OPTIONS: tuple[Decorator, ...] = (
    click.option("--batch-size", type=Batches(), default="1", show_default=True, help="Images a batch."),
    click.option(
        "--precision",
        type=Words("--precision", *PRECISIONS),
        default="float32",
        show_default=True,
        help="float32, amp, amp_bfloat16, float16 or bfloat16.",
    ),
    click.option("--channels-last", is_flag=True, help="Keep tensors in NHWC layout: --layout channels_last."),
    click.option(
        "--layout", type=Layouts(), default=None, help="contiguous (NCHW), the default, or channels_last (NHWC)."
    ),
    click.option(
        "--execution",
        type=Words("--execution", *EXECUTIONS),
        default=None,
        help="eager, the default, cuda_graph or compiled.",
    ),
    click.option("--compiled", "--torchcompile", is_flag=True, help="Through torch.compile: --execution compiled."),
    click.option(
        "--bench",
        "task",
        type=Words("--bench", *TASKS),
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
    click.option("--save-to", default=RECORDS, show_default=True, metavar="FOLDER", help="Where records are added."),
    click.option("--no-save", is_flag=True, help="Add no record."),
    click.option(
        "--show",
        metavar="RECORD.json",
        is_eager=True,
        expose_value=False,
        callback=_show,
        help="Show a record that was kept, and measure nothing.",
    ),
)


def measuring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All options of measuring, in order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def cells(options: Mapping[str, Any]) -> tuple[RunSettings, ...]:
    """Every way to run that the options ask for."""
    layouts = _either(options, "layout", "channels_last", "contiguous", "channels_last")
    executions = _either(options, "execution", "compiled", "eager", "compiled")
    return grid(options["task"], layouts, options["precision"], options["batch_size"], executions)


def _either(options: Mapping[str, Any], name: str, flag: str, default: str, flagged: str) -> tuple[str, ...]:
    """A list given by its option or by timm's flag; InvalidInput where both are given."""
    given: tuple[str, ...] | None = options[name]
    if given is not None and options[flag]:
        raise InvalidInput(f"--{flag.replace('_', '-')} does not go with --{name}; name {flagged} in its list.")
    return given or ((flagged,) if options[flag] else (default,))
