"""The cost of rows on disk: time and peak memory of ever larger sweeps, and two local workers against one.

`python -m benchmarks.scale` measures, records every sample with its conditions in benchmarks/scale.json and writes the
table of docs/sweep.md from it; `--check` exits 1 where the document disagrees with scale.json. Every command
runs in a process of its own, one after the other in each round. Needs the extra `cluster` and an idle machine.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analyzer.sweep.results.run import local_cluster, run_on
from analyzer.sweep.results.store import manifest_of, prepare_store
from analyzer.sweep.space.space import space
from benchmarks.measure import ROOT, process_costs

RECORD = ROOT / "benchmarks" / "scale.json"
DOCUMENT = ROOT / "docs" / "sweep.md"
BEGIN, END = "<!-- scale:begin -->\n", "<!-- scale:end -->\n"
SPACE: dict[str, Any] = {
    "variant": "resnet50",
    "fields": {
        "depths": "[2..6, 2..8, 2..33, 2..5]",
        "widths": "[56..72 step 8, 112..144 step 8, 192..384 step 16, 384..640 step 32]",
    },
}
"""7,862,400 candidates."""
SIZES = (250_000, 1_000_000, 4_000_000)
_ANALYZER = [sys.executable, "-m", "analyzer", "sweep"]
_OPTIONS = ["--variant", SPACE["variant"]]
for _name, _values in SPACE["fields"].items():
    _OPTIONS += ["--set", f"{_name}={_values}"]
_WORKERS_ON = 2_000_000
_CHUNK = 100_000


def commands(folder: str) -> dict[str, list[str]]:
    """Title → command; each has a folder of its own."""
    commands_by_title = {}
    for size in SIZES:
        options = [*_OPTIONS, "--samples", str(size), "--chunk-size", str(_CHUNK)]
        commands_by_title[f"{size:,} candidates, front only"] = [*_ANALYZER, *options]
        commands_by_title[f"{size:,} candidates, every row kept"] = [
            *_ANALYZER,
            *options,
            "--output",
            f"{folder}/one{size}",
        ]
    return commands_by_title


def measured(rounds: int) -> dict[str, Any]:
    """Seconds and peak MiB of every command in every round, and the conditions."""
    seconds: dict[str, list[float]] = {}
    mebibytes: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for title, command in commands(folder).items():
                elapsed, peak = process_costs(command, str(ROOT))
                seconds.setdefault(title, []).append(round(elapsed, 3))
                mebibytes.setdefault(title, []).append(round(peak, 1))
        for workers in (1, 2):
            seconds.setdefault(f"{workers}", []).append(round(fill_seconds(workers), 3))
    return {"conditions": _conditions(), "seconds": seconds, "mebibytes": mebibytes}


def fill_seconds(workers: int) -> float:
    """Seconds in which so many local workers, started and warm, fill a folder with rows."""
    with local_cluster(workers) as client, tempfile.TemporaryDirectory() as folder:
        warm, cold = (
            prepare_store(Path(folder) / str(size), manifest_of(space(**SPACE, samples=size), (), _CHUNK))
            for size in (4 * _CHUNK, _WORKERS_ON)
        )
        run_on(client, warm)
        start = time.perf_counter()
        run_on(client, cold)
        return time.perf_counter() - start


def _conditions() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def markdown(record: dict[str, Any]) -> str:
    """The table, and the gain of two workers."""
    lines = ["| sweep | seconds | peak memory |", "|---|---:|---:|"]
    for title, peaks in record["mebibytes"].items():
        lines.append(f"| {title} | {_spread(record['seconds'][title])} | {max(peaks):.0f} MiB |")
    conditions = record["conditions"]
    rounds = max(map(len, record["mebibytes"].values()))
    notes = [
        f"Whole processes, imports included, in chunks of {_CHUNK:,}: median, least and most; rounds: {rounds}.",
        *_gain(record["seconds"]),
        f"{conditions['system']}, {conditions['cores']} cores at a load average of {conditions['load_average']}, "
        f"Python {conditions['python']}, {conditions['date']}.",
    ]
    return "\n".join([*lines, "", *notes]) + "\n"


def _gain(seconds: dict[str, list[float]]) -> list[str]:
    """The gain of two workers over one, where that was measured."""
    one, two = seconds.get("1", []), seconds.get("2", [])
    if not one:
        return []
    gain = statistics.median(first / second for first, second in zip(one, two, strict=True))
    return [
        f"One local worker fills a folder with {_WORKERS_ON:,} rows in {_spread(one)} seconds, two in {_spread(two)}:",
        f"{gain:.2f} times as fast, once Dask is up.",
    ]


def _spread(samples: list[float]) -> str:
    return f"{statistics.median(samples):.1f} ({min(samples):.1f} to {max(samples):.1f})"


def main() -> int:
    """Measure and write, or check the document; 1 where the document is out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is run (3)")
    parser.add_argument("--check", action="store_true", help="compare the document with scale.json, measure nothing")
    options = parser.parse_args()
    if not options.check:
        RECORD.write_text(json.dumps(measured(options.rounds), indent=1) + "\n", encoding="utf-8")
    return _written(Path(DOCUMENT), options.check)


def _written(document: Path, check: bool) -> int:
    text = document.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    expected = f"{before}{BEGIN}{markdown(json.loads(RECORD.read_text(encoding='utf-8')))}{END}{rest.split(END)[1]}"
    if check and text != expected:
        print(f"{document.name}: the table is not what benchmarks/scale.json says.", file=sys.stderr)
        return 1
    document.write_text(expected, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
