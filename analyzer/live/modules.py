"""The few torch modules that torch.nn lacks: merges, the zero-pad shortcut, and a Graph that runs."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from analyzer.graph import INPUT


class Add(nn.Module):
    """Sum from left to right; `in_place` writes it into the first input."""

    def __init__(self, in_place: bool = False) -> None:
        super().__init__()
        self.in_place = in_place

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Tensors of one shape to their sum."""
        total = first
        for index, other in enumerate(others):
            total = total.add_(other) if self.in_place or index else total + other
        return total


class Concat(nn.Module):
    """The inputs' channels, one input after the other."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """(N, Cᵢ, H, W) to (N, ΣCᵢ, H, W)."""
        return torch.cat(inputs, 1)


class Multiply(nn.Module):
    """The first input scaled by the second, channel by channel."""

    def forward(self, features: Tensor, gate: Tensor) -> Tensor:
        """(N, C, H, W) and (N, C, 1, 1) to (N, C, H, W)."""
        return features * gate


class ZeroPadShortcut(nn.Module):
    """Every `stride`-th position, with zeros after the channels (He et al. 2015, option A)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.added_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + added channels, ⌈H/stride⌉, ⌈W/stride⌉)."""
        kept = features[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, 0, self.added_channels))

    def extra_repr(self) -> str:
        """Channels added and stride."""
        return f"added_channels={self.added_channels}, stride={self.stride}"


class Step(NamedTuple):
    """One node of a running graph; `spent` names the values that nothing reads after it."""

    name: str
    inputs: tuple[str, ...]
    spent: tuple[str, ...]


class Subgraph(nn.Module):
    """A Graph as a module: each node a child under its own name, run in order; it prints as its kind."""

    def __init__(self, kind: str, steps: tuple[Step, ...]) -> None:
        super().__init__()
        self.kind = kind
        self.steps = steps

    def forward(self, features: Tensor) -> Tensor:
        """Run the nodes in order, dropping each value after its last use."""
        values = {INPUT: features}
        for name, inputs, spent in self.steps:
            values[name] = self._modules[name](*[values[source] for source in inputs])  # type: ignore[misc]
            for source in spent:
                del values[source]
        return values[name]

    def _get_name(self) -> str:
        return self.kind
