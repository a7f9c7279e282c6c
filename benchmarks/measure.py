"""Timing of whole processes, of calls in one process, and by depth; interleaved, with every sample recorded."""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.peers import DEEP, DEEP_SIDE, PEERS, SIDE, VARIANT, Peer

ROOT = Path(__file__).resolve().parent.parent
OURS, CLOSED_FORM = "analyzer.analyze", "closed form, totals only"
CALLS_A_SAMPLE = {OURS: 20, CLOSED_FORM: 200}
"""Calls whose median is one sample, where one call is too short to be timed alone; 1 for the others."""
DEPTHS = ("resnet20_cifar", "resnet56_cifar", "resnet110_cifar", "resnet218_cifar", DEEP)
"""One kind of network, ever deeper; the first is the one that the others are compared with."""
DEEP_ROUNDS = 3
"""At most so many rounds on the deepest network, which takes some tools half a minute."""

_ANALYZER = [sys.executable, "-m", "analyzer"]
_REPORT = [*_ANALYZER, "report", VARIANT]
COMMANDS = {
    f"analyzer report {VARIANT} --format json --output -": [*_REPORT, "--format", "json", "--output", "-"],
    f"analyzer report {VARIANT}": _REPORT,
    "analyzer check": [*_ANALYZER, "check", "--baseline", str(ROOT / "reports" / "baseline.json")],
    f"{CLOSED_FORM}, a script": [sys.executable, str(ROOT / "benchmarks" / "closed_form.py")],
    **{f"{peer.name}, a script": [sys.executable, "-c", peer.script] for peer in PEERS},
}

Samples = dict[str, list[float]]
Task = Callable[[], object]


def missing_tools() -> dict[str, str]:
    """Tool → the reason why it is not measured, for those that are not installed."""
    return {peer.name: f"not installed: {', '.join(peer.missing)}" for peer in PEERS if peer.missing}


def installed_peers() -> list[Peer]:
    """The tools that are installed."""
    return [peer for peer in PEERS if not peer.missing]


def process_costs(command: Sequence[str], folder: str) -> tuple[float, float]:
    """(seconds, peak MiB) of one process from start to end, its output discarded; RuntimeError where it fails.

    A new process's peak starts at its parent's, so this program itself imports nothing heavy.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)[:200]} exited {child.returncode}: {errors.read().decode()[-2000:]}")
    return seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def environment() -> dict[str, str]:
    """A user's environment: this checkout, with bytecode files, as pip writes for the other tools."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return variables | {"PYTHONPATH": str(ROOT)}


def processes(rounds: int) -> tuple[Samples, Samples]:
    """Seconds and peak MiB of every command, one after the other in each round; a first round warms the file cache."""
    left_out = {f"{name}, a script" for name in missing_tools()}
    commands = {name: command for name, command in COMMANDS.items() if name not in left_out}
    seconds: Samples = {name: [] for name in commands}
    mebibytes: Samples = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for index in range(rounds + 1):
            for name, command in commands.items():
                elapsed, peak = process_costs(command, folder)
                if index:
                    seconds[name].append(round(elapsed, 4))
                    mebibytes[name].append(round(peak, 1))
    return seconds, mebibytes


def call_times(rounds: int) -> dict[str, Samples]:
    """Milliseconds of every tool's call, from the network's name, and of a network in memory."""
    from analyzer.families.network import network
    from benchmarks.closed_form import resnet50

    graph = network(VARIANT).graph
    named: dict[str, Task] = {OURS: lambda: _analysis(VARIANT), CLOSED_FORM: resnet50}
    in_memory: dict[str, Task] = {OURS: lambda: _analysis(graph)}
    for peer in installed_peers():
        named[peer.name], in_memory[peer.name] = _tasks(peer)
    return {
        "from the name": interleaved_times(named, rounds),
        "network in memory": interleaved_times(in_memory, rounds),
    }


def _analysis(variant: Any) -> object:
    import analyzer

    analysis = analyzer.analyze(variant)
    return analysis.rows, analysis.stages, analysis.totals


def _tasks(peer: Peer) -> tuple[Task, Task]:
    """(build and count, count); neither stores a result."""
    import torch
    import torchvision

    def build() -> tuple[Any, Any]:
        with torch.device(peer.device):
            return getattr(torchvision.models, VARIANT)().eval(), torch.zeros(1, 3, SIDE, SIDE)

    ready, count = peer.functions()
    inputs = ready(*build())
    return lambda: count(*ready(*build())), lambda: count(*inputs)


def deep_network_times(rounds: int) -> Samples:
    """Milliseconds of each tool's count of a network of 1,202 layers that is in memory, and of our whole analysis."""
    import torch

    import analyzer

    tasks: dict[str, Task] = {OURS: lambda: _analysis(DEEP)}
    for peer in installed_peers():
        if peer.deep:
            _, count = peer.functions()
            live = analyzer.build(DEEP, device=peer.device).eval()
            image = torch.zeros(1, 3, DEEP_SIDE, DEEP_SIDE, device=peer.device)
            tasks[peer.name] = lambda count=count, inputs=(live, image): count(*inputs)  # type: ignore[misc]  # bound now
    return interleaved_times(tasks, min(rounds, DEEP_ROUNDS))


def times_by_depth(rounds: int) -> dict[str, dict[str, Any]]:
    """Ops and milliseconds of our analysis of ever deeper networks that are in memory."""
    from analyzer.families.network import network
    from analyzer.graph.graph import num_ops

    graphs = {name: network(name).graph for name in DEPTHS}
    samples = interleaved_times({name: lambda graph=graph: _analysis(graph) for name, graph in graphs.items()}, rounds)  # type: ignore[misc]
    return {name: {"ops": num_ops(graph), "milliseconds": samples[name]} for name, graph in graphs.items()}


def interleaved_times(tasks: Mapping[str, Task], rounds: int) -> Samples:
    """Milliseconds of every task, one after the other in each round; a first round warms up."""
    samples: Samples = {name: [] for name in tasks}
    for index in range(rounds + 1):
        for name, task in tasks.items():
            milliseconds = statistics.median(_milliseconds(task) for _ in range(CALLS_A_SAMPLE.get(name, 1)))
            if index:
                samples[name].append(round(milliseconds, 4))
    return samples


def _milliseconds(task: Task) -> float:
    start = time.perf_counter()
    task()
    return 1e3 * (time.perf_counter() - start)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """In a folder of its own, with the tools' output discarded."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        yield


def in_process(rounds: int) -> dict[str, Any]:
    """All timings inside one process, which imports torch."""
    with silenced():
        return {
            "milliseconds": call_times(rounds),
            "deep": deep_network_times(rounds),
            "depths": times_by_depth(rounds),
        }


def conditions() -> dict[str, Any]:
    """The conditions of the measurements: processor, cores, system, Python and the versions of what is measured."""
    packages = ("torch", "torchvision", "torchinfo", "fvcore", "ptflops", "thop", "onnx-tool", "onnx", "pygraphviz")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {package: number for package in packages if (number := _version(package))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def measurements(rounds: int) -> dict[str, Any]:
    """Every sample with its conditions; the calls run in a process of their own."""
    machine = conditions()
    seconds, mebibytes = processes(rounds)
    worker = [sys.executable, "-m", "benchmarks.speed", "--calls", "--rounds", str(rounds)]
    result = subprocess.run(worker, check=True, stdout=subprocess.PIPE, text=True, env=environment())
    samples = {"seconds": seconds, "mebibytes": mebibytes, **json.loads(result.stdout)}
    return {"schema": 1, "conditions": machine, "rounds": rounds, "absent": missing_tools(), **samples}
