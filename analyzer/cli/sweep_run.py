"""How a sweep is run: into a folder or past it, here or on a cluster, with progress; and its charts."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from analyzer.cli.options import deliver
from analyzer.errors import InvalidInput, Unavailable, shortened
from analyzer.render.units import exact, short

if TYPE_CHECKING:
    from analyzer.sweep.run import Progress, Tell
    from analyzer.sweep.space import Space
    from analyzer.sweep.store import Store
    from analyzer.sweep.summary import Summary

LINE_SECONDS = 10
"""Where no terminal shows a bar, a line says at most this often how far the sweep is."""
MAX_WORKERS = 1024
CHARTS = ("svg", "html")


class Running(NamedTuple):
    """What the options of `run_options` say: `folder` for the rows, `document` for what is printed."""

    folder: Path | None
    document: str | None
    chunk_size: int | None
    workers: int | None
    scheduler: str | None
    charts: tuple[str, ...]
    table: str | None


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a run; `running` makes a Running of what the command gets."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--output",
        metavar="FOLDER|FILE",
        help="A folder that keeps every row as Parquet, and where a stopped sweep goes on; or, with an ending such as "
        "front.csv, a file for what is printed; or - for standard output.",
    ),
    click.option("--chart", "charts", multiple=True, metavar="FILE", help="Draw front and distributions: .svg, .html."),
    click.option("--rows", "table", metavar="FILE", help="Write every row as one CSV file."),
    click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help="Evaluate in so many processes."),
    click.option("--scheduler", metavar="ADDRESS", help="Evaluate on a Dask cluster, such as tcp://host:8786."),
    click.option("--chunk-size", type=int, help="Candidates evaluated at once, and in a file; bounds the memory."),
)


def running(options: dict[str, Any]) -> Running:
    """The options taken out of what the command got; InvalidInput where they do not go together."""
    output = options.pop("output")
    folder = Path(output) if output and output != "-" and not Path(output).suffix else None
    found = Running(folder, None if folder else output, **{name: options.pop(name) for name in Running._fields[2:]})
    _check(found)
    return found


def _check(running: Running) -> None:
    if (running.workers or running.scheduler) and not running.folder:
        raise InvalidInput("--workers and --scheduler need --output FOLDER, which the rows go to.")
    if running.workers and running.scheduler:
        raise InvalidInput("--workers starts a cluster and --scheduler names one; give one of them.")
    for chart in running.charts:
        if Path(chart).suffix[1:].lower() not in CHARTS:
            raise InvalidInput(f"--chart {shortened(chart)!r} must end in .svg or .html.")


def results(
    given: tuple[str, ...], more: dict[str, Any], running: Running
) -> "tuple[Space, tuple[str, ...], Running] | None":
    """What a folder of results holds, where that is what is given: its space, what was asked for, and how to go on."""
    from analyzer.sweep.store import MANIFEST, opened

    folder = Path(given[0]) if len(given) == 1 else None
    if folder is None or not (folder / MANIFEST).exists():
        return None
    if running.folder or running.chunk_size is not None or more:
        raise InvalidInput(f"sweep: {shortened(folder)} holds results; leave out --output and what changes the space.")
    from analyzer.sweep.space import Space

    manifest = opened(folder).manifest
    return Space.from_toml(manifest.space), manifest.ask, running._replace(folder=folder)


def rows(space: "Space", ask: tuple[str, ...], running: Running) -> Iterator[dict[str, Any]]:
    """The rows that satisfy the constraints, chunk after chunk, as columns; kept in the folder where one is named."""
    chunks = filled(space, ask, running).chunks() if running.folder else _passing(space, ask, running.chunk_size)
    if running.table is None:
        return chunks
    from analyzer.sweep.table import copied

    return _told(copied(chunks, Path(running.table)), running.table)


def _told(chunks: Iterator[dict[str, Any]], path: str) -> Iterator[dict[str, Any]]:
    yield from chunks
    click.echo(f"wrote {path}", err=True)


def chart(found: "Summary", paths: tuple[str, ...]) -> None:
    """Draw the front, the distributions and named variants into each file."""
    from analyzer.render.space_charts import Picture, drawn, drawn_words, sheet
    from analyzer.sweep.known import known

    if not paths:
        return
    figures = [name for name in found.ranges if found.ranges[name][0] < found.ranges[name][1]]
    picture = Picture(found.sample, found.front, known(found.space, found.sample, found.front))
    objectives = [name for name, _ in found.objectives]
    whole = sheet(
        picture, objectives, figures, found.space.title, drawn_words(found.networks, found.space.size, picture)
    )
    for path in paths:
        deliver(drawn(whole, Path(path).suffix[1:].lower()), path)


def _passing(space: "Space", ask: tuple[str, ...], chunk_size: int | None) -> Iterator[dict[str, Any]]:
    """Rows that are kept nowhere."""
    from analyzer.sweep.evaluate import evaluate
    from analyzer.sweep.manifest import manifest_of
    from analyzer.sweep.run import Progress

    manifest = manifest_of(space, ask, chunk_size)
    progress = Progress(total=manifest.size, found=0, done=0)
    with telling() as tell:
        tell(progress)
        for start, stop in map(manifest.bounds, range(manifest.num_chunks)):
            columns = evaluate(space, start, stop, ask=ask)
            progress.advance(stop - start, len(columns["index"]))
            tell(progress)
            yield columns


def filled(space: "Space", ask: tuple[str, ...], running: Running) -> "Store":
    """The folder with all rows in it; what it holds already is not computed again."""
    from analyzer.sweep.manifest import manifest_of
    from analyzer.sweep.store import prepared

    folder = running.folder or Path()
    manifest = manifest_of(space, ask, _held_chunk_size(folder) if running.chunk_size is None else running.chunk_size)
    with _there(running) as client:
        store = prepared(folder, manifest)
        fresh = bool(store.missing())
        with _stoppable(store), telling() as tell:
            _run(store, running, client, tell)
    if fresh:
        click.echo(f"wrote the rows into {folder}; `analyzer sweep {folder}` shows them again", err=True)
    return store


@contextmanager
def _there(running: Running) -> Iterator[Any]:
    """The cluster that is there already, where one is named: before a folder is made for its rows."""
    if not running.scheduler:
        yield None
        return
    from analyzer.sweep.cluster import existing_cluster

    with existing_cluster(running.scheduler) as client:
        if not client.scheduler_info()["workers"]:
            click.echo(f"The scheduler at {running.scheduler} has no workers yet; waiting for them.", err=True)
        yield client


def _held_chunk_size(folder: Path) -> int | None:
    from analyzer.sweep.store import MANIFEST, opened

    return opened(folder).manifest.chunk_size if (folder / MANIFEST).exists() else None


def _run(store: "Store", running: Running, client: Any, tell: "Tell") -> None:
    if not (running.workers or client):
        from analyzer.sweep.run import run

        run(store, tell)
    elif store.missing():
        from analyzer.sweep.cluster import local_cluster, run_on

        with nullcontext(client) if client else local_cluster(running.workers or 1) as workers:
            run_on(workers, store, tell)


@contextmanager
def _stoppable(store: "Store") -> Iterator[None]:
    """Say how to go on where Ctrl-C, a full disk or a lost cluster ends the run."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(_how_to_go_on(store), err=True)
        raise
    except (InvalidInput, Unavailable) as error:
        raise type(error)(f"{error} {_how_to_go_on(store)}" if store.numbers() else str(error)) from None


