"""What other tools would count for a network: their counting rules, as sums over its ops."""

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from typing import NamedTuple, assert_never

from analyzer.cost.analysis import Analysis
from analyzer.cost.network_costs import BYTES_PER_PARAM
from analyzer.cost.walk import OpCost
from analyzer.graph import ops

_FVCORE = "fvcore_"


class OpCounts(NamedTuple):
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


def op_counts(analysis: Analysis) -> OpCounts:
    """The sums of an analysis."""
    gates = {
        index for span in analysis.spans if span.kind == "squeeze_excitation" for index in range(span.start, span.stop)
    }
    functional = {"relu", "avgpool"} if analysis.network.family == "densenet" else set()
    sums: Counter[str] = Counter()
    for index, row in enumerate(analysis.rows):
        sums.update(_share(row, index in gates, row.path in functional))
    return OpCounts(**sums)


def _share(row: OpCost, gate: bool, functional: bool) -> dict[str, int]:
    """What one op adds to the sums."""
    outputs = prod(row.output_shape)
    match row.operation:
        case ops.Conv2d():
            return _conv_share(row, row.operation, outputs, gate)
        case ops.Linear():
            return {
                "linear_params": row.params,
                "linear_biases": outputs,
                "linear_macs": row.macs,
                "linear_outputs": outputs,
                "num_linears": 1,
                "fvcore_linear": row.macs,
            }
        case ops.BatchNorm2d() as norm:
            statistics = 2 * norm.channels
            return {
                "norm_params": row.params,
                "norm_statistics": statistics,
                "norm_counters": row.buffers - statistics,
                "norm_elements": outputs,
                "fvcore_batch_norm": 2 * outputs,
            }
        case ops.ReLU():
            return {"relu_elements": outputs, "functional_relu_elements": outputs * functional}
        case ops.Sigmoid():
            return {"sigmoid_elements": outputs}
        case ops.Add():
            return {"add_elements": outputs}
        case ops.MaxPool2d() | ops.AvgPool2d() | ops.GlobalAvgPool2d() | ops.AdaptiveAvgPool2d() as pool:
            return _pool_share(row, pool, outputs, gate, functional)
        case ops.Rearrangement() | ops.Dropout() | ops.Concat() | ops.Multiply():
            return {}
        case _:
            assert_never(row.operation)


def _conv_share(row: OpCost, conv: ops.Conv2d, outputs: int, gate: bool) -> dict[str, int]:
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
    row: OpCost,
    pool: ops.MaxPool2d | ops.AvgPool2d | ops.GlobalAvgPool2d | ops.AdaptiveAvgPool2d,
    outputs: int,
    gate: bool,
    functional: bool,
) -> dict[str, int]:
    inputs = prod(row.input_shapes[0])
    match pool:
        case ops.MaxPool2d():
            kind, window = "max_pool", {"max_pool_window": pool.kernel**2 * outputs}
        case ops.AvgPool2d():
            kind, window = "avg_pool", {"avg_pool_window": pool.kernel**2 * outputs}
        case ops.GlobalAvgPool2d():
            kind, window = "gate_pool" if gate else "global_pool", {}
        case ops.AdaptiveAvgPool2d():
            kind, window = "fixed_pool", {}
        case _:
            assert_never(pool)
    unseen = {"functional_pool_inputs": inputs * functional, "functional_pool_outputs": outputs * functional}
    adaptive = (
        {"fvcore_adaptive_avg_pool2d": inputs} if isinstance(pool, ops.GlobalAvgPool2d | ops.AdaptiveAvgPool2d) else {}
    )
    return {f"{kind}_inputs": inputs, f"{kind}_outputs": outputs, **window, **unseen, **adaptive}


class Convention(NamedTuple):
    """A counting rule: what it counts, what is said of it beside a number, and the count of an analysis at batch 1.

    `kind` is "params", "macs" (FLOPs too), "activations" or "bytes"; `rule` the count from a network's sums;
    `tools` the tools and papers that count so, with the version that the rule was checked against.
    """

    description: str
    aside: str
    kind: str
    rule: Callable[[OpCounts], int]
    tools: tuple[str, ...]

    def count(self, analysis: Analysis) -> int:
        """What the rule gives for a network."""
        return self.rule(op_counts(analysis))


def _biases(sums: OpCounts) -> int:
    """One addition for each bias at each position."""
    return sums.conv_bias_additions + sums.linear_outputs


def fvcore_by_operator(analysis: Analysis) -> dict[str, int]:
    """The flops of those of fvcore's operators that the network has, under fvcore's names."""
    return {operator: count for operator, count in op_counts(analysis).fvcore.items() if count}


def _pool_inputs(sums: OpCounts) -> int:
    return sums.max_pool_inputs + sums.avg_pool_inputs + sums.adaptive_pool_inputs


