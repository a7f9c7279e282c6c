"""A proof that runs in a process of its own, so that torch is never imported in the server and a page can stop it."""

import json
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analyzer.errors import Unavailable

MAX_SECONDS = 600
MAX_PROOFS = 2
_PLACES = threading.BoundedSemaphore(MAX_PROOFS)
"""Proofs that one server runs at a time."""

PROVER = (sys.executable, "-m", "analyzer.pages.prover")


@dataclass(slots=True)
class _Told:
    """What the process has said so far."""

    progress: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)


class Proving:
    """A started proof; it ends by itself, by `stop()`, after ten minutes, or when nothing refers to it any more.

    Raises Unavailable where the server already runs as many as it may.
    """

    def __init__(self, variant: str, command: tuple[str, ...] = PROVER) -> None:
        if not _PLACES.acquire(blocking=False):
            raise Unavailable(f"{MAX_PROOFS} other proofs are running on this server; try again in a minute.")
        self.variant = variant
        self._told = _Told()
        try:
            process = _started([*command, variant])
        except BaseException:
            _PLACES.release()
            raise
        self._listener = threading.Thread(target=_listen, args=(process, self._told), daemon=True)
        self._listener.start()
        self.stop = weakref.finalize(self, process.kill)

    @property
    def running(self) -> bool:
        """Whether a result is still to come."""
        return self._listener.is_alive()

    @property
    def progress(self) -> tuple[float, str]:
        """Share done from 0 to 1, and what is being done."""
        told = self._told.progress
        if not told:
            return 0.0, "Loading torch …"
        share = min(max(told["done"] - 1, 0) / max(told["total"], 1), 1.0)
        over = told["done"] > told["total"]
        return share, "The other identities" if over else f"Block {told['done']} of {told['total']}"

    @property
    def result(self) -> dict[str, Any]:
        """What the prover found (`proof`, `verdict` and tables), or the `problem` it met; empty while it runs."""
        return {} if self.running else self._told.result


def _started(command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # on small tensors, threads wait for each other more than they help
    )


def _listen(process: "subprocess.Popen[str]", told: _Told) -> None:
    """Take down what the process says until it ends; the place is free again then."""
    limit = threading.Timer(MAX_SECONDS, process.kill)
    limit.daemon = True
    limit.start()
    try:
        with process:
            for line in process.stdout or ():
                _take_down(line, told)
    finally:
        process.kill()
        limit.cancel()
        if not told.result:
            told.result = {"problem": f"The proof ended before it had a result (exit status {process.wait()})."}
        _PLACES.release()


def _take_down(line: str, told: _Told) -> None:
    facts = json.loads(line) if line.startswith("{") else {}  # a library may talk on stdout, too
    if "done" in facts:
        told.progress = facts
    elif facts:
        told.result = facts
