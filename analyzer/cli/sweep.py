"""The verb sweep: a design space, its Pareto front, and the networks nearest to a budget."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from analyzer.cli.options import format_option, write_output
from analyzer.errors import InvalidInput, Unavailable, shortened
from analyzer.extras import extra_imports
from analyzer.text.units import exact, short

if TYPE_CHECKING:
    from analyzer.sweep.results.run import Progress, ProgressCallback
    from analyzer.sweep.results.store import Store
    from analyzer.sweep.results.summary import Summary
    from analyzer.sweep.space.space import Space

LINE_SECONDS = 10
"""Where no terminal shows a bar, a line says at most this often how far the sweep is."""
MAX_WORKERS = 1024
CHARTS = ("svg", "html")


class SweepOptions(NamedTuple):
    """What the options of `run_options` say: `folder` for the rows, `document` for what is printed."""

    folder: Path | None
    document: str | None
    chunk_size: int | None
    workers: int | None
    scheduler: str | None
    charts: tuple[str, ...]
    table: str | None


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a run; `parse_run_options` makes a SweepOptions of what the command gets."""
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


def parse_run_options(options: dict[str, Any]) -> SweepOptions:
    """The options taken out of what the command got; InvalidInput where they do not go together."""
    output = options.pop("output")
    folder = Path(output) if output and output != "-" and not Path(output).suffix else None
    found = SweepOptions(
        folder, None if folder else output, **{name: options.pop(name) for name in SweepOptions._fields[2:]}
    )
    _check(found)
    return found


def _check(running: SweepOptions) -> None:
    if (running.workers or running.scheduler) and not running.folder:
        raise InvalidInput("--workers and --scheduler need --output FOLDER, which the rows go to.")
    if running.workers and running.scheduler:
        raise InvalidInput("--workers starts a cluster and --scheduler names one; give one of them.")
    for chart in running.charts:
        if Path(chart).suffix[1:].lower() not in CHARTS:
            raise InvalidInput(f"--chart {shortened(chart)!r} must end in .svg or .html.")


def stored_results(
    given: tuple[str, ...], more: dict[str, Any], running: SweepOptions
) -> "tuple[Space, tuple[str, ...], SweepOptions] | None":
    """What a folder of results holds, where that is what is given: its space, what was asked for, and how to go on."""
    from analyzer.sweep.results.store import MANIFEST, open_store

    folder = Path(given[0]) if len(given) == 1 else None
    if folder is None or not (folder / MANIFEST).exists():
        return None
    if running.folder or running.chunk_size is not None or more:
        raise InvalidInput(f"sweep: {shortened(folder)} holds results; leave out --output and what changes the space.")
    from analyzer.sweep.space.space import Space

    manifest = open_store(folder).manifest
    return Space.from_toml(manifest.space), manifest.ask, running._replace(folder=folder)


def swept_rows(space: "Space", ask: tuple[str, ...], running: SweepOptions) -> Iterator[dict[str, Any]]:
    """The rows that satisfy the constraints, chunk after chunk, as columns; kept in the folder where one is named."""
    chunks = (
        filled_store(space, ask, running).chunks()
        if running.folder
        else _rows_in_memory(space, ask, running.chunk_size)
    )
    if running.table is None:
        return chunks
    from analyzer.sweep.results.store import copy_to_csv

    return _write_table(copy_to_csv(chunks, Path(running.table)), running.table)


def _write_table(chunks: Iterator[dict[str, Any]], path: str) -> Iterator[dict[str, Any]]:
    yield from chunks
    click.echo(f"wrote {path}", err=True)


def write_charts(found: "Summary", paths: tuple[str, ...]) -> None:
    """Draw the front, the distributions and named variants into each file."""
    from analyzer.render.sweep.charts import ChartData, chart_document, points_caption, summary_chart
    from analyzer.sweep.results.named_variants import nearby_variants

    if not paths:
        return
    figures = [name for name in found.ranges if found.ranges[name][0] < found.ranges[name][1]]
    picture = ChartData(found.sample, found.front, nearby_variants(found.space, found.sample, found.front))
    objectives = [name for name, _ in found.objectives]
    whole = summary_chart(
        picture, objectives, figures, found.space.title, points_caption(found.networks, found.space.size, picture)
    )
    for path in paths:
        write_output(chart_document(whole, Path(path).suffix[1:].lower()), path)


