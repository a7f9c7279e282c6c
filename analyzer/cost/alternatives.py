"""Networks that go by the same name elsewhere: other papers' and libraries' readings of it, one or two changes away."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

from analyzer.errors import InvalidInput
from analyzer.families.spec import Spec, rules

SIDES = (32, 64, 128, 160, 176, 192, 224, 240, 256, 288, 299, 320, 331, 352, 384, 416, 448, 480, 512)
"""Sides of input images that papers and model zoos use."""
CLASSES = (10, 100, 200, 1000)
"""CIFAR-10, CIFAR-100, CUB-200 or Tiny ImageNet, ImageNet."""


BACKBONE = "no classifier, as a backbone"


class Change(NamedTuple):
    """What is different elsewhere: the fields of the spec, the side of the input, and both in words."""

    fields: tuple[tuple[str, Any], ...]
    words: str
    side: int | None = None


class Alternative(NamedTuple):
    """The network as others have it, the side of its input where that is another one, and what is different."""

    spec: Spec
    side: int | None
    words: str


@lru_cache(maxsize=64)
def alternatives(spec: Spec, num_changes: int, own_side: int | None) -> tuple[Alternative, ...]:
    """Every network exactly so many known changes away; other inputs are a change alone, where it is square."""
    known = list(_changes(spec))
    if num_changes == 1 and own_side is not None:
        known += [change for change in _resized() if change.side != own_side]
    return tuple(made for chosen in combinations(known, num_changes) if (made := _changed(spec, chosen)))


def _changed(spec: Spec, chosen: tuple[Change, ...]) -> Alternative | None:
    given = [field for change in chosen for field in change.fields]
    if len(dict(given)) < len(given):
        return None
    try:
        changed = spec.changed(**dict(given))
    except InvalidInput:
        return None
    side = chosen[0].side
    if changed == spec and side is None:
        return None
    return Alternative(changed, side, "; ".join(change.words for change in chosen))


def _resized() -> list[Change]:
    return [Change((), f"{side}×{side} input", side) for side in SIDES]


def _changes(spec: Spec) -> Iterator[Change]:
    fields = spec.resolved()
    for name, value, words in OTHERS:
        if name in fields and fields[name] != value and _applies(spec, name):
            yield Change(((name, value),), words)
    if fields.get("block") == "bottleneck" and not fields["conv_bias"] and fields["stride_on"] == "3x3":
        yield Change(_KERAS, "stride on the 1×1 and biases in convolutions, as in Keras")
    if "growth_rate" in fields and fields["init_features"] != 2 * fields["growth_rate"]:
        yield Change((("init_features", 2 * fields["growth_rate"]),), "2k channels after the stem")
    if "num_classes" in rules(type(spec)) and fields["head"] == "classifier":
        yield Change((("head", "pool"),), BACKBONE)
        for count in CLASSES:
            if count != fields["num_classes"]:
                yield Change((("num_classes", count),), f"{count} classes")


_KERAS = (("stride_on", "1x1"), ("conv_bias", True))
OTHERS: tuple[tuple[str, Any, str], ...] = (
    ("stride_on", "1x1", "stride on the 1×1: v1, as in He et al. 2015, Hu et al. 2018, Keras, pytorchcv"),
    ("stride_on", "3x3", "stride on the 3×3: v1.5, as in torchvision, timm, pycls, Xie et al. 2017"),
    ("shortcut", "A", "option A: zero-padded shortcuts, as in He et al. 2015 for CIFAR and ResNet-18"),
    ("shortcut", "B", "option B: projections where shapes change, as in torchvision, pytorchcv, pycls"),
    ("shortcut", "C", "option C: projections everywhere, of He et al. 2015"),
    ("conv_bias", True, "biases in convolutions, as in Keras"),
    ("conv_bias", False, "no biases in convolutions"),
    ("batch_norm", True, "batch norm after each convolution"),
    ("batch_norm", False, "no batch norm"),
    ("compression", 1.0, "no compression in transitions, as in Huang et al. 2017 without -C"),
    ("compression", 0.5, "transitions that halve the channels, as pytorchcv has them in every DenseNet"),
    ("init_features", 16, "16 channels after the stem, as in Huang et al. 2017 without -B"),
)


def _applies(spec: Spec, name: str) -> bool:
    """Whether a change stays within the kind of network: a plain net gets no shortcuts, ImageNet's keep their stem."""
    fields = spec.resolved()
    if name == "shortcut":
        return bool(fields["shortcut"] != "none")
    if name in ("compression", "init_features"):
        return bool(fields["stem"] == "cifar")
    return True
