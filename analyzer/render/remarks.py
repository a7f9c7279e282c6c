"""What stands out in a network: sentences computed from its costs."""

from collections.abc import Sequence

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis, BlockRow, StageRow
from analyzer.ops import Conv2d
from analyzer.render.units import exact, percent, stage_words
from analyzer.render.words import block_convs


def remarks(analysis: Analysis, blocks: Sequence[BlockRow]) -> list[str]:
    """Up to five sentences, each with the figures that it rests on."""
    found = [
        _where_costs_live(analysis),
        _level_blocks(blocks),
        _bottleneck(blocks),
        _grouping(blocks),
        _dense_reuse(blocks),
        _transitions(analysis),
    ]
    return [sentence for sentence in found if sentence]


def _where_costs_live(analysis: Analysis) -> str:
    stages = [stage for stage in analysis.stages if stage.num_blocks]
    if len(stages) < 2:
        return ""
    by_params = max(stages, key=lambda stage: stage.params)
    by_memory = max(stages, key=lambda stage: stage.activations)
    if by_params is by_memory:
        return f"{_name(by_params)} leads in both: {_shares(analysis, by_params)}."
    return (
        f"Parameters and memory live apart: {_name(by_params).lower()} holds {_shares(analysis, by_params)}; "
        f"{_name(by_memory).lower()} holds {_shares(analysis, by_memory)}."
    )


def _name(stage: StageRow) -> str:
    return stage_words(stage.stage).capitalize()


def _shares(analysis: Analysis, stage: StageRow) -> str:
    totals = analysis.totals
    params = percent(stage.params, totals.params, 0)
    return f"{params} % of the parameters and {percent(stage.activations, totals.activations, 0)} % of the activations"


def _level_blocks(blocks: Sequence[BlockRow]) -> str:
    repeated = [block for block in blocks if block.kind != "dense_layer" and len(block.transform) == len(block.rows)]
    stages = {block.stage for block in repeated}
    costs = {block.macs for block in repeated}
    if len(stages) < 2 or len(costs) != 1:
        return ""
    return (
        "Each time the map halves the width doubles, so a block with an identity shortcut costs exactly the same "
        f"in each of {len(stages)} stages: {exact(costs.pop())} MACs."
    )


def _bottleneck(blocks: Sequence[BlockRow]) -> str:
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


def _grouping(blocks: Sequence[BlockRow]) -> str:
    convs = [conv for block in blocks for conv in block_convs(block)]
    grouped = [conv for conv in convs if conv.groups > 1]
    if not grouped:
        return ""
    ours = sum(formulas.params(conv) for conv in grouped)
    dense = sum(formulas.params(Conv2d(conv.in_channels, conv.out_channels, conv.kernel)) for conv in grouped)
    return (
        f"Cardinality {grouped[0].groups}: the grouped 3×3 convolutions have {exact(ours)} weights in all; "
        f"ungrouped at the same width they would have {exact(dense)}, {grouped[0].groups} times as many."
    )


def _dense_reuse(blocks: Sequence[BlockRow]) -> str:
    layers = [block for block in blocks if block.kind == "dense_layer"]
    if not layers:
        return ""
    stages = {layer.stage: 0 for layer in layers}
    for layer in layers:
        stages[layer.stage] += 1
    stage, count = max(stages.items(), key=lambda item: item[1])
    growth = layers[0].output_shape[0]
    first = next(layer for layer in layers if layer.stage == stage).rows[0].output_shape[0]
    return (
        f"The {count} dense layers of {stage_words(stage)} make L(L + 1)/2 = {exact(count * (count + 1) // 2)} direct "
        f"connections: layer l reads {first} + {growth}(l − 1) channels and adds {growth}, "
        f"up to {exact(first + growth * count)}."
    )


def _transitions(analysis: Analysis) -> str:
    spans = [span for span in analysis.spans if span.kind == "transition"]
    if not spans:
        return ""
    given, kept = zip(*(_compression(analysis, span.start, span.stop) for span in spans), strict=True)
    pairs = ", ".join(f"{before} → {after}" for before, after in zip(given, kept, strict=True))
    return f"Transitions compress the channels ({pairs}) and halve the map."


def _compression(analysis: Analysis, start: int, stop: int) -> tuple[int, int]:
    shapes = [row.output_shape for row in analysis.rows[start:stop]]
    return shapes[0][0], shapes[-1][0]
