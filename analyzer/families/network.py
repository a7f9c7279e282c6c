"""What people pass around: a variant expression, a Spec or a Graph, resolved into one Network."""

import re
from dataclasses import dataclass

from analyzer.errors import InvalidInput, shortened
from analyzer.families.expression import canonical, named_variant, parse
from analyzer.families.spec import MAX_OPS, Spec
from analyzer.graph.graph import Graph, in_channels, nesting, num_ops

MAX_SIDE = 16_384
MAX_NESTING = 64

Size = int | tuple[int, int]
"""Side of a square input, or (height, width), in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A Graph with its canonical expression and spec, and the title, paper and note of its named variant."""

    graph: Graph
    expression: str
    title: str
    paper: str = ""
    note: str = ""
    spec: Spec | None = None
    path: str = ""
    """The TOML file that it was read from, if it was."""

    @property
    def family(self) -> str:
        """The spec's family, or the graph's kind where there is no spec."""
        return self.spec.family if self.spec else self.graph.kind

    def input_shape(self, size: Size | None = None) -> tuple[int, int, int]:
        """(C, H, W) of an input of that size, by default the variant's own; InvalidInput outside 1 to 16384."""
        if size is None:
            size = self.spec.default_input_size if self.spec else 224
        sides: tuple[int, ...] = size if isinstance(size, tuple) else (size, size)
        if len(sides) != 2 or any(type(side) is not int or not 1 <= side <= MAX_SIDE for side in sides):
            raise InvalidInput(
                f"input size {shortened(size)}: must be a side or (height, width), whole numbers of pixels "
                f"from 1 to {MAX_SIDE}."
            )
        return in_channels(self.graph), sides[0], sides[1]


def parse_size(text: str, field: str = "input size") -> Size:
    """The size that "224" or "320x256" (height x width) says; InvalidInput, naming the `field`, for another text."""
    size = parse_size_or_none(text)
    if size is None:
        raise InvalidInput(f"{field} {shortened(text)!r} must be a side (224) or HEIGHTxWIDTH (320x256) in pixels.")
    return size


def parse_size_or_none(text: str) -> Size | None:
    """The size that "224" or "320x256" (height x width) says, None for another text; its bounds are not checked."""
    match = re.fullmatch(r"([0-9]{1,9})(?:x([0-9]{1,9}))?", text, re.ASCII)
    return size_of_sides(int(match[1]), int(match[2] or match[1])) if match else None


def size_of_sides(height: int, width: int) -> Size:
    """A size by both its sides: the side alone where they are equal."""
    return height if height == width else (height, width)


def size_text(size: Size) -> str:
    """224 as "224", (320, 256) as "320x256"."""
    return str(size) if isinstance(size, int) else f"{size[0]}x{size[1]}"


def network(variant: "str | Spec | Graph | Network") -> Network:
    """Resolve an expression, a Spec or a Graph; InvalidInput where it is no network or has more than 20,000 ops."""
    if isinstance(variant, Network):
        return variant
    if isinstance(variant, Graph):
        return Network(graph=_check_bounds(variant), expression=variant.kind, title=variant.kind)
    spec = parse(variant) if isinstance(variant, str) else variant
    if not isinstance(spec, Spec):
        raise InvalidInput(f"variant {shortened(spec)}: must be a variant expression, a Spec or a Graph.")
    expression, known = canonical(spec), named_variant(spec)
    graph = _check_bounds(spec.graph())
    if known is None:
        return Network(graph=graph, expression=expression, title=expression, spec=spec)
    return Network(graph=graph, expression=expression, title=known.title, paper=known.paper, note=known.note, spec=spec)


def _check_bounds(graph: Graph) -> Graph:
    if nesting(graph, MAX_NESTING) > MAX_NESTING:
        raise InvalidInput(f"{shortened(graph.kind)}: graphs are nested over {MAX_NESTING} deep, the bound.")
    count = num_ops(graph)
    if count > MAX_OPS:
        raise InvalidInput(f"{shortened(graph.kind)}: {count} ops are over the bound of {MAX_OPS} ops in all.")
    return graph
