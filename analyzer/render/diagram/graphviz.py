"""DOT text to SVG, PNG or PDF: the Graphviz that pygraphviz bundles, otherwise `dot`, otherwise graphviz-pure.

As a program (`python -m analyzer.render.diagram.graphviz svg`) it reads DOT on stdin and writes the picture to stdout.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path

from analyzer.errors import InvalidInput, Unavailable, shortened
from analyzer.render.diagram.font import fontconfig_file, with_text_widths

FORMATS = ("svg", "png", "pdf")
_DOT_SECONDS = 120
_WARM_UP_DOT = 'digraph { node [fontname="Helvetica,Arial,sans-serif"] a [label=<<b>a</b> a>] }'
_PDF_DATE = re.compile(rb"(?<=/CreationDate \(D:)\d{14}")
_FONT_LOCK = threading.Lock()
_SLOTS = threading.BoundedSemaphore(2)
"""Layouts that a server runs at a time."""


def render(dot: str, output_format: str, scale: float = 1.0) -> bytes:
    """The drawing of a DOT text as "svg", "png" or "pdf"; `scale` enlarges a PNG, at 1 of 96 pixels an inch.

    It is the same bytes for the same text under one renderer, whatever fonts the machine has; an SVG carries the
    text's digest.
    Raises InvalidInput for another format and Unavailable where this machine has no renderer or it fails.
    """
    _check(output_format)
    output = run_graphviz(dot, output_format, f"-Gdpi={96 * scale:g}" if output_format == "png" else "")
    if output_format == "svg":
        return _with_digest(output.decode(), dot).encode()
    return (
        _PDF_DATE.sub(b"20000101000000", output) if output_format == "pdf" else output
    )  # as long, so that offsets hold


def _check(output_format: str) -> None:
    if output_format not in FORMATS:
        raise InvalidInput(f"format {shortened(output_format)!r} is unknown; drawings come as {', '.join(FORMATS)}.")


def run_graphviz(dot: str, output_format: str, option: str = "") -> bytes:
    """What Graphviz makes of a DOT text in any of its formats, unchanged; `option` is one of its command line."""
    try:
        import pygraphviz
    except ImportError as error:
        return _by_program(_program(error), dot, output_format, option)
    with fontconfig_muted():
        try:
            with _FONT_LOCK:
                _load_font()
            return bytes(pygraphviz.AGraph(string=dot).draw(format=output_format, prog="dot", args=option))
        except (ValueError, OSError) as error:
            raise Unavailable(f"Graphviz could not draw this network: {shortened(error, 200)}.") from None


@cache
def _load_font() -> None:
    """Draw a first text while fontconfig, which reads its configuration once in a process, finds that of our font."""
    import pygraphviz

    configured = os.environ.get("FONTCONFIG_FILE")
    with fontconfig_file() as path:
        os.environ["FONTCONFIG_FILE"] = path
        try:
            pygraphviz.AGraph(string=_WARM_UP_DOT).draw(format="svg", prog="dot")
        finally:
            del os.environ["FONTCONFIG_FILE"]
            if configured is not None:
                os.environ["FONTCONFIG_FILE"] = configured


def _program(missing: ImportError) -> str:
    """`dot` or graphviz-pure, from the PATH or beside this interpreter: environments are used without activation."""
    beside = Path(sys.executable).with_name("graphviz-pure")
    program = shutil.which("dot") or shutil.which("graphviz-pure") or shutil.which(str(beside))
    if program is None:
        raise Unavailable(_install_hint(missing))
    return program


def _install_hint(missing: ImportError) -> str:
    if isinstance(missing, ModuleNotFoundError):
        return (
            "drawing needs Graphviz: install pygraphviz (`pip install pygraphviz`) or put `dot` on the PATH; "
            "`--format dot` needs neither."
        )
    return (
        f"drawing needs Graphviz, and pygraphviz cannot be loaded here ({shortened(missing, 200)}): install the "
        "system's (on Debian `apt install graphviz`), or `pip install graphviz-pure`; `--format dot` needs neither."
    )


def _by_program(program: str, dot: str, output_format: str, option: str) -> bytes:
    with fontconfig_file() as path:
        command = [program, f"-T{output_format}", *([option] if option else [])]
        done = _run_program(command, dot, _DOT_SECONDS, os.environ | {"FONTCONFIG_FILE": path})
    if done.returncode:
        raise Unavailable(f"Graphviz could not draw this network: {_error_text(done)}")
    return done.stdout


def start_renderer(output_format: str) -> "subprocess.Popen[bytes]":
    """The program of this module as a child process, which waits for DOT on its stdin."""
    command = [sys.executable, "-m", "analyzer.render.diagram.graphviz", output_format]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[3])


def layout_safely(
    dot: str,
    output_format: str,
    timeout: float = 20.0,
    start: Callable[[str], "subprocess.Popen[bytes]"] = start_renderer,
) -> bytes:
    """`render` in a child process, for servers: a crash, or a layout of over `timeout` seconds, is Unavailable."""
    _check(output_format)
    with _SLOTS, start(output_format) as process:
        done = _communicate(process, dot, timeout)
    if done.returncode < 0:
        raise Unavailable(f"the renderer crashed (signal {-done.returncode}); `--format dot` needs none.")
    if done.returncode:
        raise Unavailable(_error_text(done))
    return done.stdout


def _communicate(process: "subprocess.Popen[bytes]", dot: str, timeout: float) -> subprocess.CompletedProcess[bytes]:
    try:
        output, errors = process.communicate(dot.encode(), timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise _too_slow(timeout) from None
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _too_slow(timeout: float) -> Unavailable:
    return Unavailable(f"drawing took more than {timeout:g} seconds and was stopped; take a coarser level.")


def _run_program(
    command: list[str], dot: str, timeout: float, environment: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command, input=dot.encode(), capture_output=True, timeout=timeout, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise _too_slow(timeout) from None


def _error_text(done: subprocess.CompletedProcess[bytes]) -> str:
    return shortened(done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}", 300)


@contextmanager
def fontconfig_muted() -> Iterator[None]:
    """Capture stderr while a C library draws; pass it on without fontconfig's remarks on the configuration."""
    try:
        saved = os.dup(2)
    except OSError:  # stderr is closed, nothing can be said
        yield
        return
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            captured.seek(0)
            os.write(saved, b"".join(line for line in captured if not line.startswith(b"Fontconfig ")))
            os.close(saved)


