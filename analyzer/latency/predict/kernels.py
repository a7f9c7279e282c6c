"""The kernels that a network runs as, eager, compiled and in training: what each reads, writes and multiplies.

Counts are of one image; a batch multiplies them all, but reads the weights once.
"""

from collections import Counter
from collections.abc import Sequence
from math import fsum, prod
from typing import Literal, NamedTuple, assert_never

from analyzer.cost.analysis import Analysis
from analyzer.cost.memory import INDEX_BYTES
from analyzer.cost.walk import OpCost
from analyzer.graph import ops
from analyzer.graph.graph import INPUT, Graph
from analyzer.graph.ops import Op, saves_indices

IMAGE = -1
"""Stands for the network's input among the rows that an op reads."""

TILE = 64
"""Output channels that a convolution kernel computes together; fewer cost as many."""


class Kernel(NamedTuple):
    """One kernel, and the row (index into `Analysis.rows`) that it belongs to.

    `read` and `written` are elements of activations, `weights` of parameters, `extra_bytes` have a fixed item size.
    Convolutions and linear layers have output `positions`, `channels`, and a window of `side`×`side`; `macs` are those
    of the op, exactly. `is_stem`: it reads an image of so few channels that the kernel multiplies padding.
    `is_norm`: it normalises, eagerly, which takes a GPU time for each element beside that of moving it.
    """

    row: int
    kind: str
    read: int
    written: int
    macs: int = 0
    weights: int = 0
    extra_bytes: int = 0
    positions: int = 0
    channels: int = 0
    side: int = 0
    is_stem: bool = False
    is_norm: bool = False

    @property
    def moved(self) -> int:
        """Elements of activations read and written."""
        return self.read + self.written


def kind_of(op: Op) -> str:
    """The kind of kernel that an op runs as; empty where it runs none (Flatten, and Dropout in inference)."""
    match op:
        case ops.Conv2d():
            return "grouped convolution" if op.groups > 1 else "convolution"
        case ops.BatchNorm2d():
            return "batch norm"
        case ops.ReLU():
            return "relu"
        case ops.Sigmoid() | ops.Multiply():
            return "gate"
        case ops.Pool():
            return "pool"
        case ops.Linear():
            return "linear"
        case ops.Add():
            return "add"
        case ops.Concat() | ops.ZeroPadShortcut():
            return "concat"
        case ops.Flatten() | ops.Dropout():
            return ""
        case _:
            assert_never(op)


Lowering = Literal["library", "view", "concat", "fused reduction", "reduction", "pointwise"]
"""What a compiler makes of an op: a library's kernel; nothing; a copy, or none where it is read as pointwise; a kernel
that computes what it reads; a kernel that reads a tensor in memory; a value computed wherever it is read."""


def lowering(op: Op) -> Lowering:
    """What torch.compile makes of an op in inference."""
    match op:
        case ops.Weighted():
            return "library"
        case ops.BatchNorm2d() | ops.Activation() | ops.Add() | ops.Multiply() | ops.ZeroPadShortcut():
            return "pointwise"
        case ops.Concat():
            return "concat"
        case ops.GlobalAvgPool2d():
            return "fused reduction"
        case ops.MaxPool2d() | ops.AvgPool2d() | ops.AdaptiveAvgPool2d():
            return "reduction"
        case ops.Flatten() | ops.Dropout():
            return "view"
        case _:
            assert_never(op)


def eager_kernels(analysis: Analysis) -> list[Kernel]:
    """One kernel an op, in execution order, and one more for a convolution's bias."""
    return [kernel for index, row in enumerate(analysis.rows) for kernel in inference_kernels(index, row)]


def inference_kernels(index: int, row: OpCost) -> list[Kernel]:
    """The kernels of an op in inference."""
    kind, op = kind_of(row.operation), row.operation
    if isinstance(op, ops.Weighted):
        return _weighted(index, row, op)
    indices = INDEX_BYTES * written(row) if saves_indices(op) else 0
    kernel = Kernel(index, kind, read(row), written(row), extra_bytes=indices, is_norm=isinstance(op, ops.Norm))
    return [kernel] if kind else []


def _weighted(index: int, row: OpCost, op: ops.Conv2d | ops.Linear) -> list[Kernel]:
    """A convolution's or linear layer's kernel, and the one that adds a convolution's bias."""
    kernel = Kernel(
        index,
        kind_of(op),
        read(row),
        written(row),
        macs=row.macs,
        weights=row.params,
        positions=prod(row.output_shape[1:]),
        channels=row.output_shape[0],
        side=1,
    )
    match op:
        case ops.Conv2d():
            bias = [Kernel(index, "add", written(row), written(row))] * op.bias
            return [kernel._replace(side=op.kernel, is_stem=row.input_shapes[0][0] < 8), *bias]
        case ops.Linear():
            return [kernel]
        case _:
            assert_never(op)


