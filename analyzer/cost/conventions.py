"""What other tools report for the same network: their counting rules, as functions of an Analysis (batch 1)."""

from collections import Counter
from math import prod

from analyzer.cost.analysis import Analysis
from analyzer.ops import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, GlobalAvgPool2d, Linear


def torchvision_gflops(analysis: Analysis) -> float:
    """`_ops` of torchvision's weights: 10⁹ MACs, to three decimals."""
    return round(analysis.macs / 10**9, 3)


def torch_flops(analysis: Analysis) -> int:
    """torch.utils.flop_counter.FlopCounterMode: 2 · MACs."""
    return 2 * analysis.macs


def fvcore_flops(analysis: Analysis) -> Counter[str]:
    """Fvcore's flops by operator, in sum timm's `gmacs`: MACs, 2 a batch-normed element, 1 an element pooled to a fixed size."""
    counts: Counter[str] = Counter()
    for row in analysis.rows:
        match row.operation:
            case Conv2d():
                counts["conv"] += row.macs
            case Linear():
                counts["linear"] += row.macs
            case BatchNorm2d():
                counts["batch_norm"] += 2 * prod(row.output_shape)
            case GlobalAvgPool2d() | AdaptiveAvgPool2d():
                counts["adaptive_avg_pool2d"] += prod(row.input_shapes[0])
            case _:
                continue
    return counts


def fvcore_activations(analysis: Analysis) -> Counter[str]:
    """Fvcore's activations by operator, in sum timm's `macts`: output elements of convolutions and linear layers."""
    counts: Counter[str] = Counter()
    for row in analysis.rows:
        if isinstance(row.operation, Conv2d | Linear):
            counts["conv" if isinstance(row.operation, Conv2d) else "linear"] += row.activations
    return counts


def pycls_flops(analysis: Analysis) -> int:
    """Pycls' flops: MACs and the bias additions of linear layers."""
    return analysis.macs + sum(row.operation.out_features for row in analysis.rows if isinstance(row.operation, Linear))


def torchinfo_mult_adds(analysis: Analysis) -> int:
    """Torchinfo's mult-adds: MACs, every bias addition, and one per batch norm parameter."""
    biased = sum(
        row.activations for row in analysis.rows if isinstance(row.operation, Linear) or _has_bias(row.operation)
    )
    normed = sum(row.params for row in analysis.rows if isinstance(row.operation, BatchNorm2d))
    return analysis.macs + biased + normed


def _has_bias(operation: object) -> bool:
    return isinstance(operation, Conv2d) and operation.bias
