"""What other tools would count for a network: their rules, as sums over our rows."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.cost.census import Census, census
from analyzer.cost.network_costs import BYTES_PER_PARAM


class Convention(NamedTuple):
    """A counting rule: what it counts, how it is told beside a number, and the count of an analysis at batch 1.

    `kind` is "params", "macs" (FLOPs too), "activations" or "bytes"; `rule` the count from a network's sums;
    `tools` the tools and papers that count so, with the version that the rule was checked against.
    """

    words: str
    aside: str
    kind: str
    rule: Callable[[Census], int]
    tools: tuple[str, ...]

    def count(self, analysis: Analysis) -> int:
        """What the rule gives for a network."""
        return self.rule(census(analysis))


def _biases(sums: Census) -> int:
    """One addition for each bias at each position."""
    return sums.conv_bias_additions + sums.linear_outputs


def fvcore_by_operator(analysis: Analysis) -> dict[str, int]:
    """The flops of those of fvcore's operators that the network has, under fvcore's names."""
    return {operator: count for operator, count in census(analysis).fvcore.items() if count}


def _pool_inputs(sums: Census) -> int:
    return sums.max_pool_inputs + sums.avg_pool_inputs + sums.adaptive_pool_inputs


def _thop(sums: Census) -> int:
    pools = sums.avg_pool_outputs + sums.adaptive_pool_inputs + sums.adaptive_pool_outputs
    return sums.macs + 4 * sums.norm_elements + pools - sums.functional_pool_inputs - sums.functional_pool_outputs


def _ptflops_modules(sums: Census) -> int:
    """Modules of ReLU and pooling are counted twice: by a hook, and by the function that they call."""
    twice = 2 * (sums.relu_elements + _pool_inputs(sums)) - sums.functional_relu_elements - sums.functional_pool_inputs
    return sums.macs + _biases(sums) + 2 * sums.norm_elements + twice


def _calflops(sums: Census) -> int:
    return 2 * sums.macs + sums.conv_bias_additions + 2 * sums.norm_elements + sums.relu_elements + _pool_inputs(sums)


def _pytorchcv(sums: Census) -> int:
    """Its VGG and AlexNet have no pool of a fixed output size, which changes nothing at 224 pixels."""
    pools = sums.max_pool_window + sums.avg_pool_window + sums.global_pool_inputs + sums.gate_pool_inputs
    elements = 4 * sums.norm_elements + sums.relu_elements + 4 * sums.sigmoid_elements
    return 2 * sums.macs - sums.pair_sums + elements + pools


def _mmpretrain(sums: Census) -> int:
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
