"""The design spaces that come with the program, in the words of the page: where one starts, and a line a field."""

import tomllib
from typing import Any, NamedTuple

from analyzer.sweep.space import SPACES


class Spoken(NamedTuple):
    """A variant expression or a family's name, `field = values` a line, a condition, and how many are drawn."""

    title: str
    start: str
    lines: str
    condition: str
    samples: int | None


def examples() -> dict[str, Spoken]:
    """Title → the space, those of the program, in the order of their names."""
    found = [_spoken(tomllib.loads(path.read_text(encoding="utf-8"))) for path in sorted(SPACES.glob("*.toml"))]
    return {each.title: each for each in found}


def _spoken(document: dict[str, Any]) -> Spoken:
    described = {**document.get("variables", {}), **document.get("fields", {})}
    return Spoken(
        title=document["title"],
        start=document.get("variant") or document["family"],
        lines="\n".join(f"{name} = {_values(raw)}" for name, raw in described.items()),
        condition=" and ".join(f"({each})" for each in document.get("constraints", [])),
        samples=document.get("samples"),
    )


def _values(raw: Any) -> str:
    match raw:
        case bool():
            return str(raw).lower()
        case {"each": each, "stages": stages}:
            return f"[{', '.join([_values(each)] * stages)}]"
        case {"from": low, "to": high, **more}:
            return " ".join([f"{low}..{high}", *(f"{word} {each}" for word, each in more.items())])
        case list():
            return f"[{', '.join(map(_values, raw))}]"
        case _:
            return str(raw)
