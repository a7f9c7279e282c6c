"""Identities of batch norm: what it normalises, that it eats biases, and that it is affine when frozen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from analyzer.graph import Graph
from analyzer.live.forms import Runnable, State, copied, evaluate, run, take_sides, whole
from analyzer.live.identities_fold import EPSILON
from analyzer.live.identities_ground import Found, Ground, network_tolerance
from analyzer.live.identities_sites import Site, normed_convs
from analyzer.ops import Conv2d


@torch.no_grad()
def normalises(ground: Ground, _: Site) -> Iterator[Found]:
    """Mean and variance of every batch norm's output in the running network, in training mode; layer norm beside it."""
    net, given = ground.images()
    images = given.images.to(ground.type)
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    handles = [
        child.register_forward_hook(_keeper(seen, path))
        for path, child in net.module.named_modules()
        if isinstance(child, nn.BatchNorm2d)
    ]
    state = copied(given.state, ground.type)
    take_sides(net, None)
    run(net, state, images, training=True)
    for handle in handles:
        handle.remove()
    bound = network_tolerance(ground, given, training=True)
    yield from _moments(ground, state, seen, bound)


def _keeper(seen: dict[str, tuple[Tensor, Tensor]], path: str) -> Callable[[nn.Module, Any, Tensor], None]:
    return lambda _module, inputs, output: seen.update({path: (inputs[0].clone(), output.clone())})


def _moments(ground: Ground, state: State, seen: dict[str, tuple[Tensor, Tensor]], bound: float) -> Iterator[Found]:
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


def bias(ground: Ground, site: Site) -> Iterator[Found]:
    """A block in training mode with and without biases on the convolutions that a batch norm follows."""
    generator = ground.generator(site.path)
    convs = {conv.name: norm.name for conv, norm in normed_convs(site.graph)}
    state, features = ground.state(site.graph, generator), ground.batch(site, generator)
    bare, biased = whole(_with_biases(site.graph, convs, False)), whole(_with_biases(site.graph, convs, True))
    added = {f"{conv}.bias": ground.features(generator, state[f"{conv}.weight"].shape[0]) for conv in convs}
    without = {name: tensor for name, tensor in state.items() if name not in added}
    expected = run(bare, copied(without, ground.type), features, training=True)
    given = features, ground.features(generator, *expected.shape)
    reference = evaluate(bare, without, *given, training=True)
    found = evaluate(biased, without | added, *given, training=True, signs=reference.signs)
    bound, back = ground.tolerance(site, training=True), ground.tolerance(site, training=True, gradient=True)
    yield ground.row(site.path, "output", {"output": (found.output, reference.output)}, bound, "train")
    pairs = {name: (found.gradients[name], reference.gradients[name]) for name in reference.gradients}
    yield ground.row(site.path, "gradients of weights", pairs, back, "train")
    zeros = {
        f"{conv}.bias": _beside_zero(found.gradients[f"{conv}.bias"], reference.gradients[f"{norm}.bias"])
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
    yield _bias_seen(ground, site, (bare, biased), (without, without | added), features)


def _beside_zero(gradient: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """A gradient that should be zero, shifted onto one of like size, so that its error is relative to that."""
    return scale + gradient, scale


def _bias_seen(
    ground: Ground, site: Site, nets: tuple[Runnable, Runnable], states: tuple[State, State], features: Tensor
) -> Found:
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


def frozen(ground: Ground, site: Site) -> Iterator[Found]:
    """A block in training mode whose batch norms are frozen, against affine maps in their places."""
    generator = ground.generator(site.path)
    state, features = ground.state(site.graph, generator), ground.batch(site, generator)
    net, affine = whole(site.graph), whole(site.graph)
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
