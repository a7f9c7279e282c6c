"""Claims about changing a network: its shortcuts, strides, width, depth, input, and how it is trained."""

from collections.abc import Iterator
from fractions import Fraction

from analyzer.literature.claims.claim import EQUAL, MORE, About, ClaimCase, Printed, claim
from analyzer.literature.claims.figures import (
    ClaimFigure,
    activations,
    explained_figure,
    macs,
    params,
    pixels,
    side,
    stored_bytes,
    training_macs,
    weight_bytes,
)

_TWICE = About(Fraction(2))


def _receptive_field(network: str) -> ClaimFigure:
    return explained_figure(network, "receptive field")


@claim(
    "Shortcuts add no parameters.",
    why="Identities and zero-padding have none. A projection, which every framework puts where shapes change, has a "
    "convolution and a batch norm.",
    matters="whoever compares a ResNet with the plain network of the same depth",
)
def shortcuts_are_free() -> Iterator[ClaimCase]:
    """He et al. 2015, section 3.3: options A, B and C, against no shortcuts."""
    plain = params("plain34")
    for option, description in (("A", "zero-padding"), ("B", "projections where shapes change"), ("C", "projections")):
        yield ClaimCase(
            f"shortcuts are option {option}, {description}", EQUAL, params(f"resnet34:shortcut={option}"), plain
        )


@claim(
    "It makes no difference whether the 1×1 or the 3×3 of a bottleneck strides.",
    why="No weight changes its shape, so the same checkpoint loads into both without a word; but with the stride on "
    "the 3×3 the first 1×1 works at the higher resolution, and every pixel is read.",
    matters="whoever loads weights trained in one layout into the other: outputs differ and nothing complains",
)
def stride_place_is_free() -> Iterator[ClaimCase]:
    """v1.5 against v1."""
    ours, theirs = "resnet50", "resnet50_v1"
    yield ClaimCase("parameters are counted", EQUAL, params(ours), params(theirs))
    yield ClaimCase("MACs are counted", EQUAL, macs(ours), macs(theirs))
    yield ClaimCase("the receptive field is meant", EQUAL, _receptive_field(ours), _receptive_field(theirs))


@claim(
    "ResNet-50's receptive field is 483 pixels.",
    why="That is the original's. Striding later keeps neighbouring positions closer together in the image.",
    matters="whoever sizes tiles or objects by the receptive field",
)
def receptive_field_483() -> Iterator[ClaimCase]:
    """Araujo et al. 2019 list the original."""
    yield ClaimCase("the stride is on the 1×1 (v1)", Printed("483"), _receptive_field("resnet50_v1"))
    yield ClaimCase("the stride is on the 3×3 (v1.5)", Printed("483"), _receptive_field("resnet50"))


@claim(
    "The receptive field is larger than the image.",
    why="It grows with every 3×3, by the more the more strides came before it. VGG-16, neither deep nor strided in the "
    "stem, stays just below.",
    matters="whoever wonders what the last map can know of the whole image",
)
def field_covers_image() -> Iterator[ClaimCase]:
    """The receptive field against the side of the default input."""
    for name in ("resnet18", "resnet50", "densenet121", "resnet20_cifar", "vgg16"):
        yield ClaimCase(f"the network is {name}", MORE, _receptive_field(name), pixels(name))


@claim(
    "Pre-activation changes nothing in the counts.",
    why="The convolutions stay; the batch norms move to their inputs, which have other channels, and one comes before "
    "the pool.",
    matters="whoever checks an implementation of v2 by its number of parameters",
)
def preactivation_keeps_counts() -> Iterator[ClaimCase]:
    """He et al. 2016 against He et al. 2015."""
    ours, theirs = "resnetv2_50", "resnet50"
    yield ClaimCase("MACs are counted", EQUAL, macs(ours), macs(theirs))
    yield ClaimCase("parameters are counted", EQUAL, params(ours), params(theirs))


@claim(
    "Dilation in the place of stride costs nothing: it adds no parameters.",
    why="The weights are the same, but the maps of the last stages are no longer halved.",
    matters="whoever makes a classification backbone into one for segmentation",
)
def dilation_is_free() -> Iterator[ClaimCase]:
    """Output stride 8 against 32."""
    dilated = "resnet50:output_stride=8"
    yield ClaimCase("parameters are counted", EQUAL, params(dilated), params("resnet50"))
    yield ClaimCase("MACs are counted", EQUAL, macs(dilated), macs("resnet50"))
    yield ClaimCase("activations are counted", EQUAL, activations(dilated), activations("resnet50"))


@claim(
    "Global average pooling saves most of the classifier's parameters.",
    why="Without it, the classifier needs a weight for every position of the last map.",
    matters="whoever adapts a network to another input size: after a global pool the classifier does not change",
)
def pooling_saves_classifier() -> Iterator[ClaimCase]:
    """The classifier after the global pool against one that reads the whole last map."""
    flattened = "resnet50:head_pool=1"
    yield ClaimCase("the map is 7×7", About(Fraction(1, 49)), params("resnet50", "fc"), params(flattened, "fc"))


