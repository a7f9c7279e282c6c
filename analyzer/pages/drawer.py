"""A renderer that waits, ready: starting one takes a server longer than most layouts do."""

import atexit
import subprocess
import threading

from analyzer.render.layout import started

_FORM = "svg"
_LOCK = threading.Lock()
_WAITING: "list[subprocess.Popen[bytes]]" = []
"""At most one; each draws once, so that a crash takes nothing with it."""


def ready(form: str) -> "subprocess.Popen[bytes]":
    """A renderer of that format, which waits for DOT on its stdin; another is started to wait for the next drawing."""
    if form != _FORM:
        return started(form)
    with _LOCK:
        process = _WAITING.pop() if _WAITING and _WAITING[-1].poll() is None else started(form)
        _dismiss()
        _WAITING.append(started(form))
    return process


def _dismiss() -> None:
    """End the renderer that waits."""
    while _WAITING:
        with _WAITING.pop() as process:
            process.kill()


atexit.register(_dismiss)
