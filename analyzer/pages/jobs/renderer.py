"""A spare renderer process that waits for the next drawing: starting one takes longer than most layouts do."""

import atexit
import subprocess
import threading

from analyzer.render.diagram.graphviz import start_renderer

_SPARE_FORMAT = "svg"
_LOCK = threading.Lock()
_SPARE_RENDERERS: "list[subprocess.Popen[bytes]]" = []
"""At most one; each draws once, so that a crash takes nothing with it."""


def take_renderer(output_format: str) -> "subprocess.Popen[bytes]":
    """A renderer of that format, which reads DOT from its stdin: the spare one, where it waits."""
    if output_format != _SPARE_FORMAT:
        return start_renderer(output_format)
    with _LOCK:
        if _SPARE_RENDERERS and _SPARE_RENDERERS[-1].poll() is None:
            return _SPARE_RENDERERS.pop()
        _kill_spare_renderer()
    return start_renderer(output_format)


def start_spare_renderer() -> None:
    """Start a spare renderer, unless one waits; best after a drawing, which it would slow down."""
    with _LOCK:
        if not _SPARE_RENDERERS:
            _SPARE_RENDERERS.append(start_renderer(_SPARE_FORMAT))


def _kill_spare_renderer() -> None:
    """End the spare renderer."""
    while _SPARE_RENDERERS:
        with _SPARE_RENDERERS.pop() as process:
            process.kill()


atexit.register(_kill_spare_renderer)
