"""What other tools' counting rules are made of: a network's elements summed by kind of op, at batch 1."""

from collections import Counter
from math import prod
from typing import NamedTuple, assert_never

from analyzer.cost.analysis import Analysis
from analyzer.cost.walk import Row
from analyzer.ops import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Multiply,
    Rearrangement,
    ReLU,
    Sigmoid,
)

_FVCORE = "fvcore_"


class Census(NamedTuple):
    """Sums over a network's ops; a gate is a squeeze-and-excitation.

    `window` of a pool is k² times its outputs; `functional` is what torchvision's network does by a function call
    that module hooks do not see; `pair_sums` is Σ C_in·C_out/g of convolutions without bias; `fvcore_…` are the flops
    of fvcore's operators, under its names for them.
    """

    norm_params: int = 0
    norm_statistics: int = 0
    norm_counters: int = 0
    conv_params: int = 0
    conv_biases: int = 0
    gate_biases: int = 0
    linear_params: int = 0
    linear_biases: int = 0
    conv_macs: int = 0
    linear_macs: int = 0
    conv_outputs: int = 0
    linear_outputs: int = 0
    conv_bias_additions: int = 0
    pair_sums: int = 0
    norm_elements: int = 0
    relu_elements: int = 0
    functional_relu_elements: int = 0
    sigmoid_elements: int = 0
    add_elements: int = 0
    max_pool_inputs: int = 0
    max_pool_outputs: int = 0
    max_pool_window: int = 0
    avg_pool_inputs: int = 0
    avg_pool_outputs: int = 0
    avg_pool_window: int = 0
    global_pool_inputs: int = 0
    global_pool_outputs: int = 0
    gate_pool_inputs: int = 0
    gate_pool_outputs: int = 0
    fixed_pool_inputs: int = 0
    fixed_pool_outputs: int = 0
    functional_pool_inputs: int = 0
    functional_pool_outputs: int = 0
    num_linears: int = 0
    fvcore_conv: int = 0
    fvcore_batch_norm: int = 0
    fvcore_adaptive_avg_pool2d: int = 0
    fvcore_linear: int = 0

    @property
    def fvcore(self) -> dict[str, int]:
        """The flops of each of fvcore's operators, under fvcore's names."""
        return {name.removeprefix(_FVCORE): count for name, count in self._asdict().items() if name.startswith(_FVCORE)}

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers."""
        return self.conv_macs + self.linear_macs

    @property
    def params(self) -> int:
        """Learned numbers."""
        return self.conv_params + self.linear_params + self.norm_params

    @property
    def buffers(self) -> int:
        """Batch norm's running statistics and counters."""
        return self.norm_statistics + self.norm_counters

    @property
    def adaptive_pool_inputs(self) -> int:
        """Elements that average pools of a given output size read: global pools, gates and VGG's."""
        return self.global_pool_inputs + self.gate_pool_inputs + self.fixed_pool_inputs

    @property
    def adaptive_pool_outputs(self) -> int:
        """Elements that average pools of a given output size write."""
        return self.global_pool_outputs + self.gate_pool_outputs + self.fixed_pool_outputs


def census(analysis: Analysis) -> Census:
    """The sums of an analysis."""
    gates = {
        index for span in analysis.spans if span.kind == "squeeze_excitation" for index in range(span.start, span.stop)
    }
    functional = {"relu", "avgpool"} if analysis.network.family == "densenet" else set()
    sums: Counter[str] = Counter()
    for index, row in enumerate(analysis.rows):
        sums.update(_share(row, index in gates, row.path in functional))
    return Census(**sums)


def _share(row: Row, gate: bool, functional: bool) -> dict[str, int]:
    """What one op adds to the sums."""
    outputs = prod(row.output_shape)
    match row.operation:
        case Conv2d():
            return _conv_share(row, row.operation, outputs, gate)
        case Linear():
            return {
                "linear_params": row.params,
                "linear_biases": outputs,
                "linear_macs": row.macs,
                "linear_outputs": outputs,
                "num_linears": 1,
                "fvcore_linear": row.macs,
            }
        case BatchNorm2d() as norm:
            statistics = 2 * norm.channels
            return {
                "norm_params": row.params,
                "norm_statistics": statistics,
                "norm_counters": row.buffers - statistics,
                "norm_elements": outputs,
                "fvcore_batch_norm": 2 * outputs,
            }
        case ReLU():
            return {"relu_elements": outputs, "functional_relu_elements": outputs * functional}
        case Sigmoid():
            return {"sigmoid_elements": outputs}
        case Add():
            return {"add_elements": outputs}
        case MaxPool2d() | AvgPool2d() | GlobalAvgPool2d() | AdaptiveAvgPool2d() as pool:
            return _pool_share(row, pool, outputs, gate, functional)
        case Rearrangement() | Dropout() | Concat() | Multiply():
            return {}
        case _:
            assert_never(row.operation)


def _conv_share(row: Row, conv: Conv2d, outputs: int, gate: bool) -> dict[str, int]:
    return {
        "conv_params": row.params,
        "conv_biases": conv.out_channels * conv.bias,
        "gate_biases": conv.out_channels * (conv.bias and gate),
        "conv_macs": row.macs,
        "conv_outputs": outputs,
        "conv_bias_additions": outputs * conv.bias,
        "fvcore_conv": row.macs,
        "pair_sums": 0 if conv.bias else conv.in_channels * conv.out_channels // conv.groups,
    }


def _pool_share(
    row: Row,
    pool: MaxPool2d | AvgPool2d | GlobalAvgPool2d | AdaptiveAvgPool2d,
    outputs: int,
    gate: bool,
    functional: bool,
) -> dict[str, int]:
    inputs = prod(row.input_shapes[0])
    match pool:
        case MaxPool2d():
            kind, window = "max_pool", {"max_pool_window": pool.kernel**2 * outputs}
        case AvgPool2d():
            kind, window = "avg_pool", {"avg_pool_window": pool.kernel**2 * outputs}
        case GlobalAvgPool2d():
            kind, window = "gate_pool" if gate else "global_pool", {}
        case AdaptiveAvgPool2d():
            kind, window = "fixed_pool", {}
        case _:
            assert_never(pool)
    unseen = {"functional_pool_inputs": inputs * functional, "functional_pool_outputs": outputs * functional}
    adaptive = {"fvcore_adaptive_avg_pool2d": inputs} if isinstance(pool, GlobalAvgPool2d | AdaptiveAvgPool2d) else {}
    return {f"{kind}_inputs": inputs, f"{kind}_outputs": outputs, **window, **unseen, **adaptive}
