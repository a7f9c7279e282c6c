"""Identities of batch norm: folding, fusing, what it normalises, biases before it, and frozen batch norm."""

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
"""The number that batch norm adds to a variance, torch's default and ours."""


def scale_and_shift(state: StateDict, norm: str, *, mean: bool = True) -> tuple[Tensor, Tensor]:
    """(s, t) of a batch norm in evaluation mode, y = s·x + t; without `mean` the running mean is left out: a fault."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
    shift = state[f"{norm}.bias"]
    return scale, shift - state[f"{norm}.running_mean"] * scale if mean else shift


def folded_state(state: StateDict, folds: dict[str, str], *, mean: bool = True) -> StateDict:
    """Weights of the folded network: W′ = s·W and b′ = s·b + t."""
    folded = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in folds}
    for norm, conv in folds.items():
        scale, shift = scale_and_shift(state, norm, mean=mean)
        folded[f"{conv}.weight"] = state[f"{conv}.weight"] * scale[:, None, None, None]
        bias = state.get(f"{conv}.bias")
        folded[f"{conv}.bias"] = shift if bias is None else shift + bias * scale
    return folded


@torch.no_grad()
def fold(context: ProofContext, _: Site) -> Iterator[Finding]:
    """The whole network against itself with every batch norm folded that follows a convolution."""
    net, tensors = context.images()
    folds = foldable(net.form.graph)
    state, images = copy_state(tensors.state, context.type), tensors.images.to(context.type)
    folded_net = runnable_graph(fold_batch_norms(net.form.graph, folds))
    expected = run(net, state, images, training=False)
    bound = network_tolerance(context, tensors, training=False)
    output = run(folded_net, folded_state(state, folds), images, training=False)
    yield context.row("", "output", {"output": (output, expected)}, bound)
    without_means = run(folded_net, folded_state(state, folds, mean=False), images, training=False)
    yield context.control("", "running means forgotten", without_means, expected, bound)


def fuse_sites(graph: Graph) -> list[Site]:
    """The distinct 3×3 convolutions, each with a 1×1 beside it, and the identity where shapes allow."""
    sites = convolutions(graph, lambda conv: conv.kernel == 3 and conv.padding == conv.dilation)
    return [Site(site.path, _branch_graph(cast(Conv2d, site.graph.nodes[0].op)), site.shape) for site in sites]


def _branch_graph(conv: Conv2d) -> Graph:
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
def fuse(context: ProofContext, site: Site) -> Iterator[Finding]:
    """The branches of a 3×3 convolution with their batch norms against the one 3×3 that they fuse into."""
    generator = context.generator(site.path)
    state, features = context.state(site.graph, generator), context.batch(site, generator)
    conv = cast(Conv2d, site.graph.nodes[0].op)
    expected = run(runnable_graph(site.graph), state, features, training=False)
    bound = context.tolerance(site)
    output = _fused_output(conv, state, features, position=1)
    yield context.row(site.path, "output", {"output": (output, expected)}, bound)
    yield context.control(
        site.path, "1×1 put in the corner", _fused_output(conv, state, features, position=0), expected, bound
    )


def _fused_output(conv: Conv2d, state: StateDict, features: Tensor, *, position: int) -> Tensor:
    """The fused convolution, with the 1×1 and the identity at (`position`, `position`) of the 3×3: 1 is right."""
    weight, bias = torch.zeros_like(state["conv3.weight"]), torch.zeros_like(state["norm3.bias"])
    for branch in ("3", "1", "0"):
        if f"norm{branch}.weight" not in state:
            continue
        scale, shift = scale_and_shift(state, f"norm{branch}")
        kernel = _identity(conv, weight) if branch == "0" else state[f"conv{branch}.weight"]
        if branch == "3":
            weight += scale[:, None, None, None] * kernel
        else:
            weight[:, :, position, position] += scale[:, None] * kernel[:, :, 0, 0]
        bias = bias + shift
    return functional.conv2d(features, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def _identity(conv: Conv2d, like: Tensor) -> Tensor:
    """Weights of the 1×1 convolution that changes nothing, in as many groups."""
    width = conv.in_channels // conv.groups
    return torch.eye(width, dtype=like.dtype).repeat(conv.groups, 1)[:, :, None, None]


@torch.no_grad()
def normalises(context: ProofContext, _: Site) -> Iterator[Finding]:
    """Mean and variance of every batch norm's output in the running network, in training mode; layer norm beside it."""
    net, tensors = context.images()
    images = tensors.images.to(context.type)
    recorded: dict[str, tuple[Tensor, Tensor]] = {}
    handles = [
        child.register_forward_hook(_output_recorder(recorded, path))
        for path, child in net.module.named_modules()
        if isinstance(child, nn.BatchNorm2d)
    ]
    state = copy_state(tensors.state, context.type)
    set_relu_signs(net, None)
    run(net, state, images, training=True)
    for handle in handles:
        handle.remove()
    bound = network_tolerance(context, tensors, training=True)
    yield from _moments(context, state, recorded, bound)


def _output_recorder(recorded: dict[str, tuple[Tensor, Tensor]], path: str) -> Callable[[nn.Module, Any, Tensor], None]:
    return lambda _module, inputs, output: recorded.update({path: (inputs[0].clone(), output.clone())})


