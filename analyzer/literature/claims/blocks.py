"""Claims about blocks: bottlenecks, grouped convolutions, 1×1s, squeeze-and-excitation."""

from collections.abc import Iterator
from fractions import Fraction

from analyzer.literature.claims.claim import DIFFERENT, EQUAL, NEGLIGIBLE, About, ClaimCase, Exactly, Under, claim
from analyzer.literature.claims.figures import (
    activations,
    connections,
    form_biases,
    form_params,
    half_square,
    macs,
    norms,
    out_channels,
    params,
    pointwise,
    weights,
)

_IN_THE_BLOCK = "layer1.1"
_WIDE_BASIC = "resnet34:widths=256-512-1024-2048"
"""Basic blocks as wide as ResNet-50's bottlenecks are at their ends."""


@claim(
    "The bottleneck has about half the parameters of the basic block.",
    why="The paper draws a bottleneck beside a basic block of a quarter of its outer width: their costs are alike, and "
    "what the bottleneck gives is the wider output. At equal width it is far below half.",
    matters="whoever swaps one block for the other and expects a network of half the size",
)
def bottleneck_halves_parameters() -> Iterator[ClaimCase]:
    """He et al. 2015, Figure 5: two 3×3 at 64 channels, and 1×1–3×3–1×1 at 256."""
    half = About(Fraction(1, 2))
    bottleneck = weights("resnet50", _IN_THE_BLOCK)
    yield ClaimCase("the blocks are as the paper draws them", half, bottleneck, weights("resnet34", _IN_THE_BLOCK))
    yield ClaimCase("both blocks have the same outer width", half, bottleneck, weights(_WIDE_BASIC, _IN_THE_BLOCK))


@claim(
    "A bottleneck costs about as much to compute as a basic block.",
    why="That is what the bottleneck was made for: four times the channels at the same price, as drawn in the paper.",
    matters="whoever compares networks with basic blocks and with bottlenecks by depth",
)
def bottleneck_costs_the_same() -> Iterator[ClaimCase]:
    """He et al. 2015, Figure 5: similar time complexity."""
    same = About(Fraction(1))
    bottleneck = macs("resnet50", _IN_THE_BLOCK)
    yield ClaimCase("the blocks are as the paper draws them", same, bottleneck, macs("resnet34", _IN_THE_BLOCK))
    yield ClaimCase("both blocks have the same outer width", same, bottleneck, macs(_WIDE_BASIC, _IN_THE_BLOCK))


@claim(
    "1×1 convolutions are cheap.",
    why="One of them is, beside a 3×3 of the same channels. But a bottleneck has two, at its wide ends, and grouping "
    "makes the 3×3 cheap and not the 1×1s.",
    matters="whoever looks for what to optimise: in bottlenecks and dense layers the 1×1s are where the time goes",
)
def pointwise_is_cheap() -> Iterator[ClaimCase]:
    """One 1×1 against one 3×3, then the share of all 1×1s in whole networks."""
    ninth, minor, where = Exactly(Fraction(1, 9)), Under(Fraction(1, 2)), "layer1.0"
    ours, theirs = macs("resnet50", f"{where}.conv1"), macs("resnet50", f"{where}.conv2")
    yield ClaimCase("one is held against a 3×3 of the same channels", ninth, ours, theirs)
    for name in ("resnet50", "resnext50_32x4d", "densenet121"):
        ours = macs(name, only=pointwise, of="1×1 convolutions")
        yield ClaimCase(f"all of them together are less than half of {name}'s MACs", minor, ours, macs(name))


@claim(
    "Grouped convolution needs g times fewer parameters.",
    why="Only the grouped convolution itself has a g-th of the weights; the 1×1s around it, which have most of them, "
    "stay as they are.",
    matters="whoever estimates a ResNeXt from the ResNet of the same inner width",
)
def grouping_divides_parameters() -> Iterator[ClaimCase]:
    """ResNeXt-50 (32×4d) against the network with the same widths and no groups, which is Wide ResNet-50-2."""
    divided = Exactly(Fraction(1, 32))
    grouped, dense = "resnext50_32x4d", "wide_resnet50_2"
    where = f"{_IN_THE_BLOCK}.conv2"
    yield ClaimCase("the grouped convolution alone is counted", divided, params(grouped, where), params(dense, where))
    yield ClaimCase("the whole block is counted", divided, params(grouped, _IN_THE_BLOCK), params(dense, _IN_THE_BLOCK))
    yield ClaimCase("the whole network is counted", divided, params(grouped), params(dense))