def read(row: OpCost) -> int:
    """Elements that an op reads."""
    return sum(map(prod, row.input_shapes))


def written(row: OpCost) -> int:
    """Elements that an op writes."""
    return prod(row.output_shape)


def training_kernels(analysis: Analysis) -> list[Kernel]:
    """The kernels of a training step but for the optimiser: forward with batch statistics, and backward.

    Convolutions run once more for the weights' gradient and, but for the first, for the input's. Batch norm reads its
    input twice, and in the backward pass both input and gradient twice. A tensor with two readers adds two gradients.
    """
    sources = sources_of(analysis.network.graph)
    uses = [0] * len(analysis.rows)
    for inputs in sources:
        for source in inputs:
            if source != IMAGE:
                uses[source] += 1
    kernels: list[Kernel] = []
    for index, row in enumerate(analysis.rows):
        kernels += _op_training_kernels(index, row, first=sources[index][0] == IMAGE)
        kernels += [Kernel(index, "add", 2 * written(row), written(row))] * max(0, uses[index] - 1)
    return kernels


def _op_training_kernels(index: int, row: OpCost, first: bool) -> list[Kernel]:
    forward = inference_kernels(index, row)
    size, out, kind = read(row), written(row), kind_of(row.operation)
    match row.operation:
        case ops.Weighted():
            gradient = forward[0]._replace(read=size + out, written=0)
            return [*forward, gradient] if first else [*forward, gradient, gradient]
        case ops.Norm():
            passes = Kernel(index, kind, 2 * size, out, is_norm=True)
            return [passes, passes._replace(read=4 * size)]
        case ops.Add():
            return forward
        case ops.Activation() | ops.Multiply() | ops.Dropout():
            return [*forward, Kernel(index, kind or "gate", 2 * out, size)]
        case ops.MaxPool2d():
            return [*forward, Kernel(index, kind, out, 2 * size, extra_bytes=INDEX_BYTES * out)]
        case ops.AvgPool2d() | ops.GlobalAvgPool2d() | ops.AdaptiveAvgPool2d() | ops.Concat() | ops.Rearrangement():
            return [*forward, *[Kernel(index, kind, out, size)] * bool(kind)]
        case _:
            assert_never(row.operation)


def sources_of(graph: Graph) -> list[tuple[int, ...]]:
    """For each op in execution order the rows that it reads, `IMAGE` for the network's input."""
    sources: list[tuple[int, ...]] = []

    def frame(part: Graph, source: int) -> int:
        values = {INPUT: source}
        for node in part.nodes:
            if isinstance(node.op, Graph):
                values[node.name] = frame(node.op, values[node.inputs[0]])
            else:
                sources.append(tuple([values[name] for name in node.inputs]))
                values[node.name] = len(sources) - 1
        return values[part.nodes[-1].name]

    frame(graph, IMAGE)
    return sources


def cast_kernels(analysis: Analysis, kernels: Sequence[Kernel]) -> list[Kernel]:
    """Autocast's kernels: the image and, every time, each weight, from 4 bytes to 2."""
    image = Kernel(0, "cast", 0, 0, extra_bytes=6 * prod(analysis.input_shape))
    rows = dict.fromkeys(kernel.row for kernel in kernels if kernel.macs)
    return [image, *[Kernel(row, "cast", 0, 0, weights=3 * analysis.rows[row].params) for row in rows]]


OPTIMISER_BYTES = 28
"""Bytes a parameter that SGD with momentum moves in float32: the gradient written; weight, gradient and momentum read;
weight and momentum written; and the gradient set to nothing."""


