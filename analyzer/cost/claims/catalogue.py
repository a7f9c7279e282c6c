"""Every claim, in the order in which they are told."""

from analyzer.cost.claims import blocks, changes, networks
from analyzer.cost.claims.claim import Claim

GROUPS: dict[str, tuple[Claim, ...]] = {
    "Whole networks": (
        networks.resnet50_flops,
        networks.resnet1202_params,
        networks.resnet1001_params,
        networks.resnet_cheaper_than_vgg,
        networks.densenet_needs_less_memory,
        networks.resnet50_as_resnet34,
        networks.twice_the_depth,
        networks.fifty_layers,
        networks.names_are_depths,
    ),
    "Blocks": (
        blocks.bottleneck_halves_parameters,
        blocks.bottleneck_costs_the_same,
        blocks.pointwise_is_cheap,
        blocks.grouping_divides_parameters,
        blocks.resnext_doubles_channels,
        blocks.forms_differ,
        blocks.resnext_keeps_complexity,
        blocks.excitation_is_free,
        blocks.dense_connections,
        changes.shortcuts_are_free,
    ),
    "Where the costs are": (
        networks.last_stage_dominates,
        networks.linear_layers_dominate,
        networks.stem_is_negligible,
        blocks.norms_are_negligible,
        changes.pooling_saves_classifier,
    ),
    "What a change costs": (
        changes.stride_place_is_free,
        changes.preactivation_keeps_counts,
        changes.dilation_is_free,
        changes.width_doubles_params,
        changes.depth_doubles_params,
        changes.macs_follow_side,
        changes.params_follow_input,
        changes.small_images_are_cheap,
    ),
    "Shapes and receptive fields": (
        changes.second_side_output,
        changes.receptive_field_483,
        changes.field_covers_image,
    ),
    "Training and precision": (
        changes.training_is_threefold,
        changes.half_precision_halves,
    ),
}
"""Heading → claims."""

CLAIMS = tuple(claim for claims in GROUPS.values() for claim in claims)
