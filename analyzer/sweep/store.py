"""Results on disk: a folder with a manifest and one Parquet file a chunk, each written whole or not at all.

The folder may be read while it is written, by pyarrow, pandas, DuckDB or anything else that reads Parquet. A file is
named after its chunk, and a chunk's rows depend on the space alone, so writing one twice changes nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened
from analyzer.files import write_whole
from analyzer.sweep.manifest import Manifest, manifest_from

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "_manifest.json"
"""Readers of Parquet folders pass over names that start with an underscore."""
_KEY = b"resnet-analyzer"
_PART = re.compile(r"part-([0-9]{9})\.parquet")

Columns = Mapping[str, NDArray[Any]]


def part_name(number: int) -> str:
    """The file name of a chunk: "part-000000123.parquet"."""
    return f"part-{number:09d}.parquet"


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of results, and what its files belong to."""

    folder: Path
    manifest: Manifest

    def numbers(self) -> list[int]:
        """The chunks that have a file, in order."""
        found = (_PART.fullmatch(path.name) for path in self.folder.glob("part-*.parquet"))
        return sorted(int(match[1]) for match in found if match)

    def missing(self) -> list[int]:
        """The chunks still to be written; a file that is damaged counts as missing, one of another sweep is refused."""
        whole = {number for number in self.numbers() if self._is_whole(number)}
        return [number for number in range(self.manifest.num_chunks) if number not in whole]

    def _is_whole(self, number: int) -> bool:
        path = self.path(number)
        try:
            metadata = pq.read_metadata(path).metadata or {}
            facts = json.loads(metadata[_KEY])
        except (pa.ArrowException, OSError, ValueError, KeyError):
            return False
        if facts != self._facts(number):
            raise InvalidInput(f"output {shortened(path, 200)} belongs to another sweep; give another folder.")
        return True

    def path(self, number: int) -> Path:
        """Where the rows of a chunk are."""
        return self.folder / part_name(number)

    def write(self, number: int, columns: Columns) -> None:
        """Put the rows of a chunk in place at once; InvalidInput where the folder or the disk does not take them."""
        self.write_bytes(number, self.packed(number, columns))

    def write_bytes(self, number: int, data: bytes) -> None:
        """Put a file in place that `packed` made, here or on another machine."""
        write_whole(self.path(number), data)

    def packed(self, number: int, columns: Columns) -> bytes:
        """A chunk's Parquet file, with the sweep and the chunk's bounds in its metadata."""
        metadata = {_KEY: json.dumps(self._facts(number))}
        table = pa.table({name: arrow(values) for name, values in columns.items()}, metadata=metadata)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        return bytes(sink.getvalue())

    def _facts(self, number: int) -> dict[str, Any]:
        start, stop = self.manifest.bounds(number)
        return {**json.loads(self.manifest.to_json()), "chunk": number, "start": start, "stop": stop}

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, NDArray[Any]]]:
        """The rows of one file after the other, as columns."""
        for number in self.numbers():
            table = pq.read_table(self.path(number), columns=list(columns) if columns is not None else None)
            yield {name: _values(table.column(name)) for name in table.column_names}

    def frame(self, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """All rows as a pandas table."""
        import pandas as pd

        return pd.concat([pd.DataFrame(chunk) for chunk in self.chunks(columns)], ignore_index=True)

    def forget_leftovers(self) -> None:
        """Remove what killed writers left half-written; only once nothing writes here any more."""
        for path in self.folder.glob(".part-*"):
            path.unlink(missing_ok=True)


def arrow(values: NDArray[Any]) -> pa.Array:
    """Words, and numbers among words, as text, also where there are no rows to tell it by; numbers as they are."""
    if values.dtype.kind not in "OU":
        return pa.array(values)
    return pa.array(["none" if value is None else str(value) for value in values.tolist()], pa.string())


def _values(column: pa.ChunkedArray) -> NDArray[Any]:
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values if values.dtype.kind != "O" else values.astype(np.str_)


def opened(folder: Path) -> Store:
    """The results in a folder; InvalidInput where it holds none."""
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise InvalidInput(f"{shortened(folder, 200)} holds no results of a sweep ({MANIFEST}: {reason}).") from None
    try:
        return Store(folder, manifest_from(text))
    except InvalidInput as error:
        raise InvalidInput(f"{shortened(folder / MANIFEST, 200)}: {error}") from None


def prepared(folder: Path, manifest: Manifest) -> Store:
    """The folder made ready, or found so; InvalidInput where it holds another sweep or cannot be written."""
    if not (folder / MANIFEST).exists():
        if any(folder.glob("part-*.parquet")):
            raise InvalidInput(f"output {shortened(folder, 200)} holds parts of an unknown sweep; give another folder.")
        write_whole(folder / MANIFEST, manifest.to_json())
        return Store(folder, manifest)
    store = opened(folder)
    if store.manifest != manifest:
        raise InvalidInput(
            f"output {shortened(folder, 200)} holds {_other(store.manifest, manifest)}; give another folder."
        )
    return store


def _other(held: Manifest, wanted: Manifest) -> str:
    """What is held instead, in words."""
    if held.fingerprint != wanted.fingerprint or held.space != wanted.space:
        return f"results of another space ({held.fingerprint}, not {wanted.fingerprint})"
    if held.ask != wanted.ask:
        return f"other figures ({', '.join(held.ask) or 'none besides the usual'})"
    if held.version != wanted.version:
        return f"results of version {shortened(held.version)}, and this is {wanted.version}"
    return f"results in chunks of {held.chunk_size:,}, not {wanted.chunk_size:,}"
