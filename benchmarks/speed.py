"""How fast closed forms are beside tools that run a network: whole processes, and one call, in one interleaved run.

`python benchmarks/speed.py` measures, keeps every sample with its conditions in benchmarks/speed.json and writes the
README's table from it; `--check` exits 1 where the README no longer says what speed.json says.
Needs the extra `bench` and an otherwise idle machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "benchmarks" / "speed.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- speed:begin -->\n", "<!-- speed:end -->\n"
VARIANT = "resnet50"
CALLS_A_SAMPLE = {"analyzer.analyze": 20}
"""Calls whose median is one sample, where one call is too short to be timed alone; 1 for the others."""

_ON_DEVICE = f"""
import torch, torchvision
with torch.device("%s"):
    network, image = torchvision.models.{VARIANT}().eval(), torch.zeros(1, 3, 224, 224)
"""
_ON_META, _ON_CPU = _ON_DEVICE % "meta", _ON_DEVICE % "cpu"
SCRIPTS = {
    "torchinfo": f"""{_ON_META}
import torchinfo
print(torchinfo.summary(network, input_data=image, device="meta", verbose=0))
""",
    "fvcore": f"""{_ON_CPU}
from fvcore.nn import FlopCountAnalysis, flop_count_table
print(flop_count_table(FlopCountAnalysis(network, image), max_depth=4))
""",
    "FlopCounterMode": f"""{_ON_META}
from torch.utils.flop_counter import FlopCounterMode
with FlopCounterMode(depth=4):
    network(image)
""",
}
"""What a user of each tool writes for a table of operations. fvcore fails on the meta device."""

_ANALYZER = [sys.executable, "-m", "analyzer"]
_REPORT = [*_ANALYZER, "report", VARIANT]
COMMANDS = {
    f"analyzer report {VARIANT} --format json --output -": [*_REPORT, "--format", "json", "--output", "-"],
    f"analyzer report {VARIANT}": _REPORT,
    "analyzer check": [*_ANALYZER, "check", "--baseline", str(ROOT / "reports" / "baseline.json")],
    **{f"{tool}, a script": [sys.executable, "-c", script] for tool, script in SCRIPTS.items()},
}

Samples = dict[str, list[float]]


def process_costs(command: Sequence[str], folder: str) -> tuple[float, float]:
    """(seconds, peak MiB) of one process from start to end, its output thrown away; RuntimeError where it fails.

    A new process's peak starts at its parent's, so this program itself imports nothing heavy.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as talk:
        child = subprocess.Popen(command, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=talk)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            talk.seek(0)
            raise RuntimeError(f"{' '.join(command)[:200]} exited {child.returncode}: {talk.read().decode()[-2000:]}")
    return seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _environment() -> dict[str, str]:
    """That of a user: this checkout, its bytecode kept, as pip keeps the other tools'."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT)}


def processes(rounds: int) -> tuple[Samples, Samples]:
    """Seconds and peak MiB of every command, one after the other in each round; a first round warms the file cache."""
    seconds: Samples = {name: [] for name in COMMANDS}
    mebibytes: Samples = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for index in range(rounds + 1):
            for name, command in COMMANDS.items():
                taken, peak = process_costs(command, folder)
                if index:
                    seconds[name].append(round(taken, 4))
                    mebibytes[name].append(round(peak, 1))
    return seconds, mebibytes


def tasks() -> dict[str, dict[str, Callable[[], object]]]:
    """Every tool's analysis, from the network's name, and of a network that is in memory; none keeps a result."""
    import torch
    import torchvision

    import analyzer
    from analyzer.families.network import network

    def built(device: str) -> tuple[Any, Any]:
        with torch.device(device):
            return getattr(torchvision.models, VARIANT)().eval(), torch.zeros(1, 3, 224, 224)

    def ours(variant: Any) -> object:
        analysis = analyzer.analyze(variant)
        return analysis.rows, analysis.stages, analysis.totals

    meta, cpu, graph = built("meta"), built("cpu"), network(VARIANT).graph
    return {
        "from the name": {
            "analyzer.analyze": lambda: ours(VARIANT),
            "torchinfo": lambda: _torchinfo(*built("meta")),
            "fvcore": lambda: _fvcore(*built("cpu")),
            "FlopCounterMode": lambda: _flop_counter(*built("meta")),
        },
        "network in memory": {
            "analyzer.analyze": lambda: ours(graph),
            "torchinfo": lambda: _torchinfo(*meta),
            "fvcore": lambda: _fvcore(*cpu),
            "FlopCounterMode": lambda: _flop_counter(*meta),
        },
    }


def _torchinfo(network: Any, image: Any) -> object:
    import torchinfo

    return torchinfo.summary(network, input_data=image, device="meta", verbose=0)


def _fvcore(network: Any, image: Any) -> object:
    from fvcore.nn import FlopCountAnalysis

    counts = FlopCountAnalysis(network, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return counts.by_module()


def _flop_counter(network: Any, image: Any) -> object:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_flop_counts()


def calls(rounds: int) -> dict[str, Samples]:
    """Milliseconds of every task, one after the other in each round; a first round warms up."""
    timed = tasks()
    samples: dict[str, Samples] = {start: {tool: [] for tool in tools} for start, tools in timed.items()}
    for index in range(rounds + 1):
        for start, tools in timed.items():
            for tool, task in tools.items():
                taken = statistics.median(_milliseconds(task) for _ in range(CALLS_A_SAMPLE.get(tool, 1)))
                if index:
                    samples[start][tool].append(round(taken, 4))
    return samples


def _milliseconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return 1e3 * (time.perf_counter() - start)


def conditions() -> dict[str, Any]:
    """What the measurements depend on: processor, cores, system, Python and the versions of what is measured."""
    packages = ("torch", "torchvision", "torchinfo", "fvcore", "pygraphviz")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
    }


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def measure(rounds: int) -> dict[str, Any]:
    """Every sample with its conditions; the calls run in a process of their own, which imports torch."""
    known = conditions()
    seconds, mebibytes = processes(rounds)
    worker = [sys.executable, __file__, "--calls", "--rounds", str(rounds)]
    told = subprocess.run(
        worker, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    samples = {"seconds": seconds, "mebibytes": mebibytes, "milliseconds": json.loads(told.stdout)}
    return {"schema": 1, "conditions": known, "rounds": rounds, **samples}


def markdown(record: Mapping[str, Any]) -> str:
    """The README's two tables and their conditions."""
    return "\n".join([*_process_table(record), "", *_call_table(record), "", _conditions(record), ""])


