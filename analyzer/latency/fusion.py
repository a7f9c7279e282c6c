"""The kernels that a compiled network runs as: torch.compile's fusion of pointwise ops, and its choice of layout.

After torch/_inductor: lowering.py (`cat`), ir.py (`realize_hint`, `should_realize_on_reuse`), config.py
(`max_pointwise_cat_inputs`, `realize_reads_threshold`) and graph.py (`decide_layout_opt`); torch 2.14.
"""

from collections import Counter
from math import fsum, prod
from typing import assert_never

from analyzer.cost.analysis import Analysis
from analyzer.cost.walk import Row
from analyzer.latency.kernels import IMAGE, Kernel, forward, kind_of, lowering, sources_of
from analyzer.ops import Concat, Conv2d

MAX_FUSED_INPUTS = 8
"""Inputs up to which a concatenation on a GPU is computed where it is read (`max_pointwise_cat_inputs`)."""

MAX_RECOMPUTED_READS = 4
"""Tensors up to which a value with several readers is computed again by each (`realize_reads_threshold`)."""


class _Fusion:
    """Walks the ops; `_reads` has for each row the tensors in memory that its value is computed from."""

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
        chained = {index for index, row in enumerate(self._rows) if isinstance(row.operation, Concat)}
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

    def _lower(self, index: int, row: Row, inputs: tuple[int, ...]) -> None:
        lowered = lowering(row.operation)
        match lowered:
            case "library":
                self._in_memory(inputs[0])
                self._stored(forward(index, row)[0])
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
        joined = sum([self._joined.get(source, (source,)) for source in inputs], ())
        self._joined[index] = joined
        if len(joined) <= MAX_FUSED_INPUTS and not self._on_cpu:
            self._pointwise(index, joined)
        else:
            self._stored(Kernel(index, "concat", sum(map(self._size, joined)), self._size(index)))

    def _in_memory(self, index: int) -> None:
        """Have a row's value written by a fused kernel, if it is not in memory yet."""
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
    costs = [(row.macs, _slowdown(row.operation)) for row in analysis.rows if isinstance(row.operation, Conv2d)]
    return fsum(macs * slowdown for macs, slowdown in costs) <= sum(macs for macs, _ in costs)


def _slowdown(op: Conv2d) -> float:
    inside = op.in_channels // op.groups
    if op.groups > 1 and inside > 1:
        return _GROUPED
    if op.out_channels <= 64 and inside <= 64:
        return _SMALL
    return _NARROWING if 2 * op.out_channels <= inside and op.kernel > 1 else _PLAIN
