"""Running a sweep into a folder: only the chunks that are not there yet, here or on a cluster."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from analyzer.errors import InvalidInput, Unavailable, shortened
from analyzer.extras import extra_imports
from analyzer.sweep.engine.engine import evaluate
from analyzer.sweep.results.store import Manifest, Store, open_store
from analyzer.sweep.space.space import Space
from analyzer.version import __version__

Evaluate = Callable[[int, int], dict[str, NDArray[Any]]]
"""First candidate, and the one after the last → the rows that satisfy the constraints, as columns."""

Client = Any
"""A `distributed.Client`; Dask is imported when a cluster is asked for."""
TIMEOUT = 5
"""Seconds in which a scheduler must answer."""
_LOCALHOST = "127.0.0.1"
_TASKS_A_THREAD = 3
"""Tasks queued for each thread; more would only take memory."""


@lru_cache(maxsize=4)
def evaluator(text: str, ask: tuple[str, ...]) -> Evaluate:
    """How to evaluate a space given by its TOML, parsed once in a process."""
    return partial(evaluate, Space.from_toml(text), ask=ask)


@dataclass(slots=True)
class Progress:
    """How far a run is; the rate counts what this run evaluated, not the candidates that it found done."""

    total: int
    already_done: int
    done: int
    rows: int = 0
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Candidates a second since the start of this run; 0 before the first chunk."""
        return (self.done - self.already_done) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None where nothing is known yet."""
        return (self.total - self.done) / self.rate if self.rate else None

    def advance(self, candidates: int, rows: int) -> None:
        """Count a chunk that has been written."""
        self.done += candidates
        self.rows += rows
        self.seconds = time.monotonic() - self.started


ProgressCallback = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """Report to nobody."""


def initial_progress(store: Store, missing: list[int]) -> Progress:
    """The progress at the start of a run, with these chunks missing."""
    remaining = sum(stop - start for start, stop in map(store.manifest.bounds, missing))
    already_done = store.manifest.size - remaining
    return Progress(total=store.manifest.size, already_done=already_done, done=already_done)


def run(store: Store, on_progress: ProgressCallback = ignore_progress, evaluate: Evaluate | None = None) -> Progress:
    """Evaluate and write each chunk that is missing, one after the other; stopped at any time, it can be run again.

    `evaluate` replaces the evaluation of the manifest's own space.
    """
    evaluate = evaluate or evaluator(store.manifest.space, store.manifest.ask)
    missing = store.missing()
    progress = initial_progress(store, missing)
    on_progress(progress)
    for number in missing:
        start, stop = store.manifest.bounds(number)
        columns = evaluate(start, stop)
        store.write(number, columns)
        progress.advance(stop - start, len(columns["index"]))
        on_progress(progress)
    store.forget_leftovers()
    return progress


class WrittenChunk(NamedTuple):
    """A chunk that is done: how many rows, and the file itself where the worker does not see the folder."""

    number: int
    rows: int
    data: bytes | None


def fill_chunk(folder: str, manifest: Manifest, number: int, shared: bool) -> WrittenChunk:
    """On a worker: evaluate a chunk and write its file, or send it back where the folder is not shared."""
    if manifest.version != __version__:
        raise InvalidInput(f"a worker has version {__version__}, and the sweep is of {manifest.version}.")
    store = Store(Path(folder), manifest)
    columns = evaluator(manifest.space, manifest.ask)(*manifest.bounds(number))
    data = store.packed(number, columns)
    written = shared and _sees_folder(store)
    if written:
        store.write_bytes(number, data)
    return WrittenChunk(number, len(columns["index"]), None if written else data)


def _sees_folder(store: Store) -> bool:
    try:
        return open_store(store.folder).manifest == store.manifest
    except InvalidInput:
        return False


def run_on(client: Client, store: Store, on_progress: ProgressCallback = ignore_progress) -> Progress:
    """Have a cluster fill the chunks that are missing; stopped at any time, it can be run again."""
    missing = store.missing()
    progress = initial_progress(store, missing)
    on_progress(progress)
    for chunk in _results(client, store, missing):
        if chunk.data is not None:
            store.write_bytes(chunk.number, chunk.data)
        start, stop = store.manifest.bounds(chunk.number)
        progress.advance(stop - start, chunk.rows)
        on_progress(progress)
    store.forget_leftovers()
    return progress


def _results(client: Client, store: Store, missing: list[int]) -> Iterator[WrittenChunk]:
    """Chunks as they are done, with few tasks under way at a time, whatever the number of chunks."""
    numbers = iter(missing)
    tasks = _import_distributed().as_completed(
        [_submit(client, store, number) for number in islice(numbers, _max_tasks(client))]
    )
    for task in tasks:
        chunk = _result(task)
        if chunk.data is None and not store.path(chunk.number).exists():
            tasks.add(_submit(client, store, chunk.number, shared=False))  # its folder is another machine's
            continue
        for number in islice(numbers, max(0, _max_tasks(client) - tasks.count())):
            tasks.add(_submit(client, store, number))
        yield chunk


def _max_tasks(client: Client) -> int:
    """Tasks that may be under way, by the threads that the cluster has now."""
    return _TASKS_A_THREAD * max(2, sum(map(int, client.nthreads().values())))


def _submit(client: Client, store: Store, number: int, shared: bool = True) -> Any:
    folder = str(store.folder.resolve())
    return client.submit(fill_chunk, folder, store.manifest, number, shared, pure=False, retries=0)


def _result(task: Any) -> WrittenChunk:
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        result: WrittenChunk = task.result()
    except KilledWorker as error:
        raise Unavailable(f"the cluster lost worker after worker on one chunk ({shortened(error, 200)}).") from None
    except (FutureCancelledError, OSError) as error:
        raise Unavailable(f"the cluster's scheduler went away ({shortened(error, 120)}).") from None
    except (ImportError, AttributeError) as error:
        raise Unavailable(f"a worker lacks resnet-analyzer {__version__} ({shortened(error, 120)}).") from None
    return result


@contextmanager
def local_cluster(workers: int) -> Iterator[Client]:
    """A cluster of worker processes on this machine, one thread each, reached from this machine only."""
    distributed = _import_distributed()
    options: dict[str, Any] = {
        "host": _LOCALHOST,
        "dashboard_address": f"{_LOCALHOST}:0",
        "silence_logs": logging.CRITICAL,
    }
    with (
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def existing_cluster(address: str) -> Iterator[Client]:
    """A cluster that is there already; InvalidInput for what is no address; Unavailable where none answers."""
    if not re.fullmatch(r"(?:[a-z]+://)?[^/\s]+:[0-9]{1,5}", address):
        raise InvalidInput(f"scheduler {shortened(address)!r}: must be an address such as tcp://host:8786.")
    distributed = _import_distributed()
    try:
        client = distributed.Client(address, timeout=TIMEOUT)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise Unavailable(f"scheduler {shortened(address)!r} does not answer ({shortened(error, 160)}).") from None
    with client:
        yield client


def _import_distributed() -> Any:
    with extra_imports("cluster"):
        import distributed
    for name in ("distributed.client", "distributed.core", "distributed.comm", "distributed.nanny"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it is said in one sentence
    return distributed
