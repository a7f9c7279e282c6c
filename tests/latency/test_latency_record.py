"""Measured latencies as data: figures from given samples, the JSON, and reading it back.

No test here measures anything.
"""

import json
import math
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import analyzer
from analyzer.errors import InvalidInput
from analyzer.families.network import network
from analyzer.graph.graph import Graph, Node, sequence
from analyzer.graph.ops import Conv2d, ReLU
from analyzer.latency.records.conditions import HostCheck, OutputCheck, ReferenceCheck, disturbances, others_share
from analyzer.latency.records.record import (
    Failure,
    Measurement,
    RecordFile,
    Timing,
    compact_json,
    read_measurement,
    read_records,
)
from analyzer.latency.run_settings import RunSettings
from analyzer.live.timing.limits import least_bytes, stage_starts
from tests.support.latency_fakes import CONDITIONS, latency_record
from tests.support.names import HEADLINE

SCHEMA = json.loads(files("analyzer").joinpath("schemas/latency-1.json").read_text())

FULL = latency_record(
    (10.0, 10.5, 9.5),
    {"stem": (4.0, 4.0), "head": (6.0, 6.1)},
    settings=RunSettings.from_words(batch_size=2, precision="amp", layout="channels_last"),
    autocast="float16",
    queued=Timing(label="queued", samples_ms=(8.0, 8.25)),
    host=HostCheck(eager_ms=10.0, graph_ms=8.0),
    run_memory_bytes=123,
    before={"sm_clock_mhz": 345, "throttle_reasons": ["gpu_idle"], "nvml": None},
)
"""A record with everything that there can be."""


@pytest.mark.parametrize("count", [1, 2, 3, 10, 51, 1000])
def test_percentiles_are_numpys(count: int) -> None:
    """Reference output: numpy's linear percentiles of the same samples."""
    samples = np.random.default_rng(count).lognormal(size=count)
    taken = Timing(label="x", samples_ms=tuple(samples.tolist()))
    p10, p25, median, p75, p90, p99 = np.percentile(samples, [10, 25, 50, 75, 90, 99])
    measured = (taken.p10_ms, taken.median_ms, taken.p90_ms, taken.p99_ms, taken.iqr_ms, taken.mean_ms)
    assert measured == pytest.approx((p10, median, p90, p99, p75 - p25, samples.mean()))


@pytest.mark.parametrize(("middle", "unsteady"), [(2.4, False), (2.6, True)])
def test_a_spread_over_5_percent_is_flagged(middle: float, unsteady: bool) -> None:
    """Closed form: quartiles at 100 ± middle, that is an interquartile range of 2·middle % of the median."""
    samples = (100 - middle, 100 - middle, 100.0, 100 + middle, 100 + middle)
    assert Timing(label="x", samples_ms=samples).unsteady is unsteady


@pytest.mark.parametrize("samples", [(), (1.0, math.nan), (math.inf,), (-1.0,)])
def test_impossible_samples_are_refused(samples: tuple[float, ...]) -> None:
    """Closed form: no samples, no number, a time below zero."""
    with pytest.raises(InvalidInput, match="timing stage1: samples_ms must be"):
        Timing(label="stage1", samples_ms=samples)


def test_the_stages_sum_stands_against_the_whole() -> None:
    """Closed form: medians 2 + 3 + 4 against 10 are 90 %, which is more than 5 % off; against 9.2 they are not."""
    stages = {"stem": (2.0, 1.0, 3.0), "stage1": (3.0, 3.0, 3.0), "head": (4.0, 9.0, 4.0)}
    far, near = latency_record((10.0, 10.0, 10.0), stages), latency_record((9.2, 9.2, 9.2), stages)
    assert far.stage_sum_ms == 9.0
    assert far.stage_sum_ratio == pytest.approx(0.9)
    assert far.split_differs
    assert not near.split_differs
    assert not latency_record((9.2,)).split_differs


def test_throughput_is_of_queued_batches() -> None:
    """Closed form: 2 images in 8.125 ms; without a queue, 2 in the latency of 10 ms."""
    assert FULL.images_per_s == pytest.approx(2000 / 8.125)
    assert latency_record((10.0,)).images_per_s == 200


@pytest.mark.parametrize(("after", "discarded"), [(10.19, False), (10.21, True), (9.79, True), (9.81, False)])
def test_a_drift_over_2_percent_discards(after: float, discarded: bool) -> None:
    """Closed form: 2 % of 10 ms, either way."""
    drifted = latency_record((1.0,), reference=replace(FULL.reference, after_ms=after))  # type: ignore[type-var]
    assert drifted.discarded is discarded
    assert not latency_record((1.0,), reference=None).discarded


