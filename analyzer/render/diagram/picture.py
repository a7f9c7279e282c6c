"""A drawing as data: boxes, frames around them and arrows between them, before it becomes DOT."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from html import escape as escape_html
from math import ceil, fsum
from typing import Literal, NamedTuple

from graphviz import escape

from analyzer.errors import shortened

Role = Literal["section", "transition", "block", "conv", "pool", "slim", "add", "concat", "fork", "port"]
"""What a box stands for; its shape and tone follow from it."""

Flow = Literal["data", "identity", "projection", "zero-pad", "reuse", "jump", "guide"]
"""What an arrow carries: the trunk, a residual block's shortcut, or a concat's channels so far.

A jump leads from one frame to the next and is not drawn: the frames' order and ports show it. A guide is not drawn,
either, and only keeps one box below the other.

Projection and zero-pad shortcuts are dashed, as in He et al. 2015, Fig. 3.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One node; `name` is its id in the SVG and `paths` are the weight paths of all that it stands for.

    `title` is set bold, `lines` plain, `facts` small; `tip` is what a pointer held over it shows; `heat` is its shade,
    counted from 0, where the drawing has shades.
    """

    name: str
    role: Role
    paths: tuple[str, ...] = ()
    title: str = ""
    lines: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    tip: str = ""
    heat: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """From one box to another; `paths` are the weight paths of what lies on it, a projection not drawn open.

    `weight` says how straight it is to be, where not as its flow always is; `side` on which it passes what lies
    between, looking the way the network flows.
    """

    tail: str
    head: str
    flow: Flow = "data"
    label: str = ""
    paths: tuple[str, ...] = ()
    weight: int | None = None
    side: Literal["", "left", "right"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Boxes that belong together, with a heading; `name` is its id in the SVG. A frame without heading is not drawn.

    `cell` is its row and column where the drawing is a grid of frames.
    """

    name: str
    boxes: tuple[Box, ...]
    title: str = ""
    lines: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    tip: str = ""
    cell: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxDiagram:
    """A whole drawing; `legend` says what its lines mean, `across` that the network flows from left to right.

    Where `columns` is not 0 each frame is laid out by itself and the frames stand in a grid. `aligned` names boxes
    that stand on one height (or, across, one below the other), `gap` is the room to the next, in inches. `scale` is
    what the shades of heat mean.
    """

    title: str
    legend: str
    description: str
    across: bool
    frames: tuple[Frame, ...]
    arrows: tuple[Arrow, ...]
    columns: int = 0
    gap: float = 0.12
    aligned: tuple[tuple[str, ...], ...] = ()
    scale: tuple[str, ...] = ()

    @property
    def boxes(self) -> tuple[Box, ...]:
        """All boxes, in drawing order."""
        return tuple(box for frame in self.frames for box in frame.boxes)


GRID_POINTS = 1_200
"""About how wide a grid may get before it takes one more row."""

_MAX_STACKED = 2
"""Most frames of a section that stand one below the other."""


class FrameCell(NamedTuple):
    """A frame with its arrows, and the box that yields its output."""

    frame: Frame
    arrows: tuple[Arrow, ...]
    output: str