def _rows_in_memory(space: "Space", ask: tuple[str, ...], chunk_size: int | None) -> Iterator[dict[str, Any]]:
    """Rows that are kept nowhere."""
    from analyzer.sweep.engine.engine import evaluate
    from analyzer.sweep.results.run import Progress
    from analyzer.sweep.results.store import manifest_of

    manifest = manifest_of(space, ask, chunk_size)
    progress = Progress(total=manifest.size, found=0, done=0)
    with progress_bar() as tell:
        tell(progress)
        for start, stop in map(manifest.bounds, range(manifest.num_chunks)):
            columns = evaluate(space, start, stop, ask=ask)
            progress.advance(stop - start, len(columns["index"]))
            tell(progress)
            yield columns


def filled_store(space: "Space", ask: tuple[str, ...], running: SweepOptions) -> "Store":
    """The folder with all rows in it; what it holds already is not computed again."""
    from analyzer.sweep.results.store import manifest_of, prepare_store

    folder = running.folder or Path()
    manifest = manifest_of(space, ask, _stored_chunk_size(folder) if running.chunk_size is None else running.chunk_size)
    with _existing_cluster(running) as client:
        store = prepare_store(folder, manifest)
        fresh = bool(store.missing())
        with _resumable(store), progress_bar() as tell:
            _run(store, running, client, tell)
    if fresh:
        click.echo(f"wrote the rows into {folder}; `analyzer sweep {folder}` shows them again", err=True)
    return store


@contextmanager
def _existing_cluster(running: SweepOptions) -> Iterator[Any]:
    """The cluster that is there already, where one is named: before a folder is made for its rows."""
    if not running.scheduler:
        yield None
        return
    from analyzer.sweep.results.run import existing_cluster

    with existing_cluster(running.scheduler) as client:
        if not client.scheduler_info()["workers"]:
            click.echo(f"The scheduler at {running.scheduler} has no workers yet; waiting for them.", err=True)
        yield client


def _stored_chunk_size(folder: Path) -> int | None:
    from analyzer.sweep.results.store import MANIFEST, open_store

    return open_store(folder).manifest.chunk_size if (folder / MANIFEST).exists() else None


def _run(store: "Store", running: SweepOptions, client: Any, tell: "ProgressCallback") -> None:
    if not (running.workers or client):
        from analyzer.sweep.results.run import run

        run(store, tell)
    elif store.missing():
        from analyzer.sweep.results.run import local_cluster, run_on

        with nullcontext(client) if client else local_cluster(running.workers or 1) as workers:
            run_on(workers, store, tell)


@contextmanager
def _resumable(store: "Store") -> Iterator[None]:
    """Say how to go on where Ctrl-C, a full disk or a lost cluster ends the run."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(_how_to_resume(store), err=True)
        raise
    except (InvalidInput, Unavailable) as error:
        raise type(error)(f"{error} {_how_to_resume(store)}" if store.numbers() else str(error)) from None


def _how_to_resume(store: "Store") -> str:
    done, whole = exact(len(store.numbers())), exact(store.manifest.num_chunks)
    return f"{done} of {whole} chunks are whole in {store.folder}; the same command goes on from there."


@contextmanager
def progress_bar() -> "Iterator[ProgressCallback]":
    """A bar with rate and time left on a terminal's standard error, elsewhere a line now and then."""
    if sys.stderr.isatty():
        with click.progressbar(length=1, file=sys.stderr, item_show_func=_rate_words) as bar:
            yield lambda progress: _advance_bar(bar, progress)
    else:
        last = [time.monotonic()]
        yield lambda progress: _print_progress(last, progress)


@contextmanager
def progress_callback() -> Iterator[Callable[[int, int], None]]:
    """The same for those who report how many candidates are done, and of how many."""
    from analyzer.sweep.results.run import Progress

    progress = Progress(total=0, found=0, done=0)

    def report(done: int, size: int) -> None:
        progress.total = size
        progress.advance(done - progress.done, 0)
        tell(progress)

    with progress_bar() as tell:
        yield report


def _advance_bar(bar: Any, progress: "Progress") -> None:
    bar.length = max(progress.total - progress.found, 1)
    bar.update(progress.done - progress.found - bar.pos, progress)


