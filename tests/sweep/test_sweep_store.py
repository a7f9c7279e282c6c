"""Results of sweeps on disk: whole files, resumable, refused where they belong to something else.

Oracle: the rows themselves, from a stand-in of known values, and other readers of Parquet (pandas, DuckDB).
"""

import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from analyzer.errors import InvalidInput
from analyzer.sweep.results.run import Progress, run
from analyzer.sweep.results.store import MANIFEST, Manifest, Store, manifest_from, open_store, part_name, prepare_store


def squares(chunk_size: int = 64, size: int = 1000, fingerprint: str = "squares") -> Manifest:
    """A stand-in for a space: candidate i has i² parameters, and only even ones satisfy the constraints."""
    text = 'kind = "squares"'
    return Manifest(space=text, fingerprint=fingerprint, size=size, seed=7, ask=(), chunk_size=chunk_size)


def evaluate(start: int, stop: int) -> dict[str, NDArray[Any]]:
    index = np.arange(start, stop, dtype=np.int64)
    index = index[index % 2 == 0]
    block = np.where(index % 4 == 0, "basic", "bottleneck")
    return {"index": index, "block": block, "params": index**2, "latency_ms": index / 3}


def nothing(start: int, stop: int) -> dict[str, NDArray[Any]]:
    return {name: values[:0] for name, values in evaluate(start, stop).items()}


def swept(folder: Path, manifest: Manifest | None = None) -> Store:
    store = prepare_store(folder, manifest or squares())
    run(store, evaluate=evaluate)
    return store


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    whole = evaluate(0, 1000)
    frame = swept(tmp_path).frame()
    assert {name: frame[name].tolist() for name in frame} == {name: whole[name].tolist() for name in whole}
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path), frame, check_dtype=False)


def test_duckdb_reads_the_folder(tmp_path: Path) -> None:
    """Oracle: sums by hand: squares of the 250 multiples of 4 below 1000."""
    swept(tmp_path)
    query = f"SELECT block, count(*), sum(params) FROM '{tmp_path}/*.parquet' GROUP BY block ORDER BY block"
    assert duckdb.connect().execute(query).fetchall() == [
        ("basic", 250, sum((4 * i) ** 2 for i in range(250))),
        ("bottleneck", 250, sum((4 * i + 2) ** 2 for i in range(250))),
    ]


def test_each_file_says_what_it_holds(tmp_path: Path) -> None:
    store = swept(tmp_path, squares(300))
    metadata = pq.read_metadata(tmp_path / part_name(3)).metadata
    facts = metadata[b"resnet-analyzer"].decode()
    assert [name.name for name in sorted(tmp_path.iterdir())] == [MANIFEST, *map(part_name, range(4))]
    for fact in ('"start": 900', '"stop": 1000', '"seed": 7', f'"version": "{store.manifest.version}"', "squares"):
        assert fact in facts
    assert manifest_from((tmp_path / MANIFEST).read_text(encoding="utf-8")) == store.manifest


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """Neither loss nor duplicates: the same bytes as an undisturbed run, and no chunk is evaluated twice."""
    seen: list[int] = []

    def stopping(start: int, stop: int) -> dict[str, NDArray[Any]]:
        seen.append(start)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return evaluate(start, stop)

    store = prepare_store(tmp_path / "a", squares())
    with pytest.raises(KeyboardInterrupt):
        run(store, evaluate=stopping)
    assert store.numbers() == [0, 1, 2, 3, 4]
    told: list[tuple[int, int]] = []
    run(open_store(tmp_path / "a"), lambda progress: told.append((progress.found, progress.done)), stopping)
    assert told[0] == (320, 320)
    assert told[-1] == (320, 1000)
    assert sorted(seen) == sorted([*range(0, 1000, 64), 320])
    undisturbed = swept(tmp_path / "b")
    for number in range(16):
        assert store.path(number).read_bytes() == undisturbed.path(number).read_bytes()