def arrange_in_grid(sections: Sequence[Sequence[FrameCell]]) -> tuple[tuple[Frame, ...], int]:
    """The frames with their cells, and the number of columns.

    A section of at most two frames is a column, first above repeated; where one has more, all stand in reading order.
    """
    if max(map(len, sections)) > _MAX_STACKED:
        sections = [[cell] for section in sections for cell in section]
    widths = [max(_frame_width(cell) for cell in section) for section in sections]
    height = max(map(len, sections))
    columns = _num_columns(widths)
    frames = [
        replace(cell.frame, cell=(height * (index // columns) + row, index % columns))
        for index, section in enumerate(sections)
        for row, cell in enumerate(section)
    ]
    return tuple(sorted(frames, key=lambda frame: frame.cell)), columns


def _num_columns(widths: list[int]) -> int:
    """As few rows as the width allows, and those about equally long; a column is as wide as its widest frame."""
    for rows in range(1, len(widths) + 1):
        columns = ceil(len(widths) / rows)
        if sum(max(widths[start::columns]) for start in range(columns)) <= GRID_POINTS:
            return columns
    return 1


def _frame_width(cell: FrameCell) -> int:
    """About how wide a frame gets."""
    widest = max([0, *(len(line) for box in cell.frame.boxes for line in (*box.lines, *box.facts))])
    flows = {arrow.flow for arrow in cell.arrows}
    num_projections = sum(box.role == "conv" and box.facts[:1] == ("projection",) for box in cell.frame.boxes)
    extra = (
        95
        if num_projections
        else 60
        if flows & {"projection", "zero-pad"}
        else 20
        if flows & {"identity", "reuse"}
        else 0
    )
    return max(115, 5 * widest + 30) + extra


FONT = "Helvetica,Arial,sans-serif"
FONT_SIZE, SMALL_FONT_SIZE = 10, 9  # points; HTML-like labels know whole ones only
_LONGEST_ID = 200


def one_line(text: str, limit: int = 200) -> str:
    """Text on one line without control characters, cut to `limit`, since titles may come from anywhere."""
    return shortened(text, limit)


def dot_escaped(text: str) -> str:
    """Text that DOT takes literally; without the replacement it would decode entities."""
    literal: str = escape(one_line(text, 1000).replace("&", "&amp;"))
    return literal


def node_id(name: str) -> str:
    """A name as a DOT id: after a colon a port would be looked for, angle brackets would make it HTML."""
    if len(name) > _LONGEST_ID:
        name = f"{name[: _LONGEST_ID - 13]}-{sha256(name.encode()).hexdigest()[:12]}"
    return dot_escaped(name.translate({ord(":"): "\N{RATIO}", ord("<"): "‹", ord(">"): "›"}))


def label_html(title: str, lines: tuple[str, ...], facts: tuple[str, ...], quiet: str) -> str:
    """An HTML-like label, one line below the other."""
    return label_table(label_rows(title, lines, facts, quiet))


def label_rows(title: str, lines: tuple[str, ...], facts: tuple[str, ...], quiet: str) -> list[str]:
    """The title bold, the lines plain, the facts small and in the quiet colour."""
    rows = [f"<B>{label_escaped(title)}</B>"] if title else []
    rows += [label_escaped(line) for line in lines]
    return rows + [small_print(fact, quiet) for fact in facts]


def small_print(text: str, colour: str) -> str:
    """Small print in an HTML-like label."""
    return f'<FONT POINT-SIZE="{SMALL_FONT_SIZE}" COLOR="{colour}">{label_escaped(text)}</FONT>'


def label_escaped(text: str) -> str:
    """Text for an HTML-like label; Graphviz would replace a backslash and a letter by a name."""
    return escape_html(one_line(text)).replace("\\", "\\\\")


def label_table(rows: list[str], side: str = "") -> str:
    """Rows of an HTML-like label; `side` are attributes of each cell."""
    cells = "".join(f"<TR><TD{side}>{row}</TD></TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0">{cells}</TABLE>>'


def text_width_points(box: Box) -> float:
    """About how wide a box's text is; shapes of fixed size and boxes of equal width need to know before layout."""
    widths = [text_width_ems(box.title) * FONT_SIZE * 1.06, *(text_width_ems(line) * FONT_SIZE for line in box.lines)]
    facts = [text_width_ems(fact) * SMALL_FONT_SIZE for fact in box.facts]
    if box.role == "slim":
        return fsum(widths) + text_width_ems(" · ".join(box.facts)) * SMALL_FONT_SIZE + 3
    return max(widths + facts)


_EMS = dict.fromkeys("ijl.,/ ", 0.28) | dict.fromkeys("ftr-()", 0.34) | dict.fromkeys("mMGw%", 0.84) | {"…": 1.0}


def text_width_ems(text: str) -> float:
    """About how wide a text is in Helvetica, in font sizes."""
    return fsum(_EMS.get(character, 0.57) for character in text)
