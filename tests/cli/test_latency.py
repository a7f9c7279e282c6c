"""The verb `latency`: tables, CSV in timm's columns, the record that it keeps, and its exit status.

No test here depends on how long anything takes.
"""

import csv
import io
import json
import signal
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analyzer.cli import latency, main
from analyzer.cost.analysis import analyze
from analyzer.latency.records.conditions import HostCheck, OutputCheck, ReferenceCheck
from analyzer.latency.records.record import Failure, Measurement, Timing, read_measurement
from analyzer.latency.run_settings import RunSettings
from analyzer.live.timing import timing
from analyzer.live.timing.session import MeasurementCallbacks
from analyzer.render.latency.measured import cells_table, latency_csv, latency_table, measurement_table, record_warnings
from tests.support.latency_fakes import CONDITIONS, DENSENET, RESNET, latency_record

SCHEMA = json.loads(files("analyzer").joinpath("schemas/latency-1.json").read_text())
QUICK = ["--num-bench-iter", "3", "--num-warm-iter", "1", "--reference", "none"]


@pytest.fixture(autouse=True)
def _short_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing waits for a steady machine, and records are kept in a folder of the test."""
    monkeypatch.setattr("analyzer.live.timing.session.WINDOW_SECONDS", 0.0)
    monkeypatch.setattr("analyzer.live.timing.session.MAX_WARM_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)


def test_the_table_shows_medians_shares_and_the_whole() -> None:
    """Golden: 2, 3 and 4 ms of 9, and the whole of 9.2 ms, with conditions; unknown facts are left out."""
    stages = {"stem": (2.0,), "stage1": (3.0,), "head": (4.0,)}
    text = latency_table(latency_record((9.2,), stages, autocast="bfloat16"))
    lines = [line.split() for line in text.splitlines()]
    assert ["stage", "1", "3.000", "3.000–3.000", "33.3", "%"] in lines
    assert ["sum", "of", "stages", "9.000", "100.0", "%"] in lines
    assert ["whole", "network", "9.200", "9.200–9.200", "102.2", "%"] in lines
    assert "one batch of 2 × 3×224×224" in text
    assert "float32 (autocast bfloat16), contiguous layout" in text
    assert "threads 2, onednn on;" in text
    assert "governor" not in text
    assert "Throughput: 217.4 images a second, one batch after the other." in text


def test_the_table_of_a_gpu_tells_who_sets_the_pace() -> None:
    """Golden: 9.2 ms eager against 4.6 as a graph, and 4 ms queued."""
    text = latency_table(
        latency_record(
            (9.2,),
            queued=Timing(label="queued", samples_ms=(4.0,)),
            host=HostCheck(eager_ms=9.2, graph_ms=4.6),
            run_memory_bytes=2**20,
            conditions=replace(CONDITIONS, machine={"power_limit_w": 700.0, "l2_bytes": 2**20}, tf32=False),
        )
    )
    assert "As a CUDA graph 4.600 ms; eager takes 200.0 % of that: the host sets the pace." in text
    assert ["whole,", "queued", "4.000", "4.000–4.000"] in [line.split() for line in text.splitlines()]
    assert "perf_counter, power limit 700.0 W, l2 1.0 MiB, tf32 off;" in text
    assert "Throughput: 500.0 images a second, batches queued." in text
    assert "A run takes 1.0 MiB beside weights and input." in text


def test_doubtful_figures_are_told() -> None:
    """Closed form: a steady record has no warnings; each doubt has one."""
    assert record_warnings(latency_record((10.0, 10.0), {"stem": (10.0, 10.0)})) == []
    told = record_warnings(
        latency_record(
            (10.0, 12.0),
            {"stem": (5.0, 5.0)},
            settings=RunSettings(precision="float16"),
            output=OutputCheck(error=None, bound=0.1),
            reference=ReferenceCheck(variant="resnet18", batch_size=1, before_ms=10.0, after_ms=10.5),
            before={"other_processes": 1},
        )
    )
    words = ["changed by 5.0 %", "Unsteady", "45.5 % of the whole", "float16", "1 other process used"]
    assert [word in sentence for word, sentence in zip(words, told, strict=True)] == [True] * 5


def test_several_cells_are_a_line_each_with_their_marks_explained() -> None:
    """Golden: how each was run; a discarded one has no time; what was not measured is told."""
    drift = ReferenceCheck(variant="resnet18", batch_size=1, before_ms=10.0, after_ms=10.5)
    way = RunSettings.from_words(
        task="training", execution="compiled", precision="amp", layout="channels_last", batch_size=8
    )
    taken = Measurement(
        conditions=CONDITIONS,
        records=(latency_record((10.0,)), latency_record((20.0,), settings=way, reference=drift)),
        failures=(Failure(variant="resnet18", settings=way, reason="cuda:0 ran out of memory."),),
        cut_short="interrupted",
    )
    text = cells_table(taken)
    lines = [line.split() for line in text.splitlines()]
    assert ["resnet50", "224×224", "2", "eager,", "float32", "10.00", "10.00–10.00", "200.0"] in lines
    assert any(line[3:8] == ["training,", "compiled,", "amp,", "channels_last", "discarded"] for line in lines)
    assert "drift: the reference network's time changed" in text
    assert "Cut short (interrupted)" in text
    assert "Not measured: cuda:0 ran out of memory." in text
    assert measurement_table(taken) == text


def test_csv_has_timms_columns_and_counts() -> None:
    """Published: timm's resnet50 row at 224 (25.56 M, 4.11 GMACs, 11.11 M activations); step times are means."""
    fingerprint = analyze("resnet50").fingerprint
    training = RunSettings.from_words(task="training", batch_size=4)
    taken = Measurement(
        conditions=CONDITIONS,
        records=(
            latency_record((10.0, 10.0, 11.5), fingerprint=fingerprint),
            latency_record((20.0,), settings=training, variant="a file's"),
        ),
    )
    rows = list(csv.DictReader(io.StringIO(latency_csv(taken))))
    first, second = rows
    assert {name: first[name] for name in list(first)[:7]} == {
        "model": "resnet50",
        "infer_samples_per_sec": "190.48",
        "infer_step_time": "10.5",
        "infer_batch_size": "2",
        "infer_img_size": "224",
        "infer_gmacs": "4.11",
        "infer_macts": "11.11",
    }
    assert first["param_count"] == "25.56"
    assert first["train_step_time"] == ""
    assert (second["train_step_time"], second["train_samples_per_sec"]) == ("20.0", "200.0")
    assert second["param_count"] == second["infer_gmacs"] == ""


