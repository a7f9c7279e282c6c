"""Work that runs in a process of its own, so that torch is never imported in the server and a page can stop it.

The program prints one JSON object a line: any number with `words` (and `share`, from 0 to 1) for its progress, then
one with its results, or with the `problem` that it met. A session runs one at a time, a server two.
"""

import json
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from analyzer.errors import Unavailable
from analyzer.extras import require
from analyzer.pages.state.style import code_span

MAX_SECONDS = 600
MAX_JOBS = 2
_JOB_SLOTS = threading.BoundedSemaphore(MAX_JOBS)
"""Jobs that one server runs at a time, of all sessions."""

_JOBS_KEY = "jobs"
_POLL_SECONDS = 1.0
"""Each poll costs the machine, whose latency may just be measured, a tenth of a second or more."""


@dataclass(slots=True)
class _JobOutput:
    """The last progress and the result that the process has printed so far."""

    progress: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)


class BackgroundJob:
    """A started program; it ends by itself, by `stop()`, after ten minutes, or when nothing refers to it any more.

    `subject` is what it computes, `environment` is added to its environment variables. Raises
    Unavailable where the server already runs `MAX_JOBS`.
    """

    def __init__(
        self, subject: Hashable, command: tuple[str, ...], environment: Mapping[str, str] | None = None
    ) -> None:
        if not _JOB_SLOTS.acquire(blocking=False):
            raise Unavailable(f"{MAX_JOBS} other computations are running on this server; try again in a minute.")
        self.subject = subject
        self._output = _JobOutput()
        self._start = time.monotonic()
        try:
            process = _start_process(command, environment or {})
        except BaseException:
            _JOB_SLOTS.release()
            raise
        self._listener = threading.Thread(target=_listen, args=(process, self._output), daemon=True)
        self._listener.start()
        self.stop = weakref.finalize(self, process.kill)

    @property
    def running(self) -> bool:
        """Whether a result is still to come."""
        return self._listener.is_alive()

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._start

    @property
    def progress(self) -> tuple[float, str]:
        """Share done from 0 to 1, and what is being done."""
        progress = self._output.progress
        return min(max(float(progress.get("share", 0)), 0.0), 1.0), str(progress.get("words", "Loading torch …"))

    @property
    def result(self) -> dict[str, Any]:
        """The program's results, or the `problem` it met; empty while it runs."""
        return {} if self.running else self._output.result


def job_command(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs a module of this folder as a program."""
    return (sys.executable, "-m", f"analyzer.pages.jobs.{name}", *arguments)


def _start_process(command: tuple[str, ...], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=Path(__file__).parents[3],
        env={**os.environ, **environment},
    )


def _listen(process: "subprocess.Popen[str]", output: _JobOutput) -> None:
    """Record what the process prints until it ends; then another job may start."""
    limit = threading.Timer(MAX_SECONDS, process.kill)
    limit.daemon = True
    limit.start()
    try:
        with process:
            for line in process.stdout or ():
                _record_line(line, output)
    finally:
        process.kill()
        limit.cancel()
        if not output.result:
            output.result = {"problem": f"It ended before it had a result (exit status {process.wait()})."}
        _JOB_SLOTS.release()


def _record_line(line: str, output: _JobOutput) -> None:
    message = json.loads(line) if line.startswith("{") else {}  # a library may talk on stdout, too
    if "words" in message:
        output.progress = message
    elif message:
        output.result = message


def start_job(slot: str, create: Callable[[], BackgroundJob]) -> None:
    """Start a job in a slot of the session, which runs one at a time; a toast says why none was started."""
    jobs = st.session_state.setdefault(_JOBS_KEY, {})
    try:
        if any(job.running for job in jobs.values()):
            raise Unavailable("You have started a computation that is still running; wait for it, or cancel it.")
        jobs[slot] = create()
    except Unavailable as error:
        st.toast(code_span(str(error)))


def current_job(slot: str, subject: Hashable) -> BackgroundJob | None:
    """The job in that slot, if it computes this subject; one of another subject is stopped and forgotten."""
    jobs: dict[str, BackgroundJob] = st.session_state.setdefault(_JOBS_KEY, {})
    job = jobs.get(slot)
    if job is not None and job.subject != subject:
        job.stop()
        del jobs[slot]
        return None
    return job


def show_job_progress(job: BackgroundJob) -> None:
    """Show a running job's progress with a button that cancels it; the page runs again when it has ended."""
    st.fragment(_show_progress, run_every=_POLL_SECONDS)(job)


def _show_progress(job: BackgroundJob) -> None:
    if not job.running:
        st.rerun()
    share, words = job.progress
    bar, button = st.columns([6, 1], vertical_alignment="center")
    bar.progress(share, f"{words} · {job.seconds:.0f} s")
    button.button("Cancel", key=f"cancel-{id(job)}", on_click=job.stop, width="stretch")


def require_torch() -> None:
    """Raise Unavailable, with what to install, where torch is missing; it is not imported."""
    require("live", "torch")
