"""The few torch modules that torch.nn lacks: merges, the zero-pad shortcut, and a Graph that runs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from analyzer.errors import InvalidInput, shortened
from analyzer.graph.graph import INPUT


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
        positions = features[:, :, :: self.stride, :: self.stride]
        return functional.pad(positions, (0, 0, 0, 0, 0, self.added_channels))

    def extra_repr(self) -> str:
        """Channels added and stride."""
        return f"added_channels={self.added_channels}, stride={self.stride}"


class GraphStep(NamedTuple):
    """One node of a running graph; `last_uses` names the values that nothing reads after it."""

    name: str
    inputs: tuple[str, ...]
    last_uses: tuple[str, ...]


class Subgraph(nn.Module):
    """A Graph as a module: each node a child under its own name, run in order; it prints as its kind."""

    def __init__(self, kind: str, steps: tuple[GraphStep, ...]) -> None:
        super().__init__()
        self.kind = kind
        self.steps = steps

    def forward(self, features: Tensor) -> Tensor:
        """Run the nodes in order, dropping each value after its last use."""
        return self.run(INPUT, features, self.steps)

    def run(self, name: str, value: Tensor, steps: tuple[GraphStep, ...]) -> Tensor:
        """Run a stretch of nodes that reads nothing from before it but the value of that name."""
        values = {name: value}
        for name, inputs, last_uses in steps:
            values[name] = self._modules[name](*[values[source] for source in inputs])  # type: ignore[misc]
            for source in last_uses:
                del values[source]
        return values[name]

    def _get_name(self) -> str:
        return self.kind


class Net(Subgraph):
    """A whole network: a running Graph that knows its stages, and where its features end and its head begins.

    `stage_ends` maps each stage's name to the path of the module whose output it is; the first `num_feature_steps`
    nodes make the features.
    """

    def __init__(
        self, kind: str, steps: tuple[GraphStep, ...], *, num_feature_steps: int, stage_ends: Mapping[str, str]
    ) -> None:
        super().__init__(kind, steps)
        self.num_feature_steps = num_feature_steps
        self.stage_ends = dict(stage_ends)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages' names in the tables' order: stem, stage1, …, head."""
        return tuple(self.stage_ends)

    def forward_features(self, image: Tensor) -> Tensor:
        """(N, C, H, W) to the last map before the head's pool, final norm and ReLU included."""
        return self.run(INPUT, image, self.steps[: self.num_feature_steps])

    def forward_head(self, features: Tensor) -> Tensor:
        """What `forward_features` gives to the network's output: pool and classifier."""
        last = self.steps[self.num_feature_steps - 1].name if self.num_feature_steps else INPUT
        return self.run(last, features, self.steps[self.num_feature_steps :])

    def stage_outputs(self, image: Tensor, stages: Sequence[str] | None = None) -> dict[str, Tensor]:
        """(N, C, H, W) to the output of each stage asked for, or of all, by name; what comes after them is not run.

        For dense prediction: `net.stage_outputs(image, ["stage2", "stage3", "stage4"])`. InvalidInput names a stage
        that is not there.
        """
        stage_of_path = {self._end(stage): stage for stage in (self.stage_ends if stages is None else stages)}
        outputs: dict[str, Tensor] = {}
        if stage_of_path:
            collect_outputs(self, image, stage_of_path, outputs, "")
        return {stage: outputs[stage] for stage in stage_of_path.values()}

    def _end(self, stage: str) -> str:
        if stage not in self.stage_ends:
            raise InvalidInput(f"stage {shortened(stage)!r}: must be one of {', '.join(self.stage_ends)}.")
        return self.stage_ends[stage]


def collect_outputs(
    part: Subgraph, features: Tensor, stage_of_path: Mapping[str, str], outputs: dict[str, Tensor], prefix: str
) -> Tensor:
    """Run a sub-graph until all paths of `stage_of_path` have run; put their outputs into `outputs` by stage."""
    values = {INPUT: features}
    output = features
    for name, inputs, last_uses in part.steps:
        module, path = part._modules[name], prefix + name
        inputs_read = [values[source] for source in inputs]
        if isinstance(module, Subgraph) and any(end.startswith(f"{path}.") for end in stage_of_path):
            output = collect_outputs(module, inputs_read[0], stage_of_path, outputs, f"{path}.")
        else:
            output = module(*inputs_read)  # type: ignore[misc]
        values[name] = output
        if path in stage_of_path:
            outputs[stage_of_path[path]] = output
        if len(outputs) == len(stage_of_path):
            break
        for source in last_uses:
            del values[source]
    return output
