"""Every claim, in the order in which they are shown."""

from collections.abc import Iterator
from fractions import Fraction

from analyzer.literature.claims import blocks, changes
from analyzer.literature.claims.claim import FEWER, NEGLIGIBLE, About, Claim, ClaimCase, Over, Printed, claim
from analyzer.literature.claims.figures import (
    activations,
    explained_figure,
    flops,
    inference_bytes,
    linears,
    macs,
    num_ops,
    params,
    peak_bytes,
    stored_bytes,
    weight_bytes,
    with_weights,
)

_HALF = Fraction(1, 2)


@claim(
    "ResNet-50 has 3.8 billion FLOPs.",
    why="The paper counts a multiplication and the addition after it as one, in the network whose first 1×1 strides. "
    "Nearly every implementation strides in the 3×3, which costs more and is more accurate.",
    matters="whoever compares a paper's FLOPs with a tool's: the same words stand for numbers a factor of two apart",
)
def resnet50_flops() -> Iterator[ClaimCase]:
    """He et al. 2015, Table 1."""
    printed = Printed("3.8", 10**9)
    yield ClaimCase("a MAC is one FLOP, and the stride is on the 1×1 (v1)", printed, macs("resnet50_v1"))
    yield ClaimCase("a MAC is one FLOP, and the stride is on the 3×3 (v1.5)", printed, macs("resnet50"))
    yield ClaimCase("a MAC is two FLOPs, in v1", printed, flops("resnet50_v1"))
    yield ClaimCase("a MAC is two FLOPs, in v1.5", printed, flops("resnet50"))


@claim(
    "ResNet-1202 has 10.2 million parameters.",
    why="A slip in two later papers' tables, copied since: the row mixes the network with the pre-activation "
    "ResNet-1001, whose count that is.",
    matters="whoever copies a table of CIFAR results",
)
def resnet1202_params() -> Iterator[ClaimCase]:
    """Zagoruyko and Komodakis 2016, Table 5; Huang et al. 2017, Table 2."""
    yield ClaimCase("all parameters are counted", Printed("10.2", 10**6), params("resnet1202_cifar"))
    without = params("resnet1202_cifar", only=with_weights, of="convolutions and linear layers")
    yield ClaimCase("batch norm is left out", Printed("10.2", 10**6), without)


@claim(
    "ResNet-1001 has 10.2 million parameters.",
    why="The paper left batch norm's parameters out.",
    matters="whoever checks an implementation by its count",
)
def resnet1001_params() -> Iterator[ClaimCase]:
    """He et al. 2016, Table 4."""
    name = "preact_resnet1001_cifar"
    yield ClaimCase("all parameters are counted", Printed("10.2", 10**6), params(name))
    without = params(name, only=with_weights, of="convolutions and linear layers")
    yield ClaimCase("batch norm is left out", Printed("10.2", 10**6), without)


@claim(
    "ResNet-152 is cheaper than VGG though it is many times deeper.",
    why="VGG works with many channels on large maps and ends in huge linear layers. But each of a ResNet's many "
    "layers leaves something for the backward pass to read.",
    matters="whoever trains: the network that is cheaper to run is the one that fills the memory first",
)
def resnet_cheaper_than_vgg() -> Iterator[ClaimCase]:
    """He et al. 2015, section 3.3, say it of the FLOPs."""
    ours, theirs = "resnet152", "vgg16"
    yield ClaimCase("MACs are counted", FEWER, macs(ours), macs(theirs))
    yield ClaimCase("parameters are counted", FEWER, params(ours), params(theirs))
    yield ClaimCase("the peak of activations in inference is meant", FEWER, peak_bytes(ours), peak_bytes(theirs))
    yield ClaimCase("what training stores is meant", FEWER, stored_bytes(ours, 1), stored_bytes(theirs, 1))


@claim(
    "DenseNet-121 has fewer parameters than ResNet-50, so it needs less memory.",
    why="Weights are the smaller part of training memory. Each dense layer normalises all that came before it in its "
    "block, again, and the backward pass needs every one of those copies.",
    matters="whoever picks a backbone for a small accelerator: batches must be smaller than with ResNet-50",
)
def densenet_needs_less_memory() -> Iterator[ClaimCase]:
    """In float32, as an eager run stores it, without recomputation."""
    ours, theirs = "densenet121", "resnet50"
    yield ClaimCase("only the weights are meant", FEWER, weight_bytes(ours), weight_bytes(theirs))
    for batch in (1, 32):
        ours_needs, theirs_needs = inference_bytes(ours, batch), inference_bytes(theirs, batch)
        yield ClaimCase(f"it infers, batch {batch}", FEWER, ours_needs, theirs_needs)
    for batch in (1, 32):
        yield ClaimCase(f"it trains, batch {batch}", FEWER, stored_bytes(ours, batch), stored_bytes(theirs, batch))