@pytest.mark.parametrize(("graph_ms", "bound"), [(9.6, False), (9.5, True), (None, None)])
def test_the_host_sets_the_pace_over_5_percent(graph_ms: float | None, bound: bool | None) -> None:
    """Closed form: 10 against 9.5 ms are 5.3 %, against 9.6 4.2 %; without a graph nothing is known."""
    assert HostCheck(eager_ms=10.0, graph_ms=graph_ms).host_bound is bound


def test_an_output_that_is_not_finite_does_not_agree() -> None:
    """Closed form: it has no distance."""
    assert not OutputCheck(error=None, bound=1.0).agrees
    assert OutputCheck(error=0.5, bound=0.5).agrees
    assert OutputCheck(error=0.5, bound=None).agrees is None


def test_others_share_is_what_is_busy_beside_us() -> None:
    """Closed form: of 2 cores in 10 s, 12 s were busy and 8 s ours: 4 of 20 s are others'."""
    before = {"clock_s": 0.0, "busy_s": 100.0, "own_s": 5.0, "cores": 2}
    after = {"clock_s": 10.0, "busy_s": 112.0, "own_s": 13.0, "cores": 2}
    assert others_share(before, after) == pytest.approx(0.2)
    assert others_share({**before, "busy_s": None}, after) is None
    assert list(disturbances(before, after)) == ["Other processes used 20 % of the cores."]


def test_a_power_cap_is_ordinary_and_heat_is_not() -> None:
    """Closed form: of NVML's reasons those that are faults; other processes on the GPU are told."""
    cold, hot = {"throttle_reasons": ["sw_power_cap"]}, {"throttle_reasons": ["sw_power_cap", "hw_thermal_slowdown"]}
    assert list(disturbances(cold, cold)) == []
    assert list(disturbances(cold, hot)) == ["The GPU lowered its clocks: hw thermal slowdown."]
    unknown = {"nvml": "nvidia-ml-py is not installed"}
    assert "are not known: nvidia-ml-py is not installed." in next(disturbances(unknown, unknown))
    assert list(disturbances({"other_processes": 0}, {"other_processes": 2})) == ["2 other processes used the GPU."]


def test_the_schema_is_a_schema_and_a_record_is_valid() -> None:
    """Reference: JSON Schema, read by another library; a record with a missing or unknown field is not valid."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    document = json.loads(FULL.to_json())
    jsonschema.validate(document, SCHEMA)
    for broken in ({**document, "more": 1}, {key: document[key] for key in document if key != "conditions"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_a_measurement_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Closed form: equal in every field, the samples too; one that was cut short says why."""
    failure = Failure(variant="resnet18", settings=RunSettings(batch_size=9), reason="no memory.")
    whole = Measurement(conditions=CONDITIONS, records=(FULL, latency_record((1.0,))), failures=(failure,))
    for taken in (whole, replace(whole, cut_short="interrupted")):
        taken.save(tmp_path / "record.json")
        assert read_measurement(tmp_path / "record.json") == taken
    assert json.loads((tmp_path / "record.json").read_text())["status"] == "cut short"
    assert read_records(tmp_path / "record.json") == whole.records


def test_samples_stand_on_one_line_to_the_nanosecond() -> None:
    """Golden: lists of plain values are not broken up."""
    text = latency_record((1.23456789, 2.0)).to_json()
    assert '"samples_ms": [1.234568, 2.0]' in text
    assert json.loads(compact_json({"a": [], "b": {}, "c": [{"d": [1, 2]}]})) == {
        "a": [],
        "b": {},
        "c": [{"d": [1, 2]}],
    }


