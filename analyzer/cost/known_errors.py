"""Figures that a source states wrongly of a network, or by a rule that nobody has told."""

from decimal import Decimal
from typing import NamedTuple

from analyzer.cost.printed import Printed


class KnownError(NamedTuple):
    """A figure that a source states wrongly of a network: what it says, and what is true."""

    variant: str
    kind: str
    published: str
    scale: int
    source: str
    note: str


KNOWN_ERRORS = (
    KnownError(
        "resnet1202_cifar",
        "params",
        "10.2",
        10**6,
        "Zagoruyko and Komodakis 2016, Table 5; Huang et al. 2017, Table 2",
        "10.2 M is ResNet-1001's figure, without batch norm (He et al. 2016, Table 4); ResNet-1202 has 19.4 M",
    ),
    KnownError(
        "seresnext50_32x4d", "macs", "4.3", 10**9, "Bag of Tricks 2019, Table 1", "above the exact MACs, reason unknown"
    ),
    *(
        KnownError(variant, "macs", figure, 10**9, "Hu et al. 2018, Table 2", "above the exact MACs, reason unknown")
        for variant, figure in (
            ("resnet101", "7.58"),
            ("resnet101_v1", "7.58"),
            ("seresnet152", "11.32"),
            ("seresnet152:stride_on=1x1", "11.32"),
            ("resnext50_32x4d", "4.24"),
            ("seresnext50_32x4d", "4.25"),
            ("resnext101_32x4d", "7.99"),
        )
    ),
)


def known_error(variant: str, number: Printed) -> KnownError | None:
    """The known error that a number is, for a variant in its canonical form."""
    for error in KNOWN_ERRORS:
        if error.variant == variant and error.kind in number.kinds:
            published = Decimal(error.published) * error.scale
            if any(number.digits * scale == published for scale in number.scales):
                return error
    return None
