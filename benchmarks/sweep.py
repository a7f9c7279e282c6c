"""How many networks a second a sweep evaluates, beside closed forms and tools that take them one by one, interleaved.

`python -m benchmarks.sweep` measures on one core, records every sample with its conditions in benchmarks/sweep.json and
writes the README's table from it; `--check` exits 1 where the README disagrees with sweep.json, `--write`
corrects that. Needs the extra `live` and an otherwise idle machine.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, conditions, process_costs, silenced

RECORD = ROOT / "benchmarks" / "sweep.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- sweep:begin -->\n", "<!-- sweep:end -->\n"
SCALES = (6, 7, 8)
"""Powers of ten: candidates of the spaces that are swept whole."""
CHUNK = 2**20
"""Candidates of one sample."""
LATENCY = "latency_ms:RTX 4090@256"
OURS = "sweep: parameters, MACs, activations"
FORMS = {OURS: [], "sweep: and memory": ["memory_bytes"], "sweep: and latency on one device": [LATENCY]}
CLOSED, ANALYZE, COUNTER = "closed form in pycls's style", "analyzer.analyze", "FlopCounterMode"
CALLS = {CLOSED: 500, ANALYZE: 50, COUNTER: 1}


def space_text(power: int) -> str:
    """A space of bottleneck ResNets with 10^`power` candidates, 6 to 8: all depths, and widths of some stages."""
    names = "abcd"[: power - 4]
    variables = "\n".join(f'{name} = "4..13"' for name in names)
    widths = [
        f'"{8 * 2**stage} * {name}"' if name in names else str(64 * 2**stage) for stage, name in enumerate("abcd")
    ]
    return (
        f'title = "bottleneck ResNets"\nfamily = "resnet"\n[variables]\n{variables}\n[fields]\nblock = "bottleneck"\n'
        f'depths = {{ each = "1..10", stages = 4 }}\nwidths = [{", ".join(widths)}]\n'
    )


def rates(rounds: int) -> dict[str, list[float]]:
    """Networks a CPU second of everything, one after the other in each round; a first round warms up."""
    tasks = {**{name: _sweeper(ask) for name, ask in FORMS.items()}, **_peers()}
    samples: dict[str, list[float]] = {name: [] for name in tasks}
    for index in range(rounds + 1):
        for name, task in tasks.items():
            start = time.process_time()
            count = task(index)
            elapsed = time.process_time() - start
            if index:
                samples[name].append(round(count / elapsed, 2))
    return samples


def _sweeper(ask: list[str]) -> Callable[[int], int]:
    from analyzer.sweep.engine.engine import evaluate
    from analyzer.sweep.space.space import Space

    space = Space.from_toml(space_text(8))

    def task(index: int) -> int:
        return len(evaluate(space, index * CHUNK, (index + 1) * CHUNK, ask=ask)["index"])

    return task


def _peers() -> dict[str, Callable[[int], int]]:
    from analyzer import analyze
    from benchmarks.closed_form import resnet50
    from benchmarks.peers import PEERS

    counter = next(peer for peer in PEERS if peer.name == COUNTER)
    tasks = {CLOSED: _repeated(CLOSED, resnet50), ANALYZE: _repeated(ANALYZE, lambda: analyze("resnet50"))}
    if counter.missing:
        return tasks
    import torch
    import torchvision

    ready, count = counter.functions()

    def built_and_counted() -> None:
        with torch.device(counter.device):
            network, image = torchvision.models.resnet50().eval(), torch.zeros(1, 3, 224, 224)
        count(*ready(network, image))

    return {**tasks, COUNTER: _repeated(COUNTER, built_and_counted)}


def _repeated(name: str, call: Callable[[], object]) -> Callable[[int], int]:
    def task(_: int) -> int:
        for _ in range(CALLS[name]):
            call()
        return CALLS[name]

    return task


def whole_process_costs() -> dict[str, dict[str, float]]:
    """Candidates → seconds and peak MiB of a whole process that sweeps as many and finds their Pareto front."""
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        for power in SCALES:
            path = Path(folder) / f"{power}.toml"
            path.write_text(space_text(power), encoding="utf-8")
            command = [sys.executable, "-m", "analyzer", "sweep", str(path), "--format", "json"]
            seconds, peak = process_costs(command, folder)
            costs[str(10**power)] = {"seconds": round(seconds, 2), "mebibytes": round(peak, 1)}
    return costs


def markdown(record: Mapping[str, Any]) -> str:
    """The tables and their conditions, under their title."""
    return "\n".join(
        [
            "Networks of a design space:",
            "",
            *_rate_table(record["rates"]),
            "",
            *_whole_table(record["wholes"]),
            "",
            _conditions_note(record),
            "",
        ]
    )


def _rate_table(rates: Mapping[str, list[float]]) -> Iterator[str]:
    yield "| one core | networks a CPU second | a sweep is faster by |"
    yield "|---|---:|---:|"
    for name, samples in rates.items():
        ratio = statistics.median(our_rate / rate for rate, our_rate in zip(samples, rates[OURS], strict=True))
        yield f"| {name} | {_spread(samples)} | {_digits(ratio)} × |"


def _whole_table(costs_by_size: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield "| `analyzer sweep`, a process | seconds | candidates a second | peak memory |"
    yield "|---|---:|---:|---:|"
    for candidates, costs in costs_by_size.items():
        rate = _digits(int(candidates) / costs["seconds"])
        yield f"| {int(candidates):,} candidates | {costs['seconds']:.1f} | {rate} | {costs['mebibytes']:.0f} MiB |"


def _spread(samples: list[float]) -> str:
    if len(samples) == 1:
        return _digits(samples[0])
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return f"{_digits(middle)} ({_digits(low)} to {_digits(high)})"


def _digits(value: float) -> str:
    """A number to three digits."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:#.3g}"