def _rate_words(progress: "Progress | None") -> str:
    return f"{short(int(progress.rate))}/s" if progress and progress.rate else ""


def _print_progress(last: list[float], progress: "Progress") -> None:
    """Nothing for a sweep that is over at once."""
    now = time.monotonic()
    if now - last[0] < LINE_SECONDS or not progress.rate:
        return
    last[0] = now
    left = time.strftime("%H:%M:%S", time.gmtime(progress.seconds_left or 0))
    share = 100 * progress.done // max(progress.total, 1)
    told = f"{exact(progress.done)} of {exact(progress.total)} candidates ({share} %)"
    click.echo(f"{told}, {short(int(progress.rate))} a second, {left} left", err=True)


@click.command("sweep")
@click.argument("given", nargs=-1, metavar="[SPACE.toml | NAME | FOLDER] [TARGET…]")
@click.option("--family", default=None, help="Family of a space that is given by --set, such as resnet.")
@click.option("--variant", default=None, help="Network whose fields hold where --set gives none, such as resnet50.")
@click.option("--set", "fields", multiple=True, metavar="FIELD=VALUES", help="[1,2,4], 8..64 step 8, or an expression.")
@click.option("--let", "variables", multiple=True, metavar="NAME=VALUES", help="A name of your own for expressions.")
@click.option("--where", "constraints", multiple=True, metavar="CONDITION", help='As "params <= 25.6e6".')
@click.option("--input-size", "sizes", multiple=True, metavar="SIZE[,SIZE…]", help="Inputs, each a candidate's.")
@click.option("--samples", type=int, default=None, help="Draw so many candidates instead of taking the whole grid.")
@click.option("--seed", type=int, default=None, help="Which candidates are drawn.  [default: 0]")
@click.option(
    "--pareto", default="macs,max:params", show_default=True, help="2 to 4 columns, the least or max: of each."
)
@click.option("--nearest", "base", default=None, metavar="VARIANT", help='Solve for TARGETs such as "macs=-20%".')
@click.option("--per", default=None, metavar="COLUMN", help="The nearest for each value of a column.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=25, show_default=True, help="Rows of the front in a table."
)
@format_option("table", "markdown", "csv", "json")
@run_options
def sweep_verb(given: tuple[str, ...], base: str | None, form: str, **options: Any) -> None:
    """Evaluate every network of a design space, and show which none other beats (extra sweep).

    A space is a TOML file, one of those that come with the program (resnext, wide_resnet, densenet, regnet, anynet_a to
    anynet_e), or --family or --variant with --set. A field takes a list of values, a range (16..256 step 8,
    16..1024 times 2), or follows from others ("2*widths[0]"). A FOLDER is one that --output made: it is finished where
    it was stopped, and shown.
    """
    run = parse_run_options(options)
    if base is not None and (run.folder or run.charts):
        raise InvalidInput("--nearest: keeps and draws no rows; leave out the --output folder and --chart.")
    with extra_imports("sweep"):
        text = _summary(given, form, options, run) if base is None else _nearest(base, given, form, options)
    write_output(text, run.document)


def _summary(given: tuple[str, ...], form: str, options: dict[str, Any], run: SweepOptions) -> str:
    from analyzer.render.sweep import tables as render
    from analyzer.sweep.engine.engine import requested_figures
    from analyzer.sweep.results.pareto import objectives_of
    from analyzer.sweep.results.summary import summarise
    from analyzer.text.tables import padded_table, terminal_table

    if options["per"] is not None:
        raise InvalidInput("--per: goes with --nearest.")
    objectives = objectives_of(options["pareto"])
    if held := stored_results(given, _space_overrides(options), run):
        space, ask, run = held
    else:
        space = _sweepable(space_from_options(given, options))
        ask = tuple(requested_figures(space, requested_columns([name for name, _ in objectives])))
    found = summarise(space, objectives, ask=ask, parts=swept_rows(space, ask, run))
    write_charts(found, run.charts)
    match form:
        case "json":
            return json.dumps(render.summary_facts(found), ensure_ascii=False) + "\n"
        case "csv":
            return render.summary_csv(found)
        case _:
            table = padded_table if form == "markdown" else terminal_table
            return render.summary_text(found, table, options["limit"]) + "\n"


