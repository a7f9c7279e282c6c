"""The named residual networks: torchvision's, bag of tricks, pre-activation, SE, plain, CIFAR and a tutorial's."""

import re
from typing import Any

from analyzer.families.spec import Variant

_HE = "Deep Residual Learning for Image Recognition, He et al., 2015"
_HE_V2 = "Identity Mappings in Deep Residual Networks, He et al., 2016"
_XIE = "Aggregated Residual Transformations for Deep Neural Networks, Xie et al., 2017"
_ZAGORUYKO = "Wide Residual Networks, Zagoruyko and Komodakis, 2016"
_TRICKS = "Bag of Tricks for Image Classification with Convolutional Neural Networks, He T. et al., 2019"
_HU = "Squeeze-and-Excitation Networks, Hu et al., 2018"
_V1 = "v1: the stride sits on the first 1×1, as in the paper"
_V15 = "v1.5: the stride sits on the 3×3, as in PyTorch"
_V2 = "v2: batch norm and ReLU come before each convolution"
_WRN_DEPTH = "the paper's {} counts three projections, which depth here does not, and no classifier"
_MISTAKE = "the tutorial's widths 4-8-16-32 are a mistake for 64-128-256-512, kept as published"

_DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


def _net(title: str, paper: str, depth: int, note: str = "", **more: Any) -> Variant:
    block = "basic" if depth < 50 else "bottleneck"
    return Variant(title=title, paper=paper, note=note, fields={"block": block, "depths": _DEPTHS[depth], **more})


def _resnet(depth: int) -> Variant:
    return _net(f"ResNet-{depth}", _HE, depth, _V15 if depth >= 50 else "")


def _resnext(depth: int, cardinality: int, base_width: int, paper: str = _XIE, **more: Any) -> Variant:
    title = f"{'SE-' if more else ''}ResNeXt-{depth} ({cardinality}×{base_width}d)"
    return _net(title, paper, depth, _V15, cardinality=cardinality, base_width=base_width, **more)


def _wide(depth: int) -> Variant:
    return _net(f"Wide ResNet-{depth}-2", _ZAGORUYKO, depth, _V15, base_width=128)


def _tricks(letter: str, depth: int) -> Variant:
    note = "a deep stem of three 3×3" + ("; an average pool takes the projections' stride" if letter == "D" else "")
    return _net(f"ResNet-{depth}-{letter}", _TRICKS, depth, note, stem="deep", avg_down=letter == "D")


def _tutorial(depth: int, note: str = "", **more: Any) -> Variant:
    told = "a Keras tutorial's net for 64×64 images of 6 classes: biases, unpadded stem pool, 2×2 average pool, "
    told += "which has a window, so that receptive field and total stride count it"
    fields = {"stride_on": "1x1", "stem_pool": "valid", "conv_bias": True, "head_pool": 2, "num_classes": 6, **more}
    return _net(f"Tutorial ResNet-{depth}", _HE, depth, "; ".join(filter(None, (told, note))), **fields)


def _cifar(title: str, paper: str, depths: int, note: str = "", **fields: Any) -> Variant:
    given = {"block": "basic", "widths": (16, 32, 64), "stem_width": 16, "stem": "cifar", "num_classes": 10, **fields}
    return Variant(title=f"{title} (CIFAR)", paper=paper, fields={"depths": (depths,) * 3, **given}, note=note)