def optimiser_kernels(analysis: Analysis, item_bytes: int) -> list[Kernel]:
    """The optimiser's step, an op's parameters each; torch joins them into few kernels, whose launches cost nothing."""
    sizes = [(index, row.params * OPTIMISER_BYTES // item_bytes) for index, row in enumerate(analysis.rows)]
    return [Kernel(index, "optimiser", 0, 0, weights=size) for index, size in sizes if size]


def layout_kernels(kernels: Sequence[Kernel]) -> list[Kernel]:
    """What tensor cores need in NCHW: windows wider than 1×1 have input and output turned to NHWC and back."""
    spatial = [kernel for kernel in kernels if kernel.side > 1]
    return [
        Kernel(kernel.row, "layout", size, size) for kernel in spatial for size in (kernel.read, kernel.written) if size
    ]


MAX_FUSED_INPUTS = 8
"""Inputs up to which a concatenation on a GPU is computed where it is read (`max_pointwise_cat_inputs`)."""

MAX_RECOMPUTED_READS = 4
"""Tensors up to which a value with several readers is computed again by each (`realize_reads_threshold`)."""


class _Fusion:
    """Fuses ops as torch.compile does; `_reads` has for each row the tensors in memory that its value depends on."""

    def __init__(self, analysis: Analysis, on_cpu: bool) -> None:
        self.kernels: list[Kernel] = []
        self._rows = analysis.rows
        self._on_cpu = on_cpu
        self._image = prod(analysis.input_shape)
        self._reads: dict[int, frozenset[int]] = {IMAGE: frozenset([IMAGE])}
        self._joined: dict[int, tuple[int, ...]] = {}
        self._sources = sources_of(analysis.network.graph)
        self._uses = self._readers()

    def _readers(self) -> Counter[int]:
        """For each row how many ops read it; a concatenation within a chain of them is read by none of the chain."""
        chained = {index for index, row in enumerate(self._rows) if isinstance(row.operation, ops.Concat)}
        return Counter(
            source
            for index, inputs in enumerate(self._sources)
            for source in inputs
            if not (index in chained and source in chained)
        )

    def run(self) -> list[Kernel]:
        """The kernels in order."""
        for index, (row, inputs) in enumerate(zip(self._rows, self._sources, strict=True)):
            self._lower(index, row, inputs)
        return self.kernels

    def _lower(self, index: int, row: OpCost, inputs: tuple[int, ...]) -> None:
        lowered = lowering(row.operation)
        match lowered:
            case "library":
                self._in_memory(inputs[0])
                self._stored(inference_kernels(index, row)[0])
            case "view":
                self._reads[index] = self._reads[inputs[0]]
            case "concat":
                self._concat(index, inputs)
            case "fused reduction":
                self._stored(Kernel(index, kind_of(row.operation), self._size_read(inputs[0]), self._size(index)))
            case "reduction":
                self._in_memory(inputs[0])
                self._stored(Kernel(index, kind_of(row.operation), self._size(inputs[0]), self._size(index)))
            case "pointwise":
                self._pointwise(index, inputs)
            case _:
                assert_never(lowered)

    def _pointwise(self, index: int, inputs: tuple[int, ...]) -> None:
        self._reads[index] = frozenset().union(*[self._reads[source] for source in inputs])
        if self._uses[index] > 1 and len(self._reads[index]) > MAX_RECOMPUTED_READS:
            self._in_memory(index)

    def _concat(self, index: int, inputs: tuple[int, ...]) -> None:
        """A chain of concatenations is one of all its inputs, as torchvision's and timm's networks write it."""
        all_inputs = sum([self._joined.get(source, (source,)) for source in inputs], ())
        self._joined[index] = all_inputs
        if len(all_inputs) <= MAX_FUSED_INPUTS and not self._on_cpu:
            self._pointwise(index, all_inputs)
        else:
            self._stored(Kernel(index, "concat", sum(map(self._size, all_inputs)), self._size(index)))

    def _in_memory(self, index: int) -> None:
        """Add the fused kernel that writes a row's value, if it is not in memory yet."""
        if self._reads[index] != {index}:
            self._stored(Kernel(index, "fused pointwise", self._size_read(index), self._size(index)))

    def _stored(self, kernel: Kernel) -> None:
        self.kernels.append(kernel)
        self._reads[kernel.row] = frozenset([kernel.row])

    def _size_read(self, index: int) -> int:
        return sum(map(self._size, self._reads[index]))

    def _size(self, index: int) -> int:
        return self._image if index == IMAGE else prod(self._rows[index].output_shape)


def compiled_kernels(analysis: Analysis, *, on_cpu: bool = False) -> list[Kernel]:
    """Convolutions, linear layers and pools, and between them one kernel for each chain of pointwise ops."""
    return _Fusion(analysis, on_cpu).run()


_GROUPED, _SMALL, _NARROWING, _PLAIN = 1.358, 0.783, 0.725, 0.823


def compiles_to_channels_last(analysis: Analysis) -> bool:
    """Whether torch.compile turns the network to NHWC: where its weights for kinds of convolution save time in sum."""
    costs = [(row.macs, _slowdown(row.operation)) for row in analysis.rows if isinstance(row.operation, ops.Conv2d)]
    return fsum(macs * slowdown for macs, slowdown in costs) <= sum(macs for macs, _ in costs)


def _slowdown(op: ops.Conv2d) -> float:
    group_width = op.in_channels // op.groups
    if op.groups > 1 and group_width > 1:
        return _GROUPED
    if op.out_channels <= 64 and group_width <= 64:
        return _SMALL
    return _NARROWING if 2 * op.out_channels <= group_width and op.kernel > 1 else _PLAIN