def _sweepable(space: "Space") -> "Space":
    """The space; InvalidInput where a whole day would not do."""
    if space.size > _MAX_CANDIDATES:
        raise InvalidInput(
            f"space: its {space.size:.3g} candidates are over the bound of {_MAX_CANDIDATES:.0e}; draw some with --samples."
        )
    return space


_MAX_CANDIDATES = 10**11


def requested_columns(names: list[str]) -> list[str]:
    """The columns that are worked out only where they are asked for."""
    return [name for name in names if name == "memory_bytes" or name.startswith("latency_ms:")]


def space_from_options(given: tuple[str, ...], options: dict[str, Any]) -> "Space":
    """The space of a file, of the program, or of --set; InvalidInput where it is not clear which."""
    from analyzer.sweep.space.space import packaged_space, restrict_space, space

    if len(given) > 1:
        raise InvalidInput(f"sweep: takes one space, not {len(given)}; targets go with --nearest.")
    if given:
        if options["family"] or options["variant"] or options["fields"] or options["variables"]:
            raise InvalidInput("sweep: give either a space or --family or --variant with --set.")
        return _sampled_space(restrict_space(packaged_space(given[0]), **_space_overrides(options)), options)
    family = options["family"]
    if family is None and options["variant"] is None:
        raise InvalidInput(
            "sweep: SPACE.toml is missing; give a file, a name such as resnext, or --variant with --set."
        )
    fields = _assignments("--set", options["fields"])
    variables = _assignments("--let", options["variables"])
    found = space(
        title=f"around {options['variant']}" if options["variant"] else f"of {family}",
        family=family,
        variant=options["variant"],
        fields=fields,
        variables=variables,
        **_space_overrides(options),
    )
    return _sampled_space(found, options)


def _sampled_space(found: "Space", options: dict[str, Any]) -> "Space":
    """The space; InvalidInput where a seed is given and nothing is drawn."""
    if options["seed"] is not None and found.samples is None:
        raise InvalidInput("--seed: says which candidates are drawn; say how many with --samples.")
    return found


def _space_overrides(options: dict[str, Any]) -> dict[str, Any]:
    """Constraints, sizes and samples that were given."""
    found = {
        "constraints": list(options["constraints"]),
        "input_sizes": [size for sizes in options["sizes"] for size in sizes.split(",")],
        "samples": options["samples"],
        "seed": options["seed"],
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _assignments(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, values = (piece.strip() for piece in text.partition("="))
        if not equals or not name or not values:
            raise InvalidInput(f"{option} {shortened(text)!r}: must be NAME=VALUES, such as cardinality=[1,2,4].")
        if name in found:
            raise InvalidInput(f"{option}: {shortened(name)} is given more than once.")
        found[name] = values
    return found


def _nearest(base: str, given: tuple[str, ...], form: str, options: dict[str, Any]) -> str:
    from analyzer.cost.analysis import analyze
    from analyzer.families.toml_file import network_at
    from analyzer.render.sweep import tables as render
    from analyzer.sweep.results.nearest import nearest, neighbourhood, targets_of
    from analyzer.text.tables import padded_table, terminal_table

    if options["family"] or options["variant"]:
        raise InvalidInput("--nearest: names the network itself; leave out --family and --variant.")
    more = _space_overrides(options)
    sizes = more.get("input_sizes", [])
    if len(sizes) > 1:
        raise InvalidInput("--nearest: takes one input size.")
    from analyzer.sweep.space.space import input_size

    start = analyze(network_at(base), input_size(sizes[0]) if sizes else None)
    _, height, width = start.input_shape
    targets = targets_of(given, start)
    variables = _assignments("--let", options["variables"])
    more |= {"input_sizes": [(height, width)], "variables": variables}
    within = _sweepable(neighbourhood(start, _assignments("--set", options["fields"]), **more))
    with progress_callback() as progress:
        found = nearest(start, within, targets, per=options["per"], progress=progress)
    match form:
        case "json":
            return json.dumps(render.nearest_facts(found), ensure_ascii=False) + "\n"
        case "csv":
            return render.nearest_csv(found)
        case _:
            return render.nearest_text(found, padded_table if form == "markdown" else terminal_table) + "\n"
