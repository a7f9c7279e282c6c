"""The latencies that are kept in reports/latency: each is valid, whole, and steady enough to count.

Oracle: measured, on the machines that they name; the checks are those that the records carry.
"""

from pathlib import Path

import pytest

from analyzer.cost.analysis import analyze
from analyzer.latency.records.record import Measurement, read_measurement
from analyzer.render.latency.measured import records_page

FOLDER = Path(__file__).resolve().parents[2] / "reports" / "latency"


@pytest.fixture(scope="module")
def kept() -> dict[str, Measurement]:
    """Every record by its file's name; reading them holds them against the schema and their own samples."""
    return {path.name: read_measurement(path) for path in FOLDER.glob("*.json")}


def test_every_record_is_of_the_network_that_it_names(kept: dict[str, Measurement]) -> None:
    """Closed form: fingerprint, and the stages of the analysis or the parts of a training step."""
    for record in (record for taken in kept.values() for record in taken.records):
        analysis = analyze(record.variant, record.input_shape[1:])
        assert record.fingerprint == analysis.fingerprint, record.variant
        inference = record.settings.task == "inference"
        stages = [row.stage for row in analysis.stages] if inference else ["forward", "backward", "optimizer"]
        assert [stage.label for stage in record.stages] in ([], stages)


def test_every_record_was_taken_by_the_rules(kept: dict[str, Measurement]) -> None:
    """Closed form: 50 samples or a second, a reference around it, the output checked in inference."""
    for record in (record for taken in kept.values() for record in taken.records):
        samples = record.network.samples_ms
        assert len(samples) >= 50 or sum(samples) >= 1000 * 0.95, record.variant
        assert record.reference is not None
        assert record.output is not None or record.settings.task == "training"
        assert record.output is None or record.output.agrees is not False


def test_a_graphs_stages_add_up(kept: dict[str, Measurement]) -> None:
    """Measured: replayed graphs have no host in them, so the parts' sum is within 5 % of the whole."""
    graphs = [
        record
        for taken in kept.values()
        for record in taken.records
        if record.settings.execution == "cuda_graph" and record.stages
    ]
    assert len(graphs) >= 30
    assert [record.variant for record in graphs if record.split_differs] == []


def test_no_record_tells_whose_machine_it_was() -> None:
    """Closed form: no host name, user, path, UUID or serial number."""
    for path in FOLDER.glob("*.json"):
        text = path.read_text(encoding="utf-8").lower()
        assert [word for word in ("hostname", "uuid", "serial", "/home/", "/root/", "user") if word in text] == []


def test_the_index_is_that_of_the_records(kept: dict[str, Measurement], request: pytest.FixtureRequest) -> None:
    """Golden: reports/latency/README.md; `pytest --update` writes it."""
    page = FOLDER / "README.md"
    if request.config.getoption("--update"):
        page.write_text(records_page(kept), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == records_page(kept)
