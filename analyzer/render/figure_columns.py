"""Networks side by side, from top to bottom and aligned by output size, as in He et al. 2015, Figure 3."""

from collections.abc import Sequence
from itertools import pairwise

from analyzer.cost.analysis import analyze
from analyzer.graph import INPUT
from analyzer.ops import Add
from analyzer.render.diagram import Arrow, Box, Frame, Picture
from analyzer.render.diagram_costs import Ledger
from analyzer.render.diagram_look import Look
from analyzer.render.diagram_open import role
from analyzer.render.diagram_short import Short, shortened_graph
from analyzer.render.diagram_words import legend
from analyzer.render.units import short as short_number
from analyzer.render.words import op_words


class _Column:
    """One network: its boxes and arrows, and the boxes of each output size in order."""

    def __init__(self, expression: str, look: Look) -> None:
        self.ledger = Ledger(analyze(expression), look)
        self._name = expression
        self.shorts = shortened_graph(self.ledger.analysis.network.graph)
        self.sizes: dict[int, list[str]] = {}
        for short in self.shorts:
            if not isinstance(short.op, Add):
                shape = self.ledger.rows([short.path])[0].output_shape
                self.sizes.setdefault(shape[1] if len(shape) == 3 else 1, []).append(self.named(short.path))

    def named(self, path: str) -> str:
        return f"{self._name} {path}"

    def frame(self) -> Frame:
        analysis = self.ledger.analysis
        boxes = tuple(self._box(short) for short in self.shorts)
        costs = f"{short_number(analysis.macs)} MACs"
        return Frame(name=self._name, boxes=boxes, title=analysis.network.title, facts=(costs,))

    def _box(self, short: Short) -> Box:
        joins = isinstance(short.op, Add)
        return Box(
            name=self.named(short.path),
            role=role(short.op),
            paths=(short.path,),
            title="+" if joins else "",
            lines=() if joins else (op_words(short.op),),
            tip=self.ledger.tip(short.path, [short.path]),
        )

    def arrows(self) -> list[Arrow]:
        return [
            Arrow(tail=self.named(tie.tail), head=self.named(short.path), flow=tie.flow)
            for short in self.shorts
            for tie in short.ties
            if tie.tail != INPUT
        ]


def columns_picture(expressions: Sequence[str], look: Look) -> Picture:
    """A column a network; boxes of the first op of each output size stand on one height."""
    columns = [_Column(expression, look) for expression in expressions]
    sizes = sorted({size for column in columns for size in column.sizes}, reverse=True)
    labels = [Box(name=f"size {size}", role="port", lines=(f"output size: {size}",)) for size in sizes]
    guides = [Arrow(tail=above.name, head=below.name, flow="guide") for above, below in pairwise(labels)]
    arrows = [arrow for column in columns for arrow in column.arrows()]
    aligned = list(_aligned(columns, sizes))
    first = next(row for row in aligned if len(row) == len(columns) + 1)
    guides += [Arrow(tail=left, head=right, flow="guide") for left, right in pairwise(first)]
    return Picture(
        title="",
        legend=f"each convolution with its BN and ReLU, where it has them · {legend(arrows)}",
        description="; ".join(f"{column.ledger.analysis.network.title}" for column in columns),
        across=False,
        frames=(Frame(name="sizes", boxes=tuple(labels)), *(column.frame() for column in columns)),
        arrows=(*guides, *arrows),
        aligned=tuple(aligned),
    )


def _aligned(columns: Sequence[_Column], sizes: Sequence[int]) -> list[tuple[str, ...]]:
    """Rows: the first ops of each size with its label, and the n-th ones of networks with equally many."""
    rows: list[tuple[str, ...]] = []
    for size in sizes:
        having = [column for column in columns if size in column.sizes]
        rows.append((f"size {size}", *(column.sizes[size][0] for column in having)))
        equal: dict[int, list[list[str]]] = {}
        for column in having:
            equal.setdefault(len(column.sizes[size]), []).append(column.sizes[size])
        rows += [row for names in equal.values() if len(names) > 1 for row in list(zip(*names, strict=True))[1:]]
    return rows
