"""Many visitors at once: real browser tabs against the real server on loopback, wave after wave.

`python -m benchmarks.page_load` starts the server, lets each of 20 sessions change a network, its input or the
diagram's level for a minute, then ends them, and prints: errors, how long a visitor waited for an answer, what the
server computed for each, and its memory after each wave, which must not grow with sessions that have ended.
"""

import argparse
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = ("resnet18", "resnet50", "resnet152", "densenet121", "densenet264", "resnext50_32x4d", "vgg16", "wrn28_10")
LEVELS = ("network", "stage")
READY = '[data-testid="stApp"][data-test-script-state="notRunning"] .figures'
ENDED_SESSIONS_SECONDS = 5
"""How long the server of this benchmark keeps a session whose tab is closed; by default two minutes."""


@contextmanager
def _server(log: Path) -> Iterator[tuple[str, int]]:
    """(address, process id) of a server of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    command += [f"--server.disconnectedSessionTTL={ENDED_SESSIONS_SECONDS}"]
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
            yield f"http://127.0.0.1:{port}", process.pid
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
    """Memory that the server holds."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def _computed_seconds(process: int) -> float:
    """Processor time of the server without its renderers."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _changed(page: Page, chance: random.Random) -> float:
    """One change by a visitor; seconds until the page has taken the answer."""
    start = time.perf_counter()
    if chance.random() < 0.5:
        box = page.get_by_role("textbox", name="Variant expression")
        box.fill(f"{chance.choice(NETWORKS)}:num_classes={chance.randint(2, 12)}")
        box.press("Enter")
    else:
        page.get_by_role("radio", name=chance.choice(LEVELS)).click(force=True)
    page.wait_for_timeout(60)
    page.wait_for_selector(READY)
    return time.perf_counter() - start


def _wave(browser: Browser, address: str, sessions: int, seconds: float, seed: int) -> tuple[list[float], list[str]]:
    """Seconds of each answer, and errors, of so many tabs that take turns for that long."""
    chance, spent, wrong = random.Random(seed), [], []
    tabs = [browser.new_context().new_page() for _ in range(sessions)]
    for tab in tabs:
        tab.set_default_timeout(60_000)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto(address)
    for tab in tabs:
        tab.wait_for_selector(READY)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        spent.append(_changed(chance.choice(tabs), chance))
    wrong += [text for tab in tabs for text in tab.get_by_role("alert").all_inner_texts()]
    for tab in tabs:
        tab.context.close()
    return spent, wrong


def main() -> int:
    """Measure and print; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20, help="tabs at a time, each a session (20)")
    parser.add_argument("--seconds", type=float, default=60, help="how long each wave changes things (60)")
    parser.add_argument("--waves", type=int, default=3, help="how often all sessions end and others come (3)")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    given = parser.parse_args()
    log = Path(tempfile.mkdtemp()) / "log.txt"
    errors = 0
    with _server(log) as (address, process), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=given.chromium, args=["--no-sandbox", "--disable-gpu"])
        print(
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; memory at rest {_resident_mib(process):.0f} MiB"
        )
        for wave in range(given.waves):
            before = _computed_seconds(process)
            spent, wrong = _wave(browser, address, given.sessions, given.seconds, wave)
            computed = 1000 * (_computed_seconds(process) - before) / max(len(spent) + given.sessions, 1)
            time.sleep(2 * ENDED_SESSIONS_SECONDS)
            errors += len(wrong)
            print(
                f"wave {wave + 1}: {given.sessions} sessions, {len(spent)} changes, {len(wrong)} errors, answered in "
                f"{1000 * statistics.median(spent):.0f} ms (median), server computed {computed:.0f} ms each, "
                f"memory after they ended {_resident_mib(process):.0f} MiB, load {os.getloadavg()[0]:.1f}"
            )
            print(*sorted(set(wrong))[:3], sep="\n", end="\n" if wrong else "")
        browser.close()
    tracebacks = log.read_text(encoding="utf-8").count("Traceback")
    print(f"tracebacks in the server's log: {tracebacks}")
    return 1 if errors or tracebacks else 0


if __name__ == "__main__":
    sys.exit(main())
