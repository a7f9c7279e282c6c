"""What a live network itself allocates: peak of activation bytes, what autograd keeps, and the backward pass's FLOPs.

Measured on the storages that torch's dispatcher hands out: each is counted from the op that returns it until it is
freed. That is what torch's allocator is asked for on any device (also on `meta`, where nothing is computed), without
its rounding and without the scratch space that a kernel takes and gives back within one op.
"""

import os
import weakref
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

from analyzer.live.meta_norm import NormByShapes


class AllocationMeter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class is untyped
    """Bytes of the storages made while it is entered: `alive` now, and their `peak` so far."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = 0
        self.peak = 0
        self._known: dict[int, Any] = {}

    def hold(self, tensor: Tensor) -> None:
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
                self.hold(value)
        return returned


def peak_activation_bytes(net: nn.Module, input_shape: tuple[int, ...], batch_size: int = 1) -> int:
    """Peak bytes of activations in one evaluation without gradients, the image included."""
    with _mode(net, training=False) as image, torch.no_grad(), AllocationMeter() as meter:
        meter.ignore(_held(net))
        features = image(batch_size, input_shape)
        meter.hold(features)
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
        meter.ignore(_held(net))
        features = image(batch_size, input_shape)
        meter.hold(features)
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
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with _mode(net, training=True) as image, torch.autograd.graph.saved_tensors_hooks(keep, _same):
        for module in net.modules():
            module.training = not (frozen_norm and isinstance(module, nn.BatchNorm2d))
        output = net(image(batch_size, input_shape))
    held = {tensor.untyped_storage()._cdata for tensor in _held(net)}
    del output
    return sum(tensor.untyped_storage().nbytes() for key, tensor in kept.items() if key not in held)


def training_flops(net: nn.Module, input_shape: tuple[int, ...], *, grouped: bool = False) -> int:
    """FLOPs of one image's forward and backward pass by torch's FlopCounterMode, which counts 2 a MAC.

    torch multiplies the weight gradient of a grouped convolution by its groups; with `grouped` it is counted right.
    """
    learned = [weight for weight in net.parameters() if weight.requires_grad]
    counting = {torch.ops.aten.convolution_backward: _convolution_backward_flops} if grouped else {}
    counter = FlopCounterMode(display=False, custom_mapping=counting)
    with (
        _mode(net, training=True, norm=False) as image,
        torch.enable_grad(),
        torch.random.fork_rng(devices=[]),
        counter,
        NormByShapes(),
    ):
        torch.autograd.grad(net(image(1, input_shape)).sum(), learned)
    return int(counter.get_total_flops())


def _convolution_backward_flops(
    gradient: tuple[int, ...], image: tuple[int, ...], weight: tuple[int, ...], *settings: Any, **_: Any
) -> int:
    """Each gradient that is asked for takes as many MACs as the forward pass: an output element, C_in/groups·k·k."""
    asked_for = settings[-1]
    return 2 * prod(gradient) * prod(weight[1:]) * (bool(asked_for[0]) + bool(asked_for[1]))


def train_only(net: nn.Module, learns: Callable[[str], bool]) -> None:
    """Let the parameters of those paths alone have gradients."""
    for path, weight in net.named_parameters():
        weight.requires_grad_(learns(path.rpartition(".")[0]))


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _held(net: nn.Module) -> Iterator[Tensor]:
    yield from net.parameters()
    yield from net.buffers()


@contextmanager
def _mode(net: nn.Module, *, training: bool, norm: bool = True) -> Iterator[Any]:
    """Training or evaluation mode; modes and buffers are put back afterwards; gives the image's maker.

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
        for module, was in modes.items():
            module.training = was
        for name, buffer in net.named_buffers():
            buffer.copy_(buffers[name])