def _how_to_go_on(store: "Store") -> str:
    done, whole = exact(len(store.numbers())), exact(store.manifest.num_chunks)
    return f"{done} of {whole} chunks are whole in {store.folder}; the same command goes on from there."


@contextmanager
def telling() -> "Iterator[Tell]":
    """A bar with rate and time left on a terminal's standard error, elsewhere a line now and then."""
    if sys.stderr.isatty():
        with click.progressbar(length=1, file=sys.stderr, item_show_func=_rate_words) as bar:
            yield lambda progress: _move(bar, progress)
    else:
        last = [time.monotonic()]
        yield lambda progress: _line(last, progress)


@contextmanager
def reporting() -> Iterator[Callable[[int, int], None]]:
    """The same for those who report how many candidates are done, and of how many."""
    from analyzer.sweep.run import Progress

    progress = Progress(total=0, found=0, done=0)

    def report(done: int, size: int) -> None:
        progress.total = size
        progress.advance(done - progress.done, 0)
        tell(progress)

    with telling() as tell:
        yield report


def _move(bar: Any, progress: "Progress") -> None:
    bar.length = max(progress.total - progress.found, 1)
    bar.update(progress.done - progress.found - bar.pos, progress)


def _rate_words(progress: "Progress | None") -> str:
    return f"{short(int(progress.rate))}/s" if progress and progress.rate else ""


def _line(last: list[float], progress: "Progress") -> None:
    """Nothing for a sweep that is over at once."""
    now = time.monotonic()
    if now - last[0] < LINE_SECONDS or not progress.rate:
        return
    last[0] = now
    left = time.strftime("%H:%M:%S", time.gmtime(progress.seconds_left or 0))
    share = 100 * progress.done // max(progress.total, 1)
    told = f"{exact(progress.done)} of {exact(progress.total)} candidates ({share} %)"
    click.echo(f"{told}, {short(int(progress.rate))} a second, {left} left", err=True)
