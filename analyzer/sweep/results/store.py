"""Results on disk: a folder with a manifest and one Parquet file a chunk, each written whole or not at all.

The folder may be read while it is written, by pyarrow, pandas, DuckDB or anything else that reads Parquet. A file is
named after its chunk, and a chunk's rows depend on the space alone, so writing one twice changes nothing.
"""

import csv as text_csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from analyzer.errors import InvalidInput, shortened
from analyzer.files import write_whole
from analyzer.sweep.space.space import MAX_BYTES, Space, to_toml
from analyzer.version import __version__

if TYPE_CHECKING:
    import pandas as pd

CHUNK_SIZE = 1 << 18
"""Candidates that are evaluated at once; memory is bounded by this."""
MAX_CHUNK_SIZE = 1 << 24
MAX_CHUNKS = 1_000_000

MANIFEST = "_manifest.json"
"""Readers of Parquet folders pass over names that start with an underscore."""
_KEY = b"resnet-analyzer"
_PART = re.compile(r"part-([0-9]{9})\.parquet")
Columns = Mapping[str, NDArray[Any]]
Chunk = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a folder holds: a space as canonical TOML, the extra figures `ask`, and candidates a chunk."""

    space: str
    fingerprint: str
    size: int
    seed: int | None
    ask: tuple[str, ...]
    chunk_size: int
    version: str = __version__

    def __post_init__(self) -> None:
        if not 1 <= self.chunk_size <= MAX_CHUNK_SIZE:
            raise InvalidInput(f"chunk size {self.chunk_size:,} must be from 1 to {MAX_CHUNK_SIZE:,} candidates.")
        if self.num_chunks > MAX_CHUNKS:
            raise InvalidInput(
                f"space: {self.size:.3g} candidates are {self.num_chunks:.3g} chunks of {self.chunk_size:,}, over the "
                f"bound of {MAX_CHUNKS:,}; draw some with samples, or take larger chunks."
            )

    def checked(self) -> "Manifest":
        """The manifest itself; TypeError where a field is of another type."""
        types: dict[str, Any] = dict.fromkeys(("space", "fingerprint", "version"), str)
        types |= {"size": int, "chunk_size": int, "seed": int | None, "ask": tuple}
        mistyped = [name for name, expected in types.items() if not isinstance(getattr(self, name), expected)]
        if mistyped or not all(isinstance(figure, str) for figure in self.ask):
            raise TypeError(f"{(mistyped or ['ask'])[0]} is of another type")
        return self

    @property
    def num_chunks(self) -> int:
        """Chunks that cover the space; the last may be shorter."""
        return -(-self.size // self.chunk_size)

    def bounds(self, number: int) -> tuple[int, int]:
        """First candidate of a chunk, and the one after its last."""
        start = number * self.chunk_size
        return start, min(start + self.chunk_size, self.size)

    def to_json(self) -> str:
        """The manifest as its file and each file's metadata hold it."""
        return json.dumps({"schema": 1, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def manifest_of(space: Space, ask: tuple[str, ...] = (), chunk_size: int | None = None) -> Manifest:
    """The manifest of a space; InvalidInput where its TOML is longer than such a file may be."""
    text = to_toml(space)
    if len(text.encode()) > MAX_BYTES:
        raise InvalidInput(f"space: written out it is over {MAX_BYTES:,} bytes; describe long lists by ranges.")
    return Manifest(
        space=text,
        fingerprint=space.fingerprint,
        size=space.size,
        seed=space.seed if space.samples is not None else None,
        ask=ask,
        chunk_size=CHUNK_SIZE if chunk_size is None else chunk_size,
    )


def manifest_from(text: str | bytes) -> Manifest:
    """The manifest of such a text; InvalidInput where it holds none."""
    try:
        fields = json.loads(text)
        if fields.pop("schema") != 1:
            raise InvalidInput("its schema is not 1")
        return Manifest(**{**fields, "ask": tuple(fields["ask"])}).checked()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"not a sweep's manifest ({shortened(error, 120)}).") from None


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
        matches = (_PART.fullmatch(path.name) for path in self.folder.glob("part-*.parquet"))
        return sorted(int(match[1]) for match in matches if match)

    def missing(self) -> list[int]:
        """The chunks still to be written; a file that is damaged counts as missing, one of another sweep is refused."""
        complete = {number for number in self.numbers() if self._is_whole(number)}
        return [number for number in range(self.manifest.num_chunks) if number not in complete]

    def _is_whole(self, number: int) -> bool:
        path = self.path(number)
        try:
            metadata = pq.read_metadata(path).metadata or {}
            fields = json.loads(metadata[_KEY])
        except (pa.ArrowException, OSError, ValueError, KeyError):
            return False
        if fields != self._facts(number):
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
        """Remove the partial files of killed writers; only to be called when nothing writes here any more."""
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


def open_store(folder: Path) -> Store:
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


def prepare_store(folder: Path, manifest: Manifest) -> Store:
    """The folder with its manifest, written if new; InvalidInput where it holds another sweep or cannot be written."""
    if not (folder / MANIFEST).exists():
        if any(folder.glob("part-*.parquet")):
            raise InvalidInput(f"output {shortened(folder, 200)} holds parts of an unknown sweep; give another folder.")
        write_whole(folder / MANIFEST, manifest.to_json())
        return Store(folder, manifest)
    store = open_store(folder)
    if store.manifest != manifest:
        raise InvalidInput(
            f"output {shortened(folder, 200)} holds {_other_sweep(store.manifest, manifest)}; give another folder."
        )
    return store


def _other_sweep(existing: Manifest, wanted: Manifest) -> str:
    """How the existing results differ from the wanted ones, in words."""
    if existing.fingerprint != wanted.fingerprint or existing.space != wanted.space:
        return f"results of another space ({existing.fingerprint}, not {wanted.fingerprint})"
    if existing.ask != wanted.ask:
        return f"other figures ({', '.join(existing.ask) or 'none besides the usual'})"
    if existing.version != wanted.version:
        return f"results of version {shortened(existing.version)}, and this is {wanted.version}"
    return f"results in chunks of {existing.chunk_size:,}, not {wanted.chunk_size:,}"


def copy_to_csv(chunks: Iterable[Chunk], path: Path) -> Iterator[Chunk]:
    """The chunks, and once the last has passed, the file with all of them; InvalidInput where it cannot be written."""
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}")
    try:
        yield from _write_csv(chunks, temporary)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(
            f"output {shortened(path, 200)}: cannot be written ({reason}); nothing was changed."
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _csv_writer(file: BinaryIO, schema: pa.Schema) -> csv.CSVWriter:
    """The file with its header, in which only names that need quotes have them."""
    header = io.StringIO()
    text_csv.writer(header, lineterminator="\n").writerow(schema.names)
    file.write(header.getvalue().encode())
    return csv.CSVWriter(file, schema, write_options=csv.WriteOptions(include_header=False))


def _write_csv(chunks: Iterable[Chunk], path: Path) -> Iterator[Chunk]:
    writer: csv.CSVWriter | None = None
    with path.open("wb") as file:
        for chunk in chunks:
            table = pa.table({name: arrow(values) for name, values in chunk.items()})
            writer = writer or _csv_writer(file, table.schema)
            writer.write_table(table)
            yield chunk
        if writer is not None:
            writer.close()
