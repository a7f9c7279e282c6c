"""The README's speed tables, from a record of measurements."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers import DEEP, PEERS, VARIANT

OURS = "analyzer.analyze"
REFERENCE = "torchinfo, a script"


def markdown(record: Mapping[str, Any]) -> str:
    """The tables and their conditions; those of depth where they were measured."""
    tables = [_process_table(record), _call_table(record)]
    if "deep" in record:
        tables += [_deep_table(record), _depth_table(record["depths"])]
    return "\n".join([*(line for table in tables for line in (*table, "")), _conditions(record), ""])


def _process_table(record: Mapping[str, Any]) -> Iterator[str]:
    seconds = record["seconds"]
    yield "| process | seconds | torchinfo takes | peak memory |"
    yield "|---|---:|---:|---:|"
    for name, samples in seconds.items():
        peak = f"{statistics.median(record['mebibytes'][name]):.0f} MiB"
        ratio = _ratio(seconds[REFERENCE], samples) if REFERENCE in seconds else "–"
        yield f"| {_code(name)} | {_spread(samples)} | {ratio} | {peak} |"
    for name, reason in record.get("absent", {}).items():
        yield f"| {name}, a script | {reason} | – | – |"


def _call_table(record: Mapping[str, Any]) -> Iterator[str]:
    starts = record["milliseconds"]
    yield f"| one call | {' | '.join(f'{start}, ms | of ours' for start in starts)} |"
    yield f"|---|{'---:|' * 2 * len(starts)}"
    for tool in starts["from the name"]:
        cells = " | ".join(_call_cells(tool, by) for by in starts.values())
        yield f"| {_code(tool)} | {cells} |"
    for name, reason in record.get("absent", {}).items():
        yield f"| {name} | {reason} |{' – |' * (2 * len(starts) - 1)}"


def _call_cells(tool: str, samples_of: Mapping[str, Sequence[float]]) -> str:
    return (
        f"{_spread(samples_of[tool])} | {_ratio(samples_of[tool], samples_of[OURS])}" if tool in samples_of else "– | –"
    )


def _deep_table(record: Mapping[str, Any]) -> Iterator[str]:
    samples_of = record["deep"]
    yield f"| `{DEEP}`, in memory | ms | of ours |"
    yield "|---|---:|---:|"
    for tool, samples in samples_of.items():
        note = ", from the name" if tool == OURS else ""
        yield f"| {_code(tool)}{note} | {_spread(samples)} | {_ratio(samples, samples_of[OURS])} |"


def _depth_table(depths: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    first = next(iter(depths))
    yield f"| `{OURS}`, in memory | ops | ms | an op's time, of `{first}`'s |"
    yield "|---|---:|---:|---:|"
    base = [milliseconds / depths[first]["ops"] for milliseconds in depths[first]["milliseconds"]]
    for name, entry in depths.items():
        per_op = [milliseconds / entry["ops"] for milliseconds in entry["milliseconds"]]
        yield f"| `{name}` | {entry['ops']:,} | {_spread(entry['milliseconds'])} | {_ratio(per_op, base)} |"


def _code(name: str) -> str:
    return f"`{name}`" if name.startswith("analyzer") else name


def _ratio(above: Sequence[float], below: Sequence[float]) -> str:
    return f"{_digits(statistics.median(a / b for a, b in zip(above, below, strict=True)))} ×"


def _spread(samples: Sequence[float]) -> str:
    if len(samples) == 1:
        return _digits(samples[0])
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return f"{_digits(middle)} ({_digits(low)} to {_digits(high)})"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def _conditions(record: Mapping[str, Any]) -> str:
    conditions = record["conditions"]
    versions = (f"{name} {number}" for name, number in conditions["versions"].items())
    machine = (
        f"{conditions['processor']}, {conditions['cores']} cores, {conditions['system']}, Python {conditions['python']}"
    )
    on_cpu = " and ".join(
        peer.name for peer in PEERS if peer.device == "cpu" and peer.name in record["milliseconds"]["from the name"]
    )
    return (
        f"Median (quartiles) of {record['rounds']} rounds; a round runs everything once, in turn, and a ratio is the "
        f"median of the rounds' ratios. The other tools analyse torchvision's {VARIANT} on the `meta` device, "
        f"{on_cpu}, which cannot, on the CPU. {conditions['date']}, {machine}, {', '.join(versions)}. "
        "Every sample is in [benchmarks/speed.json](benchmarks/speed.json)."
    )
