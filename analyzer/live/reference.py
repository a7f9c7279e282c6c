"""Torchvision's own network of the same name, given the same weights: the reference that ours must reproduce."""

import copy

import torch
import torchvision
from torch import Tensor, nn

from analyzer.cost.analysis import Analysis, analyze
from analyzer.live.checks import Check, entries, figure, silent

TOOL = f"torchvision {torchvision.__version__}"
IMAGES = (2, 3, 64, 64)
"""Shape of the images that both networks are given: small, so that every network can be run forward and backward."""


def reference_checks(analysis: Analysis, live: nn.Module) -> list[Check]:
    """Published figures, state_dict, outputs, gradients, statistics; one silent row where torchvision has no such name.

    `live` is trained by one step's worth of statistics and gradients on the way.
    """
    name = analysis.variant
    if name not in torchvision.models.list_models():
        return [silent("torchvision's network", TOOL, "all of it", "no such network in torchvision")]
    with torch.device("meta"):
        reference = torchvision.models.get_model(name)
    layout = entries(
        "torchvision's network", TOOL, "state_dict: names, shapes, order", _layout(live), _layout(reference)
    )
    return [*_published(analysis), layout, *(_computed(live, reference) if layout.passed else [])]


def _published(analysis: Analysis) -> list[Check]:
    meta = torchvision.models.get_model_weights(analysis.variant).DEFAULT.meta
    at_224 = analyze(analysis.network, 224)
    return [
        figure("published figures", TOOL, "num_params", analysis.params, meta["num_params"]),
        figure("published figures", TOOL, "_ops: 10⁹ MACs at 224×224", round(at_224.macs / 10**9, 3), meta["_ops"]),
    ]


def _layout(net: nn.Module) -> dict[int, tuple[str, tuple[int, ...]]]:
    return {place: (name, tuple(value.shape)) for place, (name, value) in enumerate(net.state_dict().items())}


def _computed(live: nn.Module, reference: nn.Module) -> list[Check]:
    reference.load_state_dict(copy.deepcopy(live.state_dict()), assign=True)
    images = torch.randn(IMAGES)
    evaluated = [_evaluated(net, images) for net in (live, reference)]
    direction = torch.randn_like(evaluated[0])
    ours, theirs = (_trained(net, images, direction) for net in (live, reference))
    checks = [_tensors("outputs, evaluation mode", *({"outputs": outputs} for outputs in evaluated))]
    return checks + [_tensors(f"{part}, training mode", ours[part], theirs[part]) for part in ours if ours[part]]


def _evaluated(net: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        outputs: Tensor = net.eval()(images)
        return outputs


def _trained(net: nn.Module, images: Tensor, direction: Tensor) -> dict[str, dict[str, Tensor]]:
    """What one forward and one backward pass leave, the gradient of the outputs being `direction`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dropout draws the same masks in both networks
        outputs = net.train()(images)
    outputs.backward(direction)
    return {
        "outputs": {"outputs": outputs.detach()},
        "gradients": {name: weight.grad for name, weight in net.named_parameters() if weight.grad is not None},
        "running statistics": dict(net.named_buffers()),
    }


def _tensors(quantity: str, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> Check:
    """The largest magnitude on either side and of the difference, which must be 0.0: the same bits."""
    gaps = [(ours[name] - theirs[name]).abs().max() for name in theirs]
    return Check(
        oracle="torchvision's network",
        tool=TOOL,
        quantity=f"{quantity}: largest magnitude",
        ours=_largest(ours),
        theirs=_largest(theirs),
        difference=float(torch.stack([gap.double() for gap in gaps]).max()),
        passed=ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs),
    )


def _largest(tensors: dict[str, Tensor]) -> float:
    return max(float(values.abs().max()) for values in tensors.values())