def _process_table(record: Mapping[str, Any]) -> list[str]:
    seconds, reference = record["seconds"], record["seconds"]["torchinfo, a script"]
    rows = ["| process | seconds | torchinfo takes | peak memory |", "|---|---:|---:|---:|"]
    for name, samples in seconds.items():
        peak = f"{statistics.median(record['mebibytes'][name]):.0f} MiB"
        rows.append(f"| {_code(name)} | {_spread(samples)} | {_ratio(reference, samples)} | {peak} |")
    return rows


def _call_table(record: Mapping[str, Any]) -> list[str]:
    starts = record["milliseconds"]
    heads = " | ".join(f"{start}, ms | of ours" for start in starts)
    rows = [f"| one call | {heads} |", f"|---|{'---:|' * 2 * len(starts)}"]
    for tool in starts["from the name"]:
        cells = (f"{_spread(by[tool])} | {_ratio(by[tool], by['analyzer.analyze'])}" for by in starts.values())
        rows.append(f"| {_code(tool)} | {' | '.join(cells)} |")
    return rows


def _code(name: str) -> str:
    return f"`{name}`" if name.startswith("analyzer") else name


def _ratio(above: Sequence[float], below: Sequence[float]) -> str:
    return f"{_digits(statistics.median(a / b for a, b in zip(above, below, strict=True)))} ×"


def _spread(samples: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return f"{_digits(middle)} ({_digits(low)} to {_digits(high)})"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def _conditions(record: Mapping[str, Any]) -> str:
    given = record["conditions"]
    versions = (f"{name} {number}" for name, number in given["versions"].items())
    machine = f"{given['processor']}, {given['cores']} cores, {given['system']}, Python {given['python']}"
    return (
        f"Median (quartiles) of {record['rounds']} rounds; a round runs everything once, in turn, and a ratio is the "
        f"median of the rounds' ratios. The other tools analyse torchvision's {VARIANT} on the `meta` device, fvcore, "
        f"which fails there, on the CPU. {given['date']}, {machine}, {', '.join(versions)}. "
        "Every sample is in [benchmarks/speed.json](benchmarks/speed.json)."
    )


def readme_with(text: str, table: str) -> str:
    """The README with the table between its two marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}{table}{END}{rest.split(END)[1]}"


def main() -> int:
    """Measure and write, or check what is written; 1 where the README is out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often everything is run (9)")
    parser.add_argument("--check", action="store_true", help="compare the README with speed.json and measure nothing")
    parser.add_argument("--calls", action="store_true", help="time the calls only and print their samples as JSON")
    given = parser.parse_args()
    if given.calls:
        print(json.dumps(calls(given.rounds)))
        return 0
    if not given.check:
        RECORD.write_text(json.dumps(measure(given.rounds), indent=1) + "\n", encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    wanted = readme_with(text, markdown(json.loads(RECORD.read_text(encoding="utf-8"))))
    if not given.check:
        README.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        print("README.md: the speed table is not what benchmarks/speed.json says; run `make bench`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
