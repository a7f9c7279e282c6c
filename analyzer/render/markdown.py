"""A user's words within markdown."""

import re


def escaped(text: str) -> str:
    """A user's words as markdown that shows them as they are."""
    return re.sub(r"([\\`*_\[\]<>#|!&])", r"\\\1", text)
