"""What stands out in a densely connected network: reuse, what its 1×1 convolutions and its compression save."""

from collections.abc import Sequence

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BlockRow
from analyzer.cost.walk import walk
from analyzer.ops import Conv2d
from analyzer.render.units import exact, short, stage_words
from analyzer.render.words import block_convs


def dense_remarks(analysis: Analysis, blocks: Sequence[BlockRow]) -> list[str]:
    """Sentences on the dense layers and the transitions; none where there are none."""
    layers = [block for block in blocks if block.kind == "dense_layer"]
    if not layers:
        return []
    return [_reuse(layers), _layer_costs(layers), _one_by_ones(layers), _transitions(analysis)]


def _reuse(layers: Sequence[BlockRow]) -> str:
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


def _layer_costs(layers: Sequence[BlockRow]) -> str:
    """The dearest and the cheapest dense layer; what it reads grows, and the map shrinks."""
    most, least = max(layers, key=lambda layer: layer.macs), min(layers, key=lambda layer: layer.macs)
    if most.stage == least.stage:
        return (
            f"In {stage_words(most.stage)} a dense layer costs from {short(least.macs)} to {short(most.macs)} MACs: "
            "what it reads grows with every layer."
        )
    return (
        f"A dense layer costs from {short(least.macs)} MACs in {stage_words(least.stage)} to {short(most.macs)} in "
        f"{stage_words(most.stage)}: what it reads grows with every layer, and the map shrinks with every transition."
    )


def _one_by_ones(layers: Sequence[BlockRow]) -> str:
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
    whole = walk(spec.changed(compression=1.0).graph(), analysis.input_shape, analysis.walked.costed)
    stages = whole.stages.values()
    params, macs = sum(stage.params for stage in stages), sum(stage.macs for stage in stages)
    return (
        f"; without compression the network would have {short(params)} instead of {short(analysis.params)} parameters "
        f"and {short(macs)} instead of {short(analysis.macs)} MACs"
    )
