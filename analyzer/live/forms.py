"""The forms of a block as live modules that share one set of weights: the paths' tensors are views of the grouped ones.

So a gradient or a running statistic of any form comes out in the grouped form's layout, where it can be compared.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from analyzer.families.aggregated import Form
from analyzer.graph import Graph
from analyzer.live.build import build

State = dict[str, Tensor]
"""Parameters and buffers by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """A form and its module, whose own weights are on `meta`: it runs with those it is given."""

    form: Form
    module: nn.Module


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One pass of one form, forward and back, by the grouped form's names and in its layout.

    `statistics` are batch norm's running ones after the pass; `signs` tells where each ReLU let its input through.
    """

    output: Tensor
    input_gradient: Tensor
    gradients: State
    statistics: State
    signs: State


def runnable(form: Form) -> Runnable:
    """The form, ready to run."""
    return Runnable(form=form, module=build(form.graph, device="meta"))


def random_state(graph: Graph, generator: torch.Generator) -> State:
    """He-normal convolutions, and batch norms with random scale, shift, mean and variance, in float64."""
    like = build(graph, device="meta").state_dict()
    return {name: _random(name, tensor, generator) for name, tensor in like.items()}


def _random(name: str, like: Tensor, generator: torch.Generator) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    drawn = torch.empty(like.shape, dtype=torch.float64)
    if like.ndim > 1:
        return drawn.normal_(0, (2 / like[0].numel()) ** 0.5, generator=generator)
    if name.endswith((".weight", ".running_var")):
        return drawn.uniform_(0.5, 2.0, generator=generator)
    return drawn.normal_(0, 0.5, generator=generator)


def copied(state: Mapping[str, Tensor], dtype: torch.dtype) -> State:
    """A copy of the state with its floating-point tensors in another type."""
    return {
        name: tensor.to(dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
        for name, tensor in state.items()
    }


def views(form: Form, module: nn.Module, grouped: Mapping[str, Tensor]) -> State:
    """The grouped form's tensors under the form's own names, each path's as slices of them; no number is copied."""
    cut: dict[tuple[str, int], tuple[Tensor, ...]] = {}
    held: State = {}
    for name in module.state_dict():
        path, _, leaf = name.rpartition(".")
        part = form.parts.get(path)
        source = f"{part.source}.{leaf}" if part else name
        if part is None or grouped[source].ndim <= part.axis:
            held[name] = grouped[source]
        else:
            key = source, part.axis
            cut[key] = cut.get(key) or grouped[source].chunk(part.count, part.axis)
            held[name] = cut[key][part.index]
    return held


def run(net: Runnable, grouped: Mapping[str, Tensor], features: Tensor, *, training: bool) -> Tensor:
    """The form's output with the grouped form's weights, whose running statistics change in training mode."""
    net.module.train(training)
    output: Tensor = functional_call(net.module, views(net.form, net.module, grouped), (features,))
    return output


def evaluate(
    net: Runnable, grouped: Mapping[str, Tensor], features: Tensor, cotangent: Tensor, *, training: bool
) -> Evaluation:
    """Run the form on a copy of the weights in the type of `features`, and `cotangent` back through it."""
    state = copied(grouped, features.dtype)
    parameters = {name: state[name].requires_grad_() for name in _parameter_names(state)}
    features = features.clone().requires_grad_()
    with _signs(net.module) as signs:
        output = run(net, state, features, training=training)
    found = torch.autograd.grad(output, [features, *parameters.values()], cotangent, materialize_grads=True)
    return Evaluation(
        output=output.detach(),
        input_gradient=found[0],
        gradients=dict(zip(parameters, found[1:], strict=True)),
        statistics={name: tensor for name, tensor in state.items() if ".running_" in name},
        signs=_joined(net.form, signs),
    )


def _parameter_names(state: Mapping[str, Tensor]) -> list[str]:
    return [name for name in state if name.endswith((".weight", ".bias"))]


@contextmanager
def _signs(module: nn.Module) -> Iterator[State]:
    """Where each ReLU's output is positive, by the ReLU's path, recorded while the context is open."""
    signs: State = {}

    def hook(path: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _module, _inputs, output: signs.update({path: output.detach() > 0})

    relus = [(path, child) for path, child in module.named_modules() if isinstance(child, nn.ReLU)]
    handles = [child.register_forward_hook(hook(path)) for path, child in relus]
    try:
        yield signs
    finally:
        for handle in handles:
            handle.remove()


def _joined(form: Form, signs: Mapping[str, Tensor]) -> State:
    """The paths' signs joined along the channels, by the grouped form's ReLU."""
    pieces: dict[str, list[Tensor]] = {}
    for path, sign in signs.items():
        part = form.parts.get(path)
        pieces.setdefault(part.source if part else path, []).append(sign)
    return {path: torch.cat(joined, 1) for path, joined in pieces.items()}