def test_a_record_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Measured: the file is the JSON; where it cannot be written, one sentence."""
    FULL.save(tmp_path / "new" / "record.json")
    assert (tmp_path / "new" / "record.json").read_text() == FULL.to_json()
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        FULL.save(tmp_path / "file" / "record.json")


def test_discarded_records_do_not_count(tmp_path: Path) -> None:
    """Closed form: those that drifted are left out; where all did, one sentence."""
    drifted = latency_record(
        (1.0,), reference=ReferenceCheck(variant="resnet18", batch_size=1, before_ms=1.0, after_ms=2.0)
    )
    path = tmp_path / "record.json"
    Measurement(conditions=CONDITIONS, records=(drifted, FULL)).save(path)
    assert read_records(path) == (FULL,)
    drifted.save(path)
    with pytest.raises(InvalidInput, match=r"every record in it was discarded for drift\.$"):
        read_records(path)


def _changed(document: dict[str, Any], *path: Any, value: Any) -> dict[str, Any]:
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("schema",), 2, "schema 2 is newer than this program's 1; update resnet-analyzer."),
        (("kind",), "predicted", "data.kind must be same as const"),
        (("records", 0, "network", "median_ms"), 9.0, "median_ms is not that of its samples_ms."),
        (("records", 0, "network", "samples_ms"), [], "samples_ms must contain at least 1 items"),
        (("records", 0, "precision"), "int8", "precision must be one of"),
        (("records", 0, "batch_size"), 10**9, "batch_size 1000000000: must be a whole number from 1 to 65536."),
        (("records",), [], "holds no record."),
    ],
)
def test_a_damaged_record_is_one_sentence(tmp_path: Path, path: tuple[Any, ...], value: object, said: str) -> None:
    """Planted: one field of a valid file changed."""
    file = tmp_path / "record.json"
    file.write_text(json.dumps(_changed(json.loads(FULL.to_json()), *path, value=value)))
    with pytest.raises(InvalidInput) as raised:
        read_records(file)
    assert str(raised.value).startswith(f"latency record {file}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "no record of latencies"),
        ('{"schema": 1, "records": 3}', "must"),
        (None, "not exist"),
    ],
)
def test_what_is_no_record_is_one_sentence(tmp_path: Path, text: str | None, said: str) -> None:
    """Planted: half a file, another JSON, and none."""
    file = tmp_path / "record.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidInput, match=said):
        read_records(file)


def test_records_are_added_and_none_is_written_over(tmp_path: Path) -> None:
    """Measured: a file of its own for each measurement, which grows; nothing is made before there is a record."""
    first, second = RecordFile(tmp_path / "new"), RecordFile(tmp_path / "new")
    first.keep(Measurement(conditions=CONDITIONS))
    assert not (tmp_path / "new").exists()
    for store in (first, second):
        store.keep(Measurement(conditions=CONDITIONS, records=(FULL,), cut_short="still running"))
    first.keep(Measurement(conditions=CONDITIONS, records=(FULL, FULL)))
    assert first.path == tmp_path / "new" / "20250101T0000-a-cpu.json"
    assert second.path == tmp_path / "new" / "20250101T0000-a-cpu-2.json"
    assert [len(read_measurement(path).records) for path in sorted((tmp_path / "new").iterdir())] == [1, 2]


def test_a_folder_that_cannot_be_written_is_found_at_once(tmp_path: Path) -> None:
    """Planted: a file in the folder's place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="a file is in the folder's place"):
        RecordFile(tmp_path / "file")


def test_every_rule_of_measuring_names_its_tests() -> None:
    """Measured: the 17 rules in docs/latency.md, each with tests and files that are there."""
    root = Path(__file__).resolve().parents[2]
    tests = "".join(path.read_text(encoding="utf-8") for path in root.glob("tests/*/test_latency_*.py"))
    rules = re.findall(
        r"^\| (\d+) \|.*\| (.*) \| (.*) \|$", (root / "docs/latency.md").read_text("utf-8"), re.MULTILINE
    )
    assert [int(number) for number, _, _ in rules] == list(range(1, 18))
    for _, sources, shown in rules:
        assert all((root / "analyzer" / file).exists() for file in re.findall(r"`([^`]+)`", sources))
        assert all(f"def {name}(" in tests for name in re.findall(r"`([^`]+)`", shown)), shown


@pytest.mark.parametrize("name", HEADLINE)
def test_stage_starts_are_the_stages_of_the_analysis(name: str) -> None:
    """Closed form: the same stages in the same order as the cost fold's rows."""
    starts = stage_starts(network(name).graph)
    assert [stage for stage, _ in starts] == [row.stage for row in analyzer.analyze(name).stages]


def test_densenet_stages_lie_inside_features() -> None:
    """Closed form: the split descends, and the head begins with the final norm."""
    starts = dict(stage_starts(network("densenet121").graph))
    assert starts["stem"] == "features.conv0"
    assert starts["stage3"] == "features.denseblock3"
    assert starts["transition2"] == "features.transition2"
    assert starts["head"] == "features.norm5"


def test_a_graph_without_stages_is_one() -> None:
    """Closed form: its first node begins the only stage."""
    assert stage_starts(Graph("plain", tuple(sequence(("conv", Conv2d(3, 4, 3)), ("relu", ReLU()))))) == (
        ("network", "conv"),
    )


def test_least_bytes_are_parameters_and_the_largest_op() -> None:
    """Closed form: 3·3·3·4 weights, and for 2 images the convolution's 3·8·8 in and 4·8·8 out, 4 bytes each."""
    rows = analyzer.analyze(Graph("one", (Node("conv", Conv2d(3, 4, 3, padding=1), ("input",)),)), input_size=8).rows
    assert least_bytes(rows, 2, 4) == 4 * (3 * 3 * 3 * 4 + 2 * (3 * 64 + 4 * 64))
