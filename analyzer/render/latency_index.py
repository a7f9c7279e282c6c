"""What a folder of latency records holds, as a page: the conditions and the medians of each."""

from collections.abc import Iterator, Mapping

from analyzer.latency.record import LatencyRecord, Measurement
from analyzer.render.tables import markdown_table

_HEAD = """# Measured latencies

Every sample and every condition, as `analyzer latency` recorded them on the machine that each names; none is ever
changed. [docs/latency.md](../../../docs/latency.md) says by which rules, and what the fields mean. This page is written
from the records: medians in milliseconds of one batch, waited for, or of one training step. A star: the samples spread
over more than 5 % of the median, as they do where a host sets the pace; a dash: not measured, or discarded for drift.
"""


def records_page(measurements: Mapping[str, Measurement]) -> str:
    """Markdown of the records by file name, oldest first."""
    return "\n".join([_HEAD, *(_section(name, taken) for name, taken in sorted(measurements.items()))])


def _section(name: str, taken: Measurement) -> str:
    given = taken.conditions
    facts = f"{given.device_name} · torch {given.torch} · {given.date[:10]} · {_state(taken)}"
    ways = list(dict.fromkeys(_way(record) for record in taken.records))
    rows = [[f"`{variant}`", *cells] for variant, cells in _rows(taken, ways)]
    table = markdown_table(["network", *ways], rows, "l" + "r" * len(ways))
    return f"## [{name.removesuffix('.json')}]({name})\n\n{facts}\n\n{table}\n"


def _state(taken: Measurement) -> str:
    lost = sum(record.discarded for record in taken.records)
    cells = f"{len(taken.records)} cells" + (f", {lost} of them discarded" if lost else "")
    return cells if taken.cut_short is None else f"{cells}, ended by {taken.cut_short}"


def _way(record: LatencyRecord) -> str:
    chosen = record.settings
    task = "" if chosen.task == "inference" else f"{chosen.task}, "
    layout = ", channels last" if record.channels_last else ""
    return f"{task}{chosen.execution.replace('_', ' ')}, {chosen.precision}{layout}, batch {chosen.batch_size}"


def _rows(taken: Measurement, ways: list[str]) -> Iterator[tuple[str, list[str]]]:
    found = {(record.variant, _way(record)): _median(record) for record in taken.records}
    for variant in dict.fromkeys(record.variant for record in taken.records):
        yield variant, [found.get((variant, way), "–") for way in ways]


def _median(record: LatencyRecord) -> str:
    if record.discarded:
        return "–"
    middle = record.network.median_ms
    return f"{middle:.{1 if middle >= 100 else 2 if middle >= 10 else 3}f}{'*' if record.network.unsteady else ''}"
