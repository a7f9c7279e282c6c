"""Batch norm as an affine map that folds into a convolution: of a whole network, and of three parallel branches."""

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from analyzer.families.folding import foldable, folded
from analyzer.graph import INPUT, Graph, Node, sequence
from analyzer.live.forms import State, copied, run, whole
from analyzer.live.identities_ground import Found, Ground, network_tolerance
from analyzer.live.identities_sites import Site, convolutions
from analyzer.ops import Add, BatchNorm2d, Conv2d

EPSILON = 1e-5
"""What batch norm adds to a variance, torch's default and ours."""


def scale_and_shift(state: State, norm: str, *, mean: bool = True) -> tuple[Tensor, Tensor]:
    """(s, t) of a batch norm in evaluation mode, y = s·x + t; without `mean` the running mean is forgotten: a fault."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
    shift = state[f"{norm}.bias"]
    return scale, shift - state[f"{norm}.running_mean"] * scale if mean else shift


def folded_state(state: State, folds: dict[str, str], *, mean: bool = True) -> State:
    """Weights of the folded network: W′ = s·W and b′ = s·b + t."""
    kept = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in folds}
    for norm, conv in folds.items():
        scale, shift = scale_and_shift(state, norm, mean=mean)
        kept[f"{conv}.weight"] = state[f"{conv}.weight"] * scale[:, None, None, None]
        bias = state.get(f"{conv}.bias")
        kept[f"{conv}.bias"] = shift if bias is None else shift + bias * scale
    return kept


@torch.no_grad()
def fold(ground: Ground, _: Site) -> Iterator[Found]:
    """The whole network against itself with every batch norm folded that follows a convolution."""
    net, given = ground.images()
    folds = foldable(net.form.graph)
    state, images = copied(given.state, ground.type), given.images.to(ground.type)
    smaller = whole(folded(net.form.graph, folds))
    expected = run(net, state, images, training=False)
    bound = network_tolerance(ground, given, training=False)
    output = run(smaller, folded_state(state, folds), images, training=False)
    yield ground.row("", "output", {"output": (output, expected)}, bound)
    forgotten = run(smaller, folded_state(state, folds, mean=False), images, training=False)
    yield ground.control("", "running means forgotten", forgotten, expected, bound)


def fuse_sites(graph: Graph) -> list[Site]:
    """The distinct 3×3 convolutions, each with a 1×1 beside it, and the identity where shapes allow."""
    found = convolutions(graph, lambda conv: conv.kernel == 3 and conv.padding == conv.dilation)
    return [Site(site.path, _branched(cast(Conv2d, site.graph.nodes[0].op)), site.shape) for site in found]


def _branched(conv: Conv2d) -> Graph:
    """The three branches with their batch norms and their sum; two where stride or channels forbid the identity."""
    narrow = replace(conv, kernel=1, padding=0, dilation=1, bias=False)
    norm = BatchNorm2d(conv.out_channels)
    nodes = [
        *sequence(("conv3", replace(conv, bias=False)), ("norm3", norm)),
        *sequence(("conv1", narrow), ("norm1", norm)),
    ]
    names = ["norm3", "norm1"]
    if conv.stride == 1 and conv.in_channels == conv.out_channels:
        nodes.append(Node("norm0", norm, (INPUT,)))
        names.append("norm0")
    return Graph("branches", (*nodes, Node("add", Add(), tuple(names))))


@torch.no_grad()
def fuse(ground: Ground, site: Site) -> Iterator[Found]:
    """The branches of a 3×3 convolution with their batch norms against the one 3×3 that they fuse into."""
    generator = ground.generator(site.path)
    state, features = ground.state(site.graph, generator), ground.batch(site, generator)
    conv = cast(Conv2d, site.graph.nodes[0].op)
    expected = run(whole(site.graph), state, features, training=False)
    bound = ground.tolerance(site)
    output = _fused(conv, state, features, place=1)
    yield ground.row(site.path, "output", {"output": (output, expected)}, bound)
    yield ground.control(site.path, "1×1 put in the corner", _fused(conv, state, features, place=0), expected, bound)


def _fused(conv: Conv2d, state: State, features: Tensor, *, place: int) -> Tensor:
    """The fused convolution, the 1×1 and the identity at `place`, `place` of the 3×3, which should be the middle."""
    weight, bias = torch.zeros_like(state["conv3.weight"]), torch.zeros_like(state["norm3.bias"])
    for branch in ("3", "1", "0"):
        if f"norm{branch}.weight" not in state:
            continue
        scale, shift = scale_and_shift(state, f"norm{branch}")
        kernel = _identity(conv, weight) if branch == "0" else state[f"conv{branch}.weight"]
        if branch == "3":
            weight += scale[:, None, None, None] * kernel
        else:
            weight[:, :, place, place] += scale[:, None] * kernel[:, :, 0, 0]
        bias = bias + shift
    return functional.conv2d(features, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def _identity(conv: Conv2d, like: Tensor) -> Tensor:
    """Weights of the 1×1 convolution that changes nothing, in as many groups."""
    width = conv.in_channels // conv.groups
    return torch.eye(width, dtype=like.dtype).repeat(conv.groups, 1)[:, :, None, None]
