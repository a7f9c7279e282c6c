"""What stands out in a network: sentences computed from its costs."""

from collections.abc import Sequence
from itertools import pairwise

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BlockCost, StageCost
from analyzer.cost.walk import cost_tree
from analyzer.graph.ops import Conv2d
from analyzer.render.notation import block_convs, shortcut_notation
from analyzer.text.units import exact, percent, short, stage_label


def dense_remarks(analysis: Analysis, blocks: Sequence[BlockCost]) -> list[str]:
    """Sentences on the dense layers and the transitions; none where there are none."""
    layers = [block for block in blocks if block.kind == "dense_layer"]
    if not layers:
        return []
    return [_reuse(layers), _layer_costs(layers), _one_by_ones(layers), _transitions(analysis)]


def _reuse(layers: Sequence[BlockCost]) -> str:
    stages = {layer.stage: 0 for layer in layers}
    for layer in layers:
        stages[layer.stage] += 1
    stage, count = max(stages.items(), key=lambda item: item[1])
    growth = layers[0].output_shape[0]
    first = next(layer for layer in layers if layer.stage == stage).rows[0].output_shape[0]
    return (
        f"The {count} dense layers of {stage_label(stage)} make L(L + 1)/2 = {exact(count * (count + 1) // 2)} direct "
        f"connections: layer l reads {first} + {growth}(l − 1) channels and adds {growth}, "
        f"up to {exact(first + growth * count)}."
    )


def _layer_costs(layers: Sequence[BlockCost]) -> str:
    """The dearest and the cheapest dense layer; what it reads grows, and the map shrinks."""
    most, least = max(layers, key=lambda layer: layer.macs), min(layers, key=lambda layer: layer.macs)
    if most.stage == least.stage:
        return (
            f"In {stage_label(most.stage)} a dense layer costs from {short(least.macs)} to {short(most.macs)} MACs: "
            "what it reads grows with every layer."
        )
    return (
        f"A dense layer costs from {short(least.macs)} MACs in {stage_label(least.stage)} to {short(most.macs)} in "
        f"{stage_label(most.stage)}: what it reads grows with every layer, and the map shrinks with every transition."
    )


def _one_by_ones(layers: Sequence[BlockCost]) -> str:
    """What the 1×1 before each 3×3 saves, or costs, against the 3×3 alone."""
    convs = [block_convs(layer) for layer in layers]
    if any([conv.kernel for conv in pair] != [1, 3] for pair in convs):
        return ""
    ours = sum(formulas.params(conv) for pair in convs for conv in pair)
    alone = sum(formulas.params(Conv2d(pair[0].in_channels, pair[1].out_channels, 3)) for pair in convs)
    return (
        f"With the 1×1s, which hand {convs[0][0].out_channels} channels to each 3×3, the dense layers have "
        f"{exact(ours)} weights; 3×3s alone would have {exact(alone)}, {alone / ours:.2f} times as many."
    )


def _transitions(analysis: Analysis) -> str:
    spans = [span for span in analysis.spans if span.kind == "transition"]
    if not spans:
        return ""
    ends = [(analysis.rows[span.start], analysis.rows[span.stop - 1]) for span in spans]
    pairs = ", ".join(f"{first.output_shape[0]} → {last.output_shape[0]}" for first, last in ends)
    if all(first.output_shape[0] == last.output_shape[0] for first, last in ends):
        return f"Transitions keep the channels ({pairs}) and halve the map."
    return f"Transitions compress the channels ({pairs}) and halve the map{_saved(analysis)}."


def _saved(analysis: Analysis) -> str:
    """What the network would cost without compression, where its spec tells how to build it so."""
    from analyzer.families.densenet import DenseNetSpec  # loaded already where the network is one

    spec = analysis.network.spec
    if not isinstance(spec, DenseNetSpec):
        return ""
    whole = cost_tree(spec.with_fields(compression=1.0).graph(), analysis.input_shape, analysis.cost_tree.costed)
    stages = whole.stages.values()
    params, macs = sum(stage.params for stage in stages), sum(stage.macs for stage in stages)
    return (
        f"; without compression the network would have {short(params)} instead of {short(analysis.params)} parameters "
        f"and {short(macs)} instead of {short(analysis.macs)} MACs"
    )


def remarks(analysis: Analysis, blocks: Sequence[BlockCost]) -> list[str]:
    """Up to six sentences, each with the figures that it rests on."""
    sentences = [
        _where_costs_live(analysis),
        _level_blocks(blocks),
        _bottleneck(blocks),
        _grouping(analysis),
        *dense_remarks(analysis, blocks),
    ]
    return [sentence for sentence in sentences if sentence]


