"""Sweeps on Dask: a real scheduler and real workers, each a process of its own, some of them killed.

Oracle: the rows of an undisturbed run in one process, compared by the hash of the sorted rows.
"""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from analyzer.errors import InvalidInput, Unavailable
from analyzer.sweep.results import run as cluster
from analyzer.sweep.results.run import run
from analyzer.sweep.results.store import MANIFEST, Manifest, Store, manifest_of, prepare_store
from analyzer.sweep.space.space import Space

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SECONDS = 60
SPACE = """
variant = "resnet20_cifar"
constraints = ["params >= 100e3"]
[fields]
depths = ["1..8", "1..8", "1..6"]
widths = [16, [16, 32], [32, 64]]
"""
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s",
}
COORDINATOR = """
import sys
from pathlib import Path
from analyzer.sweep.results.run import existing_cluster, run_on
from analyzer.sweep.results.store import open_store
with existing_cluster(sys.argv[1]) as client:
    run_on(client, open_store(Path(sys.argv[2])))
"""


def manifest() -> Manifest:
    """1,536 candidates in 192 chunks."""
    return manifest_of(Space.from_toml(SPACE), chunk_size=8)


def fingerprint(store: Store) -> str:
    """Of the rows, whatever files they are in."""
    rows = sorted(store.frame().itertuples(index=False, name=None))
    assert len(rows) == len({row[0] for row in rows})
    return hashlib.sha256(repr([tuple(map(str, row)) for row in rows]).encode()).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the rows that one process makes."""
    store = prepare_store(tmp_path_factory.mktemp("undisturbed"), manifest())
    run(store)
    assert 0 < len(store.frame()) < 1536
    return fingerprint(store)


@contextmanager
def started(arguments: list[str], cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, *arguments]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdout=quiet, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=cwd
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def spoken(process: "subprocess.Popen[str]", pattern: str) -> str:
    """What the first line that fits says."""
    for line in process.stderr or ():
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"{process.args!r} ended without saying {pattern}")


@contextmanager
def worker(address: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    folder.mkdir()
    options = ["--nthreads=1", "--no-nanny", "--no-dashboard", f"--local-directory={folder}"]
    with started(["-m", "dask", "worker", address, *options], folder) as process:
        yield process


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `dask scheduler`, started as a user would."""
    options = ["--host=127.0.0.1", "--port=0", "--no-dashboard", "--no-show"]
    with started(["-m", "dask", "scheduler", *options], tmp_path_factory.mktemp("scheduler")) as process:
        yield spoken(process, r"Scheduler at: *(tcp://\S+)")


@pytest.fixture(scope="module")
def workers(scheduler: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list["subprocess.Popen[str]"]]:
    """Two workers; the second is killed by a test."""
    folder = tmp_path_factory.mktemp("workers")
    with ExitStack() as stack:
        yield [stack.enter_context(worker(scheduler, folder / str(number))) for number in range(2)]


def coordinator(address: str, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", COORDINATOR, address, str(folder)]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(SECONDS * 100):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("what was waited for did not come")


def test_a_killed_coordinator_started_again_gives_the_same_rows(
    tmp_path: Path, undisturbed: str, scheduler: str, workers: list["subprocess.Popen[str]"]
) -> None:
    store = prepare_store(tmp_path / "results", manifest())
    with coordinator(scheduler, store.folder) as first:
        wait_until(lambda: len(store.numbers()) >= 5)
        first.kill()
    half = len(store.numbers())
    assert half < 192
    with coordinator(scheduler, store.folder) as second:
        _, talk = second.communicate(timeout=SECONDS)
    assert (second.returncode, talk) == (0, "")
    assert store.missing() == []
    assert fingerprint(store) == undisturbed


def test_a_killed_worker_costs_no_row(
    tmp_path: Path, undisturbed: str, scheduler: str, workers: list["subprocess.Popen[str]"]
) -> None:
    store = prepare_store(tmp_path / "results", manifest())
    with coordinator(scheduler, store.folder) as process:
        wait_until(lambda: len(store.numbers()) >= 5)
        workers[1].send_signal(signal.SIGKILL)
        assert workers[1].wait(SECONDS) == -signal.SIGKILL
        assert len(store.numbers()) < 192
        _, talk = process.communicate(timeout=SECONDS)
    assert (process.returncode, talk) == (0, "")
    assert store.missing() == []
    assert fingerprint(store) == undisturbed


def test_workers_that_do_not_see_the_folder_send_their_rows(
    tmp_path: Path, undisturbed: str, scheduler: str, workers: list["subprocess.Popen[str]"]
) -> None:
    """As on machines without a shared file system: the folder's manifest is not there when the worker looks."""
    store = prepare_store(tmp_path / "results", manifest())
    (store.folder / MANIFEST).unlink()
    told: list[int] = []
    with cluster.existing_cluster(scheduler) as client:
        cluster.run_on(client, store, lambda progress: told.append(progress.done))
    assert fingerprint(store) == undisturbed
    assert told == [*range(0, 1536, 8), 1536]


def test_workers_of_this_machine_give_the_same_rows(tmp_path: Path, undisturbed: str) -> None:
    store = prepare_store(tmp_path / "results", manifest())
    with cluster.local_cluster(2) as client:
        cluster.run_on(client, store)
    assert fingerprint(store) == undisturbed


ADDRESSES = {
    "tcp://127.0.0.1:9": "does not answer",
    "nonsense://host:1": "does not answer",
    "nonsense://x": "must be an address such as tcp://host:8786",
    "tcp://": "must be an address such as tcp://host:8786",
    "": "must be an address such as tcp://host:8786",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_scheduler_that_is_not_there_is_one_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    with (
        pytest.raises((InvalidInput, Unavailable), match=ADDRESSES[address]) as refused,
        cluster.existing_cluster(address),
    ):
        pass
    assert len(str(refused.value).splitlines()) == 1
