"""Writing files whole or not at all."""

import os
import tempfile
from pathlib import Path

from analyzer.errors import InvalidInput


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` at once, so that a killed run leaves the old file; InvalidInput where it cannot be written."""
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
    except OSError as error:
        raise InvalidInput(
            f"output {path}: cannot be written ({error.strerror or error}); nothing was changed."
        ) from None


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(path))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