def dot_digest(svg: str) -> str | None:
    """The SHA-256 of the DOT text that an SVG was drawn from, None where it does not say."""
    match = re.search(r"<!-- dot sha256:([0-9a-f]{64}) -->", svg)
    return match[1] if match else None


def digest(dot: str) -> str:
    """SHA-256 of a DOT text, as SVGs carry it."""
    return hashlib.sha256(dot.encode()).hexdigest()


def _with_digest(svg: str, dot: str) -> str:
    """Graphviz's SVG without its comments and document type, with the text's digest, title and description."""
    comments = [line.removeprefix("// ") for line in dot.split("\n", 2)[:2] if line.startswith("// ")]
    described = [f"<{tag}>{escape(text)}</{tag}>\n" for tag, text in zip(("title", "desc"), comments, strict=False)]
    body = re.sub(r"<!--.*?-->\n?", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    head, _, rest = body.partition(">\n")
    opened = f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- dot sha256:{digest(dot)} -->\n{head} role="img">\n'
    return opened + "".join(described) + with_text_widths(rest)


def main() -> int:
    """Read DOT on stdin and write the drawing to stdout; 2 with one sentence on stderr where that fails."""
    with contextlib.suppress(Unavailable):
        run_graphviz(_WARM_UP_DOT, "svg")  # fonts and plugins are loaded while the text is awaited
    try:
        output = render(sys.stdin.buffer.read().decode(), sys.argv[1])
    except (InvalidInput, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.buffer.write(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
