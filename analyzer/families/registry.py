"""All families and all named variants. Adding a family is one file and one line here."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from analyzer.errors import InvalidInput, shortened
from analyzer.families.spec import Family, Variant

_FAMILY_MODULES = ("resnet", "densenet", "regnet", "vgg", "alexnet")


class _Families(Mapping[str, Family]):
    """Family → what its file offers; a file is imported at its first use, since that costs milliseconds."""

    def __getitem__(self, key: str) -> Family:
        if key not in _FAMILY_MODULES:
            raise KeyError(key)
        return _family(key)

    def __contains__(self, key: object) -> bool:
        return key in _FAMILY_MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_FAMILY_MODULES)

    def __len__(self) -> int:
        return len(_FAMILY_MODULES)


@cache
def _family(key: str) -> Family:
    family: Family = import_module(f"analyzer.families.{key}").FAMILY
    return family


FAMILIES = _Families()


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


def find_variant(name: str) -> tuple[str, Variant]:
    """(family, variant) of a name; InvalidInput with the closest names where there is none."""
    match = _by_name(name) or _by_pattern(name)
    if match is None:
        raise InvalidInput(f"variant {shortened(name)!r} is unknown; {suggestion(name, [*_names(), *FAMILIES])}")
    return match


def _by_name(name: str) -> tuple[str, Variant] | None:
    for family, members in FAMILIES.items():
        variant = members.variants.get(members.aliases.get(name, name))
        if variant is not None:
            return family, variant
    return None


def _names() -> Iterator[str]:
    for members in FAMILIES.values():
        yield from members.variants
        yield from members.aliases


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