def _thop(sums: OpCounts) -> int:
    pools = sums.avg_pool_outputs + sums.adaptive_pool_inputs + sums.adaptive_pool_outputs
    return sums.macs + 4 * sums.norm_elements + pools - sums.functional_pool_inputs - sums.functional_pool_outputs


def _ptflops_modules(sums: OpCounts) -> int:
    """Modules of ReLU and pooling are counted twice: by a hook, and by the function that they call."""
    twice = 2 * (sums.relu_elements + _pool_inputs(sums)) - sums.functional_relu_elements - sums.functional_pool_inputs
    return sums.macs + _biases(sums) + 2 * sums.norm_elements + twice


def _calflops(sums: OpCounts) -> int:
    return 2 * sums.macs + sums.conv_bias_additions + 2 * sums.norm_elements + sums.relu_elements + _pool_inputs(sums)


def _pytorchcv(sums: OpCounts) -> int:
    """Its VGG and AlexNet have no pool of a fixed output size, which changes nothing at 224 pixels."""
    pools = sums.max_pool_window + sums.avg_pool_window + sums.global_pool_inputs + sums.gate_pool_inputs
    elements = 4 * sums.norm_elements + sums.relu_elements + 4 * sums.sigmoid_elements
    return 2 * sums.macs - sums.pair_sums + elements + pools


def _mmpretrain(sums: OpCounts) -> int:
    """The backbone and its pool; VGG's and AlexNet's classifiers belong to their backbones, a lone one does not."""
    linear = sums.linear_macs if sums.num_linears > 1 else 0
    pools = sums.max_pool_inputs + sums.avg_pool_inputs + sums.global_pool_inputs + sums.gate_pool_inputs
    return sums.conv_macs + sums.conv_bias_additions + linear + 2 * sums.norm_elements + sums.relu_elements + pools


