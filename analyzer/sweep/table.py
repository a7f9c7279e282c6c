"""All rows as one CSV file, written while they pass."""

import csv as text_csv
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from analyzer.errors import InvalidInput, shortened
from analyzer.sweep.store import arrow

Chunk = dict[str, NDArray[Any]]


def copied(chunks: Iterable[Chunk], path: Path) -> Iterator[Chunk]:
    """The chunks, and once the last has passed, the file with all of them; InvalidInput where it cannot be written."""
    fresh = path.with_name(f".{path.name[:40]}.{os.getpid()}")
    try:
        yield from _written(chunks, fresh)
        fresh.replace(path)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(
            f"output {shortened(path, 200)}: cannot be written ({reason}); nothing was changed."
        ) from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def _opened(file: BinaryIO, schema: pa.Schema) -> csv.CSVWriter:
    """The file with its header, in which only names that need quotes have them."""
    header = io.StringIO()
    text_csv.writer(header, lineterminator="\n").writerow(schema.names)
    file.write(header.getvalue().encode())
    return csv.CSVWriter(file, schema, write_options=csv.WriteOptions(include_header=False))


def _written(chunks: Iterable[Chunk], path: Path) -> Iterator[Chunk]:
    writer: csv.CSVWriter | None = None
    with path.open("wb") as file:
        for chunk in chunks:
            table = pa.table({name: arrow(values) for name, values in chunk.items()})
            writer = writer or _opened(file, table.schema)
            writer.write_table(table)
            yield chunk
        if writer is not None:
            writer.close()
