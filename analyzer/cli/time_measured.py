"""Measuring on this machine: options become a plan, the record grows on disk while it runs, and a table is shown."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from analyzer.cli.options import deliver
from analyzer.cli.time_options import cells
from analyzer.families.network import Network, Size
from analyzer.files import require_writable
from analyzer.latency.effort import Effort
from analyzer.latency.record import Measurement
from analyzer.latency.run_settings import RunSettings
from analyzer.latency.store import RecordFile


def measured(
    variants: tuple[Network, ...], form: str, output: str | None, input_size: Size | None, options: dict[str, Any]
) -> int:
    """Measure, store, show; 2 where a cell could not be measured, 1 where an output was wrong, 130 interrupted."""
    wanted, effort = cells(options), _effort(options)
    if output not in (None, "-"):
        require_writable(Path(str(output)))
    store = None if options["no_save"] else RecordFile(Path(options["save_to"]))
    taken = _measured(variants, wanted, effort, store, input_size, str(options["device"]))
    if taken.records:
        deliver(_text(taken, form), output)
    if store is not None and store.path is not None:
        click.echo(f"recorded in {store.path}", err=True)
    return _status(taken)


def _effort(options: dict[str, Any]) -> Effort:
    same = ("num_warm_iter", "num_bench_iter", "cell_seconds", "max_seconds", "caches", "stages", "tf32", "attempts")
    reference = None if options["reference"] == "none" else options["reference"]
    return Effort(
        **{name: options[name] for name in same}, cudnn_benchmark=options["cudnn_benchmark"], reference=reference
    )


def _measured(
    variants: tuple[Network, ...],
    cells: tuple[RunSettings, ...],
    effort: Effort,
    store: RecordFile | None,
    input_size: Size | None,
    device: str,
) -> Measurement:
    from analyzer.extras import extra_imports

    with extra_imports("live"):
        from analyzer.live.session import Watch
        from analyzer.live.timing import measure_latencies

    with _terminated_as_interrupted(), _progress(len(variants) * len(cells)) as progress:
        watch = Watch(progress=progress, notice=_tell, keep=store.keep if store else lambda _: None)
        taken = measure_latencies(variants, cells, device=device, input_size=input_size, effort=effort, watch=watch)
    if store is not None:
        store.keep(taken)
    return taken


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the measurement as Ctrl-C does: what is complete is kept."""
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


def _text(taken: Measurement, form: str) -> str:
    if form == "json":
        return taken.to_json()
    if form == "csv":
        from analyzer.render.latency_csv import latency_csv

        return latency_csv(taken)
    from analyzer.render.latency import measurement_table

    return measurement_table(taken)


def _status(taken: Measurement) -> int:
    if taken.cut_short == "interrupted":
        return 130
    if taken.failures:
        return 2
    wrong = any(record.output is not None and record.output.agrees is False for record in taken.records)
    return 1 if wrong or all(record.discarded for record in taken.records) else 0