CONVENTIONS: Mapping[str, Convention] = {
    "params": Convention(
        "learned numbers",
        "",
        "params",
        lambda sums: sums.params,
        ("torchvision 0.29.1", "timm 1.0.31", "pycls", "pytorchcv", "mmpretrain", "torchinfo 1.8.0", "papers"),
    ),
    "params_and_statistics": Convention(
        "learned numbers and batch norm's running means and variances",
        "with batch norm's statistics",
        "params",
        lambda sums: sums.params + sums.norm_statistics,
        ("Keras 3.15.1", "Caffe models"),
    ),
    "params_and_buffers": Convention(
        "learned numbers, batch norm's statistics and its counters: all of a state_dict",
        "with buffers",
        "params",
        lambda sums: sums.params + sums.buffers,
        ("torch checkpoints",),
    ),
    "params_without_norm": Convention(
        "learned numbers of convolutions and linear layers",
        "without batch norm",
        "params",
        lambda sums: sums.params - sums.norm_params,
        ("He et al. 2016", "Xie et al. 2017"),
    ),
    "params_without_classifier": Convention(
        "learned numbers without the linear layers",
        "without the classifier",
        "params",
        lambda sums: sums.params - sums.linear_params,
        ("num_classes=0", "Keras include_top=False, trainable"),
    ),
    "params_and_statistics_without_classifier": Convention(
        "learned numbers without the linear layers, and batch norm's statistics",
        "without the classifier, with batch norm's statistics",
        "params",
        lambda sums: sums.params - sums.linear_params + sums.norm_statistics,
        ("Keras 3.15.1, include_top=False",),
    ),
    "params_and_statistics_without_se_bias": Convention(
        "learned numbers and batch norm's statistics, squeeze-and-excitation without biases",
        "with batch norm's statistics, without biases in squeeze-and-excitation",
        "params",
        lambda sums: sums.params - sums.gate_biases + sums.norm_statistics,
        ("Hu et al. 2018",),
    ),
    "weights": Convention(
        "weights of convolutions and linear layers, no biases, no batch norm",
        "weights only",
        "params",
        lambda sums: sums.params - sums.norm_params - sums.conv_biases - sums.linear_biases,
        ("hand counts",),
    ),
    "macs": Convention(
        "multiply-accumulates of convolutions and linear layers",
        "",
        "macs",
        lambda sums: sums.macs,
        ("torchvision 0.29.1 _ops", "papers' FLOPs", "calflops 0.3.2 MACs"),
    ),
    "flops": Convention("2 × MACs", "2 per MAC", "macs", lambda sums: 2 * sums.macs, ("torch 2.14.1 FlopCounterMode",)),
    "pycls": Convention(
        "MACs, and each bias once: the classifier's, those of squeeze-and-excitation",
        "with biases",
        "macs",
        lambda sums: sums.macs + sums.conv_biases + sums.linear_outputs,
        ("pycls",),
    ),
    "fvcore": Convention(
        "MACs, 2 per batch-norm element, and the global pool's inputs",
        "with batch norm and pooling",
        "macs",
        lambda sums: sum(sums.fvcore.values()),
        ("fvcore 0.1.5",),
    ),
    "timm": Convention(
        "MACs, 2 per batch-norm element, and the last pool's inputs",
        "with batch norm and pooling",
        "macs",
        lambda sums: sum(sums.fvcore.values()) - sums.gate_pool_inputs,
        ("timm 1.0.31 gmacs",),
    ),
    "torchinfo": Convention(
        "MACs, biases at each position, and one per batch-norm parameter",
        "with biases and batch-norm parameters",
        "macs",
        lambda sums: sums.macs + _biases(sums) + sums.norm_params,
        ("torchinfo 1.8.0",),
    ),
    "ptflops": Convention(
        "MACs and biases at each position",
        "with biases",
        "macs",
        lambda sums: sums.macs + _biases(sums),
        ("ptflops 0.7.5, aten backend",),
    ),
    "ptflops_modules": Convention(
        "MACs, biases, 2 per batch-norm element, 2 per ReLU element and pool input",
        "with biases, batch norm, and ReLU and pooling twice",
        "macs",
        _ptflops_modules,
        ("ptflops 0.7.5, pytorch backend",),
    ),
    "thop": Convention(
        "MACs, 4 per batch-norm element, average pools' outputs, global pools' inputs and outputs",
        "with batch norm and average pooling",
        "macs",
        _thop,
        ("thop 0.1.1",),
    ),
    "thop_flops": Convention(
        "2 × thop's MACs",
        "2 per MAC, with batch norm and average pooling",
        "macs",
        lambda sums: 2 * _thop(sums),
        ("Ultralytics GFLOPs",),
    ),
    "calflops": Convention(
        "2 × MACs, convolutions' biases, 2 per batch-norm element, ReLU elements and pool inputs",
        "2 per MAC, with batch norm, ReLU and pooling",
        "macs",
        _calflops,
        ("calflops 0.3.2 FLOPs",),
    ),
    "pytorchcv": Convention(
        "half of: 2 a MAC less one addition a bias-free sum, 4 a norm or sigmoid element, 1 a ReLU, k² a pool output",
        "with batch norm, ReLU and pooling",
        "macs",
        lambda sums: _pytorchcv(sums) // 2,
        ("pytorchcv FLOPs/2",),
    ),
    "pytorchcv_flops": Convention(
        "2 a MAC less one addition a bias-free sum, 4 a norm or sigmoid element, 1 a ReLU, k² a pool output",
        "2 per MAC, with batch norm, ReLU and pooling",
        "macs",
        _pytorchcv,
        ("pytorchcv FLOPs",),
    ),
    "mmpretrain": Convention(
        "MACs of the backbone, convolutions' biases, 2 per batch-norm element, ReLU elements and pool inputs",
        "without a lone classifier, with batch norm, ReLU and pooling",
        "macs",
        _mmpretrain,
        ("mmpretrain get_flops",),
    ),
    "tf_profiler": Convention(
        "2 × MACs, biases at each position, k² a max pool's output",
        "2 per MAC, with biases and max pooling",
        "macs",
        lambda sums: 2 * sums.macs + _biases(sums) + sums.max_pool_window,
        ("tf.profiler on VGG",),
    ),
    "conv_macs": Convention(
        "multiply-accumulates of convolutions",
        "without the classifier",
        "macs",
        lambda sums: sums.conv_macs,
        ("He et al. 2015 on VGG-16", "hand counts"),
    ),
    "activations": Convention(
        "output elements of convolutions and linear layers",
        "",
        "activations",
        lambda sums: sums.conv_outputs + sums.linear_outputs,
        ("fvcore 0.1.5", "timm 1.0.31 macts", "papers"),
    ),
    "pycls_activations": Convention(
        "output elements of convolutions, linear layers and max pools",
        "with max pools",
        "activations",
        lambda sums: sums.conv_outputs + sums.linear_outputs + sums.max_pool_outputs,
        ("pycls",),
    ),
    "params_bytes": Convention(
        "bytes of the learned numbers in float32",
        "float32",
        "bytes",
        lambda sums: BYTES_PER_PARAM * sums.params,
        ("torchinfo 1.8.0 params size",),
    ),
    "state_bytes": Convention(
        "bytes of the learned numbers and batch norm's statistics in float32",
        "float32, with batch norm's statistics",
        "bytes",
        lambda sums: BYTES_PER_PARAM * (sums.params + sums.norm_statistics),
        ("Keras 3.15.1 size", "checkpoint files"),
    ),
    "half_params_bytes": Convention(
        "bytes of the learned numbers in half precision",
        "float16",
        "bytes",
        lambda sums: BYTES_PER_PARAM // 2 * sums.params,
        ("half-precision checkpoints",),
    ),
}
