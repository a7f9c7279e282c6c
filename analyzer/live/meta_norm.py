"""Batch norm on the meta device by its shapes alone, where only shapes and products are asked for.

PyTorch has no kernel for it there: it runs a decomposition in Python, which takes two thirds of a network's run.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

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
            return _normed(*args[:6])
        if func is _ATEN.native_batch_norm_backward.default and args[1].is_meta:
            image, channels = args[1], args[1].shape[1]
            return torch.empty_like(image), image.new_empty(channels), image.new_empty(channels)
        return func(*args, **(kwargs or {}))


def _normed(image: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    *of_channels, training = rest
    channels = image.shape[1]
    for held in of_channels:
        if held is not None and held.shape != (channels,):
            raise RuntimeError(f"batch norm of {held.numel()} channels was given {channels}")
    saved = channels if training else 0
    return torch.empty_like(image), image.new_empty(saved), image.new_empty(saved)
