"""The forms of a block as live modules that share one set of weights: the paths' tensors are views of the grouped ones.

So a gradient or a running statistic of any form comes out in the grouped form's layout, where it can be compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from analyzer.graph.graph import Graph, Node
from analyzer.graph.ops import BatchNorm2d, Conv2d
from analyzer.graph.resnext_forms import ResNeXtForm, WeightSlice
from analyzer.live.network.build import build

StateDict = dict[str, Tensor]
"""Parameters and buffers by name."""


class SidedReLU(nn.Module):
    """max(x, 0) that records which elements it passes, and can be set to pass the same ones again.

    At zero a ReLU has no gradient: where rounding moves an input across, two ways of computing it rightly differ in
    their gradients, unless both take the same side.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open: Tensor | None = None
        self.fixed_signs = False

    def forward(self, features: Tensor) -> Tensor:
        """Features of any shape to the same shape."""
        if self.fixed_signs and self.open is not None:
            return features * self.open
        output = torch.relu(features)
        object.__setattr__(self, "open", output.detach() > 0)  # torch's own setter takes longer than the ReLU
        return output


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """A form and its module, whose own weights are on `meta`: it runs with weights passed to it, by these names."""

    form: ResNeXtForm
    module: nn.Module
    names: tuple[str, ...]
    relus: Mapping[str, SidedReLU]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One pass of one form, forward and back, by the grouped form's names and in its layout.

    `statistics` are batch norm's running ones after the pass; `signs` are the elements that each ReLU passed.
    """

    output: Tensor
    input_gradient: Tensor
    gradients: StateDict
    statistics: StateDict
    signs: StateDict


def runnable_form(form: ResNeXtForm) -> Runnable:
    """The form, ready to run."""
    module = build(form.graph, device="meta")
    relus = {path: SidedReLU() for path, child in module.named_modules() if isinstance(child, nn.ReLU)}
    for path, relu in relus.items():
        module.set_submodule(path, relu)
    return Runnable(form=form, module=module, names=tuple(module.state_dict()), relus=relus)


def runnable_graph(graph: Graph) -> Runnable:
    """A block or network as it is, ready to run."""
    return runnable_form(ResNeXtForm(letter="c", graph=graph, parts={}))


def random_state(graph: Graph, generator: torch.Generator) -> StateDict:
    """He-normal convolutions, and batch norms with random scale, shift, mean and variance, in float64.

    The numbers are float32's, so that they are the same in both.
    """
    template_state = build(graph, device="meta").state_dict()
    return {name: _random(name, tensor, generator) for name, tensor in template_state.items()}


def _random(name: str, template: Tensor, generator: torch.Generator) -> Tensor:
    if not template.is_floating_point():
        return torch.zeros(template.shape, dtype=template.dtype)
    values = torch.empty(template.shape)
    if template.ndim > 1:
        return values.normal_(0, (2 / template[0].numel()) ** 0.5, generator=generator).double()
    if name.endswith((".weight", ".running_var")):
        return values.uniform_(0.5, 2.0, generator=generator).double()
    return values.normal_(0, 0.5, generator=generator).double()


@torch.no_grad()
def calibrate(net: Runnable, state: StateDict, features: Tensor) -> StateDict:
    """The state with running statistics near those of a batch, so that activations keep their size at any depth.

    Means and variances are those that each batch norm saw, perturbed at random as statistics of other images would be.
    """
    norms = {path: child for path, child in net.module.named_modules() if isinstance(child, nn.BatchNorm2d)}
    calibrated = copy_state(state, torch.float64)
    momenta = {path: norm.momentum for path, norm in norms.items()}
    for norm in norms.values():
        norm.momentum = 1.0
    set_relu_signs(net, None)
    run(net, calibrated, features, training=True)
    generator = torch.Generator().manual_seed(features.numel())
    for path, norm in norms.items():
        norm.momentum = momenta[path]
        mean, var = calibrated[f"{path}.running_mean"], calibrated[f"{path}.running_var"]
        var.clamp_(min=0.05 * float(var.mean())).mul_(var.clone().uniform_(0.5, 2.0, generator=generator))
        mean.add_(mean.clone().normal_(0, 0.1, generator=generator) * var.sqrt())
    return calibrated


def copy_state(state: Mapping[str, Tensor], dtype: torch.dtype) -> StateDict:
    """A copy of the state with its floating-point tensors in another type."""
    return {
        name: tensor.to(dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
        for name, tensor in state.items()
    }


def weight_views(net: Runnable, grouped: Mapping[str, Tensor]) -> StateDict:
    """The grouped form's tensors under the form's own names, each path's as slices of them; no number is copied.

    Only a bias that each path has for itself is not sliced but divided: every path adds 1/C of it.
    """
    chunks: dict[tuple[str, int], tuple[Tensor, ...]] = {}
    views: StateDict = {}
    for name in net.names:
        path, _, leaf = name.rpartition(".")
        part = net.form.parts.get(path)
        source = f"{part.source}.{leaf}" if part else name
        if part is None or not grouped[source].ndim:
            views[name] = grouped[source]
        elif grouped[source].ndim <= part.axis:
            views[name] = grouped[source] / part.count
        else:
            key = source, part.axis
            chunks[key] = chunks.get(key) or grouped[source].chunk(part.count, part.axis)
            views[name] = chunks[key][part.index]
    return views


def run(
    net: Runnable, grouped: Mapping[str, Tensor], features: Tensor, *, training: bool, frozen: bool = False
) -> Tensor:
    """The form's output with the grouped form's weights, whose running statistics change in training mode.

    With `frozen`, batch norms stay in evaluation mode.
    """
    net.module.train(training)
    for child in net.module.modules() if frozen else ():
        if isinstance(child, nn.BatchNorm2d):
            child.eval()
    return cast(Tensor, functional_call(net.module, weight_views(net, grouped), (features,)))


def evaluate(
    net: Runnable,
    grouped: Mapping[str, Tensor],
    features: Tensor,
    cotangent: Tensor,
    *,
    training: bool,
    signs: Mapping[str, Tensor] | None = None,
    backward: bool = True,
    frozen: bool = False,
) -> Evaluation:
    """Run the form on a copy of the weights in the type of `features`, and `cotangent` back through it.

    With `signs`, by the grouped form's names, each ReLU passes those elements; without `backward` there are no
    gradients.
    """
    state = copy_state(grouped, features.dtype)
    parameters = {name: state[name].requires_grad_(backward) for name in _parameter_names(state)}
    features = features.clone().requires_grad_(backward)
    set_relu_signs(net, signs)
    output = run(net, state, features, training=training, frozen=frozen)
    leaves = [features, *parameters.values()] if backward else []
    gradients = torch.autograd.grad(output, leaves, cotangent, materialize_grads=True) if backward else (features,)
    return Evaluation(
        output=output.detach(),
        input_gradient=gradients[0],
        gradients=dict(zip(parameters, gradients[1:], strict=backward)),
        statistics={name: tensor for name, tensor in state.items() if ".running_" in name},
        signs=_joined_signs(net),
    )


def _parameter_names(state: Mapping[str, Tensor]) -> list[str]:
    return [name for name in state if name.endswith((".weight", ".bias"))]


def set_relu_signs(net: Runnable, signs: Mapping[str, Tensor] | None) -> None:
    """Set each ReLU to its slice of the grouped form's signs, or (None) to follow its own input."""
    for path, relu in net.relus.items():
        part = net.form.parts.get(path)
        relu.fixed_signs = signs is not None
        if signs is not None:
            relu.open = signs[part.source].chunk(part.count, 1)[part.index] if part else signs[path]


