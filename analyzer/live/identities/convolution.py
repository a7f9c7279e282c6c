"""Identities of convolutions: grouped as block-diagonal, over a concatenation, 1×1 as linear, the zero-pad shortcut."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from math import sqrt
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional

from analyzer.cost.walk import cost_tree
from analyzer.graph.graph import INPUT, Graph, Node, leaf_ops
from analyzer.graph.ops import BatchNorm2d, Concat, Conv2d, ReLU, Shape, ZeroPadShortcut
from analyzer.live.equivalence.forms import StateDict, evaluate, runnable_graph
from analyzer.live.identities.context import (
    Finding,
    ProofContext,
    Site,
    conv_site,
    convolutions,
    evenly_chosen,
    nested_graphs,
    single_op_graph,
)
from analyzer.live.network.build import build

MAX_DENSE_WEIGHTS = 2**22
"""Weights of a grouped convolution's dense form above which a site is left out, unless it is the only one."""


def _convolve(conv: Conv2d, features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution with these weights, in as many groups as their shape implies."""
    groups = features.shape[1] // weight.shape[1]
    return functional.conv2d(features, weight, bias, conv.stride, conv.padding, conv.dilation, groups)


def _only_conv(site: Site) -> Conv2d:
    return cast(Conv2d, site.graph.nodes[0].op)


def _weight(context: ProofContext, conv: Conv2d, generator: torch.Generator) -> Tensor:
    shape = conv.out_channels, conv.in_channels // conv.groups, conv.kernel, conv.kernel
    return context.features(generator, *shape) * sqrt(2 / (shape[1] * conv.kernel**2))


def grouped_sites(graph: Graph) -> list[Site]:
    """Grouped convolutions whose dense form is not too large, or the one with the smallest."""
    sites = convolutions(graph, lambda conv: conv.groups > 1)
    small = [site for site in sites if _dense_size(_only_conv(site)) <= MAX_DENSE_WEIGHTS]
    return small or sorted(sites, key=lambda site: _dense_size(_only_conv(site)))[:1]


def _dense_size(conv: Conv2d) -> int:
    return conv.in_channels * conv.out_channels * conv.kernel**2


class _ConvolutionRun(NamedTuple):
    """A convolution's own output, and the random features and weights that it was computed from."""

    conv: Conv2d
    features: Tensor
    weight: Tensor
    expected: Tensor


def _compare_convolution(
    context: ProofContext, site: Site, other: Callable[[Conv2d, Tensor, Tensor], Tensor]
) -> tuple[_ConvolutionRun, list[Finding]]:
    """A convolution against another way to compute it: the output, and the gradients of input and weights."""
    conv, generator = _only_conv(site), context.generator(site.path)
    features = context.batch(site, generator).requires_grad_()
    weight = _weight(context, conv, generator).requires_grad_()
    expected, output = _convolve(conv, features, weight), other(conv, features, weight)
    cotangent = context.features(generator, *expected.shape)
    expected_gradients = torch.autograd.grad(expected, [features, weight], cotangent)
    gradients = torch.autograd.grad(output, [features, weight], cotangent)
    gradient_bound = context.tolerance(site, gradient=True)
    rows: list[Finding] = [
        context.row(site.path, "output", {"output": (output.detach(), expected.detach())}, context.tolerance(site)),
        context.row(site.path, "gradient of input", {"input": (gradients[0], expected_gradients[0])}, gradient_bound),
        context.row(
            site.path, "gradients of weights", {"weight": (gradients[1], expected_gradients[1])}, gradient_bound
        ),
    ]
    return _ConvolutionRun(conv, features, weight, expected), rows


def block_diagonal(context: ProofContext, site: Site) -> Iterator[Finding]:
    """A grouped convolution against the dense one with its weights on the diagonal and zeros elsewhere."""
    (conv, features, weight, expected), rows = _compare_convolution(context, site, _dense)
    yield from rows
    moved = _dense(conv, features, weight.roll(weight.shape[0] // conv.groups, 0))
    yield context.control(site.path, "blocks moved down by one", moved, expected, context.tolerance(site))


def _dense(conv: Conv2d, features: Tensor, weight: Tensor) -> Tensor:
    return _convolve(conv, features, block_diagonal_weight(weight, conv.groups))


def block_diagonal_weight(weight: Tensor, groups: int) -> Tensor:
    """(C_out, C_in/groups, k, k) as (C_out, C_in, k, k), each group's weights in its own block, zeros elsewhere."""
    blocks = weight.chunk(groups)
    width, total_width = weight.shape[1], weight.shape[1] * groups
    padded = [
        functional.pad(block, (0, 0, 0, 0, index * width, total_width - (index + 1) * width))
        for index, block in enumerate(blocks)
    ]
    return torch.cat(padded)


def linear_sites(graph: Graph) -> list[Site]:
    """The 1×1 convolutions in one group."""
    return convolutions(graph, lambda conv: conv.kernel == conv.groups == 1 and conv.padding == 0)


def linear(context: ProofContext, site: Site) -> Iterator[Finding]:
    """A 1×1 convolution against torch's linear layer, applied to the channels of each position."""
    (conv, features, weight, expected), rows = _compare_convolution(context, site, _at_each_position)
    yield from rows
    mirrored = _at_each_position(conv, features.transpose(2, 3), weight)
    yield context.control(site.path, "rows and columns exchanged", mirrored, expected, context.tolerance(site))


def _at_each_position(conv: Conv2d, features: Tensor, weight: Tensor) -> Tensor:
    positions = features[:, :, :: conv.stride, :: conv.stride].permute(0, 2, 3, 1)
    return functional.linear(positions, weight.flatten(1)).permute(0, 3, 1, 2)


def zero_pad_sites(graph: Graph) -> list[Site]:
    """The zero-pad shortcuts, each by itself."""
    shortcuts = evenly_chosen((path, op) for path, op in leaf_ops(graph) if isinstance(op, ZeroPadShortcut))
    return [Site(path, single_op_graph("shortcut", op), (op.in_channels, 5, 5)) for path, op in shortcuts]


def zero_pad(context: ProofContext, site: Site) -> Iterator[Finding]:
    """Shortcut A as the network's own module against a strided 1×1 convolution with weights [I; 0]: bit for bit."""
    op = cast(ZeroPadShortcut, site.graph.nodes[0].op)
    features = context.batch(site, context.generator(site.path))
    shortcut = build(site.graph)
    output = shortcut(features)
    weight = torch.eye(op.out_channels, op.in_channels, dtype=context.type)[:, :, None, None]
    expected = functional.conv2d(features, weight, stride=op.stride)
    num_params = torch.tensor(float(sum(item.numel() for item in shortcut.parameters())))
    yield context.row(site.path, "output", {"output": (output, expected)}, 0.0)
    yield context.row(site.path, "parameters", {"parameters": (num_params, torch.zeros(()))}, 0.0)
    moved = functional.conv2d(features, weight.roll(1, 0), stride=op.stride)
    yield context.control(site.path, "channels moved by one", moved, expected, 0.0)


def concat_sites(graph: Graph) -> list[Site]:
    """Dense layers up to their first convolution, with the widths of the tensors that they read side by side."""
    readers = ((path, item) for prefix, part in nested_graphs(graph) for path, item in _concat_readers(part, prefix))
    return [
        Site(path, chain, conv_site(path, cast(Conv2d, chain.nodes[-1].op)).shape, widths)
        for path, (chain, widths) in evenly_chosen(readers)
    ]


def _concat_readers(graph: Graph, prefix: str) -> Iterator[tuple[str, tuple[Graph, tuple[int, ...]]]]:
    """(path, chain and widths) of each sub-graph that reads a concatenation and starts norm, ReLU, convolution."""
    concatenated: dict[str, tuple[int, ...]] = {}
    for node in graph.nodes:
        if isinstance(node.op, Concat):
            widths = tuple(_output_channels(graph, name) for name in node.inputs[1:])
            concatenated[node.name] = (*concatenated.get(node.inputs[0], ()), *widths)
        elif isinstance(node.op, Graph) and node.inputs[0] in concatenated:
            chain, widths = _leading_nodes(node.op), concatenated[node.inputs[0]]
            if chain:
                total_width = cast(Conv2d, chain[-1].op).in_channels
                yield f"{prefix}{node.name}", (Graph(node.op.kind, chain), (total_width - sum(widths), *widths))


def _output_channels(graph: Graph, name: str) -> int:
    """A node's output channels, by its last convolution."""
    node = next(node for node in graph.nodes if node.name == name)
    channels = [
        op.out_channels
        for _, op in leaf_ops(Graph("part", (replace(node, inputs=(INPUT,)),)))
        if isinstance(op, Conv2d)
    ]
    return channels[-1]


def _leading_nodes(graph: Graph) -> tuple[Node, ...]:
    """The nodes up to the first convolution in one group, if only batch norms and ReLUs come before it."""
    for index, node in enumerate(graph.nodes):
        if isinstance(node.op, Conv2d):
            return graph.nodes[: index + 1] if node.op.groups == 1 else ()
        if not isinstance(node.op, BatchNorm2d | ReLU):
            return ()
    return ()


def concat(context: ProofContext, site: Site) -> Iterator[Finding]:
    """A dense layer's convolution over what it concatenates against one convolution of each part, summed."""
    for training in (False, True):
        yield from _concat(context, site, training)


def _concat(context: ProofContext, site: Site, training: bool) -> Iterator[Finding]:
    generator, mode = context.generator(site.path), "train" if training else "eval"
    features, state = context.batch(site, generator), context.state(site.graph, generator)
    conv = cast(Conv2d, site.graph.nodes[-1].op)
    cotangent = context.features(generator, len(features), conv.out_channels, *site_output_shape(site)[1:])
    reference = evaluate(runnable_graph(site.graph), state, features, cotangent, training=training)
    leaves = [features.requires_grad_(), *(state[name].requires_grad_() for name in reference.gradients)]
    parts_sum = _PartialConvolution(site.graph, state, reference.signs, training)
    cuts = [slice(*cut) for cut in pairwise([0, *accumulate(site.widths)])]
    output = sum_of([parts_sum.output(features, cut) for cut in cuts])
    gradients = torch.autograd.grad(output, leaves, cotangent)
    bound, gradient_bound = (
        context.tolerance(site, training=training),
        context.tolerance(site, training=training, gradient=True),
    )
    yield context.row(site.path, "output", {"output": (output.detach(), reference.output)}, bound, mode)
    yield context.row(
        site.path, "gradient of input", {"input": (gradients[0], reference.input_gradient)}, gradient_bound, mode
    )
    weights = {
        name: (gradient, reference.gradients[name])
        for name, gradient in zip(reference.gradients, gradients[1:], strict=True)
    }
    yield context.row(site.path, "gradients of weights", weights, gradient_bound, mode)
    without_last = sum_of([parts_sum.output(features, cut) for cut in cuts[:-1]])
    yield context.control(site.path, "the last part left out", without_last, reference.output, bound)


def site_output_shape(site: Site) -> Shape:
    """Shape of a site's output, without the batch."""
    return cost_tree(site.graph, site.shape).rows[-1].output_shape


def sum_of(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors added up from left to right."""
    return list(accumulate(tensors))[-1]


class _PartialConvolution(NamedTuple):
    """Norm, ReLU and convolution of some of the channels, with their share of the weights; ReLUs follow `signs`."""

    chain: Graph
    state: StateDict
    signs: StateDict
    training: bool

    def output(self, features: Tensor, cut: slice) -> Tensor:
        """The part's share of the whole convolution; the bias goes with the first channels."""
        values = features[:, cut]
        for node in self.chain.nodes:
            match node.op:
                case BatchNorm2d():
                    mean, var, scale, shift = (
                        self.state[f"{node.name}.{leaf}"][cut]
                        for leaf in ("running_mean", "running_var", "weight", "bias")
                    )
                    values = functional.batch_norm(values, mean.clone(), var.clone(), scale, shift, self.training)
                case Conv2d() as conv:
                    bias = None if cut.start else self.state.get(f"{node.name}.bias")
                    values = _convolve(conv, values, self.state[f"{node.name}.weight"][:, cut], bias)
                case _:
                    values = values * self.signs[node.name][:, cut]
        return values
