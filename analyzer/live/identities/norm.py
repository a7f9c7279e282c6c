"""Identities of batch norm: what it normalises, that it eats biases, and that it is affine when frozen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from analyzer.graph.batch_norm_folding import fold_batch_norms, foldable
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import Add, BatchNorm2d, Conv2d
from analyzer.live.equivalence.forms import (
    Runnable,
    StateDict,
    copy_state,
    evaluate,
    run,
    runnable_graph,
    set_relu_signs,
)
from analyzer.live.identities.context import Finding, ProofContext, Site, convolutions, network_tolerance, normed_convs

EPSILON = 1e-5
"""What batch norm adds to a variance, torch's default and ours."""


def scale_and_shift(state: StateDict, norm: str, *, mean: bool = True) -> tuple[Tensor, Tensor]:
    """(s, t) of a batch norm in evaluation mode, y = s·x + t; without `mean` the running mean is forgotten: a fault."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
    shift = state[f"{norm}.bias"]
    return scale, shift - state[f"{norm}.running_mean"] * scale if mean else shift


def folded_state(state: StateDict, folds: dict[str, str], *, mean: bool = True) -> StateDict:
    """Weights of the folded network: W′ = s·W and b′ = s·b + t."""
    kept = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in folds}
    for norm, conv in folds.items():
        scale, shift = scale_and_shift(state, norm, mean=mean)
        kept[f"{conv}.weight"] = state[f"{conv}.weight"] * scale[:, None, None, None]
        bias = state.get(f"{conv}.bias")
        kept[f"{conv}.bias"] = shift if bias is None else shift + bias * scale
    return kept


@torch.no_grad()
def fold(ground: ProofContext, _: Site) -> Iterator[Finding]:
    """The whole network against itself with every batch norm folded that follows a convolution."""
    net, given = ground.images()
    folds = foldable(net.form.graph)
    state, images = copy_state(given.state, ground.type), given.images.to(ground.type)
    smaller = runnable_graph(fold_batch_norms(net.form.graph, folds))
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
def fuse(ground: ProofContext, site: Site) -> Iterator[Finding]:
    """The branches of a 3×3 convolution with their batch norms against the one 3×3 that they fuse into."""
    generator = ground.generator(site.path)
    state, features = ground.state(site.graph, generator), ground.batch(site, generator)
    conv = cast(Conv2d, site.graph.nodes[0].op)
    expected = run(runnable_graph(site.graph), state, features, training=False)
    bound = ground.tolerance(site)
    output = _fused(conv, state, features, place=1)
    yield ground.row(site.path, "output", {"output": (output, expected)}, bound)
    yield ground.control(site.path, "1×1 put in the corner", _fused(conv, state, features, place=0), expected, bound)


def _fused(conv: Conv2d, state: StateDict, features: Tensor, *, place: int) -> Tensor:
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


@torch.no_grad()
def normalises(ground: ProofContext, _: Site) -> Iterator[Finding]:
    """Mean and variance of every batch norm's output in the running network, in training mode; layer norm beside it."""
    net, given = ground.images()
    images = given.images.to(ground.type)
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    handles = [
        child.register_forward_hook(_output_recorder(seen, path))
        for path, child in net.module.named_modules()
        if isinstance(child, nn.BatchNorm2d)
    ]
    state = copy_state(given.state, ground.type)
    set_relu_signs(net, None)
    run(net, state, images, training=True)
    for handle in handles:
        handle.remove()
    bound = network_tolerance(ground, given, training=True)
    yield from _moments(ground, state, seen, bound)


def _output_recorder(seen: dict[str, tuple[Tensor, Tensor]], path: str) -> Callable[[nn.Module, Any, Tensor], None]:
    return lambda _module, inputs, output: seen.update({path: (inputs[0].clone(), output.clone())})


def _moments(
    ground: ProofContext, state: StateDict, seen: dict[str, tuple[Tensor, Tensor]], bound: float
) -> Iterator[Finding]:
    means, variances, layers = {}, {}, {}
    for path, (before, after) in seen.items():
        scale, shift = state[f"{path}.weight"], state[f"{path}.bias"]
        spread = before.var((0, 2, 3), unbiased=False)
        means[path] = after.mean((0, 2, 3)), shift
        variances[path] = after.var((0, 2, 3), unbiased=False), scale**2 * spread / (spread + EPSILON)
        layered = functional.layer_norm(before, before.shape[1:], eps=EPSILON)
        own = before.var((1, 2, 3), unbiased=False)
        layers[path] = layered.var((1, 2, 3), unbiased=False), own / (own + EPSILON)
    yield ground.row("", "mean over N, H, W", means, bound, "train")
    yield ground.row("", "variance over N, H, W", variances, bound, "train")
    yield ground.row("", "layer norm's variance over C, H, W", layers, bound, "train")
    path, (before, _) = next(iter(seen.items()))
    layered = functional.layer_norm(before, before.shape[1:], eps=EPSILON)
    channels = layered.var((0, 2, 3), unbiased=False)
    yield ground.control(path, "layer norm taken for batch norm", channels, torch.ones_like(channels), bound)