def _joined_signs(net: Runnable) -> StateDict:
    """The paths' signs joined along the channels, by the grouped form's ReLU."""
    pieces: dict[str, list[Tensor]] = {}
    for path, relu in net.relus.items():
        part = net.form.parts.get(path)
        pieces.setdefault(part.source if part else path, []).append(cast(Tensor, relu.open))
    return {path: torch.cat(tensors, 1) for path, tensors in pieces.items()}


def num_crossings(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> int:
    """Number of ReLU inputs that lie on different sides of zero in two evaluations."""
    return sum(int((one[path] != other[path]).sum()) for path in other)


Fault = Callable[[ResNeXtForm], ResNeXtForm]


def wrong_slice(form: ResNeXtForm) -> ResNeXtForm:
    """Path 0 has the 3×3 weights of path 1."""
    conv = _convs(form)[1]
    return _with_parts(form, {f"path0.{conv}": form.parts[f"path1.{conv}"]})


def swapped_paths(form: ResNeXtForm) -> ResNeXtForm:
    """Paths 0 and 1 change places up to the 3×3, and the last convolution reads them in the old order."""
    names = [node.name for node in _path0(form).nodes if node.name not in _convs(form)[2:]]
    exchanged = {f"path{index}.{name}": form.parts[f"path{1 - index}.{name}"] for name in names for index in (0, 1)}
    return _with_parts(form, exchanged)


def missing_batch_norm(form: ResNeXtForm) -> ResNeXtForm:
    """Path 0 lacks the batch norm after its 3×3."""
    nodes = _path0(form).nodes
    norm = [node for node in nodes if isinstance(node.op, BatchNorm2d)][-1]
    path = Graph("path", tuple(_bypass(node, norm) for node in nodes if node is not norm))
    nodes_left = tuple(replace(node, op=path) if node.name == "path0" else node for node in form.graph.nodes)
    return replace(form, graph=Graph(form.graph.kind, nodes_left))


FAULTS: dict[str, Fault] = {
    "wrong slice": wrong_slice,
    "swapped paths": swapped_paths,
    "missing batch norm": missing_batch_norm,
}
"""Name of each planted fault → the function that plants it."""


def _path0(form: ResNeXtForm) -> Graph:
    path = next(node.op for node in form.graph.nodes if node.name == "path0")
    if not isinstance(path, Graph):
        raise TypeError("path0 is no sub-graph")
    return path


def _convs(form: ResNeXtForm) -> list[str]:
    return [node.name for node in _path0(form).nodes if isinstance(node.op, Conv2d)]


def _bypass(node: Node, removed: Node) -> Node:
    return replace(node, inputs=removed.inputs) if node.inputs == (removed.name,) else node


def _with_parts(form: ResNeXtForm, changed: dict[str, WeightSlice]) -> ResNeXtForm:
    return replace(form, parts={**form.parts, **changed})
