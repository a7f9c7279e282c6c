"""The verb sweep with folders, charts and clusters, as a user runs it.

Oracle: the same rows evaluated at once, and files as other programs read them.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import numpy as np
import pandas as pd
import pytest

from analyzer.cli import main
from analyzer.sweep.engine.engine import evaluate
from analyzer.sweep.results.store import MANIFEST, open_store, part_name
from analyzer.sweep.space.space import packaged_space

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SLOW = ["--variant", "resnet50", "--set", "base_width=1..4000", "--set", "stem_width=1..4000"]
"""16 million candidates."""


def ran(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(["sweep", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_folder_keeps_every_row_and_is_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "rows"
    status, first, talk = ran(["wide_resnet", "--output", folder, "--chunk-size", "10"], capsys)
    told = f"wrote the rows into {folder}; `analyzer sweep {folder}` shows them again\n"
    assert (status, talk) == (0, told)
    whole = evaluate(packaged_space("wide_resnet"), 0, 96)
    frame = open_store(folder).frame()
    assert {name: frame[name].tolist() for name in frame} == {name: each.tolist() for name, each in whole.items()}
    assert len(list(folder.glob("part-*.parquet"))) == 10
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    for again in (["wide_resnet", "--output", folder], [folder]):
        assert ran(again, capsys) == (0, first, "")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_folder_that_lacks_chunks_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "rows"
    _, whole, _ = ran(["wide_resnet", "--output", folder, "--chunk-size", "10"], capsys)
    (folder / part_name(4)).unlink()
    status, again, talk = ran([folder], capsys)
    assert (status, again) == (0, whole)
    assert talk.startswith(f"wrote the rows into {folder};")
    assert len(open_store(folder).frame()) == 96


def test_the_documents_examples_read_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each fenced example of docs/sweep.md in SQL and Python runs on a folder called `rows`."""
    ran(["wide_resnet", "--output", tmp_path / "rows", "--chunk-size", "10"], capsys)
    text = (ROOT / "docs" / "sweep.md").read_text(encoding="utf-8")
    queries = [block.split("```")[0] for block in text.split("```sql\n")[1:]]
    programs = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    assert len(queries) >= 3
    assert len(programs) >= 2
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        for query in queries:
            assert duckdb.connect().execute(query).fetchall(), query
        for program in programs:
            exec(compile(program, "docs/sweep.md", "exec"), {})
    finally:
        os.chdir(here)


def test_pandas_reads_the_same_as_the_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, table = tmp_path / "rows", tmp_path / "rows.csv"
    assert ran(["densenet", "--output", folder, "--rows", table, "--chunk-size", "20"], capsys)[0] == 0
    pd.testing.assert_frame_equal(pd.read_csv(table), pd.read_parquet(folder), check_dtype=False)
    assert len(pd.read_csv(table)) == 75


def test_charts_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the SVG is XML with every point of the space in it; the page fetches nothing."""
    svg, page = tmp_path / "front.svg", tmp_path / "front.html"
    status, _, talk = ran(["wide_resnet", "--chart", svg, "--chart", page], capsys)
    assert status == 0
    assert talk.count("wrote ") == 2
    drawn = ElementTree.parse(svg).getroot()
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"parameters", "MACs", "share of networks", "wrn28_10_cifar"} <= set(words)
    marks = [g for g in drawn.iter("{http://www.w3.org/2000/svg}g") if "mark-symbol" in g.get("class", "")]
    assert len(list(marks[0])) == 96
    html = page.read_text(encoding="utf-8")
    assert "<head><meta" in html[:60]
    assert "wrn28_10_cifar" in html
    assert 'src="http' not in html
    assert 'href="http' not in html


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--workers", "2"], "need --output FOLDER"),
        (["--output", "{}/rows", "--workers", "2", "--scheduler", "tcp://127.0.0.1:9"], "give one of them"),
        (["--chart", "{}/front.gif"], "must end in .svg or .html"),
        (["--output", "{}/file/rows"], "cannot be written"),
        (["--chart", "{}/file/front.svg"], "cannot be written"),
        (["--output", "{}/rows", "--chunk-size", "0"], "chunk size 0 must be from 1"),
        (["--nearest", "resnet50", "params=0%", "--output", "{}/rows"], "leave out the --output folder"),
        (["--rows", "{}/file/rows.csv"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    (tmp_path / "file").write_text("as it was", encoding="utf-8")
    space = [] if "--nearest" in options else ["wide_resnet"]
    status, out, talk = ran([*space, *(option.format(tmp_path) for option in options)], capsys)
    assert (status, out) == (2, "")
    assert sentence in talk
    assert len(talk.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_another_space_or_figure_does_not_go_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "rows"
    ran(["wide_resnet", "--output", folder], capsys)
    for other in (
        ["densenet"],
        ["wide_resnet", "--where", "params <= 1e6"],
        ["wide_resnet", "--pareto", "macs,memory_bytes"],
    ):
        status, out, talk = ran([*other, "--output", folder], capsys)
        assert (status, out) == (2, "")
        assert "give another folder" in talk
    (folder / MANIFEST).write_text("{}", encoding="utf-8")
    assert "not a sweep's manifest" in ran([folder], capsys)[2]


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_says_how_to_go_on_and_keeps_what_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "rows"
    command = [sys.executable, "-m", "analyzer", "sweep", *SLOW, "--output", str(folder), "--chunk-size", "20000"]
    heard = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # whoever runs the tests in the background may ignore it
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=heard
    ) as process:
        for _ in range(6000):
            if len(list(folder.glob("part-*.parquet"))) >= 3 or process.poll() is not None:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, talk = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    done = open_store(folder).numbers()
    assert 3 <= len(done) < 800
    assert f"{len(done)} of 800 chunks are whole in {folder}; the same command goes on from there." in talk
    assert "Traceback" not in talk
    assert np.array_equal(next(iter(open_store(folder).chunks(["index"])))["index"], np.arange(20000))