def bias(ground: ProofContext, site: Site) -> Iterator[Finding]:
    """A block in training mode with and without biases on the convolutions that a batch norm follows."""
    generator = ground.generator(site.path)
    convs = {conv.name: norm.name for conv, norm in normed_convs(site.graph)}
    state, features = ground.state(site.graph, generator), ground.batch(site, generator)
    bare, biased = (
        runnable_graph(_with_biases(site.graph, convs, False)),
        runnable_graph(_with_biases(site.graph, convs, True)),
    )
    added = {f"{conv}.bias": ground.features(generator, state[f"{conv}.weight"].shape[0]) for conv in convs}
    without = {name: tensor for name, tensor in state.items() if name not in added}
    expected = run(bare, copy_state(without, ground.type), features, training=True)
    given = features, ground.features(generator, *expected.shape)
    reference = evaluate(bare, without, *given, training=True)
    found = evaluate(biased, without | added, *given, training=True, signs=reference.signs)
    bound, back = ground.tolerance(site, training=True), ground.tolerance(site, training=True, gradient=True)
    yield ground.row(site.path, "output", {"output": (found.output, reference.output)}, bound, "train")
    pairs = {name: (found.gradients[name], reference.gradients[name]) for name in reference.gradients}
    yield ground.row(site.path, "gradients of weights", pairs, back, "train")
    zeros = {
        f"{conv}.bias": _shifted_from_zero(found.gradients[f"{conv}.bias"], reference.gradients[f"{norm}.bias"])
        for conv, norm in convs.items()
    }
    yield ground.row(site.path, "gradients of the biases: 0", zeros, back, "train")
    moved = {
        norm: (
            found.statistics[f"{norm}.running_mean"] - 0.1 * added[f"{conv}.bias"],
            reference.statistics[f"{norm}.running_mean"],
        )
        for conv, norm in convs.items()
    }
    yield ground.row(site.path, "running means, less 0.1 of the biases", moved, bound, "train")
    yield _bias_control(ground, site, (bare, biased), (without, without | added), features)


def _shifted_from_zero(gradient: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """A gradient that should be zero, shifted onto one of like size, so that its error is relative to that."""
    return scale + gradient, scale


def _bias_control(
    ground: ProofContext,
    site: Site,
    nets: tuple[Runnable, Runnable],
    states: tuple[StateDict, StateDict],
    features: Tensor,
) -> Finding:
    expected, output = (
        evaluate(net, state, features, features, training=False, backward=False).output
        for net, state in zip(nets, states, strict=True)
    )
    bound = ground.tolerance(site)
    return ground.control(site.path, "evaluation mode, statistics unchanged", output, expected, bound)


def _with_biases(graph: Graph, convs: dict[str, str], biased: bool) -> Graph:
    nodes = (
        replace(node, op=replace(cast(Conv2d, node.op), bias=biased)) if node.name in convs else node
        for node in graph.nodes
    )
    return Graph(graph.kind, tuple(nodes))


class Affine(nn.Module):
    """A batch norm's tensors by the same names, used as y = s·x + t and never changed."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        scale = self.weight / torch.sqrt(self.running_var + EPSILON)
        shift = self.bias - self.running_mean * scale
        return features * scale[:, None, None] + shift[:, None, None]


def frozen(ground: ProofContext, site: Site) -> Iterator[Finding]:
    """A block in training mode whose batch norms are frozen, against affine maps in their places."""
    generator = ground.generator(site.path)
    state, features = ground.state(site.graph, generator), ground.batch(site, generator)
    net, affine = runnable_graph(site.graph), runnable_graph(site.graph)
    for path, child in list(affine.module.named_modules()):
        if isinstance(child, nn.BatchNorm2d):
            affine.module.set_submodule(path, Affine(child))
    expected = evaluate(affine, state, features, features, training=True, backward=False).output
    given = features, ground.features(generator, *expected.shape)
    reference = evaluate(affine, state, *given, training=True)
    found = evaluate(net, state, *given, training=True, signs=reference.signs, frozen=True)
    bound, back = ground.tolerance(site), ground.tolerance(site, gradient=True)
    yield ground.row(site.path, "output", {"output": (found.output, reference.output)}, bound, "train")
    yield ground.row(
        site.path, "gradient of input", {"input": (found.input_gradient, reference.input_gradient)}, back, "train"
    )
    pairs = {name: (found.gradients[name], reference.gradients[name]) for name in reference.gradients}
    yield ground.row(site.path, "gradients of weights", pairs, back, "train")
    kept = {name: (tensor, state[name]) for name, tensor in found.statistics.items()}
    yield ground.row(site.path, "running statistics", kept, 0.0, "train")
    loose = evaluate(net, state, *given, training=True, backward=False)
    yield ground.control(site.path, "batch norm not frozen", loose.output, reference.output, bound)
