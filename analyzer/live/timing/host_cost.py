"""A host's time to launch one kernel, measured without a GPU: an eager forward pass on torch's meta device."""

from statistics import median
from time import process_time

import torch
from torch import Tensor, nn

from analyzer.cost.analysis import analyze
from analyzer.families.network import Network
from analyzer.graph.ops import Norm
from analyzer.latency.predict.kernels import eager_kernels
from analyzer.live.network.build import build

WARM = 3


def measure_host_cost(variant: str | Network = "resnet50", *, num_bench_iter: int = 20) -> float:
    """Microseconds of this machine's CPU a kernel: (CPU time of an eager forward pass on `meta`) / kernels.

    The median of `num_bench_iter` passes after 3 others. A norm runs as a ReLU: its form on `meta` is Python code of
    milliseconds that no device runs. Pass the result to `predict_latency` as `host_us`.
    """
    analysis = analyze(variant)
    net = build(analysis.network, device="meta").eval()
    for row in analysis.rows:
        if isinstance(row.operation, Norm):
            net.get_submodule(row.path).forward = _relu_in_place
    images = torch.empty(1, *analysis.input_shape, device="meta")
    seconds = [_pass_s(net, images) for _ in range(WARM + num_bench_iter)]
    return 1e6 * median(seconds[WARM:]) / len(eager_kernels(analysis))


def _relu_in_place(images: Tensor) -> Tensor:
    return images.relu_()


def _pass_s(net: nn.Module, images: Tensor) -> float:
    start = process_time()
    with torch.inference_mode():
        net(images)
    return process_time() - start