def _conditions_note(record: Mapping[str, Any]) -> str:
    conditions = record["conditions"]
    versions = ", ".join(
        f"{name} {conditions['versions'][name]}"
        for name in ("torch", "torchvision")
        if conditions["versions"].get(name)
    )
    return (
        f"Median (quartiles) of {record['rounds']} interleaved rounds, ratios those of the rounds. A sweep takes "
        f"{CHUNK:,} bottleneck ResNets a round, the others ResNet-50 over and over; the closed form gives totals only, "
        "the counter builds torchvision's network on the `meta` device first. The whole processes ran once, with their "
        f"Pareto fronts. {conditions['date']}, {conditions['processor']}, {conditions['system']}, "
        f"Python {conditions['python']}, {versions}. Every sample is in [benchmarks/sweep.json](benchmarks/sweep.json)."
    )


def main() -> int:
    """Measure and write, or check the README; 1 where the README is out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often everything is run (9)")
    parser.add_argument("--check", action="store_true", help="compare the README with sweep.json and measure nothing")
    parser.add_argument("--write", action="store_true", help="write the README from sweep.json and measure nothing")
    options = parser.parse_args()
    if not (options.check or options.write):
        # first: a process that has imported torch would pass its memory on to those that it starts
        whole = whole_process_costs()
        with silenced():
            samples = rates(options.rounds)
        record = {"schema": 1, "conditions": conditions(), "rounds": options.rounds, "rates": samples, "wholes": whole}
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return _readme(options.check)


def _readme(check: bool) -> int:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table = markdown(json.loads(RECORD.read_text(encoding="utf-8"))) if RECORD.exists() else ""
    expected = f"{before}{BEGIN}{table}{END}{rest.split(END)[1]}"
    if not check:
        README.write_text(expected, encoding="utf-8")
    elif text != expected:
        print("README.md: the sweep table is not what benchmarks/sweep.json says; run `make bench`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
