"""What rows on disk cost: time and peak memory of ever larger sweeps, and two local workers against one.

`python -m benchmarks.scale` measures, keeps every sample with its conditions in benchmarks/scale.json and writes the
table of docs/sweep.md from it; `--check` exits 1 where the document no longer says what scale.json says. Every command
runs in a process of its own, one after the other in each round. Needs the extra `cluster` and an idle machine.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, process_costs

RECORD = ROOT / "benchmarks" / "scale.json"
DOCUMENT = ROOT / "docs" / "sweep.md"
BEGIN, END = "<!-- scale:begin -->\n", "<!-- scale:end -->\n"
SPACE = (
    "--variant resnet50 --set depths=[2..6,2..8,2..33,2..5] --set widths=[56..72 step 8,112..144 step 8,"
    "192..384 step 16,384..640 step 32]"
)
"""More than 10 million candidates."""
SIZES = (250_000, 1_000_000, 4_000_000)
_ANALYZER = [sys.executable, "-m", "analyzer", "sweep"]
_OPTIONS = [part.replace("_", " ") for part in SPACE.replace(" step ", "_step_").split()]
_WORKERS_ON = 4_000_000
_CHUNK = 100_000


def commands(folder: str) -> dict[str, list[str]]:
    """Words → the command; each has a folder of its own."""
    found = {}
    for size in SIZES:
        given = [*_OPTIONS, "--samples", str(size), "--chunk-size", str(_CHUNK)]
        found[f"{size:,} candidates, front only"] = [*_ANALYZER, *given]
        found[f"{size:,} candidates, every row kept"] = [*_ANALYZER, *given, "--output", f"{folder}/one{size}"]
    for workers in (1, 2):
        given = [*_OPTIONS, "--samples", str(_WORKERS_ON), "--chunk-size", str(_CHUNK), "--workers", str(workers)]
        words = f"{_WORKERS_ON:,} candidates, every row kept, --workers {workers}"
        found[words] = [*_ANALYZER, *given, "--output", f"{folder}/workers{workers}"]
    return found


def measured(rounds: int) -> dict[str, Any]:
    """Seconds and peak MiB of every command in every round, and the conditions."""
    seconds: dict[str, list[float]] = {}
    mebibytes: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for words, command in commands(folder).items():
                taken, peak = process_costs(command, str(ROOT))
                seconds.setdefault(words, []).append(round(taken, 3))
                mebibytes.setdefault(words, []).append(round(peak, 1))
    return {"conditions": _conditions(), "seconds": seconds, "mebibytes": mebibytes}


def _conditions() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def markdown(record: dict[str, Any]) -> str:
    """The table, and what two workers gain."""
    lines = ["| sweep | seconds | peak memory |", "|---|---:|---:|"]
    for words, taken in record["seconds"].items():
        lines.append(f"| {words} | {_spread(taken)} | {max(record['mebibytes'][words]):.0f} MiB |")
    one, two = (record["seconds"][f"{_WORKERS_ON:,} candidates, every row kept, --workers {n}"] for n in (1, 2))
    gain = statistics.median(first / second for first, second in zip(one, two, strict=True))
    facts = record["conditions"]
    return (
        "\n".join(lines) + f"\n\nWhole processes, start and imports included, chunks of {_CHUNK:,}; the median of "
        f"{len(one)} rounds, and the least and most; memory is the command's own, without its workers'. Two workers are "
        f"{gain:.2f} times as fast as one, both with the seconds that Dask takes to start. {facts['system']}, "
        f"{facts['cores']} cores at a load average of {facts['load_average']}, Python {facts['python']}, {facts['date']}.\n"
    )


def _spread(samples: list[float]) -> str:
    return f"{statistics.median(samples):.1f} ({min(samples):.1f} to {max(samples):.1f})"


def main() -> int:
    """Measure and write, or check what is written; 1 where the document is out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is run (3)")
    parser.add_argument("--check", action="store_true", help="compare the document with scale.json, measure nothing")
    given = parser.parse_args()
    if not given.check:
        RECORD.write_text(json.dumps(measured(given.rounds), indent=1) + "\n", encoding="utf-8")
    return _written(Path(DOCUMENT), given.check)


def _written(document: Path, check: bool) -> int:
    text = document.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    wanted = f"{before}{BEGIN}{markdown(json.loads(RECORD.read_text(encoding='utf-8')))}{END}{rest.split(END)[1]}"
    if check and text != wanted:
        print(f"{document.name}: the table is not what benchmarks/scale.json says.", file=sys.stderr)
        return 1
    document.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
