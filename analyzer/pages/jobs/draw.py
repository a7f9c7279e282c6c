"""A renderer that waits, ready: starting one takes a server longer than most layouts do."""

import atexit
import subprocess
import threading

from analyzer.render.diagram.graphviz import start_renderer

_FORM = "svg"
_LOCK = threading.Lock()
_SPARE_RENDERERS: "list[subprocess.Popen[bytes]]" = []
"""At most one; each draws once, so that a crash takes nothing with it."""


def take_renderer(form: str) -> "subprocess.Popen[bytes]":
    """A renderer of that format, which reads DOT from its stdin: the one that waits, where it does."""
    if form != _FORM:
        return start_renderer(form)
    with _LOCK:
        if _SPARE_RENDERERS and _SPARE_RENDERERS[-1].poll() is None:
            return _SPARE_RENDERERS.pop()
        _kill_spare_renderer()
    return start_renderer(form)


def start_spare_renderer() -> None:
    """Start one to wait for the next drawing, unless one does; best after a drawing, which it would slow down."""
    with _LOCK:
        if not _SPARE_RENDERERS:
            _SPARE_RENDERERS.append(start_renderer(_FORM))


def _kill_spare_renderer() -> None:
    """End the renderer that waits."""
    while _SPARE_RENDERERS:
        with _SPARE_RENDERERS.pop() as process:
            process.kill()


atexit.register(_kill_spare_renderer)
