"""Writing files whole or not at all."""

import os
from pathlib import Path

from analyzer.errors import InvalidInput, shortened


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` at once, so that a killed run leaves the old file; else InvalidInput."""
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # a pipe or a device takes the bytes; a folder refuses them
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(Path(os.path.realpath(path)), data)
    except (OSError, ValueError) as error:
        blocked = isinstance(error, FileExistsError)
        reason = "a file is in the folder's place" if blocked else getattr(error, "strerror", None) or error
        raise InvalidInput(
            f"output {shortened(path, 200)}: cannot be written ({reason}); nothing was changed."
        ) from None


def require_writable(path: Path) -> None:
    """InvalidInput where `path` could not be written, found out before work is done for it; nothing is made."""
    existing_folder = next(folder for folder in (path.absolute().parent, *path.absolute().parents) if folder.exists())
    reason = (
        "a folder has that name"
        if path.is_dir()
        else "a file is in the folder's place"
        if not existing_folder.is_dir()
        else "Permission denied"
        if not os.access(path if path.exists() else existing_folder, os.W_OK)
        else ""
    )
    if reason:
        raise InvalidInput(f"output {shortened(path, 200)}: cannot be written ({reason}); nothing was changed.")


def _replace(path: Path, data: bytes) -> None:
    import tempfile  # costs milliseconds that only a file should pay

    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_mode(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