def _where_costs_live(analysis: Analysis) -> str:
    """The stages with the most parameters, MACs and activations."""
    stages = [stage for stage in analysis.stages if stage.num_blocks] or analysis.stages
    if len(stages) < 2:
        return ""
    by_params = max(stages, key=lambda stage: stage.params)
    by_memory = max(stages, key=lambda stage: stage.activations)
    by_macs = max(stages, key=lambda stage: stage.macs)
    macs = f"{percent(by_macs.macs, analysis.macs, 0)} % of the MACs"
    if by_params is by_memory:
        most = (
            f"also leads with {macs}" if by_macs is by_params else f"{_name(by_macs).lower()} has the most MACs: {macs}"
        )
        return f"{_name(by_params)} leads in both: {_shares(analysis, by_params)}; {most}."
    return (
        f"Parameters and memory live apart: {_name(by_params).lower()} holds {_shares(analysis, by_params)}; "
        f"{_name(by_memory).lower()} holds {_shares(analysis, by_memory)}. "
        f"{_name(by_macs)} computes most, {macs}."
    )


def _name(stage: StageCost) -> str:
    return stage_label(stage.stage).capitalize()


def _shares(analysis: Analysis, stage: StageCost) -> str:
    totals = analysis.totals
    params = percent(stage.params, totals.params, 0)
    return f"{params} % of the parameters and {percent(stage.activations, totals.activations, 0)} % of the activations"


def _level_blocks(blocks: Sequence[BlockCost]) -> str:
    """What a block that keeps its shape costs, where all cost the same, and how its parameters grow."""
    level = [block for block in blocks if _keeps_its_shape(block)]
    stages = {block.stage: block for block in level}
    if len(stages) < 2 or len({block.macs for block in level}) != 1:
        return ""
    shapes = [block.output_shape for block in stages.values()]
    why = "Each time the map halves the width doubles, so a block" if _halves_and_doubles(shapes) else "A block"
    what = " with an identity shortcut" if shortcut_notation(level[0]) == "identity" else " that keeps its shape"
    first, last = level[0].params, level[-1].params
    growth = f"; its parameters grow from {exact(first)} to {exact(last)}" if first < last else ""
    return f"{why}{what} costs exactly the same in each of {len(stages)} stages: {exact(level[0].macs)} MACs{growth}."


def _keeps_its_shape(block: BlockCost) -> bool:
    return block.rows[0].input_shapes[0] == block.output_shape and len(block.transform) == len(block.rows)


def _halves_and_doubles(shapes: Sequence[tuple[int, ...]]) -> bool:
    return all(
        (2 * before[0], before[1], before[2]) == (after[0], 2 * after[1], 2 * after[2])
        for before, after in pairwise(shapes)
    )


def _bottleneck(blocks: Sequence[BlockCost]) -> str:
    """What the 1×1 convolutions save against two 3×3 at the block's width."""
    block = next((block for block in blocks if block.kind == "bottleneck"), None)
    if block is None:
        return ""
    repeated = next((other for other in blocks if other.stage == block.stage and other.path != block.path), block)
    width = repeated.output_shape[0]
    ours = sum(formulas.params(conv) for conv in block_convs(repeated))
    plain = 2 * formulas.params(Conv2d(width, width, 3, padding=1))
    return (
        f"A bottleneck at {width} channels has {exact(ours)} weights; two 3×3 convolutions at that width "
        f"would have {exact(plain)}, {plain / ours:.0f} times as many."
    )


def _grouping(analysis: Analysis) -> str:
    """What the groups save against the same width in one group, in these convolutions and in the whole network."""
    grouped = {
        index: row.operation
        for index, row in enumerate(analysis.rows)
        if isinstance(row.operation, Conv2d) and row.operation.groups > 1
    }
    counts = {conv.groups for conv in grouped.values()}
    widths = {conv.in_channels // conv.groups for conv in grouped.values()}
    if not grouped or len(counts) > 1 < len(widths):
        return ""
    weights = {index: formulas.params(conv) - conv.bias * conv.out_channels for index, conv in grouped.items()}
    ours, whole = (sum(weights[i] * (conv.groups if all_of else 1) for i, conv in grouped.items()) for all_of in (0, 1))
    params = analysis.params + whole - ours
    macs = analysis.macs + sum((conv.groups - 1) * analysis.rows[index].macs for index, conv in grouped.items())
    name = f"Cardinality {max(counts)}" if len(counts) == 1 else f"Group width {max(widths)}"
    more = f"{max(counts)} times as many" if len(counts) == 1 else f"{exact(whole)}"
    return (
        f"{name}: the grouped 3×3 convolutions have {exact(ours)} weights in all; ungrouped at the same "
        f"width they would have {more}, and the network {short(params)} instead of "
        f"{short(analysis.params)} parameters and {short(macs)} instead of {short(analysis.macs)} MACs."
    )