@claim(
    "Every ResNeXt layer has twice as many output channels as ResNet's.",
    why="Cardinality doubles the inner width of ResNeXt-50 (32×4d); its blocks put out what ResNet's do.",
    matters="whoever puts a ResNeXt in the place of a ResNet backbone: the maps have equal shapes",
)
def resnext_doubles_channels() -> Iterator[ClaimCase]:
    """The three convolutions of a block in stage 1."""
    twice = Exactly(Fraction(2))
    for number, conv in enumerate(("first 1×1", "grouped 3×3", "last 1×1"), 1):
        where = f"{_IN_THE_BLOCK}.conv{number}"
        ours, theirs = out_channels("resnext50_32x4d", where), out_channels("resnet50", where)
        yield ClaimCase(f"it is the {conv}", twice, ours, theirs)


@claim(
    "ResNeXt's three equivalent forms have different numbers of parameters.",
    why="The same weights are only cut up differently. A bias in each path's last convolution is what would be new: "
    "the sum over the paths would add them all up, where one would do.",
    matters="whoever writes the split form out in code, and wonders why the counts disagree",
)
def forms_differ() -> Iterator[ClaimCase]:
    """Split–transform–merge (a) against the grouped convolution (c), Xie et al. 2017, Figure 3."""
    name = "resnext50_32x4d"
    ours, theirs = (form_params(name, _IN_THE_BLOCK, letter) for letter in "ac")
    yield ClaimCase("forms (a) and (c) have no biases, as in the paper", DIFFERENT, ours, theirs)
    ours, theirs = (form_biases(name, _IN_THE_BLOCK, letter) for letter in "ac")
    yield ClaimCase("every convolution has biases, in each path of form (a)", DIFFERENT, ours, theirs)


@claim(
    "ResNeXt-50 (32×4d) has the complexity of ResNet-50.",
    why="Cardinality and width were chosen to keep parameters and MACs; the doubled inner width makes activations.",
    matters="whoever trades one for the other with memory or bandwidth as the limit",
)
def resnext_keeps_complexity() -> Iterator[ClaimCase]:
    """Xie et al. 2017, Table 1."""
    same = About(Fraction(1))
    ours, theirs = "resnext50_32x4d", "resnet50"
    yield ClaimCase("parameters are counted", same, params(ours), params(theirs))
    yield ClaimCase("MACs are counted", same, macs(ours), macs(theirs))
    yield ClaimCase("activations are counted", same, activations(ours), activations(theirs))


@claim(
    "Squeeze-and-excitation is almost free.",
    why="Its two small convolutions see one position only, so they cost next to no MACs; but they have weights, most "
    "of them in the last stage, where the channels are many.",
    matters="whoever has a budget of parameters or of download size",
)
def excitation_is_free() -> Iterator[ClaimCase]:
    """What is added, against the network without it."""
    for condition, count in (("MACs are", macs), ("parameters are", params)):
        ours, theirs = count("seresnet50"), count("resnet50")
        yield ClaimCase(f"{condition} counted", Under(Fraction(101, 100)), ours, theirs)


@claim(
    "Batch norm's parameters are negligible.",
    why="There are two for each channel, against a weight for each pair of channels in a convolution. A narrow network "
    "with many concatenated inputs, each normalised again, has relatively many.",
    matters="whoever compares figures that leave batch norm out, as some papers do",
)
def norms_are_negligible() -> Iterator[ClaimCase]:
    """The share of all batch norms, negligible meaning less than a hundredth."""
    for name in ("resnet50", "densenet121", "densenet_bc100_k12_cifar"):
        yield ClaimCase(f"the network is {name}", NEGLIGIBLE, params(name, only=norms, of="batch norms"), params(name))


@claim(
    "A DenseNet of L layers has L(L + 1)/2 direct connections.",
    why="Each dense layer reads its block's input and all dense layers before it, in the same block; nothing but the "
    "transition crosses from one block to the next.",
    matters="whoever reads the paper's L as the depth in the network's name",
)
def dense_connections() -> Iterator[ClaimCase]:
    """Connections counted in the Graph against the formula."""
    block = "features.denseblock3"
    ours, formula = connections("densenet121", block), half_square("densenet121", block)
    yield ClaimCase("L is the number of dense layers of one block", EQUAL, ours, formula)
    ours, formula = connections("densenet121"), half_square("densenet121")
    yield ClaimCase("L is the depth of the whole network", EQUAL, ours, formula)