def _moments(
    context: ProofContext, state: StateDict, recorded: dict[str, tuple[Tensor, Tensor]], bound: float
) -> Iterator[Finding]:
    means, variances, layers = {}, {}, {}
    for path, (before, after) in recorded.items():
        scale, shift = state[f"{path}.weight"], state[f"{path}.bias"]
        variance = before.var((0, 2, 3), unbiased=False)
        means[path] = after.mean((0, 2, 3)), shift
        variances[path] = after.var((0, 2, 3), unbiased=False), scale**2 * variance / (variance + EPSILON)
        layered = functional.layer_norm(before, before.shape[1:], eps=EPSILON)
        image_variance = before.var((1, 2, 3), unbiased=False)
        layers[path] = layered.var((1, 2, 3), unbiased=False), image_variance / (image_variance + EPSILON)
    yield context.row("", "mean over N, H, W", means, bound, "train")
    yield context.row("", "variance over N, H, W", variances, bound, "train")
    yield context.row("", "layer norm's variance over C, H, W", layers, bound, "train")
    path, (before, _) = next(iter(recorded.items()))
    layered = functional.layer_norm(before, before.shape[1:], eps=EPSILON)
    channels = layered.var((0, 2, 3), unbiased=False)
    yield context.control(path, "layer norm taken for batch norm", channels, torch.ones_like(channels), bound)


def bias(context: ProofContext, site: Site) -> Iterator[Finding]:
    """A block in training mode with and without biases on the convolutions that a batch norm follows."""
    generator = context.generator(site.path)
    convs = {conv.name: norm.name for conv, norm in normed_convs(site.graph)}
    state, features = context.state(site.graph, generator), context.batch(site, generator)
    bare, biased = (
        runnable_graph(_with_biases(site.graph, convs, False)),
        runnable_graph(_with_biases(site.graph, convs, True)),
    )
    added = {f"{conv}.bias": context.features(generator, state[f"{conv}.weight"].shape[0]) for conv in convs}
    without = {name: tensor for name, tensor in state.items() if name not in added}
    expected = run(bare, copy_state(without, context.type), features, training=True)
    inputs = features, context.features(generator, *expected.shape)
    reference = evaluate(bare, without, *inputs, training=True)
    evaluation = evaluate(biased, without | added, *inputs, training=True, signs=reference.signs)
    bound, gradient_bound = (
        context.tolerance(site, training=True),
        context.tolerance(site, training=True, gradient=True),
    )
    yield context.row(site.path, "output", {"output": (evaluation.output, reference.output)}, bound, "train")
    pairs = {name: (evaluation.gradients[name], reference.gradients[name]) for name in reference.gradients}
    yield context.row(site.path, "gradients of weights", pairs, gradient_bound, "train")
    zeros = {
        f"{conv}.bias": _shifted_from_zero(evaluation.gradients[f"{conv}.bias"], reference.gradients[f"{norm}.bias"])
        for conv, norm in convs.items()
    }
    yield context.row(site.path, "gradients of the biases: 0", zeros, gradient_bound, "train")
    moved = {
        norm: (
            evaluation.statistics[f"{norm}.running_mean"] - 0.1 * added[f"{conv}.bias"],
            reference.statistics[f"{norm}.running_mean"],
        )
        for conv, norm in convs.items()
    }
    yield context.row(site.path, "running means, less 0.1 of the biases", moved, bound, "train")
    yield _bias_control(context, site, (bare, biased), (without, without | added), features)


def _shifted_from_zero(gradient: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """A gradient that should be zero, shifted onto one of like size, so that its error is relative to that."""
    return scale + gradient, scale


def _bias_control(
    context: ProofContext,
    site: Site,
    nets: tuple[Runnable, Runnable],
    states: tuple[StateDict, StateDict],
    features: Tensor,
) -> Finding:
    expected, output = (
        evaluate(net, state, features, features, training=False, backward=False).output
        for net, state in zip(nets, states, strict=True)
    )
    bound = context.tolerance(site)
    return context.control(site.path, "evaluation mode, statistics unchanged", output, expected, bound)


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


def frozen(context: ProofContext, site: Site) -> Iterator[Finding]:
    """A block in training mode whose batch norms are frozen, against affine maps in their places."""
    generator = context.generator(site.path)
    state, features = context.state(site.graph, generator), context.batch(site, generator)
    net, affine = runnable_graph(site.graph), runnable_graph(site.graph)
    for path, child in list(affine.module.named_modules()):
        if isinstance(child, nn.BatchNorm2d):
            affine.module.set_submodule(path, Affine(child))
    expected = evaluate(affine, state, features, features, training=True, backward=False).output
    inputs = features, context.features(generator, *expected.shape)
    reference = evaluate(affine, state, *inputs, training=True)
    evaluation = evaluate(net, state, *inputs, training=True, signs=reference.signs, frozen=True)
    bound, gradient_bound = context.tolerance(site), context.tolerance(site, gradient=True)
    yield context.row(site.path, "output", {"output": (evaluation.output, reference.output)}, bound, "train")
    yield context.row(
        site.path,
        "gradient of input",
        {"input": (evaluation.input_gradient, reference.input_gradient)},
        gradient_bound,
        "train",
    )
    pairs = {name: (evaluation.gradients[name], reference.gradients[name]) for name in reference.gradients}
    yield context.row(site.path, "gradients of weights", pairs, gradient_bound, "train")
    statistics = {name: (tensor, state[name]) for name, tensor in evaluation.statistics.items()}
    yield context.row(site.path, "running statistics", statistics, 0.0, "train")
    not_frozen = evaluate(net, state, *inputs, training=True, backward=False)
    yield context.control(site.path, "batch norm not frozen", not_frozen.output, reference.output, bound)
