"""Many visitors at once: 20 sessions against the real server on loopback, wave after wave.

`python -m benchmarks.page_load` starts a server of its own. Each session is a connection as a browser tab makes it; it
opens a link, waits for some seconds, and opens the next, for a minute. Then all sessions end and others come. It
prints errors, how long answers took, what the server computed, and its memory after each wave, which must not grow
with sessions that have ended. First one visitor is alone.
"""

import argparse
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = ("resnet18", "resnet50", "resnet152", "densenet121", "densenet264", "resnext50_32x4d", "vgg16", "wrn28_10")
VIEWING_SECONDS = (2.0, 6.0)
ENDED_SESSIONS_SECONDS = 3
"""How long the server of this benchmark keeps a session whose connection is closed; by default two minutes."""


@dataclass(slots=True)
class LoadResult:
    """Response times and errors of the sessions of one wave."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def _server(log: Path) -> Iterator[tuple[str, int]]:
    """(host and port, process id) of a server of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    command += [f"--server.disconnectedSessionTTL={ENDED_SESSIONS_SECONDS}"]
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
            yield f"127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise SystemExit("the server did not answer")


def _resident_mib(process: int) -> float:
    """Resident memory of the server in MiB."""
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    return int(match[1]) / 1024 if match else 0.0


def _computed_ms(process: int) -> float:
    """Processor time of the server and of the renderers that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return 1000 * sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _link(generator: random.Random, fresh: bool) -> str:
    """A link to the Explore page; a fresh one names a network that no session has opened."""
    classes = generator.randint(2, 60_000) if fresh else 1000
    parts = {
        "variant": f"{generator.choice(NETWORKS)}:num_classes={classes}",
        "level": generator.choice(("network", "stage")),
    }
    return urlencode(parts | {"batch": generator.choice((1, 8)), "heat": generator.choice(("parameters", "MACs"))})


def _ask(session: ClientConnection, link: str, wave: LoadResult) -> None:
    """Open a link in a session, and record the time and errors of the answer."""
    message = BackMsg()
    message.rerun_script.query_string = link
    message.rerun_script.is_history_navigation = True  # as Back does, a link counts for what it states
    start = time.perf_counter()
    session.send(message.SerializeToString())
    while True:
        answer = ForwardMsg()
        answer.ParseFromString(session.recv(timeout=60))
        element = answer.delta.new_element
        if element.WhichOneof("type") in ("exception", "alert"):
            wave.errors.append(str(element)[:200])
        if answer.WhichOneof("type") == "script_finished":
            break
    wave.seconds.append(time.perf_counter() - start)


def _visit(host: str, until: float, seed: int, fresh: float, wave: LoadResult) -> None:
    """One session: a link after the other, of which the share `fresh` names networks that no session has opened."""
    generator = random.Random(seed)
    try:
        with connect(f"ws://{host}/_stcore/stream", max_size=None) as session:
            while time.monotonic() < until:
                _ask(session, _link(generator, generator.random() < fresh), wave)
                time.sleep(generator.uniform(*VIEWING_SECONDS))
    except Exception as error:  # noqa: BLE001  # whatever it is, it is an error of the load
        wave.errors.append(f"{type(error).__name__}: {error}")


def _run(host: str, sessions: int, seconds: float, seed: int, fresh: float) -> LoadResult:
    wave, until = LoadResult(), time.monotonic() + seconds
    threads = [
        threading.Thread(target=_visit, args=(host, until, 1000 * seed + number, fresh, wave))
        for number in range(sessions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wave


def _summary_line(title: str, wave: LoadResult, computed: float) -> str:
    ordered = sorted(wave.seconds)
    median, slowest = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95))
    return (
        f"{title}: {len(ordered)} answers, {len(wave.errors)} errors; waited {median:.0f} ms (median), "
        f"{slowest:.0f} ms (95 %), computed {computed / len(ordered):.0f} ms each"
    )


def main() -> int:
    """Measure and print; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20, help="sessions at a time (20)")
    parser.add_argument("--seconds", type=float, default=60, help="how long a wave lasts (60)")
    parser.add_argument("--waves", type=int, default=3, help="how often all sessions end and others come (3)")
    parser.add_argument("--fresh", type=float, default=0.2, help="share of networks that nobody asked for before (0.2)")
    options = parser.parse_args()
    log = Path(tempfile.mkdtemp()) / "log.txt"
    errors: list[str] = []
    with _server(log) as (host, process):
        _run(host, 1, 5, 999, 0)  # imports, and the first drawings
        for wave in range(options.waves + 1):
            sessions = options.sessions if wave else 1
            before = _computed_ms(process)
            result = _run(
                host, sessions, options.seconds if wave else options.seconds / 4, wave, options.fresh if wave else 0
            )
            computed = _computed_ms(process) - before
            time.sleep(2 * ENDED_SESSIONS_SECONDS)
            errors += result.errors
            summary = _summary_line(f"{sessions} at a time", result, computed)
            memory, load = _resident_mib(process), os.getloadavg()[0]
            print(f"{summary}; memory after they ended {memory:.0f} MiB; load {load:.1f}", flush=True)
    tracebacks = log.read_text(encoding="utf-8").count("Traceback")
    print(*sorted(set(errors))[:3], f"tracebacks in the server's log: {tracebacks}", sep="\n")
    return 1 if errors or tracebacks else 0


if __name__ == "__main__":
    sys.exit(main())
