"""What the lessons work out: a kernel along one side, paths of equal cost, blocks by stage, what a change moves."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.network_costs import BlockCost
from analyzer.cost.walk import OpCost
from analyzer.explanation.traced_int import TracedInt, variable
from analyzer.families.residual_block import ResidualBlockSpec, residual_block
from analyzer.graph.batch_norm_folding import fold_batch_norms, foldable
from analyzer.graph.graph import Graph, leaf_ops
from analyzer.graph.ops import BatchNorm2d, Conv2d


class SlidingWindow(NamedTuple):
    """A kernel along one padded side: places are counted from 0 at the padding's start.

    `taps` are where the kernel reads in its first position, `starts` where each position begins, `read` the places
    that any position reads, `over` the places after the last position's end.
    """

    size: int
    padding: int
    taps: tuple[int, ...]
    starts: tuple[int, ...]
    read: frozenset[int]
    over: int
    positions: TracedInt
    """How many positions there are, with its formula."""

    @property
    def padded(self) -> int:
        """Length of the side with its padding."""
        return self.size + 2 * self.padding

    @property
    def lost(self) -> int:
        """Places of the map itself, not of its padding, after the last position's end."""
        return max(self.over - self.padding, 0)

    @property
    def skipped(self) -> int:
        """Places before the last position's end that no position reads."""
        return self.padded - self.over - len(self.read)


def sliding_window(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> SlidingWindow:
    """The positions of a kernel along a side of a map; InvalidInput where it does not fit once."""
    conv = Conv2d(1, 1, kernel, stride=stride, padding=padding, dilation=dilation)
    formulas.out_shape(conv, (1, size, size))
    spread = variable(dilation, "d") if dilation > 1 else 1
    sides = variable(size, "n"), variable(kernel, "f"), variable(stride, "s"), variable(padding, "p")
    positions = formulas.window_positions(*sides, spread)
    starts = tuple(stride * index for index in range(positions))
    taps = tuple(dilation * index for index in range(kernel))
    return SlidingWindow(
        size=size,
        padding=padding,
        taps=taps,
        starts=starts,
        read=frozenset(start + tap for start in starts for tap in taps),
        over=size + 2 * padding - (starts[-1] + taps[-1] + 1),
        positions=TracedInt.of(int(positions), positions.formula)
        if isinstance(positions, TracedInt)
        else variable(positions, "n"),
    )


def conv_costs(in_channels: int, out_channels: int, kernel: int, groups: int, side: int) -> tuple[int, int]:
    """(parameters, MACs) of a convolution onto a map of that side, with their formulas; InvalidInput as `Conv2d`."""
    conv = Conv2d(
        variable(in_channels, "C_in"),
        variable(out_channels, "C_out"),
        variable(kernel, "f"),
        groups=variable(groups, "g", divides=True) if groups > 1 else 1,
    )
    output = (variable(out_channels, "C_out"), variable(side, "H"), variable(side, "W"))
    return formulas.params(conv), formulas.macs(conv, output)


class GroupedBottleneck(NamedTuple):
    """A bottleneck with `cardinality` paths of `base_width` channels each."""

    cardinality: int
    base_width: int
    block: Graph
    weights: int
    """Those of its convolutions."""


def equal_cost_paths(
    cardinalities: Iterable[int], channels: int = 256, width: int = 64
) -> tuple[GroupedBottleneck, ...]:
    """For each cardinality the width at which a bottleneck's weights come nearest to those of one path.

    Xie et al. 2017, Table 2: C·(256·d + 3·3·d·d + d·256) against C = 1, d = 64.
    """
    target = _grouped_bottleneck(1, width, channels).weights
    return tuple(
        min(
            (_grouped_bottleneck(count, base_width, channels) for base_width in range(1, width + 1)),
            key=lambda paths: abs(paths.weights - target),
        )
        for count in cardinalities
    )


def _grouped_bottleneck(cardinality: int, base_width: int, channels: int) -> GroupedBottleneck:
    inner = cardinality * base_width
    block = residual_block(
        ResidualBlockSpec(
            block="bottleneck",
            in_channels=channels,
            inner_channels=inner,
            out_channels=channels,
            groups=cardinality,
        )
    )
    convs = (op for _, op in leaf_ops(block) if isinstance(op, Conv2d))
    return GroupedBottleneck(cardinality, base_width, block, sum(formulas.params(conv) for conv in convs))


def repeated_blocks(analysis: Analysis) -> tuple[BlockCost, ...]:
    """The last block of each stage, which is the one that is repeated."""
    return tuple({block.stage: block for block in analysis.blocks}.values())


def grown_widths(first: int, growth: float, num_stages: int) -> tuple[int, ...]:
    """Widths that grow from stage to stage by a factor, rounded."""
    return tuple(round(first * growth**stage) for stage in range(num_stages))


class FoldingEffect(NamedTuple):
    """A network before and after its batch norms fold into convolutions; those that stay are still there."""

    before: Analysis
    after: Analysis
    num_norms: int
    num_folded: int


def folding_effect(analysis: Analysis) -> FoldingEffect:
    """What folding does to a network at its input size."""
    graph, (_, height, width) = analysis.network.graph, analysis.input_shape
    folds = foldable(graph)
    norms = sum(isinstance(op, BatchNorm2d) for _, op in leaf_ops(graph))
    after = analyze(fold_batch_norms(graph, folds), (height, width)) if folds else analysis
    return FoldingEffect(analysis, after, norms, len(folds))


def changed_rows(first: Analysis, second: Analysis) -> tuple[tuple[OpCost, OpCost], ...]:
    """The ops at one path in both whose MACs differ."""
    theirs = {row.path: row for row in second.rows}
    pairs = ((row, theirs[row.path]) for row in first.rows if row.path in theirs)
    return tuple((ours, other) for ours, other in pairs if ours.macs != other.macs)


class DenseLayerCost(NamedTuple):
    """A dense layer: its number from 1, the channels it reads and adds, and its cost."""

    number: int
    reads: int
    adds: int
    params: int
    macs: int


def channels_read(first: int, growth: int, layer: int) -> TracedInt:
    """k₀ + k·(l − 1): the channels that dense layer l reads (Huang et al. 2017, section 3)."""
    return variable(first, "k₀") + variable(growth, "k") * (variable(layer, "l") - 1)


def dense_layer_costs(analysis: Analysis) -> Sequence[DenseLayerCost]:
    """Every dense layer of a network, in order."""
    layers = [block for block in analysis.blocks if block.kind == "dense_layer"]
    return [
        DenseLayerCost(number, block.rows[0].input_shapes[0][0], block.output_shape[0], block.params, block.macs)
        for number, block in enumerate(layers, 1)
    ]