@claim(
    "A ResNet of twice the depth costs twice as much.",
    why="The stages in the middle get nearly all the added blocks, and what a block costs in MACs is the same in each; "
    "its parameters are not.",
    matters="whoever extrapolates from one depth to another",
)
def twice_the_depth() -> Iterator[ClaimCase]:
    """ResNet-101 beside ResNet-50."""
    for words, count in (("MACs", macs), ("parameters", params), ("activations", activations)):
        yield ClaimCase(f"{words} are counted", About(Fraction(2)), count("resnet101"), count("resnet50"))


@claim(
    "ResNet-50 costs about as much as ResNet-34.",
    why="Bottlenecks were put in the place of as many basic blocks; the parameters grow with the wider ends and the "
    "wider classifier.",
    matters="whoever picks between the two by the paper's FLOPs",
)
def resnet50_as_resnet34() -> Iterator[ClaimCase]:
    """He et al. 2015, Table 1: 3.6 and 3.8 billion."""
    yield ClaimCase(
        "MACs are counted in v1, as in the paper", About(Fraction(1)), macs("resnet50_v1"), macs("resnet34")
    )
    yield ClaimCase("MACs are counted in v1.5", About(Fraction(1)), macs("resnet50"), macs("resnet34"))
    yield ClaimCase("parameters are counted", About(Fraction(1)), params("resnet50"), params("resnet34"))
    yield ClaimCase("activations are counted", About(Fraction(1)), activations("resnet50"), activations("resnet34"))


@claim(
    "ResNet-50 has 50 layers.",
    why="The number in the name counts convolutions and linear layers on the longest path; projections, batch norms "
    "and ReLUs are layers of a framework, and not of the name.",
    matters="whoever counts layers in a framework's summary and comes to another number",
)
def fifty_layers() -> Iterator[ClaimCase]:
    """What is counted as a layer."""
    name, printed = "resnet50", Printed("50")
    yield ClaimCase(
        "layers are the convolutions and linear layers on the longest path", printed, explained_figure(name, "depth")
    )
    learned = num_ops(name, only=with_weights, of="convolutions and linear layers")
    yield ClaimCase("projections count too", printed, learned)
    yield ClaimCase("every op counts", printed, num_ops(name))


@claim(
    "The number in a network's name is its depth.",
    why="DenseNet's largest is named one too low, and Wide ResNets count the projections that other names leave out.",
    matters="whoever computes blocks from a name, or a name from blocks",
)
def names_are_depths() -> Iterator[ClaimCase]:
    """Convolutions and linear layers on the longest path."""
    named = {"resnet152": "152", "densenet121": "121", "densenet264": "264", "wrn28_10_cifar": "28"}
    for name, number in named.items():
        yield ClaimCase(f"the network is {name}", Printed(number), explained_figure(name, "depth"))


@claim(
    "Most parameters of a convolutional network are in its fully connected layers.",
    why="True before global average pooling: a ResNet's one linear layer reads a vector and not a map.",
    matters="whoever prunes or quantises the classifier first",
)
def linear_layers_dominate() -> Iterator[ClaimCase]:
    """The share of linear layers."""
    for name in ("alexnet", "vgg16", "resnet50", "densenet121"):
        yield ClaimCase(
            f"the network is {name}", Over(_HALF), params(name, only=linears, of="linear layers"), params(name)
        )


@claim(
    "Most of a ResNet's parameters are in its last stage.",
    why="A block's parameters grow fourfold from stage to stage. Deep variants have so many blocks in stage 3 that "
    "these outweigh the few wide ones.",
    matters="whoever freezes all but the last stage to train most of the network",
)
def last_stage_dominates() -> Iterator[ClaimCase]:
    """The share of stage 4."""
    for name in ("resnet18", "resnet50", "resnet101", "resnet152"):
        yield ClaimCase(f"the network is {name}", Over(_HALF), params(name, "stage4"), params(name))


@claim(
    "The stem is negligible.",
    why="It has few weights, but it works at the highest resolution.",
    matters="whoever profiles small networks on large images",
)
def stem_is_negligible() -> Iterator[ClaimCase]:
    """The share of stem in ResNet-18, negligible meaning less than a hundredth."""
    name = "resnet18"
    for words, count in (("parameters", params), ("MACs", macs), ("activations", activations)):
        yield ClaimCase(f"{words} are counted", NEGLIGIBLE, count(name, "stem"), count(name))


GROUPS: dict[str, tuple[Claim, ...]] = {
    "Whole networks": (
        resnet50_flops,
        resnet1202_params,
        resnet1001_params,
        resnet_cheaper_than_vgg,
        densenet_needs_less_memory,
        resnet50_as_resnet34,
        twice_the_depth,
        fifty_layers,
        names_are_depths,
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
        last_stage_dominates,
        linear_layers_dominate,
        stem_is_negligible,
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