def _cifar_resnet(depth: int) -> Variant | None:
    if (depth - 2) % 6 or depth < 8:
        return None
    return _cifar(f"ResNet-{depth}", _HE, (depth - 2) // 6, shortcut="A")


def _cifar_plain(depth: int) -> Variant | None:
    if (depth - 2) % 6 or depth < 8:
        return None
    return _cifar(f"Plain-{depth}", _HE, (depth - 2) // 6, shortcut="none")


def _cifar_preact(depth: int) -> Variant | None:
    if (depth - 2) % 9 or depth < 11:
        return None
    return _cifar(f"Pre-activation ResNet-{depth}", _HE_V2, (depth - 2) // 9, block="bottleneck", preactivation=True)


def _cifar_wide(depth: int, factor: int) -> Variant | None:
    if (depth - 4) % 6 or depth < 10 or factor < 1:
        return None
    widths = (16 * factor, 32 * factor, 64 * factor)
    note = _WRN_DEPTH.format(depth)
    return _cifar(f"WRN-{depth}-{factor}", _ZAGORUYKO, (depth - 4) // 6, note, widths=widths, preactivation=True)


def _cifar_resnext(cardinality: int, base_width: int) -> Variant | None:
    if cardinality < 1 or base_width < 1:
        return None
    fields: dict[str, Any] = {"block": "bottleneck", "widths": (64, 128, 256), "stem_width": 64}
    title = f"ResNeXt-29 ({cardinality}×{base_width}d)"
    return _cifar(title, _XIE, 3, **fields, cardinality=cardinality, base_width=base_width)


_PATTERNS = (
    (r"resnet(\d+)", _cifar_resnet),
    (r"plain(\d+)", _cifar_plain),
    (r"preact_resnet(\d+)", _cifar_preact),
    (r"wrn(\d+)_(\d+)", _cifar_wide),
    (r"resnext29_(\d+)x(\d+)d", _cifar_resnext),
)


def pattern(name: str) -> Variant | None:
    """The CIFAR net of a name that carries its numbers, with or without `_cifar`: resnet20_cifar, wrn28_10."""
    for form, make in _PATTERNS:
        found = re.fullmatch(form, name.removesuffix("_cifar"), re.ASCII)
        if found and all(len(number) <= 5 for number in found.groups()):
            return make(*map(int, found.groups()))
    return None


def _patterned(*names: str) -> dict[str, Variant]:
    found = {name: pattern(name) for name in names}
    return {name: variant for name, variant in found.items() if variant is not None}


VARIANTS: dict[str, Variant] = {
    **{f"resnet{depth}": _resnet(depth) for depth in (18, 34, 50, 101, 152)},
    "resnext50_32x4d": _resnext(50, 32, 4),
    "resnext101_32x4d": _resnext(101, 32, 4),
    "resnext101_32x8d": _resnext(101, 32, 8),
    "resnext101_64x4d": _resnext(101, 64, 4),
    "wide_resnet50_2": _wide(50),
    "wide_resnet101_2": _wide(101),
    "resnet200": _resnet(200),
    **{f"resnet{depth}_v1": _net(f"ResNet-{depth} v1", _HE, depth, _V1, stride_on="1x1") for depth in (50, 101, 152)},
    "resnet50c": _tricks("C", 50),
    **{f"resnet{depth}d": _tricks("D", depth) for depth in (18, 34, 50, 101, 152, 200)},
    **{
        f"resnetv2_{depth}": _net(f"ResNetV2-{depth}", _HE_V2, depth, _V2, preactivation=True)
        for depth in (50, 101, 152, 200)
    },
    **{
        f"plain{depth}": _net(f"Plain-{depth}", _HE, depth, "a plain net: no shortcuts", shortcut="none")
        for depth in (18, 34)
    },
    **{f"seresnet{depth}": _net(f"SE-ResNet-{depth}", _HU, depth, _V15, se_reduction=16) for depth in (50, 101, 152)},
    **{f"seresnext{depth}_32x4d": _resnext(depth, 32, 4, _HU, se_reduction=16) for depth in (50, 101)},
    "tutorial_resnet50": _tutorial(50),
    "tutorial_resnet101": _tutorial(101, _MISTAKE, widths=(4, 8, 16, 32)),
    "tutorial_resnet152": _tutorial(152),
    **_patterned(*(f"resnet{depth}_cifar" for depth in (20, 32, 44, 56, 110, 1202))),
    **_patterned(*(f"plain{depth}_cifar" for depth in (20, 32, 44, 56, 110))),
    **_patterned("preact_resnet164_cifar", "preact_resnet1001_cifar"),
    **_patterned("wrn16_8_cifar", "wrn28_10_cifar", "wrn40_4_cifar"),
    **_patterned("resnext29_8x64d_cifar", "resnext29_16x64d_cifar"),
}

ALIASES = {"resnet50b": "resnet50"}
