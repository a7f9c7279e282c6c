"""Records on disk: each measurement in a file of its own that is never written over by another."""

import re
from pathlib import Path

from analyzer.files import require_writable
from analyzer.latency.record import Measurement


class RecordFile:
    """One measurement's file in a folder, made with its first record and replaced whole as it grows.

    `path` is None until then. Raises InvalidInput at once where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None
        require_writable(folder / "record.json")

    def keep(self, measurement: Measurement) -> None:
        """Write what has been measured so far; nothing where that is nothing."""
        if not measurement.records:
            return
        self.path = self.path or self._free(measurement)
        measurement.save(self.path)

    def _free(self, measurement: Measurement) -> Path:
        """A name by date and device that no file has, taken at once."""
        given = measurement.conditions
        stem = f"{re.sub(r'[^0-9T]', '', given.date[:16])}-{_slug(given.device_name)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            path = self.folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
            try:
                path.touch(exist_ok=False)
            except FileExistsError:
                continue
            return path
        raise FileExistsError(17, "no name is left", str(self.folder / stem))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("(r)", "").replace("(tm)", "")).strip("-")[:40]
