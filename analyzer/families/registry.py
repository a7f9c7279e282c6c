"""All families and all named variants. Adding a family is one file and one line here."""

from collections.abc import Iterator
from functools import cache

from analyzer.errors import InvalidInput, shortened
from analyzer.families import alexnet, densenet, resnet, vgg
from analyzer.families.spec import Family, Variant

FAMILIES: dict[str, Family] = {
    "resnet": resnet.FAMILY,
    "densenet": densenet.FAMILY,
    "vgg": vgg.FAMILY,
    "alexnet": alexnet.FAMILY,
}


def variants(family: str | None = None) -> Iterator[tuple[str, str, Variant]]:
    """(name, family, variant) of every named variant, in the families' order; InvalidInput for an unknown family."""
    if family is not None and family not in FAMILIES:
        raise InvalidInput(f"family {shortened(family)!r} is unknown; families are {', '.join(FAMILIES)}.")
    for key, members in FAMILIES.items():
        if family in (None, key):
            yield from ((name, key, variant) for name, variant in members.variants.items())


def variant_names() -> tuple[str, ...]:
    """Every named variant, in the families' order."""
    return tuple(name for name, _, _ in variants())


@cache
def _by_name() -> dict[str, tuple[str, Variant]]:
    named = {name: (family, variant) for name, family, variant in variants()}
    for members in FAMILIES.values():
        named |= {alias: named[name] for alias, name in members.aliases.items()}
    return named


def find(name: str) -> tuple[str, Variant]:
    """(family, variant) of a name; InvalidInput with the closest names where there is none."""
    found = _by_name().get(name) or _by_pattern(name)
    if found is None:
        raise InvalidInput(f"variant {shortened(name)!r} is unknown; {suggestion(name, [*_by_name(), *FAMILIES])}")
    return found


def _by_pattern(name: str) -> tuple[str, Variant] | None:
    for family, members in FAMILIES.items():
        variant = members.pattern(name)
        if variant is not None:
            return family, variant
    return None


def suggestion(word: str, known: list[str]) -> str:
    """The closest known words as the end of a sentence."""
    from difflib import get_close_matches  # costs milliseconds that only a mistake should pay

    close = get_close_matches(word[:60].lower(), known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known[:8])}, …."
