"""One writer at a time: what a run reads is what it replaces, so that no entry of another run is lost."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analyzer.errors import InvalidInput


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the file's folder while the file is read and written; a killed run lets go, and nothing is left behind.

    Where the system has no such locks (Windows) runs take no turns.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise InvalidInput(f"baseline {path}: cannot be written ({error.strerror}); nothing was changed.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
