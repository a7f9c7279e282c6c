"""A renderer that waits, ready: starting one takes a server longer than most layouts do."""

import atexit
import subprocess
import threading

from analyzer.render.diagram.graphviz import started

_FORM = "svg"
_LOCK = threading.Lock()
_WAITING: "list[subprocess.Popen[bytes]]" = []
"""At most one; each draws once, so that a crash takes nothing with it."""


def ready(form: str) -> "subprocess.Popen[bytes]":
    """A renderer of that format, which reads DOT from its stdin: the one that waits, where it does."""
    if form != _FORM:
        return started(form)
    with _LOCK:
        if _WAITING and _WAITING[-1].poll() is None:
            return _WAITING.pop()
        _dismiss()
    return started(form)


def prepare() -> None:
    """Start one to wait for the next drawing, unless one does; best after a drawing, which it would slow down."""
    with _LOCK:
        if not _WAITING:
            _WAITING.append(started(_FORM))


def _dismiss() -> None:
    """End the renderer that waits."""
    while _WAITING:
        with _WAITING.pop() as process:
            process.kill()


atexit.register(_dismiss)