def test_a_damaged_file_is_written_again_and_leftovers_go(tmp_path: Path) -> None:
    store = swept(tmp_path)
    whole = store.path(3).read_bytes()
    store.path(3).write_bytes(whole[:-9])
    leftover = tmp_path / f".{part_name(4)}.abc"
    leftover.write_bytes(whole[:50])
    assert store.missing() == [3]
    run(store, evaluate=evaluate)
    assert store.path(3).read_bytes() == whole
    assert not leftover.exists()


def test_nothing_that_satisfies_is_a_table_without_rows(tmp_path: Path) -> None:
    store = prepare_store(tmp_path, squares(500))
    run(store, evaluate=nothing)
    assert len(store.frame()) == 0
    assert pd.read_parquet(tmp_path).columns.tolist() == list(evaluate(0, 1))
    assert {str(pq.read_schema(store.path(0)).field("block").type)} == {"string"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fingerprint": "cubes"}, "another space (squares, not cubes)"),
        ({"ask": ("memory_bytes",)}, "other figures (none besides the usual)"),
        ({"version": "9.9"}, "version 0.1.0, and this is 9.9"),
        ({"chunk_size": 100}, "chunks of 64, not 100"),
    ],
)
def test_a_folder_of_another_sweep_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    store = swept(tmp_path)
    with pytest.raises(InvalidInput) as refused:
        prepare_store(tmp_path, replace(store.manifest, **changes))
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_of_another_sweep_is_refused(tmp_path: Path) -> None:
    store = swept(tmp_path / "a")
    other = swept(tmp_path / "b", squares(fingerprint="cubes"))
    store.path(5).write_bytes(other.path(5).read_bytes())
    with pytest.raises(InvalidInput, match=r"part-000000005\.parquet belongs to another sweep"):
        store.missing()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', "[" * 100_000, '{"schema": 1, "size": 3}', "\x00"])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match="not a sweep's manifest"):
        open_store(tmp_path)


def test_a_folder_without_results_and_parts_without_a_manifest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no results of a sweep"):
        open_store(tmp_path)
    store = swept(tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(InvalidInput, match="parts of an unknown sweep"):
        prepare_store(tmp_path, store.manifest)


@pytest.mark.parametrize("chunk_size", [0, -1, 2**24 + 1])
def test_chunk_sizes_have_bounds(chunk_size: int) -> None:
    with pytest.raises(InvalidInput, match="chunk size"):
        squares(chunk_size)


def test_too_many_chunks_are_refused() -> None:
    with pytest.raises(InvalidInput, match="take larger chunks"):
        squares(64, 10**8)


def test_progress_tells_rate_and_time_left() -> None:
    """1,000 of 5,000 found, 2,000 evaluated in 4 seconds: 500 a second, and 4 seconds for the last 2,000."""
    progress = Progress(total=5000, found=1000, done=3000, seconds=4.0)
    assert (progress.rate, progress.seconds_left) == (500, 4)
    assert Progress(total=10, found=0, done=0).seconds_left is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_sentence_and_what_was_written_stays(small_disk: Path) -> None:
    store = prepare_store(small_disk, squares(10_000, 200_000))
    with pytest.raises(InvalidInput, match="No space left on device"):
        run(store, evaluate=evaluate)
    done = store.numbers()
    assert 0 < len(done) < 20
    assert store.missing() == list(range(len(done), 20))
    assert not list(small_disk.glob(".part-*"))
    assert store.frame()["params"].tolist() == evaluate(0, 10_000 * len(done))["params"].tolist()


def test_a_disk_that_fills_up_leaves_whole_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where nothing can be mounted: the third file meets ENOSPC when it is flushed."""
    calls = iter(range(1000))
    flush = os.fsync

    def full(handle: int) -> None:
        if next(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(handle)

    monkeypatch.setattr("analyzer.files.os.fsync", full)
    with pytest.raises(InvalidInput, match=r"part-000000002\.parquet: cannot be written \(No space left on device\)"):
        swept(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, part_name(0), part_name(1)]
    assert len(swept(tmp_path).frame()) == 500


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidInput, match="cannot be written"):
        swept(tmp_path / "file" / "results")
