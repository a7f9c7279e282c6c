"""What other tools would count for a network: their rules, applied to our rows."""

from collections.abc import Callable, Mapping
from math import prod
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.ops import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, GlobalAvgPool2d, Linear


class Convention(NamedTuple):
    """A counting rule: what it counts, how it is told beside a number, and the count of an analysis at batch 1."""

    words: str
    aside: str
    count: Callable[[Analysis], int]


def _params(analysis: Analysis) -> int:
    return analysis.params


def _macs(analysis: Analysis) -> int:
    return analysis.macs


def _flops(analysis: Analysis) -> int:
    return analysis.flops


def _classifier_bias(analysis: Analysis) -> int:
    return sum(row.operation.out_features for row in analysis.rows if isinstance(row.operation, Linear))


def _conv_bias_additions(analysis: Analysis) -> int:
    rows = (row for row in analysis.rows if isinstance(row.operation, Conv2d) and row.operation.bias)
    return sum(prod(row.output_shape) for row in rows)


def _norm_elements(analysis: Analysis) -> int:
    return sum(prod(row.output_shape) for row in analysis.rows if isinstance(row.operation, BatchNorm2d))


def _pool_elements(analysis: Analysis) -> int:
    rows = (row for row in analysis.rows if isinstance(row.operation, GlobalAvgPool2d | AdaptiveAvgPool2d))
    return sum(prod(row.input_shapes[0]) for row in rows)


def _norm_params(analysis: Analysis) -> int:
    return sum(row.params for row in analysis.rows if isinstance(row.operation, BatchNorm2d))


def _pycls(analysis: Analysis) -> int:
    return analysis.macs + _classifier_bias(analysis)


def fvcore_by_operator(analysis: Analysis) -> dict[str, int]:
    """The flops of those of fvcore's operators that the network has, under fvcore's names."""
    linear = sum(row.macs for row in analysis.rows if isinstance(row.operation, Linear))
    counts = {
        "conv": analysis.macs - linear,
        "batch_norm": 2 * _norm_elements(analysis),
        "adaptive_avg_pool2d": _pool_elements(analysis),
        "linear": linear,
    }
    return {operator: count for operator, count in counts.items() if count}


def _fvcore(analysis: Analysis) -> int:
    return sum(fvcore_by_operator(analysis).values())


def _torchinfo(analysis: Analysis) -> int:
    biases = _conv_bias_additions(analysis) + _classifier_bias(analysis)
    return analysis.macs + biases + _norm_params(analysis)


CONVENTIONS: Mapping[str, Convention] = {
    "params": Convention("learned numbers", "", _params),
    "macs": Convention("multiply-accumulates of convolutions and linear layers", "", _macs),
    "flops": Convention("2 × MACs", "2 per MAC", _flops),
    "pycls": Convention("MACs and the classifier's bias", "with the classifier's bias", _pycls),
    "fvcore": Convention(
        "MACs, 2 per batch-norm element, and the global pool's inputs", "with batch norm and pooling", _fvcore
    ),
    "torchinfo": Convention(
        "MACs, biases at each position, and one per batch-norm parameter",
        "with biases and batch-norm parameters",
        _torchinfo,
    ),
}
