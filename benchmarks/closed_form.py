"""ResNet-50's totals in pycls's style: functions that take a running total and return it with a layer added.

A peer written for this comparison after pycls's `complexity` functions (Radosavovic et al. 2020), which import torch:
one network's flops (multiply-accumulates, and the classifier's bias), parameters and activations; no table, no checks.
"""

from typing import NamedTuple


class Complexity(NamedTuple):
    """Side and channels of the map so far, and the totals so far."""

    side: int
    width: int
    flops: int = 0
    params: int = 0
    acts: int = 0


def conv(cx: Complexity, width: int, kernel: int, stride: int = 1) -> Complexity:
    """A convolution, padded to keep the map but for its stride."""
    side = (cx.side - 1) // stride + 1
    weights = kernel * kernel * cx.width * width
    outputs = side * side * width
    return Complexity(side, width, cx.flops + weights * side * side, cx.params + weights, cx.acts + outputs)


def norm(cx: Complexity) -> Complexity:
    """A batch norm."""
    return cx._replace(params=cx.params + 2 * cx.width)


def pool(cx: Complexity, stride: int) -> Complexity:
    """A max pool, whose outputs pycls counts as activations."""
    side = (cx.side - 1) // stride + 1
    return cx._replace(side=side, acts=cx.acts + side * side * cx.width)


def linear(cx: Complexity, width: int) -> Complexity:
    """The classifier, after the global pool."""
    weights = cx.width * width + width
    return Complexity(1, width, cx.flops + weights, cx.params + weights, cx.acts + width)


def bottleneck(cx: Complexity, width: int, stride: int) -> Complexity:
    """A block, with a projection where shapes change."""
    side, channels = cx.side, cx.width
    if stride > 1 or channels != 4 * width:
        cx = norm(conv(cx, 4 * width, 1, stride))._replace(side=side, width=channels)
    cx = norm(conv(cx, width, 1))
    cx = norm(conv(cx, width, 3, stride))
    return norm(conv(cx, 4 * width, 1))


def resnet50(side: int = 224) -> Complexity:
    """Totals of ResNet-50 for one square image."""
    cx = pool(norm(conv(Complexity(side, 3), 64, 7, 2)), 2)
    for stage, depth in enumerate((3, 4, 6, 3)):
        for block in range(depth):
            cx = bottleneck(cx, 64 * 2**stage, 2 if stage and not block else 1)
    return linear(cx, 1000)


if __name__ == "__main__":
    print(resnet50())