def test_the_verb_prints_a_table_and_keeps_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: a line for each stage, their sum and the whole; the record lies in reports/latency."""
    assert main(["latency", RESNET, *QUICK, "--batch-size", "2"]) == 0
    told = capsys.readouterr()
    for words in ("stem", "stage 1", "stage 2", "head", "sum of stages", "whole network", "Conditions: 3 samples"):
        assert any(line.startswith(words) for line in told.out.splitlines())
    (path,) = Path("reports/latency").iterdir()
    assert told.err == f"recorded in {path}\n"
    assert read_measurement(path).cut_short is None


def test_the_verb_writes_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Reference: JSON Schema; an input size that does not fit exits 2 and leaves the file."""
    path = Path("record.json")
    arguments = ["latency", DENSENET, *QUICK, "--no-save", "--format", "json", "--output", str(path)]
    assert main([*arguments, "--input-size", "16x24"]) == 0
    document = json.loads(path.read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["records"][0]["input_shape"] == [3, 16, 24]
    assert main([*arguments, "--input-size", "0"]) == 2
    assert json.loads(path.read_text()) == document
    assert "input size 0" in capsys.readouterr().err
    assert not Path("reports").exists()


def test_a_kept_record_is_shown_without_measuring(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: the same table as that of the cells; a file that is none is one sentence."""
    taken = Measurement(conditions=CONDITIONS, records=(latency_record((1.0,)), latency_record((2.0,))))
    taken.save("kept.json")
    assert main(["latency", "--show", "kept.json"]) == 0
    assert capsys.readouterr().out == cells_table(taken)
    assert main(["latency", "--show", "missing.json"]) == 2
    assert capsys.readouterr().err == "latency record missing.json: does not exist.\n"


def test_lists_are_grids(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: 2 networks, 2 batch sizes and 2 layouts are 8 lines of CSV."""
    lists = ["--batch-size", "1,2", "--layout", "nchw,channels_last"]
    assert main(["latency", RESNET, DENSENET, *QUICK, *lists, "--input-size", "8", "--format", "csv", "--no-save"]) == 0
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == 8


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--precision", "float32,int8"], "--precision 'int8': must be one of float32, amp"),
        (["--execution", "fast"], "--execution 'fast': must be one of eager, cuda_graph, compiled."),
        (["--layout", "nhcw"], "--layout 'nhcw': must be one of contiguous, nchw, channels_last, nhwc."),
        (["--batch-size", "1,x"], "--batch-size '1,x': must be whole numbers joined by commas (1,8,32)."),
        (["--batch-size", "0"], "batch_size 0: must be a whole number"),
        (["--channels-last", "--layout", "nchw"], "--channels-last does not go with --layout"),
        (["--compiled", "--execution", "eager"], "--compiled does not go with --execution"),
        (["--execution", "cuda_graph"], "execution cuda_graph: needs --device cuda, not cpu."),
        (["--max-seconds", "0"], "max_seconds 0.0: must be a number of seconds over 0"),
        (["--reference", "resnet51"], "variant 'resnet51' is unknown"),
        (["--save-to", "file"], "a file is in the folder's place"),
        (["--output", "folder"], "output folder: cannot be written (a folder has that name)"),
        (["--output", "file/table.txt"], "a file is in the folder's place"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_measured(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed form: option, value, rule; exit status 2; nothing is built."""
    Path("file").write_text("kept")
    Path("folder").mkdir()
    monkeypatch.setattr("analyzer.live.timing.session.prepare_timed_run", None)
    assert main(["latency", RESNET, *QUICK, *arguments]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert len(told.err.splitlines()) == 1
    assert Path("file").read_text() == "kept"
    assert not Path("reports").exists()


def test_exit_status_tells_how_it_went() -> None:
    """Closed form: 0 good, 1 a wrong output or nothing that counts, 2 a failure, 130 interrupted."""
    good = latency_record((1.0,))
    wrong = latency_record((1.0,), output=OutputCheck(error=0.5, bound=0.1))
    drifted = latency_record((1.0,), reference=ReferenceCheck(variant="x", batch_size=1, before_ms=1.0, after_ms=2.0))
    failure = Failure(variant="x", settings=RunSettings(), reason="no")

    def status(*records: Any, **more: Any) -> int:
        return latency._exit_status(Measurement(conditions=CONDITIONS, records=records, **more))

    assert status(good) == 0
    assert status(good, drifted) == 0
    assert status(good, wrong) == 1
    assert status(drifted) == 1
    assert status(good, failures=(failure,)) == 2
    assert status(good, cut_short="interrupted") == 130
    assert status(good, cut_short="the time limit of 3 s") == 0


def test_sigterm_keeps_what_is_complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Planted: the signal comes when the second cell begins; the file on disk is marked and whole."""
    before = signal.getsignal(signal.SIGTERM)
    measure = timing.measure_latencies

    def stopped(*arguments: Any, watch: MeasurementCallbacks, **more: Any) -> Measurement:
        def progress(_done: int, _total: int, what: str) -> None:
            if "batch 2" in what:
                signal.raise_signal(signal.SIGTERM)

        return measure(*arguments, watch=MeasurementCallbacks(progress=progress, keep=watch.keep), **more)

    monkeypatch.setattr(timing, "measure_latencies", stopped)
    assert main(["latency", RESNET, *QUICK, "--batch-size", "1,2"]) == 130
    (path,) = Path("reports/latency").iterdir()
    found = read_measurement(path)
    assert (found.cut_short, [each.batch_size for each in found.records]) == ("interrupted", [1])
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_bar_on_a_terminal_says_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured: on a terminal's standard error; elsewhere nothing is written."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        with latency._progress(2) as progress:
            progress(0, 2, "resnet18, batch 1")
        assert ("resnet18, batch 1" in stream.getvalue()) is shown
        assert ("100%" in stream.getvalue()) is shown
