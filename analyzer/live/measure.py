"""What a live network itself shows: shapes by forward hooks, its weights counted, and other tools' counts of its run.

Every function leaves the network as found: training modes, hooks, weights, buffers and the random state.
Only shapes matter, so a network on `meta` will do, but for fvcore, whose tracer cannot follow one.
"""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from analyzer.live.meta_norm import NormByShapes
from analyzer.ops import Shape

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # fvcore scripts a loss when imported, which new torch calls deprecated
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis


def output_shapes(net: nn.Module, input_shape: Shape) -> dict[str, Shape]:
    """Path to output shape, without the batch, of every module that ran; "" is the network itself."""
    shapes: dict[str, Shape] = {}

    def record(path: str, output: Tensor) -> None:
        shapes[path] = tuple(output.shape[1:])

    with _inspected(net) as image, _hooked(net, record), NormByShapes():
        net(image(input_shape))
    return shapes


def num_params(net: nn.Module) -> dict[str, int]:
    """Path to learned numbers of every module with what it holds; "" is the network itself."""
    return {path: sum(weight.numel() for weight in module.parameters()) for path, module in net.named_modules()}


def num_buffers(net: nn.Module) -> dict[str, int]:
    """Path to numbers kept but not learned of every module with what it holds; "" is the network itself."""
    return {path: sum(kept.numel() for kept in module.buffers()) for path, module in net.named_modules()}


def torch_flops(net: nn.Module, input_shape: Shape) -> int:
    """FLOPs of one input by torch's FlopCounterMode."""
    with _inspected(net) as image, FlopCounterMode(display=False) as counter, NormByShapes():
        net(image(input_shape))
    return int(counter.get_total_flops())


def fvcore_flops(net: nn.Module, input_shape: Shape) -> Counter[str]:
    """Operator to what fvcore calls flops, of one input; runs the network for real."""
    return _by_operator(FlopCountAnalysis, net, input_shape)


def fvcore_activations(net: nn.Module, input_shape: Shape) -> Counter[str]:
    """Operator to what fvcore calls activations, of one input; runs the network for real."""
    return _by_operator(ActivationCountAnalysis, net, input_shape)


def _by_operator(tool: Any, net: nn.Module, input_shape: Shape) -> Counter[str]:
    with _inspected(net) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of the tracer that fvcore uses
        counting = tool(net, image(input_shape)).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return Counter(counting.by_operator())


@contextmanager
def _inspected(net: nn.Module) -> Iterator[Any]:
    """Evaluation mode without gradients; gives the function that makes an input of a shape, of zeros, batch 1."""
    modes = {module: module.training for module in net.modules()}
    weight = next(net.parameters())
    try:
        net.eval()
        with torch.no_grad():
            yield lambda shape: torch.zeros((1, *shape), device=weight.device, dtype=weight.dtype)
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _hooked(net: nn.Module, record: Any) -> Iterator[None]:
    handles = []
    for path, module in net.named_modules():
        handles.append(module.register_forward_hook(lambda _, __, output, path=path: record(path, output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
