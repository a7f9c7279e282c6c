"""A drawing as data: boxes, frames around them and arrows between them, before it becomes DOT."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["section", "transition", "block", "conv", "pool", "slim", "add", "concat", "fork", "port"]
"""What a box stands for; its shape and tone follow from it."""

Flow = Literal["data", "identity", "projection", "zero-pad", "reuse", "jump", "guide"]
"""What an arrow carries: the trunk, a residual block's shortcut, or a concat's channels so far.

A jump leads from one frame to the next and is not drawn: the frames' order and ports tell it. A guide is not drawn,
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
class Picture:
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
