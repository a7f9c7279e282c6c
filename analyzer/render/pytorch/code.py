"""Python text: expressions as small trees, and their lines as `ruff format` lays them out; docstrings; free names.

`code_lines("x = ", call("f", "1", b="2"), "", 4)` is ["    x = f(1, b=2)"]; where that is too wide, an argument a line.
"""

import textwrap
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import count
from keyword import iskeyword

WIDTH = 88
"""Columns of ruff's and Black's default style."""

DICT = "{"
"""Head of what is no call but a dict, each argument's prefix a key."""

_ONE_A_LINE = ("nn.Sequential", "OrderedDict", DICT)
"""Calls whose arguments stand one a line where they do not fit on one."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call: its value, what stands before it ("stride="), and comments on lines above it."""

    value: "Code"
    prefix: str = ""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """`head(arguments)`, or a dict."""

    head: str
    arguments: tuple[Argument, ...] = ()

    @property
    def brackets(self) -> tuple[str, str]:
        """What stands before and after the arguments."""
        return ("{", "}") if self.head == DICT else (f"{self.head}(", ")")


@dataclass(frozen=True, slots=True)
class Repeat:
    """`*[value for _ in range(times)]`: as many fresh modules."""

    value: "Code"
    times: int


Code = str | Call | Repeat


def call(head: str, *values: Code, **named: Code) -> Call:
    """A call with positional and named arguments."""
    return Call(head, (*map(Argument, values), *(Argument(value, f"{name}=") for name, value in named.items())))


def one_line(code: Code) -> str:
    """The code on one line."""
    match code:
        case str():
            return code
        case Repeat():
            return f"*[{one_line(code.value)} for _ in range({code.times})]"
        case Call():
            return _joined(code.arguments).join(code.brackets)


def _joined(arguments: Sequence[Argument]) -> str:
    return ", ".join([argument.prefix + one_line(argument.value) for argument in arguments])


def _has_comments(code: Code) -> bool:
    match code:
        case str():
            return False
        case Repeat():
            return _has_comments(code.value)
        case Call():
            return any(argument.comments or _has_comments(argument.value) for argument in code.arguments)


def code_lines(before: str, code: Code, after: str, indent: int) -> list[str]:
    """The lines of `before code after`: one where it fits, otherwise an argument a line."""
    margin = " " * indent
    commented = _has_comments(code)
    line = f"{margin}{before}{one_line(code)}{after}"
    if isinstance(code, str) or (len(line) <= WIDTH and not commented):
        return [line]
    if isinstance(code, Repeat):
        inner = [*code_lines("", code.value, "", indent + 4), f"{margin}    for _ in range({code.times})"]
        return [f"{margin}{before}*[", *inner, f"{margin}]{after}"]
    opening, closing = code.brackets
    lines = [f"{margin}{before}{opening}"]
    within = f"{margin}    {_joined(code.arguments)}"
    if code.head not in _ONE_A_LINE and len(within) <= WIDTH and not commented:
        return [*lines, within, f"{margin}{closing}{after}"]
    first = code.arguments[0]
    comma = "" if len(code.arguments) == 1 and isinstance(first.value, Call) and not first.prefix else ","
    for argument in code.arguments:
        lines += [f"{margin}    # {comment}" for comment in argument.comments]
        lines += code_lines(argument.prefix, argument.value, comma, indent + 4)
    return [*lines, f"{margin}{closing}{after}"]


def docstring(lines: Sequence[str], indent: int) -> list[str]:
    """A docstring of one summary line, and more after a blank one."""
    margin = " " * indent
    summary, *more = lines
    if not more:
        return [f'{margin}"""{summary}"""']
    return [f'{margin}"""{summary}', "", *(f"{margin}{line}".rstrip() for line in more), f'{margin}"""']


def ascii_text(text: str) -> str:
    """The text in ASCII on one line, without what could end a docstring."""
    plain = " ".join(text.split()).translate(
        {0xD7: "x", 0x2013: "-", 0x2014: "-", 0x2212: "-", 0x2192: "->", ord("\\"): "/", ord('"'): "'"}
    )
    return plain.encode("ascii", "replace").decode()


def wrapped(text: str, indent: int) -> list[str]:
    """The text in lines that fit behind the margin."""
    return textwrap.wrap(ascii_text(text), WIDTH - indent, break_long_words=True, break_on_hyphens=False) or [""]


def is_name(text: str) -> bool:
    """Whether the text can be the name of an attribute, a variable or an argument."""
    return text.isidentifier() and not iskeyword(text)


def unused_name(word: str, used: Container[str]) -> str:
    """The word, with a number from 2 on where it is used already."""
    return word if word not in used else next(name for number in count(2) if (name := f"{word}{number}") not in used)
