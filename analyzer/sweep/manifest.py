"""What one sweep is: a space cut into chunks of equal size, by a version of this program."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from analyzer.errors import InvalidInput, shortened
from analyzer.sweep.space import MAX_BYTES, Space
from analyzer.sweep.text import to_toml
from analyzer.version import __version__

CHUNK_SIZE = 1 << 18
"""Candidates that are evaluated at once; memory is bounded by this."""
MAX_CHUNK_SIZE = 1 << 24
MAX_CHUNKS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A space by its canonical TOML, the figures asked for besides, and how many candidates are one chunk."""

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
        """The manifest itself; TypeError where its text gave it fields of another type."""
        wanted: dict[str, Any] = dict.fromkeys(("space", "fingerprint", "version"), str)
        wanted |= {"size": int, "chunk_size": int, "seed": int | None, "ask": tuple}
        wrong = [name for name, kind in wanted.items() if not isinstance(getattr(self, name), kind)]
        if wrong or not all(isinstance(each, str) for each in self.ask):
            raise TypeError(f"{(wrong or ['ask'])[0]} is of another type")
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
        facts = json.loads(text)
        if facts.pop("schema") != 1:
            raise InvalidInput("its schema is not 1")
        return Manifest(**{**facts, "ask": tuple(facts["ask"])}).checked()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"not a sweep's manifest ({shortened(error, 120)}).") from None
