"""Measurements on a live network: shapes by forward hooks, its weights, other tools' counts, and bytes of memory.

Every function but `train_only` leaves the network as it was: training modes, hooks, weights, buffers, random state.
Only shapes matter, so a network on `meta` will do, but for fvcore, whose tracer cannot follow one.
"""

import os
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from analyzer.graph.ops import Shape

_ATEN = torch.ops.aten


class NormByShapes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class is untyped
    """While entered, batch norm on `meta` checks its channels and hands out tensors of the right shapes.

    Enter it after a FlopCounterMode, which would otherwise ask for the decomposition first; batch norm counts 0 there.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an op; batch norm's two by their shapes."""
        if func is _ATEN.native_batch_norm.default and args[0].is_meta:
            return _batch_norm_outputs(*args[:6])
        if func is _ATEN.native_batch_norm_backward.default and args[1].is_meta:
            image, channels = args[1], args[1].shape[1]
            return torch.empty_like(image), image.new_empty(channels), image.new_empty(channels)
        return func(*args, **(kwargs or {}))


def _batch_norm_outputs(image: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    *channel_tensors, training = rest
    channels = image.shape[1]
    for tensor in channel_tensors:
        if tensor is not None and tensor.shape != (channels,):
            raise RuntimeError(f"batch norm of {tensor.numel()} channels was given {channels}")
    num_saved = channels if training else 0
    return torch.empty_like(image), image.new_empty(num_saved), image.new_empty(num_saved)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # fvcore scripts a loss when imported, which new torch calls deprecated
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis


def output_shapes(net: nn.Module, input_shape: Shape) -> dict[str, Shape]:
    """Path to output shape, without the batch, of every module that ran; "" is the network itself."""
    shapes: dict[str, Shape] = {}

    def record(path: str, output: Tensor) -> None:
        shapes[path] = tuple(output.shape[1:])

    with _evaluation_mode(net) as image, _output_hooks(net, record), NormByShapes():
        net(image(input_shape))
    return shapes


def num_params(net: nn.Module) -> dict[str, int]:
    """Path to learned numbers of every module and the modules in it; "" is the network itself."""
    return {path: sum(weight.numel() for weight in module.parameters()) for path, module in net.named_modules()}


def num_buffers(net: nn.Module) -> dict[str, int]:
    """Path to numbers in the buffers of every module and the modules in it; "" is the network itself."""
    return {path: sum(buffer.numel() for buffer in module.buffers()) for path, module in net.named_modules()}


def torch_flops(net: nn.Module, input_shape: Shape) -> int:
    """FLOPs of one input by torch's FlopCounterMode."""
    with _evaluation_mode(net) as image, FlopCounterMode(display=False) as counter, NormByShapes():
        net(image(input_shape))
    return int(counter.get_total_flops())


def fvcore_flops(net: nn.Module, input_shape: Shape) -> Counter[str]:
    """Operator to what fvcore calls flops, of one input; runs the network for real."""
    return _by_operator(FlopCountAnalysis, net, input_shape)


def fvcore_activations(net: nn.Module, input_shape: Shape) -> Counter[str]:
    """Operator to what fvcore calls activations, of one input; runs the network for real."""
    return _by_operator(ActivationCountAnalysis, net, input_shape)


def _by_operator(tool: Any, net: nn.Module, input_shape: Shape) -> Counter[str]:
    with _evaluation_mode(net) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of the tracer that fvcore uses
        counting = tool(net, image(input_shape)).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return Counter(counting.by_operator())


@contextmanager
def _evaluation_mode(net: nn.Module) -> Iterator[Any]:
    """Evaluation mode without gradients; yields the function that makes an input of zeros of a shape, batch 1."""
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
def _output_hooks(net: nn.Module, record: Any) -> Iterator[None]:
    handles = []
    for path, module in net.named_modules():
        handles.append(module.register_forward_hook(lambda _, __, output, path=path: record(path, output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class AllocationMeter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class is untyped
    """Bytes of the storages allocated while it is entered: `alive` now, and their `peak` so far."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = 0
        self.peak = 0
        self._known: dict[int, Any] = {}

    def count_storage(self, tensor: Tensor) -> None:
        """Count a tensor's storage, until it is freed; once, however many tensors share it."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known[key] = weakref.finalize(storage, self._freed, key, size)
        self.alive += size
        self.peak = max(self.peak, self.alive)

    def ignore(self, tensors: Iterator[Tensor]) -> None:
        """Leave these tensors' storages out: weights and buffers."""
        self._known.update((tensor.untyped_storage()._cdata, None) for tensor in tensors)

    def _freed(self, key: int, size: int) -> None:
        del self._known[key]
        self.alive -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an op and count what it returns."""
        returned = func(*args, **(kwargs or {}))
        for value in tree_leaves(returned):
            if isinstance(value, Tensor):
                self.count_storage(value)
        return returned


def peak_activation_bytes(net: nn.Module, input_shape: tuple[int, ...], batch_size: int = 1) -> int:
    """Peak bytes of activations in one evaluation without gradients, the image included."""
    with _mode(net, training=False) as image, torch.no_grad(), AllocationMeter() as meter:
        meter.ignore(_parameters_and_buffers(net))
        features = image(batch_size, input_shape)
        meter.count_storage(features)
        net(features)
        peak: int = meter.peak
    return peak


def allocator_peak_bytes(net: nn.Module, input_shape: tuple[int, ...], batch_size: int = 1) -> int:
    """Peak bytes that torch's CPU allocator hands out in one such evaluation, kernels' scratch space included."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler would tell standard error that there is no GPU
    with _mode(net, training=False) as image, torch.no_grad():
        features = image(batch_size, input_shape)
        # of one cycle all events are kept anyhow; torch 2.11 warns of their loss without `acc_events`
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
            net(features)
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes = (event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))
    return int(features.untyped_storage().nbytes() + max(accumulate(changes)))


def training_peak_bytes(net: nn.Module, input_shape: tuple[int, ...], batch_size: int = 1) -> tuple[int, int]:
    """(forward pass, forward and backward pass): peak bytes of activations and gradients; the latter with weights'."""
    with _mode(net, training=True) as image, AllocationMeter() as meter:
        meter.ignore(_parameters_and_buffers(net))
        features = image(batch_size, input_shape)
        meter.count_storage(features)
        output = net(features)
        forward = meter.peak
        output.sum().backward()
        net.zero_grad()
        return forward, meter.peak


def cuda_peak_bytes(net: nn.Module, input_shape: tuple[int, ...], batch_size: int = 1) -> int:
    """Peak bytes of activations that CUDA's caching allocator hands out in one such evaluation: max_memory_allocated.

    Each storage is rounded up to 512 bytes there, and cuDNN's work space comes from the same allocator.
    """
    weight = next(net.parameters())
    with _mode(net, training=False) as image, torch.no_grad():
        net(image(batch_size, input_shape))  # libraries take their own memory in the first run
        before = torch.cuda.memory_allocated(weight.device)
        torch.cuda.reset_peak_memory_stats(weight.device)
        net(image(batch_size, input_shape))
        peak: int = torch.cuda.max_memory_allocated(weight.device)
        return peak - before


def stored_bytes(
    net: nn.Module,
    input_shape: tuple[int, ...],
    batch_size: int = 1,
    *,
    frozen_norm: bool = False,
) -> int:
    """Bytes of the storages that autograd keeps for the backward pass, each once; weights and buffers left out."""
    saved: dict[int, Tensor] = {}

    def record(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with _mode(net, training=True) as image, torch.autograd.graph.saved_tensors_hooks(record, _same):
        for module in net.modules():
            module.training = not (frozen_norm and isinstance(module, nn.BatchNorm2d))
        output = net(image(batch_size, input_shape))
    excluded = {tensor.untyped_storage()._cdata for tensor in _parameters_and_buffers(net)}
    del output
    return sum(tensor.untyped_storage().nbytes() for key, tensor in saved.items() if key not in excluded)


def training_flops(net: nn.Module, input_shape: tuple[int, ...], *, grouped: bool = False) -> int:
    """FLOPs of one image's forward and backward pass by torch's FlopCounterMode, which counts 2 a MAC.

    torch multiplies the weight gradient of a grouped convolution by its groups; with `grouped` it is counted right.
    """
    parameters = [weight for weight in net.parameters() if weight.requires_grad]
    custom_mapping = {torch.ops.aten.convolution_backward: _convolution_backward_flops} if grouped else {}
    counter = FlopCounterMode(display=False, custom_mapping=custom_mapping)
    with (
        _mode(net, training=True, norm=False) as image,
        torch.enable_grad(),
        torch.random.fork_rng(devices=[]),
        counter,
        NormByShapes(),
    ):
        torch.autograd.grad(net(image(1, input_shape)).sum(), parameters)
    return int(counter.get_total_flops())


def _convolution_backward_flops(
    gradient: tuple[int, ...], image: tuple[int, ...], weight: tuple[int, ...], *settings: Any, **_: Any
) -> int:
    """Each gradient that is asked for takes as many MACs as the forward pass: an output element, C_in/groups·k·k."""
    output_mask = settings[-1]
    return 2 * prod(gradient) * prod(weight[1:]) * (bool(output_mask[0]) + bool(output_mask[1]))


def train_only(net: nn.Module, learns: Callable[[str], bool]) -> None:
    """Let the parameters of those paths alone have gradients."""
    for path, weight in net.named_parameters():
        weight.requires_grad_(learns(path.rpartition(".")[0]))


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _parameters_and_buffers(net: nn.Module) -> Iterator[Tensor]:
    yield from net.parameters()
    yield from net.buffers()


@contextmanager
def _mode(net: nn.Module, *, training: bool, norm: bool = True) -> Iterator[Any]:
    """Training or evaluation mode; modes and buffers are restored; yields the function that makes an input.

    Without `norm` batch norm stays in evaluation mode, so that one image suffices.
    """
    modes = {module: module.training for module in net.modules()}
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    weight = next(net.parameters())
    try:
        for module in net.modules():
            module.training = training and (norm or not isinstance(module, nn.BatchNorm2d))
        yield lambda batch, shape: torch.zeros((batch, *shape), device=weight.device, dtype=weight.dtype)
    finally:
        for module, was_training in modes.items():
            module.training = was_training
        for name, buffer in net.named_buffers():
            buffer.copy_(buffers[name])
