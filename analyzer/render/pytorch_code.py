"""Python expressions as small trees, and their lines as `ruff format` lays them out."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 88
"""Columns of ruff's and Black's default style."""


DICT = "{"
"""Head of what is no call but a dict, each item's label a key."""
LISTS = ("nn.Sequential", "OrderedDict", DICT)
"""Calls whose arguments stand one a line where they do not fit on one."""


@dataclass(frozen=True, slots=True)
class Item:
    """One argument: its value, what stands before it ("stride="), and comments on lines of their own above it."""

    value: "Code"
    label: str = ""
    above: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """`head(items)`, or a dict."""

    head: str
    items: tuple[Item, ...]

    @property
    def ends(self) -> tuple[str, str]:
        """What stands before and after the items."""
        return ("{", "}") if self.head == DICT else (f"{self.head}(", ")")


@dataclass(frozen=True, slots=True)
class Repeat:
    """`*[value for _ in range(count)]`: as many fresh modules."""

    value: "Code"
    count: int


Code = str | Call | Repeat


def call(head: str, *values: Code, **named: Code) -> Call:
    """A call with positional and named arguments."""
    return Call(head, (*map(Item, values), *(Item(value, f"{name}=") for name, value in named.items())))


def flat(code: Code) -> str:
    """The code on one line."""
    match code:
        case str():
            return code
        case Repeat():
            return f"*[{flat(code.value)} for _ in range({code.count})]"
        case Call():
            return ", ".join(item.label + flat(item.value) for item in code.items).join(code.ends)


def _commented(code: Code) -> bool:
    match code:
        case str():
            return False
        case Repeat():
            return _commented(code.value)
        case Call():
            return any(item.above or _commented(item.value) for item in code.items)


def laid(prefix: str, code: Code, suffix: str, indent: int) -> list[str]:
    """The lines of `prefix code suffix`: one where it fits, otherwise an argument a line."""
    margin = " " * indent
    line = f"{margin}{prefix}{flat(code)}{suffix}"
    if isinstance(code, str) or (len(line) <= WIDTH and not _commented(code)):
        return [line]
    if isinstance(code, Repeat):
        inner = [*laid("", code.value, "", indent + 4), f"{margin}    for _ in range({code.count})"]
        return [f"{margin}{prefix}*[", *inner, f"{margin}]{suffix}"]
    opening, closing = code.ends
    lines = [f"{margin}{prefix}{opening}"]
    within = f"{margin}    {', '.join(item.label + flat(item.value) for item in code.items)}"
    if code.head not in LISTS and len(within) <= WIDTH and not _commented(code):
        return [*lines, within, f"{margin}{closing}{suffix}"]
    for item in code.items:
        lines += [f"{margin}    # {comment}" for comment in item.above]
        lines += laid(item.label, item.value, _comma(code.items), indent + 4)
    return [*lines, f"{margin}{closing}{suffix}"]


def _comma(items: Sequence[Item]) -> str:
    """A comma after every argument, but after one that stands alone and is a call with lines of its own."""
    return "" if len(items) == 1 and isinstance(items[0].value, Call) and not items[0].label else ","