@claim(
    "A network's number of parameters depends on the input size.",
    why="A convolution's weights do not know how often they are applied, and the pool before the classifier leaves a "
    "fixed number of positions.",
    matters="whoever reads a parameter count in a summary that was made at another resolution",
)
def params_follow_input() -> Iterator[ClaimCase]:
    """At twice the side against the usual one."""
    for name in ("resnet50", "densenet121", "vgg16"):
        yield ClaimCase(f"the network is {name}", MORE, params(name, size=448), params(name))


@claim(
    "FLOPs grow linearly with the side of the input.",
    why="They grow with its area: twice the side is four times the positions of every convolution.",
    matters="whoever raises the resolution with a budget of computation",
)
def macs_follow_side() -> Iterator[ClaimCase]:
    """At twice the side."""
    for name in ("resnet50", "densenet121", "vgg16"):
        yield ClaimCase(f"the network is {name}", _TWICE, macs(name, size=448), macs(name))


@claim(
    "An image of 32×32 has a 49th of the pixels, so a network costs a 49th.",
    why="Only where the stem still divides the side by four. The CIFAR stem, which such images need to leave anything "
    "for the last stage, does not.",
    matters="whoever takes ResNet-18 to CIFAR and wonders about the training time",
)
def small_images_are_cheap() -> Iterator[ClaimCase]:
    """ResNet-18 at 32 against 224."""
    share = About(Fraction(1, 49))
    yield ClaimCase("the stem is ImageNet's", share, macs("resnet18", size=32), macs("resnet18"))
    yield ClaimCase("the stem is CIFAR's", share, macs("resnet18:stem=cifar"), macs("resnet18"))


@claim(
    "Doubling the width doubles the parameters.",
    why="A convolution has a weight for each pair of an input and an output channel, so doubling both makes it four "
    "times as many.",
    matters="whoever scales a network to a budget: for twice the parameters, widen by the square root of two",
)
def width_doubles_params() -> Iterator[ClaimCase]:
    """Every width, and the inner ones alone."""
    wide = "resnet50:widths=128-256-512-1024,stem_width=128"
    yield ClaimCase("every width is doubled", _TWICE, params(wide), params("resnet50"))
    yield ClaimCase(
        "inner widths are doubled (Wide ResNet-50-2)", _TWICE, params("wide_resnet50_2"), params("resnet50")
    )
    yield ClaimCase(
        "the first convolution alone is looked at", _TWICE, params(wide, "conv1"), params("resnet50", "conv1")
    )


@claim(
    "Twice the blocks, twice the parameters.",
    why="A residual block's size does not depend on how many came before it. A dense layer reads all of them, so "
    "DenseNet grows faster than in proportion.",
    matters="whoever deepens a DenseNet as one deepens a ResNet",
)
def depth_doubles_params() -> Iterator[ClaimCase]:
    """Every stage twice as deep."""
    for base, depths in (("resnet50", "6-8-12-6"), ("densenet121", "12-24-48-32")):
        yield ClaimCase(f"the network is {base}", _TWICE, params(f"{base}:depths={depths}"), params(base))


@claim(
    "VGG-16's second side output for a 352×352 image is 160×160.",
    why="The side halves at each pool and nowhere else.",
    matters="whoever wires side outputs of salient-object or edge detectors, where one wrong size breaks the sum",
)
def second_side_output() -> Iterator[ClaimCase]:
    """The last convolution of stage 2."""
    yield ClaimCase("it is taken before the second pool", Printed("160"), side("vgg16", "features.7", 352))
    yield ClaimCase("it is taken after the second pool", Printed("160"), side("vgg16", "features.9", 352))


@claim(
    "Training costs three times the forward pass.",
    why="Each convolution runs once forward, once for the gradient of its input and once for that of its weights; only "
    "the first needs no gradient of its input.",
    matters="whoever turns inference FLOPs into the price of a training run",
)
def training_is_threefold() -> Iterator[ClaimCase]:
    """MACs of both passes over those of the forward pass."""
    threefold = About(Fraction(3))
    yield ClaimCase("everything learns", threefold, training_macs("resnet50"), macs("resnet50"))
    yield ClaimCase(
        "the last stage and the head learn", threefold, training_macs("resnet50", "stage4,head"), macs("resnet50")
    )
    yield ClaimCase("the head alone learns", threefold, training_macs("resnet50", "head"), macs("resnet50"))


@claim(
    "Half precision halves the memory.",
    why="Only batch norm's statistics and counters and the max pool's indices keep their size.",
    matters="whoever plans for twice the batch after switching to half precision",
)
def half_precision_halves() -> Iterator[ClaimCase]:
    """float16 against float32."""
    half = About(Fraction(1, 2))
    name = "resnet50"
    yield ClaimCase("weights are meant", half, weight_bytes(name, "float16"), weight_bytes(name))
    yield ClaimCase("what training stores is meant", half, stored_bytes(name, 32, "float16"), stored_bytes(name, 32))
