"""The font that drawings are measured in: a part of Arimo, whose characters are as wide as Helvetica's and Arial's.

Graphviz measures text through fontconfig, in whatever font a machine has for Helvetica, so that each machine would
draw boxes of another size. Therefore fontconfig is given a configuration that puts the font of this package, without
hinting, in Helvetica's place; the machine's fonts follow for characters that it lacks. An SVG states how wide its texts
are, too, so that they stay in their boxes where a browser has a wider font only.

This holds where Graphviz draws with Pango and fontconfig, as on Linux. On macOS it measures in the system's Helvetica;
graphviz-pure brings an Arimo of its own.
"""

import os
import re
import struct
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from html import escape, unescape
from pathlib import Path

FOLDER = Path(__file__).with_name("arimo")
"""Regular.ttf and Bold.ttf, with their licence."""

_CONFIGURATION = """\
<fontconfig>
<include ignore_missing="yes">{machine}</include>
<dir>{folder}</dir>
<cachedir prefix="xdg">fontconfig</cachedir>
<match target="pattern">
<test name="family" qual="any"><string>Helvetica</string></test>
<edit name="family" mode="prepend_first" binding="strong"><string>Analyzer Sans</string></edit>
</match>
<match target="font">
<test name="family"><string>Analyzer Sans</string></test>
<edit name="hinting" mode="assign"><bool>false</bool></edit>
<edit name="hintstyle" mode="assign"><const>hintnone</const></edit>
<edit name="autohint" mode="assign"><bool>false</bool></edit>
<edit name="antialias" mode="assign"><bool>true</bool></edit>
<edit name="rgba" mode="assign"><const>none</const></edit>
</match>
</fontconfig>
"""
"""What stands last overrules the machine's own configuration."""

_TEXT = re.compile(r'font-size="([0-9.]+)"([^>]*)>([^<]+)</text>')


@contextmanager
def fontconfig_file() -> Iterator[str]:
    """The path of a configuration, there for as long as the context, for the environment variable FONTCONFIG_FILE."""
    machine = os.environ.get("FONTCONFIG_FILE") or "fonts.conf"  # which fontconfig looks for where it always does
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "drawing.conf")
        path.write_text(_CONFIGURATION.format(machine=escape(machine), folder=escape(str(FOLDER))), encoding="utf-8")
        yield str(path)


def text_width(text: str, size: float, bold: bool = False) -> float | None:
    """How wide a text of `size` points is, in points; None where the font lacks one of its characters."""
    advances = [_advance(character, bold) for character in text]
    return size * sum(advances) / 2048 if all(advances) else None


def with_text_widths(svg: str) -> str:
    """Graphviz's SVG with the width of each text, which a browser keeps to in whatever font it has."""
    return _TEXT.sub(_with_width, svg)


def _with_width(match: re.Match[str]) -> str:
    size, attributes, text = match.groups()
    bold = match.string.endswith('"bold" ', 0, match.start())  # Graphviz writes the weight before the size
    return f'font-size="{size}"{attributes}{_length(text, float(size), bold)}>{text}</text>'


@lru_cache(1000)
def _length(text: str, size: float, bold: bool) -> str:
    width = text_width(unescape(text), size, bold)
    return "" if width is None else f' textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs"'


@cache
def _advance(character: str, bold: bool) -> int:
    """A character's width in 2048ths of the font's size; 0 where the font lacks it."""
    return _face(bold).advance(ord(character))


@cache
def _face(bold: bool) -> "_Face":
    return _Face(FOLDER.joinpath("Bold.ttf" if bold else "Regular.ttf").read_bytes())


class _Face:
    """A TrueType file's widths: ranges of code points with their glyphs (table cmap, format 4), advances (hmtx)."""

    def __init__(self, font: bytes) -> None:
        entries = struct.iter_unpack(">4s4xII", font[12 : 12 + 16 * font[5]])
        tables = {tag: font[start : start + length] for tag, start, length in entries}
        (self._num_advances,) = struct.unpack_from(">H", tables[b"hhea"], 34)
        self._advances, cmap = tables[b"hmtx"], tables[b"cmap"]
        encodings = struct.iter_unpack(">HHI", cmap[4 : 4 + 8 * cmap[3]])
        starts = {(system, kind): start for system, kind, start in encodings}
        self._ranges = cmap[starts[3, 1] :]
        (self._size,) = struct.unpack_from(">H", self._ranges, 6)
        self._lasts = struct.unpack_from(f">{self._size // 2}H", self._ranges, 14)

    def advance(self, code: int) -> int:
        """A code point's, in the font's units; 0 where it has no glyph."""
        number = bisect_left(self._lasts, code)
        if number == len(self._lasts) or code < self._range(1, number):
            return 0
        shift, offset = self._range(2, number), self._range(3, number)
        listed = self._range(3, number, offset + 2 * (code - self._range(1, number))) if offset else code
        glyph = (listed + shift) % 65536
        (advance,) = struct.unpack_from(">H", self._advances, 4 * min(glyph, self._num_advances - 1))
        return int(advance) if glyph else 0

    def _range(self, part: int, number: int, further: int = 0) -> int:
        """Of a range: part 1 is its first code point, 2 what is added to make glyphs, 3 where its glyphs are listed."""
        (value,) = struct.unpack_from(">H", self._ranges, 16 + part * self._size + 2 * number + further)
        return int(value)
